"""Equations as Typst's mathematics."""

from __future__ import annotations

from trials.evidence.reports.equation import Accent, Fenced, Fraction, Lines, Node, Root, Row, Script, Symbol, parse

_FENCES = {"(": "paren.l", ")": "paren.r", "|": "bar.v", "[": "bracket.l", "]": "bracket.r"}
_OPERATORS = {
    ",": "comma",
    ";": "semi",
    ":": "colon",
    "(": "paren.l",
    ")": "paren.r",
    "[": "bracket.l",
    "]": "bracket.r",
    "|": "bar.v",
    "/": "slash",
    "'": "prime",
}
_SPACES = {"\N{THIN SPACE}": "thin", "\N{EM SPACE}": "quad"}
_ACCENTS = {"\N{CIRCUMFLEX ACCENT}": "hat", "\N{MACRON}": "macron", "~": "tilde"}


def typst(latex: str) -> str:
    """Markup of an equation, for ``eval(…, mode: "math")``."""
    return _write(parse(latex))


def _write(node: Node | None) -> str:
    match node:
        case None:
            return "none"
        case Symbol(text, kind):
            return _symbol(text, kind)
        case Row(parts):
            return " ".join(map(_write, parts)) or '""'
        case Fraction(above, below):
            return f"frac({_write(above)}, {_write(below)})"
        case Root(body):
            return f"sqrt({_write(body)})"
        case Accent(body, mark):
            return f"accent({_write(body)}, {_ACCENTS[mark]})"
        case Script(base, below, above):
            scripts = {"b": below, "t": above}
            given = "".join(f", {name}: {_write(row)}" for name, row in scripts.items() if row is not None)
            return f"attach({_write(base)}{given})"
        case Fenced(left, body, right):
            return f"lr({_FENCES[left]} {_write(body)} {_FENCES[right]})"
        case Lines(rows, cases):
            lines = [" & ".join(map(_write, row)) for row in rows]
            return f"cases({', '.join(lines)})" if cases else " \\ ".join(lines)


def _symbol(text: str, kind: str) -> str:
    if kind == "word":
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"'
    if kind == "space":
        return _SPACES[text]
    return _OPERATORS.get(text, text)
