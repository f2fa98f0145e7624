"""Equations as MathML, which browsers show by themselves."""

from __future__ import annotations

from html import escape

from trials.evidence.reports.equation import Accent, Fenced, Fraction, Lines, Node, Root, Row, Script, Symbol, parse

_ELEMENTS = {
    "letter": "<mi>{}</mi>",
    "word": '<mi mathvariant="normal">{}</mi>',
    "number": "<mn>{}</mn>",
    "operator": "<mo>{}</mo>",
    "space": "<mspace width='.17em'/>",
}


def mathml(latex: str, alt: str) -> str:
    """One ``<math>`` element that says `alt` to those who cannot see it."""
    body = _write(parse(latex))
    return f'<math display="block" displaystyle="true" aria-label="{escape(alt)}">{body}</math>'


def _write(node: Node) -> str:
    match node:
        case Symbol(text, kind):
            return _ELEMENTS[kind].format(escape(text.replace(" ", "\N{NO-BREAK SPACE}")))
        case Row(parts):
            return f"<mrow>{''.join(map(_write, parts))}</mrow>"
        case Fraction(above, below):
            return f"<mfrac>{_write(above)}{_write(below)}</mfrac>"
        case Root(body):
            return f"<msqrt>{_write(body)}</msqrt>"
        case Accent(body, mark):
            return f'<mover accent="true">{_write(body)}<mo>{mark}</mo></mover>'
        case Script(base, below, above):
            return _script(base, below, above)
        case Fenced(left, body, right):
            return f"<mrow><mo>{left}</mo>{_write(body)}<mo>{right}</mo></mrow>"
        case Lines(rows, cases):
            return _lines(rows, cases=cases)


def _script(base: Node, below: Row | None, above: Row | None) -> str:
    given = [_write(row) for row in (below, above) if row is not None]
    name = "msubsup" if len(given) == 2 else "msub" if below is not None else "msup"
    return f"<{name}>{_write(base)}{''.join(given)}</{name}>"


def _lines(rows: tuple[tuple[Row, ...], ...], *, cases: bool) -> str:
    cells = ["".join(f"<mtd>{_write(cell)}</mtd>" for cell in row) for row in rows]
    kind = "cases" if cases else "aligned"
    body = "".join(f"<mtr>{row}</mtr>" for row in cells)
    made = f'<mtable class="{kind}" displaystyle="true">{body}</mtable>'
    return f"<mrow><mo>{{</mo>{made}</mrow>" if cases else made
