"""Reports: one document, written as HTML, PDF/A and DOCX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trials.evidence.reports.document import Document
from trials.evidence.reports.html import html as _html
from trials.evidence.reports.pdf import pdf as _pdf
from trials.evidence.reports.word import word as _word

__all__ = ["FORMATS", "write"]

FORMATS = ("pdf", "html", "docx")
_WRITERS = {"pdf": _pdf, "html": lambda document: _html(document).encode(), "docx": _word}


def write(document: Document, folder: str | Path, formats: Sequence[str] = FORMATS) -> tuple[Path, ...]:
    """Write `document` into `folder` as ``<name>.pdf``, ``.html`` and ``.docx``; returns the paths.

    The bytes depend on the document alone. The PDF is PDF/A-2a and PDF/UA-1, which its compiler enforces.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    paths = []
    for form in formats:
        path = place / f"{document.name}.{form}"
        path.write_bytes(_WRITERS[form](document))
        paths.append(path)
    return tuple(paths)
