"""Reports: one document, written as HTML, PDF/A and DOCX."""
