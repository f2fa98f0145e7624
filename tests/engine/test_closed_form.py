"""Matrix exponentials and the closed form: full accuracy where others lose digits."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.linalg import expm

import engine
from engine import Dose, Regimen
from engine.solvers.exponential import exponential


def _dense(matrix: np.ndarray, step: float) -> np.ndarray:
    size = len(matrix)
    entries = {(i, j): np.asarray([matrix[i, j]]) for i in range(size) for j in range(size) if matrix[i, j]}
    found = exponential(entries, size, np.asarray([step]))
    return np.asarray([[found.get((i, j), np.zeros(1))[0] for j in range(size)] for i in range(size)])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("step", [0.0, 1e-6, 0.3, 24.0, 400.0])
def test_exponential_of_a_compartmental_matrix(seed: int, step: float) -> None:
    rng = np.random.default_rng(seed)
    flows = rng.exponential(0.5, (4, 4)) * (rng.random((4, 4)) < 0.6)
    np.fill_diagonal(flows, 0)
    matrix = flows - np.diag(flows.sum(axis=0) + rng.exponential(0.2, 4))
    np.testing.assert_allclose(_dense(matrix, step), expm(matrix * step), rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize("seed", range(5))
def test_exponential_of_a_matrix_with_negative_couplings(seed: int) -> None:
    matrix = np.random.default_rng(seed).normal(size=(4, 4))
    np.testing.assert_allclose(_dense(matrix, 1.7), expm(matrix * 1.7), rtol=1e-12)


@pytest.mark.parametrize("states", [2, 6, 12])
@pytest.mark.parametrize("step", [1e-5, 0.1, 3.0, 80.0])
def test_a_chain_of_equal_rates_keeps_every_digit(states: int, step: float) -> None:
    """Gamma density of each place in the chain; equal rates and tiny far ends are where other methods lose digits."""
    rate = 0.7
    matrix = -rate * np.eye(states) + rate * np.eye(states, k=-1)
    found = _dense(matrix, step)[:, 0]
    expected = [(rate * step) ** n * math.exp(-rate * step) / math.factorial(n) for n in range(states)]
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_nearly_equal_rates(oral: engine.Model, person: dict[str, float]) -> None:
    times = np.asarray([0.5, 2, 10, 30])
    for nearness in (0.0, 1e-15, 1e-10, 1e-5):
        k = person["cl"] / person["v"] * (1 + nearness)
        out = engine.simulate(oral, person | {"ka": k}, Regimen(Dose(100, "depot")), times)
        exact = 100 / 25 * k * times * np.exp(-k * times) * (1 + nearness * k * times / 2)
        np.testing.assert_allclose(out["cp"][0], exact, rtol=max(3e-14, 10 * nearness**2))


def test_rates_six_orders_apart(oral: engine.Model, person: dict[str, float]) -> None:
    ka, ke = 1e4, 0.01
    out = engine.simulate(oral, person | {"ka": ka, "cl": ke * 25}, Regimen(Dose(100, "depot")), [1, 100, 1000])
    expected = 100 / 25 * ka / (ka - ke) * np.exp(-ke * np.asarray([1, 100, 1000]))
    np.testing.assert_allclose(out["cp"][0], expected, rtol=1e-8)


def test_long_steps_are_exact(oral: engine.Model, person: dict[str, float]) -> None:
    out = engine.simulate(oral, person, Regimen(Dose(100, "central")), [5000.0])
    np.testing.assert_allclose(out["cp"][0], 4 * np.exp(-3.2 / 25 * 5000), rtol=1e-11)


def test_negative_couplings_oscillate(make_model: Callable[..., engine.Model]) -> None:
    """A spring: linear, and no compartmental model."""
    model = make_model(
        {"w": "1/h"}, {"x": "1", "y": "1"}, {"x": "w * y", "y": "-w * x"}, {"x": ("x", "1"), "y": ("y", "1")}
    )
    times = np.linspace(0, 30, 31)
    out = engine.simulate(model, {"w": 1.3}, Regimen(Dose(2, "x")), times)
    assert out.attrs["solver"] == "closed_form"
    np.testing.assert_allclose(out["x"][0], 2 * np.cos(1.3 * times), atol=1e-12)


def test_constant_production_and_initial_values(make_model: Callable[..., engine.Model]) -> None:
    model = make_model(
        {"kin": "mg/h", "k": "1/h", "r0": "mg"},
        {"r": {"unit": "mg", "initial": "r0"}},
        {"r": "kin - k * r"},
        {"r": ("r", "mg")},
    )
    times = np.asarray([0, 1, 5, 40, 41])
    out = engine.simulate(model, {"kin": 3.0, "k": 0.2, "r0": 4.0}, Regimen(Dose(7, "r", at=40.0)), times)
    exact = 15 - 11 * np.exp(-0.2 * times) + 7 * (times >= 40) * np.exp(-0.2 * np.maximum(times - 40, 0))
    np.testing.assert_allclose(out["r"][0], exact, rtol=1e-13)
    steady = engine.simulate(
        model, {"kin": 3.0, "k": 0.2, "r0": 4.0}, Regimen(Dose(7, "r", every=8, steady_state=1)), [0]
    )
    np.testing.assert_allclose(steady["r"][0], 15 + 7 / (1 - np.exp(-1.6)), rtol=1e-13)


def test_growth_without_bound_is_a_status(make_model: Callable[..., engine.Model]) -> None:
    model = make_model({"k": "1/h"}, {"x": {"unit": "1", "initial": "1"}}, {"x": "k * x"}, {"x": ("x", "1")})
    out = engine.simulate(model, {"k": 10.0}, Regimen(), [1.0, 100.0])
    assert out["status"].to_numpy().tolist() == [engine.Status.diverged]
    fine = engine.simulate(model, {"k": 0.5}, Regimen(), [2.0])
    np.testing.assert_allclose(fine["x"][0], np.e, rtol=1e-14)


def test_equations_that_are_not_linear_are_refused(effect: engine.Model, patient: dict[str, float]) -> None:
    with pytest.raises(engine.SolverError, match=r"model effect is not linear.*use solver 'auto'"):
        engine.simulate(effect, patient, Regimen(), [1.0], solver="closed_form")
