"""Expressions as immutable trees: read from text against a white list, evaluated over any algebra.

The text is read with Python's :mod:`ast` and never executed. One tree serves every use of a model: pint units, numpy,
PyTensor, the compiled solver and sympy differ only in the :class:`Algebra` handed to :func:`evaluate`.
"""

import ast
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from engine.errors import ModelError
from engine.models.operations import COMPARISONS, CONSTANTS, FUNCTIONS, OPERATIONS

__all__ = ["OPERATIONS", "Algebra", "Apply", "Expression", "Name", "Number", "evaluate", "parse", "substitute", "walk"]

MAX_LENGTH = 4000
MAX_DEPTH = 100


class Expression(ABC):
    """A tree of numbers, names and operations; frozen, hashable, printing back to the text it is read from."""

    __slots__ = ()

    @property
    @abstractmethod
    def names(self) -> frozenset[str]:
        """Names the expression refers to (parameters, states, let names, ``t``)."""

    @property
    @abstractmethod
    def is_condition(self) -> bool:
        """True for a comparison or a combination of comparisons, False for a number."""

    @property
    @abstractmethod
    def depth(self) -> int:
        """Longest path from the root to a leaf, counted in operations."""


@dataclass(frozen=True, slots=True)
class Number(Expression):
    """A finite literal, dimensionless."""

    value: float

    def __post_init__(self) -> None:
        """Coerce to float, so that ``1`` and ``1.0`` are one expression."""
        object.__setattr__(self, "value", float(self.value))

    @property
    def names(self) -> frozenset[str]:
        """No names."""
        return frozenset()

    @property
    def is_condition(self) -> bool:
        """Never."""
        return False

    @property
    def depth(self) -> int:
        """A leaf."""
        return 0

    def __str__(self) -> str:
        """Shortest text that reads back to the same float."""
        whole = self.value.is_integer() and abs(self.value) < 1e15
        return str(int(self.value)) if whole else repr(self.value)


@dataclass(frozen=True, slots=True)
class Name(Expression):
    """A reference to a parameter, a state, a let name or the time ``t``."""

    name: str

    @property
    def names(self) -> frozenset[str]:
        """Itself."""
        return frozenset({self.name})

    @property
    def is_condition(self) -> bool:
        """Never: everything a model names is a number."""
        return False

    @property
    def depth(self) -> int:
        """A leaf."""
        return 0

    def __str__(self) -> str:
        """Give the name."""
        return self.name


@dataclass(frozen=True, slots=True)
class Apply(Expression):
    """An operation applied to arguments; checks their number and kind when made."""

    operation: str
    arguments: tuple[Expression, ...]
    _names: frozenset[str] = field(init=False, repr=False, compare=False)
    _depth: int = field(init=False, repr=False, compare=False)
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the arguments and remember names, depth and hash, which are asked for in every evaluation."""
        takes = OPERATIONS[self.operation].takes
        if len(takes) != len(self.arguments):
            raise ModelError(f"{self.operation}() takes {len(takes)} argument(s), got {len(self.arguments)}")
        for argument, wants_condition in zip(self.arguments, takes, strict=True):
            _check_kind(self.operation, argument, wants_condition)
        depth = 1 + max(argument.depth for argument in self.arguments)
        object.__setattr__(self, "_names", frozenset().union(*(argument.names for argument in self.arguments)))
        object.__setattr__(self, "_depth", depth)
        object.__setattr__(self, "_hash", hash((self.operation, self.arguments)))

    def __hash__(self) -> int:
        """Equal expressions have equal hashes."""
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        """Make it anew where it is unpickled: hashes of text differ between processes."""
        return Apply, (self.operation, self.arguments)

    @property
    def names(self) -> frozenset[str]:
        """Names of all arguments."""
        return self._names

    @property
    def is_condition(self) -> bool:
        """As the white list says."""
        return OPERATIONS[self.operation].gives_condition

    @property
    def depth(self) -> int:
        """One more than the deepest argument."""
        return self._depth

    def __str__(self) -> str:
        """Python's notation with the fewest brackets that read back to the same tree."""
        row = OPERATIONS[self.operation]
        if row.symbol is None:
            return f"{self.operation}({', '.join(map(str, self.arguments))})"
        if len(self.arguments) == 1:
            return f"{row.symbol}{_bracket(self.arguments[0], row.precedence)}"
        left, right = self.arguments
        tighter_left = self.operation == "pow" or self.operation in COMPARISONS
        first = _bracket(left, row.precedence + tighter_left)
        # Right of ** Python reads a sign or another power without brackets; elsewhere equal precedence groups left.
        second = _bracket(right, 7 if self.operation == "pow" else row.precedence + 1)
        return f"{first}**{second}" if self.operation == "pow" else f"{first} {row.symbol} {second}"


@dataclass(frozen=True, slots=True, eq=False)
class Algebra:
    """A meaning for every operation, so that a tree of text can be computed with some kind of value.

    ``bare`` are the operations as they are done many at once, inside ``silence``; absent where that is of no use.
    """

    name: str
    number: Callable[[float], Any]
    operations: Mapping[str, Callable[..., Any]]
    bare: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    silence: Callable[[], AbstractContextManager[Any]] = nullcontext

    def __post_init__(self) -> None:
        """Refuse a table that lacks an operation or has one the white list lacks."""
        if odd := set(OPERATIONS) ^ set(self.operations):
            raise ModelError(f"algebra {self.name}: operations missing or unknown: {', '.join(sorted(odd))}")


def evaluate(expression: Expression, names: Mapping[str, Any], algebra: Algebra) -> Any:
    """Value of ``expression`` when its names have the given values.

    Parameters
    ----------
    expression
        The tree.
    names
        A value of the algebra for each of ``expression.names``; others are ignored.
    algebra
        What the operations mean.
    """
    match expression:
        case Number(value):
            return algebra.number(value)
        case Name(name):
            return names[name]
        case Apply(operation, arguments):
            return algebra.operations[operation](*(evaluate(argument, names, algebra) for argument in arguments))
    raise TypeError(f"not an expression: {expression!r}")


def walk(expression: Expression) -> Iterator[Expression]:
    """Every node of the tree, the root first."""
    yield expression
    if isinstance(expression, Apply):
        for argument in expression.arguments:
            yield from walk(argument)


def substitute(expression: Expression, values: Mapping[str, Expression]) -> Expression:
    """Replace names by other trees; names not in ``values`` stay."""
    if not expression.names & values.keys():
        return expression
    match expression:
        case Name(name):
            return values[name]
        case Apply(operation, arguments):
            return Apply(operation, tuple(substitute(argument, values) for argument in arguments))
    return expression


def parse(text: str | float, where: str = "") -> Expression:
    """Expression read from ``text`` (or from a bare number).

    Parameters
    ----------
    text
        Python notation: ``+ - * / **``, comparisons, ``and or not``, ``a if condition else b``, the functions of
        :data:`engine.models.operations.OPERATIONS`, ``pi``, and names. At most 4000 characters.
    where
        Put before an error message: the file, line and field the text stands in.

    Raises
    ------
    ModelError
        The text is not such an expression.
    """
    prefix = f"{where}: " if where else ""
    shown = repr(text) if len(str(text)) <= 80 else f"{str(text)[:77]!r}..."
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ModelError(f"{prefix}an expression is text or a number, got {shown}")
    try:
        return _read(str(text) if isinstance(text, str) else repr(text))
    except ModelError as error:
        raise ModelError(f"{prefix}{shown}: {error}") from None


def _read(text: str) -> Expression:
    if len(text) > MAX_LENGTH:
        raise ModelError(f"longer than {MAX_LENGTH} characters; divide it with let")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Python only warns of some malformed numbers, such as 1if
            body = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, SyntaxWarning, DeprecationWarning, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else type(error).__name__
        raise ModelError(f"not an expression ({reason}){_hint(text)}") from None
    return _build(body, 0)


def _hint(text: str) -> str:
    if "lambda" in text:
        return "; lambda is a word of Python, name it lambda_"
    return "; write a power as a ** b" if "^" in text else ""


_BINARY: Mapping[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow", ast.And: "and", ast.Or: "or",
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip


def _build(node: ast.AST, depth: int) -> Expression:
    if depth > MAX_DEPTH:
        raise ModelError(f"nested deeper than {MAX_DEPTH}; divide it with let")
    below = depth + 1
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _number(value)
        case ast.Constant(value=value):
            raise ModelError(f"{value!r} is not a number")
        case ast.Name(id=name):
            return Number(CONSTANTS[name]) if name in CONSTANTS else Name(name)
        case ast.BinOp() if type(node.op) in _BINARY:
            return Apply(_BINARY[type(node.op)], (_build(node.left, below), _build(node.right, below)))
        case ast.UnaryOp():
            return _unary(node.op, _build(node.operand, below))
        case ast.BoolOp():
            return _fold(_BINARY[type(node.op)], [_build(value, below) for value in node.values])
        case ast.Compare():
            return _compare(node, below)
        case ast.IfExp():
            return Apply("where", tuple(_build(part, below) for part in (node.test, node.body, node.orelse)))
        case ast.Call(func=ast.Name(id=name), keywords=[]):
            return _call(name, node.args, below)
    raise ModelError(f"{_describe(node)} is not allowed{'; write a power as a ** b' if _is_caret(node) else ''}")


def _number(value: float) -> Number:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ModelError("a number is too large")
    return Number(number)


def _unary(operator: ast.unaryop, operand: Expression) -> Expression:
    if isinstance(operator, ast.USub):
        return Number(-operand.value) if isinstance(operand, Number) else Apply("neg", (operand,))
    if isinstance(operator, ast.UAdd):
        _check_kind("+", operand, wants_condition=False)
        return operand
    if isinstance(operator, ast.Not):
        return Apply("not", (operand,))
    raise ModelError("~ is not allowed")


def _fold(operation: str, arguments: list[Expression]) -> Expression:
    result = arguments[0]
    for argument in arguments[1:]:
        result = Apply(operation, (result, argument))
    return result


def _compare(node: ast.Compare, depth: int) -> Expression:
    terms = [_build(term, depth) for term in (node.left, *node.comparators)]
    if unknown := [operator for operator in node.ops if type(operator) not in _BINARY]:
        raise ModelError(f"{_describe(unknown[0])} is not allowed")
    pairs = zip(node.ops, terms[:-1], terms[1:], strict=True)
    return _fold("and", [Apply(_BINARY[type(operator)], (left, right)) for operator, left, right in pairs])


def _call(name: str, nodes: list[ast.expr], depth: int) -> Expression:
    if name not in FUNCTIONS:
        raise ModelError(f"{name}() is not a function here; there are {', '.join(sorted(FUNCTIONS))}")
    arguments = [_build(node, depth) for node in nodes]
    if name in ("min", "max") and len(arguments) > 2:
        return _fold(name, arguments)
    return Apply(name, tuple(arguments))


def _is_caret(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor)


def _describe(node: ast.AST) -> str:
    return type(node.op if isinstance(node, ast.BinOp) else node).__name__


def _check_kind(operation: str, argument: Expression, wants_condition: bool) -> None:
    if wants_condition and not argument.is_condition:
        raise ModelError(f"{operation} wants a comparison such as t > t0, got {argument}")
    if argument.is_condition and not wants_condition:
        raise ModelError(f"{operation} wants a number, got {argument}; write where({argument}, 1, 0)")


def _bracket(expression: Expression, minimum: int) -> str:
    """Text of an operand, in brackets when it binds more loosely than its surroundings need."""
    match expression:
        case Apply(operation, _):
            loose = OPERATIONS[operation].precedence < minimum
        case Number(value):
            loose = math.copysign(1.0, value) < 0 and minimum > OPERATIONS["neg"].precedence
        case _:
            loose = False
    return f"({expression})" if loose else str(expression)
