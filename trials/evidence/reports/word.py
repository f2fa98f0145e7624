"""A document as DOCX (ISO/IEC 29500), to comment on and to take into an organisation's own template."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

from trials.evidence.reports.columns import shares
from trials.evidence.reports.document import Bullets, Code, Document, Equation, Figure, Grid, Paragraph
from trials.evidence.reports.equation_word import office
from trials.evidence.reports.flow import Captioned, Heading, Item, flow, headings, marks, source
from trials.evidence.reports.inline import runs
from trials.evidence.reports.pdf import picture
from trials.evidence.reports.word_parts import (
    ALARM,
    MUTED,
    bare,
    bookmark,
    coloured,
    describe,
    dressed,
    field,
    link,
    ruled,
    sized,
    stamped,
    tail,
    zipped,
)
from trials.evidence.reports.wording import DRAFT_NOTICE, NOTICE, foot, running

WIDTH = 6.3
"""Width of the text on the page, in inches."""
LETTERS = 96.0
"""Letters of a table on a line of that width."""
TALLEST = 7.0
"""Height of a figure at most, in inches."""


def word(document: Document) -> bytes:
    """The document's DOCX; its bytes depend on the document alone."""
    import docx

    made = docx.Document()
    bare(made)
    dressed(made)
    _properties(made, document)
    _margins(made, document)
    _first_page(made, document)
    if document.contents:
        _contents(made, document)
    for item in flow(document):
        _add(made, item)
    whole = io.BytesIO()
    made.save(whole)
    return zipped(whole.getvalue())


def _properties(made: Any, document: Document) -> None:
    """Fill the core properties: nothing of the machine or the hour that wrote them."""
    stated = made.core_properties
    stated.title, stated.subject, stated.author = document.title, document.subtitle, document.author
    stated.keywords, stated.comments = "; ".join(marks(document)), NOTICE
    stated.last_modified_by, stated.revision, stated.language = document.author, 1, "en-GB"
    when = datetime.fromisoformat(document.date.replace("Z", "")) if document.date else datetime(2000, 1, 1)
    stated.created = stated.modified = when


def _margins(made: Any, document: Document) -> None:
    """Write the head and the foot of every page."""
    page = made.sections[0]
    head = page.header.paragraphs[0]
    head.add_run(running(document)).font.color.rgb = coloured(MUTED)
    tail(head)
    mark = head.add_run("\t" + "  ·  ".join(marks(document)))
    mark.bold, mark.font.color.rgb = True, coloured(ALARM)
    ruled(head, "bottom")
    below = page.footer.paragraphs[0]
    below.add_run(foot(document))
    tail(below)
    below.add_run("\tPage ")
    field(below, "PAGE")
    below.add_run(" of ")
    field(below, "NUMPAGES")
    ruled(below, "top")
    for run in (*head.runs, *below.runs):
        run.font.size = sized(8)


def _first_page(made: Any, document: Document) -> None:
    made.add_paragraph(document.study, style="Caption")
    made.add_paragraph(document.title, style="Title")
    made.add_paragraph(document.subtitle, style="Subtitle")
    if document.about:
        table = made.add_table(rows=0, cols=2)
        for name, text in document.about:
            cells = table.add_row().cells
            cells[0].paragraphs[0].add_run(name).font.color.rgb = coloured(MUTED)
            _write(cells[1].paragraphs[0], text)
        _widths(table, (1.5, 4.8))
    _notice(made, marks(document)[0], NOTICE)
    if document.draft:
        _notice(made, marks(document)[1], DRAFT_NOTICE)
    made.add_page_break()


def _notice(made: Any, title: str, text: str) -> None:
    paragraph = made.add_paragraph()
    paragraph.paragraph_format.space_before = sized(14)
    mark = paragraph.add_run(title)
    mark.bold, mark.font.color.rgb = True, coloured(ALARM)
    mark.add_break()
    paragraph.add_run(text)
    ruled(paragraph, "left", ALARM)


def _contents(made: Any, document: Document) -> None:
    """Write the contents as links to the headings; a table of contents proper would ask to be updated first."""
    made.add_paragraph("Contents", style="TOC Heading")
    for heading in headings(document):
        if heading.level <= 2:
            entry = made.add_paragraph()
            entry.paragraph_format.left_indent = sized(16 * (heading.level - 1))
            entry.paragraph_format.space_after = sized(2)
            link(entry, _anchor(heading), f"{heading.number}\t{heading.title}")
    made.add_page_break()


def _anchor(heading: Heading) -> str:
    return f"section_{heading.number.replace('.', '_')}"


def _add(made: Any, item: Item) -> None:
    match item:
        case Heading(level, number, title):
            bookmark(made.add_heading(f"{number}\N{EN SPACE}{title}", min(level, 4)), _anchor(item))
        case Captioned(label, Grid() as grid):
            _table(made, label, grid)
        case Captioned(label, Figure() as figure):
            _figure(made, label, figure)
        case Paragraph(text):
            _write(made.add_paragraph(), text)
        case Bullets(items):
            for text in items:
                _write(made.add_paragraph(style="List Bullet"), text)
        case Equation(latex, _):
            _equation(made, latex)
        case Code(text):
            made.add_paragraph(text, style="Code")


def _write(paragraph: Any, text: str) -> None:
    for run in runs(text):
        written = paragraph.add_run(run.text)
        written.bold = True if run.kind == "bold" else None
        if run.kind == "code":
            written.style = "Code in text"


def _equation(made: Any, latex: str) -> None:
    from docx.oxml import parse_xml

    for line in office(latex):
        made.add_paragraph()._p.append(parse_xml(line))


def _table(made: Any, label: str, grid: Grid) -> None:
    _caption(made, label, grid.caption, followed=True)
    table = made.add_table(rows=1 + len(grid.rows), cols=len(grid.head), style="Trialtwin")
    for line, row in zip((grid.head, *grid.rows), table.rows, strict=True):
        for column, (cell, text) in enumerate(zip(row.cells, line, strict=True)):
            cell.paragraphs[0].style = "Table text"
            cell.paragraphs[0].alignment = 2 if column in grid.numeric else 0
            _write(cell.paragraphs[0], text)
    describe(table, f"{label}. {grid.caption}")
    if widths := shares(grid, LETTERS):
        _widths(table, [WIDTH * width / sum(widths) for width in widths])
    _source(made, grid)


def _widths(table: Any, inches: Any) -> None:
    from docx.shared import Inches

    table.autofit = False
    for column, width in zip(table.columns, inches, strict=True):
        column.width = Inches(width)
        for cell in column.cells:
            cell.width = Inches(width)


def _figure(made: Any, label: str, figure: Figure) -> None:
    from docx.shared import Inches

    shape = made.add_picture(io.BytesIO(picture(figure.svg)))
    scale = min(1.0, Inches(WIDTH) / shape.width, Inches(TALLEST) / shape.height)
    shape.width, shape.height = round(shape.width * scale), round(shape.height * scale)
    stamped(shape, f"{label}. {figure.alt}")
    made.paragraphs[-1].paragraph_format.keep_with_next = True
    _caption(made, label, figure.caption, followed=figure.trace is not None)
    _source(made, figure)


def _caption(made: Any, label: str, caption: str, *, followed: bool) -> None:
    paragraph = made.add_paragraph(style="Caption")
    paragraph.paragraph_format.keep_with_next = followed
    paragraph.add_run(f"{label}. ").bold = True
    _write(paragraph, caption)


def _source(made: Any, block: Grid | Figure) -> None:
    paragraph = made.add_paragraph(style="Source")
    if block.trace:
        _write(paragraph, source(block.trace))
