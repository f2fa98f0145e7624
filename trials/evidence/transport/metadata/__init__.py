"""Parts of a Define-XML: variables, code lists, conditions, methods and comments, analysis results."""
