"""A document as one HTML file that needs nothing else: inline SVG and MathML, no script, no address outside of it."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

from trials.evidence.reports.columns import pieces
from trials.evidence.reports.document import Bullets, Code, Document, Equation, Figure, Grid, Paragraph
from trials.evidence.reports.equation_mathml import mathml
from trials.evidence.reports.flow import Captioned, Heading, Item, flow, headings, marks, source
from trials.evidence.reports.inline import Run, runs
from trials.evidence.reports.wording import DRAFT_NOTICE, NOTICE, foot, running

_TAGS = {"plain": "{}", "bold": "<strong>{}</strong>", "code": "<code>{}</code>"}
_PROLOGUE = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>", re.DOTALL)
_IDENTIFIER = re.compile(r'(\bid="|url\(#|href="#)')


def html(document: Document) -> str:
    """The document's page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    where = FileSystemLoader(Path(__file__).parent / "templates")
    page = Environment(loader=where, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return page.get_template("document.html.j2").render(
        document=document,
        about=[(name, _markup(text)) for name, text in document.about],
        headings=headings(document),
        items=[_item(item) for item in flow(document)],
        marks=marks(document),
        notice=NOTICE,
        draft_notice=DRAFT_NOTICE,
        running=running(document),
        foot=foot(document),
    )


def _item(item: Item) -> dict[str, Any]:
    """What the template shows of an item: its kind and safe markup."""
    from markupsafe import Markup

    match item:
        case Heading():
            return {"type": "heading", "heading": item}
        case Captioned(label, Grid() as grid):
            return {"type": "table", "label": label, **_grid(grid)}
        case Captioned(label, Figure() as figure):
            svg = Markup(_embedded(figure.svg))
            return {"type": "figure", "label": label, "svg": svg, "alt": figure.alt, **_captions(figure)}
        case Paragraph(text):
            return {"type": "paragraph", "text": _markup(text)}
        case Bullets(items):
            return {"type": "bullets", "items": [_markup(text) for text in items]}
        case Equation(latex, alt):
            return {"type": "equation", "math": Markup(mathml(latex, alt))}
        case Code(text):
            return {"type": "code", "text": text}
    raise AssertionError(f"{type(item).__name__} is an item of a flow")


def _grid(grid: Grid) -> dict[str, Any]:
    total = sum(grid.widths)
    return {
        "head": [_markup(text) for text in grid.head],
        "rows": [[_markup(text) for text in row] for row in grid.rows],
        "numeric": grid.numeric,
        "widths": [round(100 * width / total, 2) for width in grid.widths],
        **_captions(grid),
    }


def _captions(block: Grid | Figure) -> dict[str, Any]:
    return {"caption": _markup(block.caption), "source": _markup(source(block.trace)) if block.trace else ""}


def _markup(text: str) -> Any:
    from markupsafe import Markup, escape

    def tagged(run: Run) -> str:
        words = (Markup("<wbr>").join(map(escape, pieces(word))) for word in run.text.split(" "))
        return _TAGS[run.kind].format(Markup(" ").join(words) if run.kind == "code" else escape(run.text))

    return Markup("".join(map(tagged, runs(text))))


def _embedded(svg: str) -> str:
    """An SVG without its prologue, its identifiers its own among those of the page's other figures."""
    own = sha256(svg.encode()).hexdigest()[:8]
    return _IDENTIFIER.sub(rf"\g<1>f{own}-", _PROLOGUE.sub("", svg)).strip()
