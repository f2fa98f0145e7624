"""Expressions as content MathML, in the subset that SBML allows."""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement

from engine.models.expression import Apply, Expression, Name, Number

TIME = "http://www.sbml.org/sbml/symbols/time"
_TAGS: Mapping[str, str] = {
    "add": "plus", "sub": "minus", "neg": "minus", "mul": "times", "div": "divide", "pow": "power", "log": "ln",
    "lt": "lt", "le": "leq", "gt": "gt", "ge": "geq", "eq": "eq", "ne": "neq", "and": "and", "or": "or", "not": "not",
    "abs": "abs", "exp": "exp", "min": "min", "max": "max", "sin": "sin", "cos": "cos", "tan": "tan", "tanh": "tanh",
}  # fmt: skip


def content(expression: Expression, names: Mapping[str, str]) -> Element:
    """Element of an expression; a name that is in ``names`` is written as it says there, ``t`` as SBML's time."""
    match expression:
        case Number(value):
            number = Element("cn", {"sbml:units": "dimensionless"} if value else {})  # 0 is 0 of every unit
            _digits(number, value)
            return number
        case Name("t"):
            time = Element("csymbol", {"encoding": "text", "definitionURL": TIME})
            time.text = "t"
            return time
        case Name(name):
            reference = Element("ci")
            reference.text = names.get(name, name)
            return reference
        case Apply("where", (condition, chosen, other)):
            choice = Element("piecewise")
            SubElement(choice, "piece").extend([content(chosen, names), content(condition, names)])
            SubElement(choice, "otherwise").append(content(other, names))
            return choice
        case Apply(operation, arguments):
            applied = Element("apply")
            applied.extend([*_operator(operation), *(content(argument, names) for argument in arguments)])
            return applied
    raise TypeError(f"not an expression: {expression!r}")


def _operator(operation: str) -> list[Element]:
    if operation == "log10":
        base = Element("logbase")
        SubElement(base, "cn", {"sbml:units": "dimensionless"}).text = "10"
        return [Element("log"), base]
    if operation == "sqrt":
        return [Element("root")]
    if operation in _TAGS:
        return [Element(_TAGS[operation])]
    defined = Element("ci")
    defined.text = operation
    return [defined]


def _digits(number: Element, value: float) -> None:
    """All digits of a number; MathML separates mantissa and exponent."""
    mantissa, _, exponent = repr(value).partition("e")
    if exponent:
        number.set("type", "e-notation")
        number.text = mantissa
        SubElement(number, "sep").tail = str(int(exponent))
    else:
        number.text = str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        if value.is_integer() and abs(value) < 1e15:
            number.set("type", "integer")
