"""Compiled formulas: functions to the last digits, special values, products added with one rounding, kept values."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.solvers import formulas
from engine.solvers.assembly import assemble, to_keep
from engine.solvers.formulas import FORMULAS, Formula
from engine.solvers.machine import LANES

type Floats = NDArray[np.float64]
X, Y = formulas.carried(0), formulas.carried(1)
RNG = np.random.default_rng(1)
FUNCTIONS: dict[str, Callable[[Formula], Formula]] = {
    "exp": formulas.exp, "expm1": formulas.expm1, "log": formulas.log, "log1p": formulas.log1p, "sin": formulas.sin,
    "cos": formulas.cos, "tanh": formulas.tanh, "sqrt": formulas.sqrt,
}  # fmt: skip
NUMBERS = {
    "near 0": RNG.uniform(-1, 1, 4000), "near 1": RNG.uniform(0.9, 1.1, 4000), "wide": RNG.uniform(-700, 700, 4000),
    "all sizes": np.exp(RNG.uniform(-690, 690, 4000)), "small": np.exp(RNG.uniform(-20, 3, 4000)),
}  # fmt: skip
SPECIAL = np.asarray([0.0, -0.0, np.inf, -np.inf, np.nan, -1, -2, 5e-324, 1e-310, 710, -746, -740, 709.7, -1e-320, 1.0])


def compute(rows: list[Formula], *columns: Floats, kept: list[Formula] | None = None) -> Floats:
    """Rows at numbers that are carried; columns are filled up to whole registers."""
    count = len(columns[0])
    given = np.stack([np.resize(one, count + -count % LANES) for one in columns])
    found = np.empty((len(rows), given.shape[1]))
    assemble(rows, kept or ())(given.shape[1] // LANES, given.shape[1], given, given, given, found, given.shape[1])
    return found[:, :count]


def alike(found: Floats, wanted: NDArray[Any], digits: float) -> NDArray[np.bool_]:
    """Whether numbers agree to so many times the distance of neighbours, or are the same special value."""
    with np.errstate(all="ignore"):
        near = np.abs(found - wanted) <= digits * np.spacing(np.abs(wanted.astype(np.float64)))
    return np.asarray(near | (found == wanted) | (np.isnan(found) & np.isnan(wanted)))


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="no numbers with more digits to compare with")
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("kind", NUMBERS)
def test_functions_to_the_last_digit(name: str, kind: str) -> None:
    values = NUMBERS[kind]
    if name in ("log", "sqrt", "log1p"):
        values = np.abs(values)
    if name in ("sin", "cos"):
        values = values[np.abs(values) < 1e5]
    with np.errstate(all="ignore"):
        wanted = getattr(np, name)(values.astype(np.longdouble))
    (found,) = compute([FUNCTIONS[name](X)], values)
    usual = np.abs(wanted) < 1e308
    assert np.all(alike(found, wanted, 3)[usual])


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="no numbers with more digits to compare with")
@pytest.mark.parametrize("kind", ["near 1", "all sizes", "small"])
def test_powers_to_the_last_digit(kind: str) -> None:
    exponent = RNG.uniform(-8, 8, 4000)
    with np.errstate(all="ignore"):
        wanted = NUMBERS[kind].astype(np.longdouble) ** exponent
    (found,) = compute([X**Y], NUMBERS[kind], exponent)
    usual = (np.abs(wanted) < 1e308) & (np.abs(wanted) > 1e-307)
    assert np.all(alike(found, wanted, 3)[usual])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_special_values(name: str) -> None:
    with np.errstate(all="ignore"):
        wanted = getattr(np, name)(SPECIAL)
    (found,) = compute([FUNCTIONS[name](X)], SPECIAL)
    assert np.all(alike(found, wanted, 2))


@pytest.mark.parametrize("exponent", [0.0, 1.0, -3.0, 2.0, 0.5, -2.5, -1.0, 1e300, np.inf, np.nan])
def test_powers_of_special_values(exponent: float) -> None:
    # 1 to an infinite power, or to none, is 1 in C and no number here.
    values = SPECIAL if np.isfinite(exponent) else SPECIAL[np.abs(SPECIAL) != 1]
    with np.errstate(all="ignore"):
        wanted = values ** np.full_like(values, exponent)
    (found,) = compute([X**Y], values, np.full_like(values, exponent))
    assert np.all(alike(found, wanted, 2))


@pytest.mark.parametrize("name", sorted(set(FORMULAS.operations) - {"where", "not", "or", "and"}))
def test_operations_are_those_of_numpy(name: str) -> None:
    numpy = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative, "pow": np.power,
        "min": np.minimum, "max": np.maximum, "lt": np.less, "le": np.less_equal, "gt": np.greater,
        "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
    }  # fmt: skip
    operation = numpy.get(name) or getattr(np, name)
    a = np.concatenate([RNG.uniform(0.1, 3, 50), [1.0, 2.0]])
    b = np.concatenate([RNG.uniform(0.1, 3, 50), [1.0, 3.0]])
    count = 1 if operation.nin == 1 else 2
    (found,) = compute([FORMULAS.operations[name](*(X, Y)[:count])], a, b)
    np.testing.assert_allclose(found, operation(*(a, b)[:count]).astype(np.float64), rtol=1e-15)


def test_conditions_choose() -> None:
    first, second = formulas.lt(X, 0.5), formulas.gt(Y, 0.5)
    operations = FORMULAS.operations
    rows = [
        operations["where"](operations[name](first, second), formulas.number(1.0), formulas.number(0.0))
        for name in ("and", "or")
    ]
    rows.append(operations["not"](first))
    a, b = RNG.uniform(0, 1, 64), RNG.uniform(0, 1, 64)
    wanted = np.stack([(a < 0.5) & (b > 0.5), (a < 0.5) | (b > 0.5), a >= 0.5])
    np.testing.assert_array_equal(compute(rows, a, b), wanted)


def test_a_product_is_added_with_one_rounding() -> None:
    a = 1 + RNG.uniform(0, 1, 64) * 2.0**-20
    (found,) = compute([X * X - Y], a, a * a)
    exact = a.astype(np.longdouble) * a - (a * a)
    assert np.any(found != 0)
    if np.finfo(np.longdouble).nmant > 60:
        np.testing.assert_allclose(found, exact.astype(np.float64), rtol=0, atol=2.0**-62)


def test_a_lane_does_not_matter() -> None:
    rows = [formulas.exp(X) * Y, X**Y, formulas.total([X * Y, X, formulas.sin(Y), X * X, Y * Y])]
    a, b = RNG.uniform(0.1, 3, 61), RNG.uniform(-3, 3, 61)
    order = RNG.permutation(61)
    np.testing.assert_array_equal(compute(rows, a, b)[:, order], compute(rows, a[order], b[order]))


def test_what_is_kept_gives_the_same_bits_later() -> None:
    middle = [formulas.exp(X * Y), X / Y]
    rows = [middle[0] * middle[1] + Y, middle[0] - middle[1] * 0.5]
    a, b = RNG.uniform(0.1, 3, 64), RNG.uniform(0.1, 3, 64)
    kept = to_keep(rows, middle)
    assert kept == [Y, *middle]
    again = compute(rows, *compute(kept, a, b), kept=kept)
    np.testing.assert_array_equal(again, compute(rows, a, b))


def test_known_numbers_are_computed_at_once() -> None:
    assert str(formulas.number(2.0) * 3.0 + 1.0) == "7.0"
    assert str(-formulas.number(2.0)) == "-2.0"
    assert X * 1.0 is X
