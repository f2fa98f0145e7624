"""Structure: Jacobian, linearity and switches of models whose answer is known."""

from collections.abc import Mapping

import numpy as np
import pytest

from engine.errors import ModelError
from engine.models import structure
from engine.models.algebras.arrays import ARRAYS
from engine.models.loading import Model, load_model

UNITS = {"k": "1/h", "q": "1/h", "s": "mg/h", "m": "mg", "tau": "h", "g": "1"}


def build(rates: Mapping[str, str], let: Mapping[str, str] | None = None) -> Model:
    """A model of mg and h with the given rates, whose parameters are those of UNITS that it uses."""
    text = " ".join([*rates.values(), *(let or {}).values()])
    used = {name: unit for name, unit in UNITS.items() if name in text.replace("(", " ").replace(")", " ").split()}
    return load_model(
        {
            "name": "made",
            "reference": "none",
            "time": "h",
            "parameters": {name: {"unit": unit, "meaning": "any"} for name, unit in used.items()},
            "states": {name: {"unit": "mg"} for name in rates},
            "let": dict(let or {}),
            "derivatives": dict(rates),
            "outputs": {"x": {"value": next(iter(rates)), "unit": "mg"}},
        }
    )


def test_a_chain_is_linear_with_the_matrix_one_reads_off():
    model = build({"a": "- k * a", "b": "flow - q * b + s"}, {"flow": "k * a"})
    found = structure.linear(model)
    assert found is not None
    assert [[str(entry) for entry in row] for row in found.matrix] == [["-k", "0"], ["k", "-q"]]
    assert [str(entry) for entry in found.forcing] == ["0", "s"]
    assert found.parameters == {"k", "q", "s"}
    matrix, forcing = found.evaluate(ARRAYS, {"k": 2.0, "q": 3.0, "s": 5.0})
    np.testing.assert_array_equal(matrix, [[-2, 0], [2, -3]])
    np.testing.assert_array_equal(forcing, [0, 5])


@pytest.mark.parametrize(
    "rate",
    [
        "- k * ( a + a )",
        "- k * a + a * q - a * q",
        "- ( k + q ) * a / g",
        "s * exp( g ) - k * a",
        "where( g > 1 , k , q ) * ( m - a )",
        "- k * max( g , 1 ) * a",
    ],
)
def test_linear_in_other_words(rate):
    model = build({"a": rate})
    found = structure.linear(model)
    assert found is not None
    p = {"k": 2.0, "q": 3.0, "s": 5.0, "m": 7.0, "g": 1.5, "tau": 1.0}
    (row,), (constant,) = found.evaluate(ARRAYS, p)
    for a in (0.0, 1.0, -4.0):
        assert row[0] * a + constant == pytest.approx(float(_rate(model, a, p)))


@pytest.mark.parametrize(
    "rate",
    [
        "- k * a * a / m",
        "- s * a / ( m + a )",
        "- k * a * t / tau",
        "s * sin( t / tau )",
        "- k * max( a , m )",
        "- k * abs( a )",
        "where( a > m , s , 0 )",
        "where( t > tau , s , 0 ) - k * a",
        "- where( t > tau , k , q ) * a",
        "- k * m * ( a / m ) ** g",
    ],
)
def test_not_linear_with_constant_coefficients(rate):
    assert structure.linear(build({"a": rate})) is None


def _rate(model: Model, a: float, p: Mapping[str, float]) -> float:
    from engine.models import equations

    return equations.derivatives(model, ARRAYS, 0.0, {"a": a}, p)["a"]


def test_switches_are_the_comparisons_that_can_change():
    model = build(
        {"a": "where( t > tau , late , 0 ) - max( a , m ) * k", "b": "- abs( b ) * q"},
        {"late": "where( g > 1 , s , 2 * s )"},
    )
    assert [str(found) for found in structure.switches(model)] == ["t > tau", "a < m", "b < 0"]
    assert structure.switches(build({"a": "- k * a"})) == ()


def test_jacobian_through_let_entries():
    model = build({"a": "- s * ratio / ( 1 + ratio )"}, {"ratio": "a / m"})
    ((entry,),) = structure.jacobian(model)
    from engine.models.expression import evaluate

    # Michaelis-Menten: d/da (s a / (m + a)) = s m / (m + a)^2
    assert evaluate(entry, {"s": 3.0, "m": 2.0, "a": 1.0}, ARRAYS) == pytest.approx(-3 * 2 / 9)


def test_a_model_made_here_is_checked_as_any_other():
    with pytest.raises(ModelError, match="must be in mg/h"):
        build({"a": "- k * m * a"})
