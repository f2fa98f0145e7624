"""SBML's mathematics as our expressions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import ModelError
from engine.interchange.sbml_writing import DEFINED
from engine.models.calculus import divide, negate
from engine.models.expression import Apply, Expression, Name, Number, parse, substitute
from engine.models.operations import CONSTANTS

_FOLDED = {"PLUS": "add", "TIMES": "mul", "LOGICAL_AND": "and", "LOGICAL_OR": "or", "FUNCTION_MIN": "min",
           "FUNCTION_MAX": "max"}  # fmt: skip
_COMPARED = {"RELATIONAL_EQ": "eq", "RELATIONAL_NEQ": "ne", "RELATIONAL_LT": "lt", "RELATIONAL_LEQ": "le",
             "RELATIONAL_GT": "gt", "RELATIONAL_GEQ": "ge"}  # fmt: skip
_APPLIED = {"DIVIDE": "div", "POWER": "pow", "FUNCTION_POWER": "pow", "FUNCTION_EXP": "exp", "FUNCTION_LN": "log",
            "FUNCTION_ABS": "abs", "FUNCTION_SIN": "sin", "FUNCTION_COS": "cos", "FUNCTION_TAN": "tan",
            "FUNCTION_TANH": "tanh"}  # fmt: skip
# Functions we have no word for, in those we have.
_SPELLED = {"FUNCTION_SINH": "(exp(x) - exp(-x)) / 2", "FUNCTION_COSH": "(exp(x) + exp(-x)) / 2",
            "FUNCTION_SEC": "1 / cos(x)", "FUNCTION_CSC": "1 / sin(x)", "FUNCTION_COT": "1 / tan(x)"}  # fmt: skip
_TRUE = Apply("lt", (Number(0.0), Number(1.0)))
_VALUES: Mapping[str, Expression] = {
    "CONSTANT_PI": Number(CONSTANTS["pi"]), "CONSTANT_E": Number(2.718281828459045), "CONSTANT_TRUE": _TRUE,
    "CONSTANT_FALSE": Apply("not", (_TRUE,)), "NAME_TIME": Name("t"), "NAME_AVOGADRO": Number(6.02214179e23),
}  # fmt: skip
_REFUSED = {"FUNCTION_DELAY": "a delay", "FUNCTION_RATE_OF": "rateOf", "FUNCTION_FACTORIAL": "factorial"}


@dataclass(frozen=True, slots=True)
class Mathematics:
    """Reader of mathematics.

    ``kinds`` names libsbml's codes of nodes, ``symbol`` gives the expression of an identifier, ``literal`` that of a
    number with the identifier of its unit, ``functions`` the names of arguments and the body of each definition.
    """

    kinds: Mapping[int, str]
    symbol: Callable[[str], Expression]
    literal: Callable[[float, str], Expression]
    functions: Mapping[str, tuple[tuple[str, ...], Any]]

    def read(self, node: Any) -> Expression:
        """Expression of a number; a condition becomes 1 where it holds, else 0."""
        if node is None:
            raise ModelError("no mathematics given")
        return _number(self._read(node, {}))

    def read_condition(self, node: Any) -> Expression:
        """Expression of a condition; a number holds where it is not 0."""
        return _condition(self._read(node, {}))

    def _read(self, node: Any, known: Mapping[str, Expression]) -> Expression:
        kind = self.kinds.get(node.getType(), "")
        if node.isNumber():
            return self._literal(node, kind)
        if kind == "NAME":
            name = node.getName()
            return known[name] if name in known else self.symbol(name)
        if kind in _VALUES:
            return _VALUES[kind]
        children = [self._read(node.getChild(number), known) for number in range(node.getNumChildren())]
        return self._apply(kind, node, children)

    def _literal(self, node: Any, kind: str) -> Expression:
        scaled = kind == "REAL_E"
        value = float(f"{node.getMantissa()!r}e{node.getExponent()}") if scaled else float(node.getValue())
        return self.literal(value, node.getUnits() if node.isSetUnits() else "")

    def _apply(self, kind: str, node: Any, children: list[Expression]) -> Expression:
        if kind in _FOLDED:
            return _fold(_FOLDED[kind], children)
        if kind in _COMPARED:
            pairs = zip(map(_number, children[:-1]), map(_number, children[1:]), strict=True)
            return _fold("and", [Apply(_COMPARED[kind], pair) for pair in pairs])
        if kind in _APPLIED:
            return Apply(_APPLIED[kind], tuple(map(_number, children)))
        if kind in _SPELLED:
            return substitute(parse(_SPELLED[kind]), {"x": _number(children[0])})
        if kind == "FUNCTION":
            return self._call(node.getName(), children)
        if kind in _OTHERS:
            return _OTHERS[kind](children)
        called = _REFUSED.get(kind) or node.getName() or kind.lower()
        raise ModelError(f"{called} cannot be expressed here")

    def _call(self, name: str, arguments: list[Expression]) -> Expression:
        if name not in self.functions:
            raise ModelError(f"function {name!r} is not defined")
        names, body = self.functions[name]
        if len(names) != len(arguments):
            raise ModelError(f"function {name!r} takes {len(names)} argument(s), got {len(arguments)}")
        placed = self._read(body, dict(zip(names, arguments, strict=True)))
        if name in DEFINED and placed == substitute(parse(DEFINED[name]), {"x": arguments[0]}):
            return Apply(name, tuple(arguments))
        return placed


def _number(expression: Expression) -> Expression:
    return Apply("where", (expression, Number(1.0), Number(0.0))) if expression.is_condition else expression


def _condition(expression: Expression) -> Expression:
    return expression if expression.is_condition else Apply("ne", (expression, Number(0.0)))


def _fold(operation: str, children: list[Expression]) -> Expression:
    """Join operands one after the other; none at all is what joining begins with."""
    if not children:
        empty: Mapping[str, Expression] = {"add": Number(0.0), "mul": Number(1.0), "and": _TRUE}
        if operation not in empty:
            raise ModelError(f"{operation} of nothing cannot be expressed here")
        return empty[operation]
    kind = _condition if operation in ("and", "or") else _number
    result = kind(children[0])
    for child in children[1:]:
        result = Apply(operation, (result, kind(child)))
    return result


def _minus(children: list[Expression]) -> Expression:
    first, *rest = map(_number, children)
    if not rest:
        return negate(first) if isinstance(first, Number) else Apply("neg", (first,))
    return Apply("sub", (first, *rest))


def _log(children: list[Expression]) -> Expression:
    base, value = map(_number, children)
    if base == Number(10.0):
        return Apply("log10", (value,))
    return Apply("div", (Apply("log", (value,)), Apply("log", (base,))))


def _root(children: list[Expression]) -> Expression:
    degree, value = map(_number, children) if len(children) == 2 else (Number(2.0), _number(children[0]))
    if degree == Number(2.0):
        return Apply("sqrt", (value,))
    return Apply("pow", (value, divide(Number(1.0), degree)))


def _piecewise(children: list[Expression]) -> Expression:
    if len(children) % 2 == 0:
        raise ModelError("piecewise without otherwise has no value where no piece holds")
    result = _number(children[-1])
    for place in range(len(children) - 3, -1, -2):
        result = Apply("where", (_condition(children[place + 1]), _number(children[place]), result))
    return result


def _xor(children: list[Expression]) -> Expression:
    result = _condition(children[0])
    for child in map(_condition, children[1:]):
        result = Apply("and", (Apply("or", (result, child)), Apply("not", (Apply("and", (result, child)),))))
    return result


_OTHERS: Mapping[str, Callable[[list[Expression]], Expression]] = {
    "MINUS": _minus, "FUNCTION_LOG": _log, "FUNCTION_ROOT": _root, "FUNCTION_PIECEWISE": _piecewise,
    "LOGICAL_XOR": _xor, "LOGICAL_NOT": lambda children: Apply("not", (_condition(children[0]),)),
    "LOGICAL_IMPLIES": lambda c: Apply("or", (Apply("not", (_condition(c[0]),)), _condition(c[1]))),
}  # fmt: skip
