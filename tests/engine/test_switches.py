"""Equations that switch: found and cut at the switch, against solutions written down, and against stepping over it."""

from collections.abc import Callable

import numpy as np
import pytest

import engine
from engine import Dose, Regimen, Status
from engine.solvers.block_taylor import BlockTaylor
from engine.solvers.reference import Reference
from engine.solvers.rosenbrock import Rosenbrock
from engine.solvers.runge_kutta import RungeKutta

SOLVERS = {
    "block_taylor": BlockTaylor(tolerance=1e-10, floor=1e-6, max_steps=10**5, exact_linear=True),
    "runge_kutta": RungeKutta(tolerance=1e-10, floor=1e-6, max_steps=10**5, exact_linear=True),
    "rosenbrock": Rosenbrock(tolerance=1e-9, floor=1e-6, max_steps=10**5),
    "reference": Reference(method="DOP853", relative=1e-11, absolute=1e-13, max_steps=10**5),
}
TIMES = np.linspace(0, 12, 49)
K = np.asarray([0.3, 0.7, 1.1])


@pytest.fixture(params=SOLVERS)
def solver(request: pytest.FixtureRequest) -> engine.solvers.base.Solver:
    return SOLVERS[request.param]


def _simulate(model: engine.Model, solver: object, dosing: Regimen | None = None, **values: object) -> np.ndarray:
    people = {name: np.broadcast_to(value, K.shape).astype(float) for name, value in values.items()}
    found = engine.simulate_arrays(model, people, dosing or Regimen(), TIMES, solver=solver)
    assert not found.status.any(), found.status
    return found.outputs["x"]


def test_absorption_of_order_zero(make_model: Callable[..., engine.Model], solver: object) -> None:
    """An inflow that ends at a time: x = r/k (1 - exp(-k t)), then its decay."""
    model = make_model(
        {"k": "1/h", "r": "mg/h", "d": "h"}, {"x": "mg"}, {"x": "where(t < d, r, 0) - k * x"}, {"x": ("x", "mg")}
    )
    d = np.asarray([2.0, 3.37, 7.123])
    found = _simulate(model, solver, k=K, r=5.0, d=d)
    k, d = K[:, None], d[:, None]
    inside = np.minimum(TIMES, d)
    exact = 5 / k * (1 - np.exp(-k * inside)) * np.exp(-k * (TIMES - inside))
    np.testing.assert_allclose(found, exact, rtol=1e-8, atol=1e-12)


def test_a_pulse_shorter_than_a_step_is_not_stepped_over(
    make_model: Callable[..., engine.Model], solver: object
) -> None:
    model = make_model(
        {"k": "1/h", "r": "mg/h", "a": "h", "b": "h"},
        {"x": "mg"},
        {"x": "where(t > a and t < b, r, 0) - k * x * x / (x + 1)".replace("(x + 1)", "(x + x)")},
        {"x": ("x", "mg")},
    )
    found = _simulate(model, solver, Regimen(Dose(1, "x")), k=K, r=1e4, a=5.0, b=5.0001)
    k = K[:, None] / 2
    exact = np.exp(-k * TIMES)
    exact = exact + np.where(TIMES > 5, 1e4 / k * (1 - np.exp(-k * 0.0001)) * np.exp(-k * (TIMES - 5.0001)), 0)
    np.testing.assert_allclose(found, exact, rtol=1e-8)


def test_elimination_above_a_threshold(make_model: Callable[..., engine.Model], solver: object) -> None:
    """Constant inflow; elimination sets in where x passes c: a corner that is not known beforehand."""
    model = make_model(
        {"k": "1/h", "r": "mg/h", "c": "mg"}, {"x": "mg"}, {"x": "r - k * max(x - c, 0)"}, {"x": ("x", "mg")}
    )
    found = _simulate(model, solver, k=K, r=2.0, c=7.3)
    k, reached = K[:, None], 7.3 / 2
    exact = np.where(reached > TIMES, 2 * TIMES, 7.3 + 2 / k * (1 - np.exp(-k * (TIMES - reached))))
    np.testing.assert_allclose(found, exact, rtol=1e-8, atol=1e-12)


def test_a_jump_of_the_rate_at_a_level(make_model: Callable[..., engine.Model], solver: object) -> None:
    """Decay that is three times as fast above a level, with doses that carry it back over."""
    model = make_model({"k": "1/h", "c": "mg"}, {"x": "mg"}, {"x": "-k * x * where(x > c, 3, 1)"}, {"x": ("x", "mg")})
    found = _simulate(model, solver, Regimen(Dose(10, "x", every=6.1, times=2)), k=K, c=2.0)
    exact = np.empty_like(found)
    for row, k in enumerate(K):

        def decay(start: float, t: np.ndarray, k: float = k) -> np.ndarray:
            cross = np.log(start / 2.0) / (3 * k)
            return np.where(t < cross, start * np.exp(-3 * k * t), 2.0 * np.exp(-k * (t - cross)))

        again = 10 + float(decay(10.0, np.asarray(6.1)))
        exact[row] = np.where(TIMES < 6.1, decay(10.0, TIMES), decay(again, np.maximum(TIMES - 6.1, 0)))
    np.testing.assert_allclose(found, exact, rtol=1e-8)


def test_bang_bang(make_model: Callable[..., engine.Model], solver: object) -> None:
    """A double integrator pushed to and fro: parabolas between crossings of 0 of the position."""
    model = make_model(
        {"a": "1/h**2"},
        {"p": {"unit": "1", "initial": "1"}, "v": "1/h"},
        {"p": "v", "v": "where(p > 0, -a, a)"},
        {"x": ("p", "1")},
    )
    found = _simulate(model, solver, a=K)
    a = K[:, None]
    quarter = np.sqrt(2 / a)
    phase = np.mod(TIMES, 4 * quarter)
    half = np.mod(phase, 2 * quarter)
    sign = np.where((phase < quarter) | (phase >= 3 * quarter), 1.0, -1.0)
    away = np.where(half < quarter, half, 2 * quarter - half)
    exact = sign * (1 - a * away**2 / 2)
    np.testing.assert_allclose(found, exact, rtol=0, atol=2e-8)


def test_absolute_value(make_model: Callable[..., engine.Model], solver: object) -> None:
    model = make_model({"k": "1/h"}, {"x": {"unit": "1", "initial": "1"}}, {"x": "-k * abs(x) - k"}, {"x": ("x", "1")})
    found = _simulate(model, solver, k=K)
    k = K[:, None]
    cross = np.log(2) / k
    early = 2 * np.exp(-k * np.minimum(TIMES, cross)) - 1
    exact = np.where(cross > TIMES, early, 1 - np.exp(np.maximum(k * (TIMES - cross), 0)))
    np.testing.assert_allclose(found, exact, rtol=1e-8, atol=1e-9)


def test_stepping_over_a_switch_would_show(make_model: Callable[..., engine.Model]) -> None:
    """The same tolerance without looking for the switch leaves an error a thousand times larger."""
    from scipy.integrate import solve_ivp

    k, r, c = 0.7, 2.0, 7.3
    reached = c / r
    exact = c + r / k * (1 - np.exp(-k * (12 - reached)))
    over = solve_ivp(lambda t, x: r * (t < 5.0771) - k * x, (0, 12), [0.0], method="DOP853", rtol=1e-6, atol=1e-9)
    truth = r / k * (1 - np.exp(-k * 5.0771)) * np.exp(-k * (12 - 5.0771))
    model = make_model(
        {"k": "1/h", "r": "mg/h", "d": "h"}, {"x": "mg"}, {"x": "where(t < d, r, 0) - k * x"}, {"x": ("x", "mg")}
    )
    solver = RungeKutta(tolerance=1e-6, floor=1e-3, max_steps=1000, exact_linear=False)
    found = engine.simulate_arrays(model, {"k": k, "r": r, "d": 5.0771}, Regimen(), [12.0], solver=solver)
    assert abs(found.outputs["x"][0, 0] / truth - 1) < 1e-6
    assert abs(over.y[0, -1] / truth - 1) > 2 * abs(found.outputs["x"][0, 0] / truth - 1)
    assert exact > c


@pytest.mark.parametrize("name", ["block_taylor", "runge_kutta", "rosenbrock", "reference"])
def test_switching_without_end_is_a_status(make_model: Callable[..., engine.Model], name: str) -> None:
    model = make_model(
        {"k": "1/h", "c": "1"},
        {"x": {"unit": "1", "initial": "1"}},
        {"x": "where(x > c, -k, k)"},
        {"x": ("x", "1")},
    )
    people = {"k": np.ones(3), "c": np.asarray([0.5, 100.0, 0.3])}
    found = engine.simulate_arrays(model, people, Regimen(), [1.0, 4.0], solver=SOLVERS[name])
    assert found.status.tolist() == [Status.switching, 0, Status.switching]
    np.testing.assert_allclose(found.outputs["x"][1], [2.0, 5.0])
    assert "without end" in Status.switching.message


@pytest.mark.parametrize("name", ["block_taylor", "runge_kutta", "rosenbrock"])
def test_alone_or_in_a_crowd(make_model: Callable[..., engine.Model], name: str) -> None:
    model = make_model({"k": "1/h", "c": "mg"}, {"x": "mg"}, {"x": "-k * x * where(x > c, 3, 1)"}, {"x": ("x", "mg")})
    rng = np.random.default_rng(3)
    people = {"k": rng.uniform(0.1, 1, 30), "c": rng.uniform(0, 6, 30)}
    regimen = Regimen(Dose(5, "x", every=3, times=4))
    crowd = engine.simulate_arrays(model, people, regimen, TIMES, solver=name).outputs["x"]
    for subject in (0, 7, 29):
        alone = {key: value[[subject]] for key, value in people.items()}
        found = engine.simulate_arrays(model, alone, regimen, TIMES, solver=name).outputs["x"]
        np.testing.assert_array_equal(found[0], crowd[subject])


def test_auto_says_that_the_equations_switch(make_model: Callable[..., engine.Model]) -> None:
    model = make_model({"k": "1/h", "c": "mg"}, {"x": "mg"}, {"x": "-k * x * where(x > c, 3, 1)"}, {"x": ("x", "mg")})
    out = engine.simulate(model, {"k": 1.0, "c": 1.0}, Regimen(Dose(5, "x")), TIMES)
    assert out.attrs["solver"] == "block_taylor"
    assert "switch where x > c changes, which is located" in out.attrs["solver_reason"]


@pytest.mark.parametrize("name", ["block_taylor", "reference"])
def test_a_thing_compared_with_itself_never_switches(make_model: Callable[..., engine.Model], name: str) -> None:
    model = make_model(
        {"k": "1/h"},
        {"x": {"unit": "1", "initial": "1"}},
        {"x": "-k * max(x, x) * where(x >= x, 1, 2)"},
        {"x": ("x", "1")},
    )
    found = engine.simulate_arrays(model, {"k": np.asarray([0.5])}, Regimen(), [2.0], solver=SOLVERS[name])
    np.testing.assert_allclose(found.outputs["x"], np.exp([[-1.0]]), rtol=1e-6)


def test_differences_that_stay_zero_end_in_a_status(make_model: Callable[..., engine.Model]) -> None:
    """The reference solver finds a switch at every step; it does not go on for ever."""
    model = make_model(
        {"k": "1/h"}, {"x": {"unit": "1", "initial": "1"}}, {"x": "-k * where(x > x * 1, x, 1)"}, {"x": ("x", "1")}
    )
    found = engine.simulate_arrays(model, {"k": np.asarray([0.5])}, Regimen(), [2.0], solver=SOLVERS["reference"])
    assert found.status.tolist() == [Status.switching]


def test_two_switches_at_the_same_time(make_model: Callable[..., engine.Model], solver: object) -> None:
    """Different comparisons that change at one instant all change, also one that rounding puts a little later."""
    rate = "k * one * (where(x < 1e-6 * one, 0, 1) + where(1e6 * x * x < 1e-6 * one * one, 0, 2))"
    model = make_model(
        {"k": "1/h", "one": "mg"},
        {"d": "mg", "x": "mg", "y": "mg"},
        {"d": "-k * d", "x": "k * d", "y": rate},
        {"x": ("y", "mg")},
    )
    found = _simulate(model, solver, Regimen(Dose(1, "d", at=1.0)), k=K, one=1.0)
    start = 1.0 - np.log1p(-1e-6) / K[:, None]
    np.testing.assert_allclose(found, 3 * K[:, None] * np.maximum(TIMES - start, 0), rtol=1e-8, atol=1e-8)
