"""Equations as MathML, which browsers show by themselves: one more algebra a model is evaluated over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from engine.models.expression import OPERATIONS, Algebra, Expression, evaluate

if TYPE_CHECKING:
    from engine import Model

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eta": "η", "theta": "θ", "kappa": "κ",
    "lambda": "λ", "mu": "μ", "nu": "ν", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "psi": "ψ",
    "omega": "ω",
}  # fmt: skip
SIGNS = {
    "or": "∨",
    "and": "∧",
    "lt": "<",
    "le": "≤",
    "gt": ">",
    "ge": "≥",
    "eq": "=",
    "ne": "≠",
    "add": "+",
    "sub": "−",
}
ATOM = 9.0
SIGNED = 5.5  # a leading minus: may start a product, but wants brackets after any sign


@dataclass(frozen=True, slots=True)
class Markup:
    """Presentation MathML and how tightly it binds, as in `engine.models.expression.OPERATIONS`."""

    text: str
    precedence: float = ATOM

    def within(self, minimum: float) -> str:
        """Markup for a place that wants at least `minimum`: in brackets where it binds more loosely."""
        if self.precedence >= minimum:
            return self.text
        return f"<mrow><mo>(</mo>{self.text}<mo>)</mo></mrow>"


def equations(model: Model) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The model's equations as titled groups of MathML: rates of change, abbreviations, doses, start, outputs."""
    groups = {
        "Rates of change": [equation(_rate(name), rate) for name, rate in model.derivatives],
        "where": [equation(_name(name), value) for name, value in model.let],
        "Doses": list(_doses(model)),
        "Before the first dose": [
            equation(f"{_name(state.name)}<mo>(</mo><mn>0</mn><mo>)</mo>", state.initial)
            for state in model.states
            if state.initial is not None
        ],
        "Outputs": [equation(_name(output.name), output.value) for output in model.outputs],
    }
    return tuple((title, tuple(rows)) for title, rows in groups.items() if rows)


def equation(left: str, right: Expression) -> str:
    """``left = right`` as one MathML element; `left` is markup."""
    return f"<math displaystyle='true'><mrow>{left}<mo>=</mo>{markup(right).text}</mrow></math>"


def markup(expression: Expression) -> Markup:
    """MathML of an expression."""
    names = {name: Markup(_name(name)) for name in expression.names}
    found: Markup = evaluate(expression, names, MATHML)
    return found


def _doses(model: Model) -> Iterator[str]:
    for state in model.states:
        for field in ("bioavailability", "lag", "duration", "rate"):
            value = getattr(state, field)
            if value is not None:
                yield equation(f"<mtext>{field} of\u00a0</mtext>{_name(state.name)}", value)


def _rate(state: str) -> str:
    return (
        f"<mfrac><mrow><mi>d</mi><mspace width='.1em'/>{_name(state)}</mrow><mrow><mi>d</mi><mi>t</mi></mrow></mfrac>"
    )


def _name(name: str) -> str:
    """A name with its Greek letter and its subscript: lambda_, ec50, cl_renal."""
    stem, _, below = name.strip("_").partition("_")
    digits = re.fullmatch(r"(.*?)(\d+)", stem)
    if digits and digits[1] and not below:
        stem, below = digits[1], digits[2]
    symbol = f"<mi>{GREEK.get(stem, escape(stem))}</mi>"
    return f"<msub>{symbol}<mtext>{escape(below)}</mtext></msub>" if below else symbol


def _number(value: float) -> Markup:
    digits, _, exponent = f"{abs(value):.12g}".partition("e")
    power = f"<mo>×</mo><msup><mn>10</mn><mn>{int(exponent)}</mn></msup>" if exponent else ""
    text = f"<mn>{digits}</mn>{power}"
    return Markup(f"<mrow><mo>−</mo>{text}</mrow>", SIGNED) if value < 0 else Markup(text, 6 if power else ATOM)


def _infix(operation: str) -> Callable[[Markup, Markup], Markup]:
    own = OPERATIONS[operation].precedence

    def write(left: Markup, right: Markup) -> Markup:
        return Markup(f"{left.within(own)}<mo>{escape(SIGNS[operation])}</mo>{right.within(own + 1)}", own)

    return write


def _function(name: str) -> Callable[..., Markup]:
    def write(*arguments: Markup) -> Markup:
        inner = "<mo>,</mo>".join(argument.text for argument in arguments)
        return Markup(f"<mi>{name}</mi><mo>(</mo>{inner}<mo>)</mo>")

    return write


def _where(condition: Markup, yes: Markup, no: Markup) -> Markup:
    rows: Iterable[tuple[str, str]] = (
        (yes.text, f"<mtext>if\u00a0</mtext>{condition.text}"),
        (no.text, "<mtext>else</mtext>"),
    )
    cells = "".join(f"<mtr><mtd>{value}</mtd><mtd>{when}</mtd></mtr>" for value, when in rows)
    return Markup(f"<mrow><mo>{{</mo><mtable columnalign='left left'>{cells}</mtable></mrow>")


MATHML = Algebra(
    "mathml",
    _number,
    {
        **{name: _function(name) for name, row in OPERATIONS.items() if row.symbol is None},
        **{name: _infix(name) for name in SIGNS},
        "not": lambda a: Markup(f"<mo>¬</mo>{a.within(3)}", 3),
        "mul": lambda a, b: Markup(f"{a.within(SIGNED)}<mo>⋅</mo>{b.within(7)}", 6),
        "div": lambda a, b: Markup(f"<mfrac><mrow>{a.text}</mrow><mrow>{b.text}</mrow></mfrac>", 8),
        "neg": lambda a: Markup(f"<mrow><mo>−</mo>{a.within(6)}</mrow>", SIGNED),
        "pow": lambda a, b: Markup(f"<msup><mrow>{a.within(ATOM)}</mrow><mrow>{b.text}</mrow></msup>", 8),
        "sqrt": lambda a: Markup(f"<msqrt>{a.text}</msqrt>"),
        "abs": lambda a: Markup(f"<mrow><mo>|</mo>{a.text}<mo>|</mo></mrow>"),
        "exp": lambda a: Markup(f"<msup><mi>e</mi><mrow>{a.text}</mrow></msup>", 8),
        "where": _where,
    },
)
"""Values are `Markup`."""
