"""A model's equations in LaTeX, for reports; terms and factors stay in the author's order."""

import re
from collections.abc import Mapping

from engine.models.expression import Apply, Expression, Number
from engine.models.operations import OPERATIONS
from engine.models.specification import Model

_GREEK = frozenset(
    {"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
     "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"}
)  # fmt: skip
_WORD = re.compile(r"([A-Za-z]+?)_*(\d*)_*")
# Operations whose LaTeX encloses its arguments, so that they need no brackets.
_ENCLOSING: Mapping[str, str] = {
    "div": r"\frac{{{0}}}{{{1}}}", "sqrt": r"\sqrt{{{0}}}", "abs": r"\left|{0}\right|",
    "exp": r"\exp\left({0}\right)", "expm1": r"\left(\exp\left({0}\right) - 1\right)",
    "log": r"\ln\left({0}\right)", "log1p": r"\ln\left(1 + {0}\right)", "log10": r"\log_{{10}}\left({0}\right)",
    "sin": r"\sin\left({0}\right)", "cos": r"\cos\left({0}\right)", "tan": r"\tan\left({0}\right)",
    "tanh": r"\tanh\left({0}\right)", "min": r"\min\left({0}, {1}\right)", "max": r"\max\left({0}, {1}\right)",
    "where": r"\begin{{cases}} {1} & \text{{if }} {0} \\ {2} & \text{{otherwise}} \end{{cases}}",
}  # fmt: skip
_SYMBOLS: Mapping[str, str] = {
    "add": " + ", "sub": " - ", "mul": r"\,", "or": r" \vee ", "and": r" \wedge ",
    "lt": " < ", "le": r" \le ", "gt": " > ", "ge": r" \ge ", "eq": " = ", "ne": r" \ne ",
}  # fmt: skip


def latex(model: Model) -> str:
    r"""Definitions, differential equations, initial values and outputs as one ``aligned`` block.

    ``v1`` is written :math:`v_{1}`, ``lambda_`` :math:`\lambda`; longer words are upright.
    """
    rows = [(symbol(name), expression) for name, expression in model.let]
    rows += [(rf"\frac{{d\,{symbol(name)}}}{{dt}}", expression) for name, expression in model.derivatives]
    rows += [(rf"{symbol(state.name)}(0)", state.initial) for state in model.states if state.initial is not None]
    rows += [(symbol(output.name), output.value) for output in model.outputs]
    # An output under the name of the quantity it reports says nothing new.
    lines = [f"{left} &= {right}" for left, right in ((left, write(value)) for left, value in rows) if left != right]
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def write(expression: Expression) -> str:
    """LaTeX of one expression."""
    if isinstance(expression, Number):
        mantissa, _, exponent = str(expression).partition("e")
        return rf"{mantissa} \times 10^{{{int(exponent)}}}" if exponent else mantissa
    if not isinstance(expression, Apply):
        return symbol(str(expression))
    operation, arguments = expression.operation, expression.arguments
    if operation in _ENCLOSING:
        return _ENCLOSING[operation].format(*map(write, arguments))
    strength = OPERATIONS[operation].precedence
    if operation == "pow":
        return f"{_bracket(arguments[0], strength + 1)}^{{{write(arguments[1])}}}"
    if len(arguments) == 1:
        return f"{'-' if operation == 'neg' else r'\neg '}{_bracket(arguments[0], strength)}"
    left, right = arguments
    return f"{_bracket(left, strength)}{_SYMBOLS[operation]}{_bracket(right, strength + 1)}"


def symbol(name: str) -> str:
    """LaTeX of a name."""
    match = _WORD.fullmatch(name)
    word, number = match.groups() if match else (name, "")
    letter = rf"\mathrm{{{word.replace('_', chr(92) + '_')}}}"
    if word in _GREEK or len(word) == 1:
        letter = rf"\{word}" if word in _GREEK else word
    return f"{letter}_{{{number}}}" if number else letter


def _bracket(expression: Expression, strength: int) -> str:
    """Brackets where they are needed; a fraction or a function stands for itself, except under an exponent."""
    loose = False
    if isinstance(expression, Apply):
        enclosed = expression.operation in _ENCLOSING and strength < OPERATIONS["pow"].precedence
        loose = not enclosed and OPERATIONS[expression.operation].precedence < strength
    elif isinstance(expression, Number):
        signed, scaled = str(expression).startswith("-"), "e" in str(expression)
        loose = (signed and strength > OPERATIONS["add"].precedence) or (
            scaled and strength > OPERATIONS["neg"].precedence
        )
    return rf"\left({write(expression)}\right)" if loose else write(expression)
