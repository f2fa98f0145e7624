"""Equations: the LaTeX that the engine writes, read into a tree that PDF, HTML and DOCX are written from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from trials.errors import TrialError

_LETTERS = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
    "omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)
GREEK = dict(zip(_LETTERS.split(), "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ", strict=True))
FUNCTIONS = frozenset({"exp", "ln", "log", "sin", "cos", "tan", "tanh", "min", "max"})
OPERATORS = {
    "times": "×", "cdot": "⋅", "vee": "∨", "wedge": "∧", "le": "≤", "ge": "≥", "ne": "≠", "neg": "¬", "sim": "∼",
    "pm": "±", "infty": "∞",
}  # fmt: skip
_TOKEN = re.compile(r"\\(?:text|mathrm)\{(?:[^{}\\]|\\.)*\}|\\(?:begin|end)\{\w+\}|\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|[^\s]")


@dataclass(frozen=True, slots=True)
class Symbol:
    """A letter (italic), a word (upright), a number, an operator or a space."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Row:
    """Parts side by side."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Fraction:
    """A fraction."""

    above: Row
    below: Row


@dataclass(frozen=True, slots=True)
class Root:
    """A square root."""

    body: Row


@dataclass(frozen=True, slots=True)
class Accent:
    """A mark, such as a hat, over a body."""

    body: Row
    mark: str


@dataclass(frozen=True, slots=True)
class Script:
    """A base with what stands below and above it."""

    base: Node
    below: Row | None
    above: Row | None


@dataclass(frozen=True, slots=True)
class Fenced:
    """A body between brackets that grow with it."""

    left: str
    body: Row
    right: str


@dataclass(frozen=True, slots=True)
class Lines:
    """Rows of aligned cells: equations under each other, or the cases of one (`cases`)."""

    rows: tuple[tuple[Row, ...], ...]
    cases: bool


type Node = Symbol | Row | Fraction | Root | Accent | Script | Fenced | Lines

ACCENTS = {"hat": "\N{CIRCUMFLEX ACCENT}", "bar": "\N{MACRON}", "tilde": "~"}


def parse(latex: str) -> Row:
    """Tree of an equation.

    Raises
    ------
    TrialError
        It has a command that is not among those the engine and the documents use, or brackets that do not pair.
    """
    reader = _Reader(_TOKEN.findall(latex), latex)
    row = reader.row(())
    reader.done()
    return row


class _Reader:
    """Recursive descent over the tokens of one equation."""

    def __init__(self, tokens: list[str], latex: str) -> None:
        self._tokens, self._at, self._latex = tokens, 0, latex

    def row(self, ends: tuple[str, ...]) -> Row:
        parts: list[Node] = []
        while self._at < len(self._tokens) and self._peek() not in ends:
            parts.append(self._scripted(self._atom()))
        return Row(tuple(parts))

    def done(self) -> None:
        if self._at < len(self._tokens):
            raise self._refused(f"has {self._peek()!r} without its beginning")

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str = "") -> str:
        token = self._peek()
        if not token or (wanted and token != wanted):
            raise self._refused(f"wants {wanted or 'more'} where it has {token!r}")
        self._at += 1
        return token

    def _refused(self, why: str) -> TrialError:
        return TrialError(f"equation: {why}: {self._latex}")

    def _group(self) -> Row:
        """Read an argument: what stands in braces, or one atom."""
        if self._peek() != "{":
            return Row((self._atom(),))
        self._take("{")
        row = self.row(("}",))
        self._take("}")
        return row

    def _scripted(self, base: Node) -> Node:
        scripts: dict[str, Row] = {}
        while self._peek() in ("_", "^"):
            place = self._take()
            scripts[place] = self._group()
        return Script(base, scripts.get("_"), scripts.get("^")) if scripts else base

    def _atom(self) -> Node:
        token = self._take()
        if token.startswith(("\\text{", "\\mathrm{")):
            return Symbol(re.sub(r"\\(.)", r"\1", token[token.index("{") + 1 : -1]), "word")
        if token.startswith("\\begin{"):
            return self._lines(token)
        if token == "{":
            self._at -= 1
            return self._group()
        if token.startswith("\\"):
            return self._command(token[1:])
        if token[0].isdigit():
            return Symbol(token, "number")
        return Symbol("−" if token == "-" else token, "letter" if token.isalpha() else "operator")

    def _command(self, name: str) -> Node:
        if name in GREEK:
            return Symbol(GREEK[name], "letter")
        if name in OPERATORS:
            return Symbol(OPERATORS[name], "operator")
        if name in FUNCTIONS:
            return Symbol(name, "word")
        if name in ACCENTS:
            return Accent(self._group(), ACCENTS[name])
        return self._structure(name)

    def _structure(self, name: str) -> Node:
        match name:
            case "," | "quad":
                return Symbol("\N{THIN SPACE}" if name == "," else "\N{EM SPACE}", "space")
            case "frac":
                return Fraction(self._group(), self._group())
            case "sqrt":
                return Root(self._group())
            case "left":
                left = self._take()
                body = self.row(("\\right",))
                self._take("\\right")
                return Fenced(left, body, self._take())
        raise self._refused(f"has the command \\{name}, which documents do not know")

    def _lines(self, begin: str) -> Lines:
        end = begin.replace("begin", "end")
        rows: list[tuple[Row, ...]] = []
        cells: list[Row] = []
        while True:
            cells.append(self.row(("&", "\\\\", end)))
            token = self._take()
            if token == "&":
                continue
            rows.append(tuple(cells))
            cells = []
            if token == end:
                return Lines(tuple(rows), cases=begin == "\\begin{cases}")
