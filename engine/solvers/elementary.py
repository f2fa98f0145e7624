"""Exponentials, logarithms, powers and circular functions of eight numbers at a time, to about the last digit.

Arguments are reduced as Cody and Waite do and what is left is summed as a power series long enough for every digit
(Muller JM. Elementary Functions, 3rd ed., 2016, doi:10.1007/978-1-4899-7983-4). Multiply-and-add is one operation
with one rounding wherever it is written so, hence the bits are the same on every processor.
"""

import math
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.solvers.machine import INDEX, INDICES, LANES, NUMBERS, Vector, Writer

_MAGIC = 1.5 * 2.0**52
"""Added and taken away again, it rounds to a whole number, whose bits then stand in the sum."""
_LN2 = math.log(2.0), float.fromhex("0x1.abc9e3b39803fp-56")
_SHORT_LN2 = float.fromhex("0x1.62e42fefa0000p-1"), float.fromhex("0x1.cf79abc9e3b3ap-40")
"""Logarithm of 2 in two parts; of the short one, products with whole numbers up to 2**16 are exact."""
_HALF_PI = (
    float.fromhex("0x1.921fb54442d18p+0"), float.fromhex("0x1.1a62633145c07p-54"),
    float.fromhex("-0x1.f1976b7ed8fbcp-110"),
)  # fmt: skip
_HIGHEST, _LOWEST, _FAR = 709.782712893384, -745.1332191019412, 40.0
_CIRCULAR = 1e15
"""Angles from here on are not resolved to one turn."""
_BIAS, _MANTISSA, _NORMAL = 1023, 52, 2.0**-1022
_EXPONENTIAL = [1 / math.factorial(k) for k in range(2, 15)]
_LOGARITHM = [2 / (2 * k + 1) for k in range(1, 12)]
_SINE = [(-1) ** k / math.factorial(2 * k + 1) for k in range(1, 10)]
_COSINE = [(-1) ** k / math.factorial(2 * k) for k in range(2, 10)]


class _Reduced(NamedTuple):
    """Exponential of what is left of an argument, less 1, and the power of 2 it is multiplied by."""

    rise: Vector
    power: Any


class Functions:
    """Functions for one kernel; what exponentials of the same argument share is written once."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self._known: dict[int, _Reduced] = {}

    def exp(self, x: Vector) -> Vector:
        """Exponential."""
        found = self._raised(self._reduce(x, None))
        return found.but(x.compare(">", _HIGHEST), math.inf).but(x.compare("<", _LOWEST), 0.0)

    def expm1(self, x: Vector) -> Vector:
        """Exponential less 1, to the last digit near 0."""
        rise, whole = self._reduce(x, None)
        power = self._two_to(whole)
        near = power.fma(rise, power - 1.0)
        return near.but(x.compare(">", _FAR), self.exp(x)).but(x.compare("<", -_FAR), -1.0)

    def log(self, x: Vector) -> Vector:
        """Natural logarithm."""
        exponent, rest = self._split(x)
        ratio = rest / (rest + 2.0)
        half = rest * rest * 0.5
        series = self._tail(ratio)
        low = ratio.fma(half + series, exponent * _SHORT_LN2[1])
        found = exponent.fma(_SHORT_LN2[0], rest - (half - low))
        found = found.but(x.compare("<", 0.0), math.nan).but(x.compare("==", 0.0), -math.inf)
        return found.but(x.compare("==", math.inf), math.inf).but(x.unlike(x), x)

    def log1p(self, x: Vector) -> Vector:
        """Logarithm of 1 + x, to the last digit near 0."""
        one = x + 1.0
        lost = (x - (one - 1.0)) / one
        found = self.log(one) + lost.where(lost.magnitude().compare("<", 1.0), 0.0)
        return found.but(one.compare("==", 1.0), x)

    def tanh(self, x: Vector) -> Vector:
        """Hyperbolic tangent."""
        change = self.expm1(x.magnitude() * 2.0)
        found = (change / (change + 2.0)).but(x.magnitude().compare(">", _FAR), 1.0)
        return found.signed(x)

    def power(self, x: Vector, y: Vector) -> Vector:
        """Power; that of a negative number is one for whole exponents alone."""
        size = x.magnitude()
        high, low = self._product(*self._accurate_log(size), y)
        found = self._raised(self._reduce(high, low))
        found = found.but(high.compare(">", _HIGHEST), math.inf).but(high.compare("<", _LOWEST), 0.0)
        rises = y.compare(">", 0.0)
        found = found.but(size.compare("==", 0.0), self.writer.vector(0.0).where(rises, math.inf))
        found = found.but(size.compare("==", math.inf), self.writer.vector(math.inf).where(rises, 0.0))
        half = y * 0.5
        odd = self.writer.builder.and_(y.compare("==", y.rounded()), half.unlike(half.rounded()))
        found = found.but(odd, found.signed(x))
        negative = self.writer.builder.and_(x.compare("<", 0.0), size.compare("<", math.inf))
        found = found.but(self.writer.builder.and_(negative, y.unlike(y.rounded())), math.nan)
        return found.but(x.unlike(x), x).but(y.unlike(y), y).but(y.compare("==", 0.0), 1.0)

    def sin(self, x: Vector) -> Vector:
        """Sine."""
        return self._circular(x, 0)

    def cos(self, x: Vector) -> Vector:
        """Cosine."""
        return self._circular(x, 1)

    def _reduce(self, x: Vector, low: Vector | None) -> _Reduced:
        """Exponential of x + low as (1 + rise) * 2**power."""
        key = id(x.value)
        if low is None and key in self._known:
            return self._known[key]
        moved = x.fma(1 / _LN2[0], _MAGIC)
        whole = -(moved - _MAGIC)
        rest = whole.fma(_LN2[1], whole.fma(_LN2[0], x))
        rest = rest if low is None else rest + low
        rise = (rest * rest).fma(polynomial(rest, _EXPONENTIAL), rest)
        found = _Reduced(rise, self._bits(moved))
        if low is None:
            self._known[key] = found
        return found

    def _raised(self, reduced: _Reduced) -> Vector:
        """Exponential, by two products, the last of which may leave the normal numbers."""
        builder = self.writer.builder
        first = builder.ashr(reduced.power, _indices(1))
        return (reduced.rise + 1.0) * self._two_to(first) * self._two_to(builder.sub(reduced.power, first))

    def _two_to(self, whole: Any) -> Vector:
        builder = self.writer.builder
        bits = builder.shl(builder.add(whole, _indices(_BIAS)), _indices(_MANTISSA))
        return Vector(self.writer, builder.bitcast(bits, NUMBERS))

    def _bits(self, moved: Vector) -> Any:
        """Whole numbers of sums with the magic number."""
        builder = self.writer.builder
        return builder.sub(builder.bitcast(moved.value, INDICES), _indices(_pattern(_MAGIC)))

    def _split(self, x: Vector) -> tuple[Vector, Vector]:
        """Exponent e and rest f, x = 2**e (1 + f), 1 + f between the roots of 1/2 and of 2."""
        builder = self.writer.builder
        tiny = x.compare("<", _NORMAL)
        bits = builder.bitcast(x.but(tiny, x * 2.0**54).value, INDICES)
        whole = builder.ashr(builder.sub(bits, _indices(_pattern(math.sqrt(0.5)))), _indices(_MANTISSA))
        rest = builder.sub(bits, builder.shl(whole, _indices(_MANTISSA)))
        moved = Vector(self.writer, builder.bitcast(builder.add(whole, _indices(_pattern(_MAGIC))), NUMBERS))
        exponent = moved - _MAGIC
        return exponent.but(tiny, exponent - 54.0), Vector(self.writer, builder.bitcast(rest, NUMBERS)) - 1.0

    def _tail(self, ratio: Vector) -> Vector:
        """Twice the inverse hyperbolic tangent over its argument, less 2."""
        square = ratio * ratio
        return square * polynomial(square, _LOGARITHM)

    def _accurate_log(self, x: Vector) -> tuple[Vector, Vector]:
        """Logarithm of positive numbers as the sum of two, with digits that a power then loses."""
        exponent, rest = self._split(x)
        below = rest + 2.0
        ratio = rest / below
        lost = ((-ratio).fma(below, rest) - ratio * (rest - (below - 2.0))) / below
        first = exponent * _SHORT_LN2[0]
        high = first + ratio * 2.0
        low = ratio * 2.0 - (high - first)
        return high, low + (lost.fma(2.0, ratio * self._tail(ratio)) + exponent * _SHORT_LN2[1])

    def _product(self, high: Vector, low: Vector, y: Vector) -> tuple[Vector, Vector]:
        found = high * y
        rest = low.fma(y, high.fma(y, -found))
        return found, rest.where(found.magnitude().compare("<", 1e3), 0.0)

    def _circular(self, x: Vector, quarter: int) -> Vector:
        """Sine so many quarters of a turn later."""
        writer, builder = self.writer, self.writer.builder
        moved = x.fma(2 / math.pi, _MAGIC)
        whole = -(moved - _MAGIC)
        rest = x
        for part in _HALF_PI:
            rest = whole.fma(part, rest)
        square = rest * rest
        sine = (rest * square).fma(polynomial(square, _SINE), rest)
        half = square * 0.5
        near = writer.vector(1.0) - half
        cosine = near + (square * square).fma(polynomial(square, _COSINE), (writer.vector(1.0) - near) - half)
        turns = builder.add(self._bits(moved), _indices(quarter))

        def bit(place: int) -> Any:
            return builder.icmp_unsigned("!=", builder.and_(turns, _indices(place)), _indices(0))

        found = sine.but(bit(1), cosine)
        found = found.but(bit(2), -found)
        return found.where(x.magnitude().compare("<", _CIRCULAR), math.nan)


def polynomial(x: Vector, coefficients: Sequence[float]) -> Vector:
    """Polynomial, the coefficient of the constant first; pairs first, so that many operations go on at a time."""
    level: list[Vector] = [x.writer.vector(one) for one in coefficients]
    while len(level) > 1:
        pairs = [x.fma(b, a) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = [*pairs, *level[len(pairs) * 2 :]]
        x = x * x
    return level[0]


def _indices(value: int) -> Any:
    return INDICES([INDEX(value)] * LANES)


def _pattern(value: float) -> int:
    """Bits of a number as a whole one."""
    return int(struct.unpack("<q", struct.pack("<d", value))[0])
