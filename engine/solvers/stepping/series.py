"""Taylor series of a model's equations, coefficient by coefficient, as formulas.

A value is a series in the time since the start of a step. Each operation knows the k-th coefficient of its result from
those of its arguments up to the k-th and of its result below it (Moore RE, Interval Analysis, 1966; Jorba A, Zou M.
Experimental Mathematics 2005;14:99-117, doi:10.1080/10586458.2005.10128904). Coefficients are asked for one after the
other, so that a state's next one follows from its rate's last.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from engine.models.expression import Algebra
from engine.solvers import formulas
from engine.solvers.formulas import FORMULAS


class Series:
    """A power series whose coefficients are worked out when they are asked for; None is an exact 0."""

    __slots__ = ("_known", "_next", "constant")

    def __init__(self, following: Callable[[int], Any], *, constant: bool = False) -> None:
        self._next, self._known, self.constant = following, list[Any](), constant

    def __getitem__(self, k: int) -> Any:
        """The k-th coefficient."""
        while len(self._known) <= k:
            self._known.append(None if self.constant and self._known else self._next(len(self._known)))
        return self._known[k]


def constant(value: Any) -> Series:
    """A value that does not change within the step."""
    return Series(lambda _: value, constant=True)


def clock(time: Any) -> Series:
    """Time itself."""
    return Series(lambda k: (time, formulas.number(1.0))[k] if k < 2 else None)


def total(terms: list[Any]) -> Any:
    """Sum of coefficients, None for none."""
    some = [term for term in terms if term is not None]
    return None if not some else some[0] if len(some) == 1 else formulas.total(some)


def product(*factors: Any) -> Any:
    """Product of coefficients, None where one is 0."""
    if any(factor is None for factor in factors):
        return None
    return math.prod(factors[1:], start=factors[0])


def _each(operation: Callable[..., Any]) -> Callable[..., Series]:
    """Operation on values, for arguments that do not change; else by its own rule."""

    def apply(*arguments: Series) -> Series:
        return Series(lambda k: operation(*(argument[k] for argument in arguments)), constant=_still(arguments))

    return apply


def _still(arguments: tuple[Series, ...]) -> bool:
    return all(argument.constant for argument in arguments)


def _negative(a: Any) -> Any:
    return None if a is None else -a


def _add(a: Any, b: Any) -> Any:
    return total([a, b])


def _subtract(a: Any, b: Any) -> Any:
    if b is None:
        return a
    return -b if a is None else a - b


def _multiply(a: Series, b: Series) -> Series:
    if a is b and not a.constant:
        return Series(lambda k: _square(a, k))
    return Series(lambda k: total([product(a[i], b[k - i]) for i in range(k + 1)]), constant=_still((a, b)))


def _square(a: Series, k: int) -> Any:
    pairs = [product(a[i], a[k - i], 2.0) for i in range((k + 1) // 2)]
    return total([*pairs, product(a[k // 2], a[k // 2]) if k % 2 == 0 else None])


def _divide(a: Series, b: Series) -> Series:
    inverse = 1.0 / b[0]
    if b.constant:
        # Dividing takes as long as ten products; the value itself is divided, for its last digit.
        return Series(lambda k: product(a[k], inverse) if k else a[0] / b[0], constant=a.constant)

    def following(k: int) -> Any:
        rest = total([product(b[i], found[k - i]) for i in range(1, k + 1)])
        return product(_subtract(a[k], rest), inverse)

    found = Series(following)
    return found


def _exp(a: Series) -> Series:
    def following(k: int) -> Any:
        if k == 0:
            return formulas.exp(a[0])
        return product(total([product(i * 1.0, a[i], found[k - i]) for i in range(1, k + 1)]), 1.0 / k)

    found = Series(following, constant=a.constant)
    return found


def _log(a: Series) -> Series:
    def following(k: int) -> Any:
        if k == 0:
            return formulas.log(a[0])
        rest = total([product(i / k, found[i], a[k - i]) for i in range(1, k)])
        return product(_subtract(a[k], rest), inverse)

    inverse = 1.0 / a[0]
    found = Series(following, constant=a.constant)
    return found


def _replace_first(rule: Callable[[Series], Series], first: Callable[[Any], Any]) -> Callable[[Series], Series]:
    """A series but for its value, which another function gives with more digits."""

    def apply(a: Series) -> Series:
        found = rule(a)
        return Series(lambda k: found[k] if k else first(a[0]), constant=a.constant)

    return apply


def _power(a: Series, b: Series) -> Series:
    """A power; whole numbers by multiplication, which has a series where the base is 0."""
    if _still((a, b)):
        return constant(a[0] ** b[0])
    if not b.constant:
        return _exp(_multiply(b, _log(a)))
    whole = _whole(b[0])
    if whole is not None:
        found = _repeated(a, abs(whole))
        return found if whole >= 0 else _divide(constant(_number(1.0)), found)
    return _fractional(a, b[0])


def _fractional(a: Series, exponent: Any) -> Series:
    inverse = 1.0 / a[0]

    def following(k: int) -> Any:
        if k == 0:
            return a[0] ** exponent
        rise = total([product(slope[k - j], found[j]) for j in range(k)])
        fall = total([product(a[k - j], own[j]) for j in range(1, k)])
        return product(_subtract(product(exponent, rise), fall), inverse, 1.0 / k)

    found = Series(following)
    slope, own = _slope(a), _slope(found)
    return found


def _slope(a: Series) -> Series:
    """Derivative, times the time since the start."""
    return Series(lambda k: product(a[k], k * 1.0) if k else None)


def _whole(exponent: Any) -> int | None:
    try:
        value = float(str(exponent))
    except ValueError:
        return None
    return int(value) if value.is_integer() and abs(value) <= 64 else None


def _repeated(a: Series, times: int) -> Series:
    if times == 0:
        return constant(_number(1.0))
    if times == 1:
        return a
    half = _repeated(a, times // 2)
    square = _multiply(half, half)
    return _multiply(square, a) if times % 2 else square


def _turn(a: Series) -> tuple[Series, Series]:
    """Sine and cosine, which need each other."""

    def sine(k: int) -> Any:
        if k == 0:
            return formulas.sin(a[0])
        return total([product(i / k, a[i], cos[k - i]) for i in range(1, k + 1)])

    def cosine(k: int) -> Any:
        if k == 0:
            return formulas.cos(a[0])
        return total([product(-i / k, a[i], sin[k - i]) for i in range(1, k + 1)])

    sin, cos = Series(sine, constant=a.constant), Series(cosine, constant=a.constant)
    return sin, cos


def _tangent(a: Series) -> Series:
    sin, cos = _turn(a)
    return _divide(sin, cos)


def _hyperbolic(a: Series) -> Series:
    def following(k: int) -> Any:
        if k == 0:
            return formulas.tanh(a[0])
        slope = [
            product(i / k, a[i], _subtract(_number(1.0) if i == k else None, square[k - i])) for i in range(1, k + 1)
        ]
        return total(slope)

    found = Series(following, constant=a.constant)
    square = _multiply(found, found)
    return found


def _number(value: float) -> Any:
    return formulas.number(value)


def _choose(condition: Series, a: Series, b: Series) -> Series:
    """Either series as a whole: the condition holds its value for the step."""

    def following(k: int) -> Any:
        first, second = a[k], b[k]
        if first is None and second is None:
            return None
        zero = _number(0.0)
        return formulas.select(condition[0], zero if first is None else first, zero if second is None else second)

    return Series(following, constant=_still((a, b)))


def _held(operation: str) -> Callable[..., Series]:
    """A condition, as it is where the step starts."""

    def apply(*arguments: Series) -> Series:
        return constant(FORMULAS.operations[operation](*(argument[0] for argument in arguments)))

    return apply


def _smaller(a: Series, b: Series) -> Series:
    return _choose(_held("lt")(a, b), a, b)


def _larger(a: Series, b: Series) -> Series:
    return _choose(_held("gt")(a, b), a, b)


def _absolute(a: Series) -> Series:
    return _choose(_held("lt")(a, constant(_number(0.0))), _each(_negative)(a), a)


def _logarithm(name: str) -> Callable[[Any], Any]:
    def first(value: Any) -> Any:
        return getattr(formulas, name)(value)

    return first


_OPERATIONS: Mapping[str, Callable[..., Any]] = {
    **{name: _held(name) for name in ("or", "and", "not", "lt", "le", "gt", "ge", "eq", "ne")},
    "add": _each(_add), "sub": _each(_subtract), "neg": _each(_negative), "mul": _multiply, "div": _divide,
    "pow": _power, "where": _choose, "min": _smaller, "max": _larger, "abs": _absolute, "exp": _exp,
    "expm1": _replace_first(_exp, _logarithm("expm1")), "log": _log,
    "log1p": _replace_first(lambda a: _log(_each(_add)(a, constant(_number(1.0)))), _logarithm("log1p")),
    "log10": lambda a: _multiply(_log(a), constant(_number(1 / math.log(10)))),
    "sqrt": lambda a: _fractional(a, _number(0.5)) if not a.constant else constant(a[0] ** 0.5),
    "sin": lambda a: _turn(a)[0], "cos": lambda a: _turn(a)[1], "tan": _tangent, "tanh": _hyperbolic,
}  # fmt: skip


def algebra() -> Algebra:
    """Series as values; conditions as series that hold their value for the step."""
    return Algebra("series", lambda value: constant(_number(value)), _OPERATIONS)
