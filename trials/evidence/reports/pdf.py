"""A document as PDF/A-2a (ISO 19005-2, level A: tagged), typeset by Typst with the fonts it brings along."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from trials.evidence.reports.columns import pieces, shares
from trials.evidence.reports.document import Bullets, Code, Document, Equation, Figure, Grid, Paragraph
from trials.evidence.reports.equation_typst import typst as mathematics
from trials.evidence.reports.flow import Captioned, Heading, Item, flow, marks, source
from trials.evidence.reports.inline import Run, runs
from trials.evidence.reports.wording import DRAFT_NOTICE, NOTICE, foot, running

TEMPLATE = Path(__file__).parent / "templates" / "document.typ"
STANDARDS: tuple[Literal["a-2a"], Literal["ua-1"]] = ("a-2a", "ua-1")
"""ISO 19005-2 level A, for archives; ISO 14289-1 (PDF/UA-1), for people who listen to it."""
SIZES = ((11, 7.0), (8, 7.8), (6, 8.4), (0, 9.0))
"""Size of the type of a table, in points, from so many columns on."""
WHOLE = 2200
"""Letters up to which a table of a few rows is kept on one page."""
LINE, LETTER = {False: 459.0, True: 706.0}, 0.47
"""Length of a line on a page upright and turned, in points, and the width of a letter in the size of its type."""


def pdf(document: Document) -> bytes:
    """The document's PDF; its bytes depend on the document alone."""
    import typst

    source, inputs = TEMPLATE.read_bytes(), _inputs(document)
    return typst.compile(source, sys_inputs=inputs, ignore_system_fonts=True, timestamp=0, pdf_standards=[*STANDARDS])


def picture(svg: str, ppi: float = 220) -> bytes:
    """A figure's SVG as PNG, for programs that do not draw SVG."""
    import typst

    page = '#set page(width: auto, height: auto, margin: 0pt)\n#image(bytes(sys.inputs.svg), format: "svg")'
    return typst.compile(page.encode(), format="png", ppi=ppi, sys_inputs={"svg": svg}, ignore_system_fonts=True)


def _inputs(document: Document) -> dict[str, str]:
    return {"document": json.dumps(_data(document), ensure_ascii=False)}


def _data(document: Document) -> dict[str, Any]:
    """What the template reads."""
    day = document.date[:10].split("-") if document.date else None
    return {
        "title": document.title,
        "subtitle": document.subtitle,
        "author": document.author or (),
        "description": f"{document.subtitle}. {NOTICE}",
        "date": day and [int(part) for part in day],
        "kind": document.study,
        "about": [[name, _runs(text)] for name, text in document.about],
        "running": running(document),
        "foot": foot(document),
        "marks": marks(document),
        "notice": NOTICE,
        "draft": document.draft,
        "draft_notice": DRAFT_NOTICE,
        "contents": document.contents,
        "items": [_item(item) for item in flow(document)],
    }


def _item(item: Item) -> dict[str, Any]:
    match item:
        case Heading(level, number, title):
            return {"type": "heading", "level": level, "number": number, "title": title}
        case Captioned(label, Grid() as grid):
            return {"type": "table", "label": label, "caption": _runs(grid.caption), **_grid(grid), **_source(grid)}
        case Captioned(label, Figure() as figure):
            shown = {"svg": figure.svg, "alt": figure.alt, "caption": _runs(figure.caption)}
            return {"type": "figure", "label": label, **shown, **_source(figure)}
        case Paragraph(text):
            return {"type": "paragraph", "runs": _runs(text)}
        case Bullets(items):
            return {"type": "bullets", "items": [_runs(text) for text in items]}
        case Equation(latex, alt):
            return {"type": "equation", "typst": mathematics(latex), "alt": alt}
        case Code(text):
            return {"type": "code", "text": text}
    raise AssertionError(f"{type(item).__name__} is an item of a flow")


def _grid(grid: Grid) -> dict[str, Any]:
    size = next(size for columns, size in SIZES if len(grid.head) >= columns) + (0.6 if grid.wide else 0)
    return {
        "head": [_runs(text) for text in grid.head],
        "rows": [[_runs(text, breaking=True) for text in row] for row in grid.rows],
        "numeric": list(grid.numeric),
        "widths": shares(grid, LINE[grid.wide] / (LETTER * size)),
        "wide": grid.wide,
        "whole": len(grid.rows) <= 12 and sum(len(text) for row in grid.rows for text in row) <= WHOLE,
        "size": size,
    }


def _source(block: Grid | Figure) -> dict[str, Any]:
    return {"source": _runs(source(block.trace), breaking=True) if block.trace else []}


def _runs(text: str, *, breaking: bool = False) -> list[dict[str, str]]:
    return [{"kind": run.kind, "text": _breakable(run) if breaking else run.text} for run in runs(text)]


def _breakable(run: Run) -> str:
    """Let long identifiers and paths be broken after a stroke, dot or underscore."""
    return " ".join("\N{ZERO WIDTH SPACE}".join(pieces(word)) for word in run.text.split(" "))
