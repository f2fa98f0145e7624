"""Equations as Office Math (ISO/IEC 29500-1, 22.1), which word processors show and let people edit."""

from __future__ import annotations

from html import escape

from trials.evidence.reports.equation import Accent, Fenced, Fraction, Lines, Node, Root, Row, Script, Symbol, parse

NAMESPACE = "http://schemas.openxmlformats.org/officeDocument/2006/math"
_COMBINING = {"\N{CIRCUMFLEX ACCENT}": "\u0302", "\N{MACRON}": "\u0305", "~": "\u0303"}


def office(latex: str) -> tuple[str, ...]:
    """``m:oMathPara`` elements, one for each line of the equation."""
    tree = parse(latex)
    first = tree.parts[0] if len(tree.parts) == 1 else None
    rows = [Row(sum((cell.parts for cell in row), ())) for row in first.rows] if isinstance(first, Lines) else [tree]
    left = '<m:oMathParaPr><m:jc m:val="left"/></m:oMathParaPr>'
    return tuple(
        f'<m:oMathPara xmlns:m="{NAMESPACE}">{left}<m:oMath>{_write(row)}</m:oMath></m:oMathPara>' for row in rows
    )


def _write(node: Node) -> str:
    match node:
        case Symbol(text, kind):
            style = "<m:rPr><m:nor/></m:rPr>" if kind == "word" else ""
            return f'<m:r>{style}<m:t xml:space="preserve">{escape(text)}</m:t></m:r>'
        case Row(parts):
            return "".join(map(_write, parts))
        case Fraction(above, below):
            return f"<m:f><m:num>{_write(above)}</m:num><m:den>{_write(below)}</m:den></m:f>"
        case Root(body):
            return f'<m:rad><m:radPr><m:degHide m:val="1"/></m:radPr><m:deg/><m:e>{_write(body)}</m:e></m:rad>'
        case Accent(body, mark):
            shown = f'<m:accPr><m:chr m:val="{_COMBINING[mark]}"/></m:accPr>'
            return f"<m:acc>{shown}<m:e>{_write(body)}</m:e></m:acc>"
        case Script(base, below, above):
            return _script(base, below, above)
        case Fenced(left, body, right):
            return f"<m:d>{_fence(left, right)}<m:e>{_write(body)}</m:e></m:d>"
        case Lines(rows, _):
            lines = "".join(f"<m:e>{''.join(map(_write, row))}</m:e>" for row in rows)
            return f"<m:d>{_fence('{', '')}<m:e><m:eqArr>{lines}</m:eqArr></m:e></m:d>"


def _fence(left: str, right: str) -> str:
    return f'<m:dPr><m:begChr m:val="{left}"/><m:endChr m:val="{right}"/></m:dPr>'


def _script(base: Node, below: Row | None, above: Row | None) -> str:
    scripts = {"sub": below, "sup": above}
    given = {name: f"<m:{name}>{_write(row)}</m:{name}>" for name, row in scripts.items() if row is not None}
    kind = "sSubSup" if len(given) == 2 else f"s{next(iter(given)).capitalize()}"
    return f"<m:{kind}><m:e>{_write(base)}</m:e>{''.join(given.values())}</m:{kind}>"
