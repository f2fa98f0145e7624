"""Kernels that compute formulas: rows of numbers in, rows out, eight columns at a time."""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, Final

from engine.solvers.elementary import Functions
from engine.solvers.formulas import Formula
from engine.solvers.machine import INDEX, LANES, Kernel, Vector, Writer

FIELDS: Final = ("groups", "stride", "carried", "parameters", "clock", "out", "out_stride")
"""Arguments of a kernel: how many groups of columns; rows of numbers and how far apart they are; where results go."""
_CHAINS: Final = ((4, 1), (8, 2))
_MOST_CHAINS: Final = 4
"""Sums of fewer terms than this are so many chains of additions, which a processor works out side by side."""

type Value = Vector | Any
"""Eight numbers, or eight flags for a condition."""

_COMPARISONS: Final[Mapping[str, str]] = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "=="}


def assemble(rows: Sequence[Formula], kept: Sequence[Formula] = ()) -> Kernel:
    """Compile a kernel whose arguments are ``FIELDS`` and whose results are these rows.

    What was ``kept`` by another kernel is not computed but read, from the carried rows in this order.
    """
    writer = Writer(FIELDS)
    with writer.loop(writer.whole("groups")) as group:
        first = writer.builder.mul(group, INDEX(LANES))
        found = _Assembly(writer, first, kept).compute(rows)
        for number, value in enumerate(found):
            writer.put(_place(writer, "out", "out_stride", number, first), value)
    # Equal operations are written once and there is nothing to rearrange: passes would only take time.
    return writer.compiled(effort=0)


def to_keep(rows: Sequence[Formula], known: Sequence[Formula]) -> list[Formula]:
    """What to keep so that the rows can be computed later: what of the ``known`` and of rows given they rest on."""
    stops = {formula.serial for formula in known}
    return [one for one in _in_order(rows, stops) if one.serial in stops or one.operation in ("carried", "parameter")]


def _place(writer: Writer, name: str, stride: str, row: int, first: Any) -> Any:
    builder = writer.builder
    place = builder.add(builder.mul(writer.whole(stride), INDEX(row)), first)
    address = builder.gep(writer.numbers(name), [place])
    return builder.bitcast(address, writer.vector(0.0).value.type.as_pointer())


class _Assembly:
    """Values of formulas for one group of columns; equal ones are computed once."""

    def __init__(self, writer: Writer, first: Any, kept: Sequence[Formula]) -> None:
        self.kept = {formula.serial: row for row, formula in enumerate(kept)}
        self.writer, self.first, self.functions = writer, first, Functions(writer)
        self._numbers: dict[Any, int] = {}
        self._values: list[Value] = []
        self._keys: dict[int, int] = {}

    def compute(self, rows: Sequence[Formula]) -> list[Vector]:
        """Values of these rows."""
        for formula in _in_order(rows, self.kept):
            if formula.serial in self.kept:
                self._keys[formula.serial] = len(self._values)
                self._values.append(self._load("carried", self.kept[formula.serial]))
                continue
            arguments = tuple(self._keys[one.serial] for one in formula.arguments)
            key = (formula.operation, arguments, repr(formula.value))
            if key not in self._numbers:
                self._numbers[key] = len(self._values)
                # A product may be wanted in sums alone, which have a way of their own to it.
                self._values.append(formula if formula.operation == "mul" else self._value(formula))
            self._keys[formula.serial] = self._numbers[key]
        return [self._number(row) for row in rows]

    def _of(self, formula: Formula) -> Value:
        place = self._keys[formula.serial]
        found = self._values[place]
        if isinstance(found, Formula):
            found = self._values[place] = self._value(found)
        return found

    def _number(self, formula: Formula) -> Vector:
        """Value as a number: 1 or 0 of a condition."""
        value = self._of(formula)
        return value if isinstance(value, Vector) else self.writer.vector(1.0).where(value, 0.0)

    def _flags(self, formula: Formula) -> Any:
        """Value as a condition: whether a number differs from 0."""
        value = self._of(formula)
        return value.unlike(0.0) if isinstance(value, Vector) else value

    def _value(self, formula: Formula) -> Value:
        operation, arguments = formula.operation, formula.arguments
        if operation in _CONDITIONS:
            return _CONDITIONS[operation](self, *map(self._flags, arguments))
        if operation == "select":
            condition, *others = arguments
            first, second = map(self._number, others)
            return first.where(self._flags(condition), second)
        if operation in _FORMS:
            return _FORMS[operation](self, formula)
        return _PLAIN[operation](self, *map(self._number, arguments))

    def _load(self, name: str, row: int) -> Vector:
        return self.writer.get(_place(self.writer, name, "stride", row, self.first))

    def _add(self, formula: Formula) -> Vector:
        """Sum of two; a product is added with one rounding."""
        return self._sum(formula.arguments)

    def _total(self, formula: Formula) -> Vector:
        terms = formula.arguments
        chains = next((chains for most, chains in _CHAINS if len(terms) < most), _MOST_CHAINS)
        parts = [self._sum(terms[n::chains]) for n in range(chains)]
        while len(parts) > 1:
            parts = [a + b for a, b in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]

    def _sum(self, terms: Sequence[Formula]) -> Vector:
        # What is not a product comes first, so that every product is added to something.
        ordered = sorted(terms, key=self._is_product)
        found = self._number(ordered[0])
        for term in ordered[1:]:
            if self._is_product(term):
                found = self._number(term.arguments[0]).fma(self._number(term.arguments[1]), found)
            else:
                found = found + self._number(term)
        return found

    def _is_product(self, formula: Formula) -> bool:
        """Whether the factors of a product are known here."""
        return formula.operation == "mul" and formula.serial not in self.kept

    def _subtract(self, formula: Formula) -> Vector:
        a, b = formula.arguments
        if self._is_product(b):
            return (-self._number(b.arguments[0])).fma(self._number(b.arguments[1]), self._number(a))
        if self._is_product(a):
            return self._number(a.arguments[0]).fma(self._number(a.arguments[1]), -self._number(b))
        return self._number(a) - self._number(b)


def _in_order(rows: Sequence[Formula], stops: Container[int]) -> list[Formula]:
    """Everything the rows are computed from, arguments first, and nothing below these stops."""
    found: dict[int, Formula] = {}
    open_ = list(rows)
    while open_:
        formula = open_.pop()
        if formula.serial not in found:
            found[formula.serial] = formula
            if formula.serial not in stops:
                open_.extend(formula.arguments)
    return [found[serial] for serial in sorted(found)]


def _compare(sign: str) -> Callable[[_Assembly, Vector, Vector], Any]:
    return lambda _, a, b: a.compare(sign, b)


def _joined(name: str) -> Callable[..., Any]:
    def apply(assembly: _Assembly, *flags: Any) -> Any:
        found = flags[0]
        for one in flags[1:]:
            found = getattr(assembly.writer.builder, name)(found, one)
        return found

    return apply


def _function(name: str) -> Callable[..., Vector]:
    def apply(assembly: _Assembly, *given: Vector) -> Vector:
        found: Vector = getattr(assembly.functions, name)(*given)
        return found

    return apply


_CONDITIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "and": _joined("and_"), "or": _joined("or_"), "not": lambda assembly, flags: assembly.writer.builder.not_(flags),
}  # fmt: skip
_FORMS: Final[Mapping[str, Callable[[_Assembly, Formula], Vector]]] = {
    "number": lambda assembly, formula: assembly.writer.vector(formula.value),
    "carried": lambda assembly, formula: assembly._load("carried", formula.value),
    "parameter": lambda assembly, formula: assembly._load("parameters", formula.value),
    "clock": lambda assembly, _: assembly._load("clock", 0),
    "add": _Assembly._add, "total": _Assembly._total, "sub": _Assembly._subtract,
}  # fmt: skip
_PLAIN: Final[Mapping[str, Callable[..., Any]]] = {
    "mul": lambda _, a, b: a * b, "div": lambda _, a, b: a / b, "neg": lambda _, a: -a,
    "sqrt": lambda _, a: a.sqrt(), "abs": lambda _, a: a.magnitude(), "ne": lambda _, a, b: a.unlike(b),
    **{name: _compare(sign) for name, sign in _COMPARISONS.items()},
    **{name: _function(name) for name in ("exp", "expm1", "log", "log1p", "sin", "cos", "tanh")},
    "pow": _function("power"),
}  # fmt: skip
