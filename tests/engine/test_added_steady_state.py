"""Steady states that are added to what is there (SS 2): by hand, and between solvers."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import engine

TIMES = np.array([5.0, 6.0, 9.0, 16.9, 17.1, 30.0])
SOLVERS = ["auto", "taylor", "rosenbrock", "reference"]


@pytest.fixture(scope="module")
def saturable(make_model: Callable[..., engine.Model]) -> engine.Model:
    """A lag, saturable elimination, and a turnover that the drug holds back; amounts to begin with are parameters."""
    return make_model(
        {"ka": "1/h", "vmax": "mg/h", "km": "mg", "kin": "mg/h", "kout": "1/h", "lag": "h", "a0": "mg", "b0": "mg",
         "c0": "mg"},
        {"gut": {"unit": "mg", "lag": "lag", "initial": "a0"}, "body": {"unit": "mg", "initial": "b0"},
         "effect": {"unit": "mg", "initial": "c0"}},
        {"gut": "-ka * gut", "body": "ka * gut - vmax * body / (km + body)",
         "effect": "kin / (1 + body / km) - kout * effect"},
        {"a": ("gut", "mg"), "b": ("body", "mg"), "c": ("effect", "mg")},
        name="saturable",
    )  # fmt: skip


PERSON = {"ka": 0.7, "vmax": 11.0, "km": 15.0, "kin": 5.0, "kout": 0.3, "lag": 0.4}
EMPTY = {"a0": 0.0, "b0": 0.0, "c0": 0.0}
SERIES = {"bolus": (50.0, 0.0, 1), "infusion": (50.0, 20.0, 2), "long infusion": (60.0, 4.0, 2)}


def table(*rows: tuple[float, ...]) -> engine.EventTable:
    columns = ["ID", "TIME", "EVID", "AMT", "RATE", "CMT", "SS", "II", "ADDL"]
    return engine.read_nonmem(pd.DataFrame([(1, *row) for row in rows], columns=columns))


def states(model: engine.Model, person: dict[str, float], events: engine.EventTable, times: np.ndarray, **how: object):
    found = engine.simulate_arrays(model, person, events, times, **how)  # type: ignore[arg-type]
    assert found.status[0] == engine.Status.ok
    return np.stack([values[0] for values in found.outputs.values()])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", SERIES)
def test_what_is_there_and_the_whole_steady_state_are_summed(saturable, kind, solver):
    """By hand: dose after dose until nothing changes, the sum, and what follows from the sum on."""
    amount, rate, into = SERIES[kind]
    person, first = {**PERSON, **EMPTY}, (0.0, 1, 40.0, 0, 1, 0, 0, 0)
    added = table(first, (5.0, 1, amount, rate, into, 2, 12.0, 1))
    found = states(saturable, person, added, TIMES, solver=solver)
    there = states(saturable, person, table(first), TIMES[:1], solver="runge_kutta")
    series = table((0.0, 1, amount, rate, into, 0, 12.0, 59))
    settled = states(saturable, person, series, np.array([720.0]), solver="runge_kutta")
    total = (there + settled)[:, 0]
    np.testing.assert_allclose(found[:, 0], total, rtol=1e-6)
    rest = [(0.0, 1, 12.0, 4.0, 2, 0, 0, 0)] if kind == "long infusion" else []
    after = table(*rest, (0.0, 1, amount, rate, into, 0, 12.0, 1))
    begun = {**PERSON, **dict(zip(EMPTY, total, strict=True))}
    wanted = states(saturable, begun, after, TIMES - 5.0, solver="runge_kutta")
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9)


def test_a_linear_model_is_the_same_by_every_solver(make_model):
    """With a production of its own, which counts once, and a lag and an infusion longer than the interval."""
    model = make_model(
        {"k": "1/h", "kin": "mg/h", "lag": "h"},
        {"a": {"unit": "mg", "lag": "lag", "initial": "kin / k"}, "b": "mg"},
        {"a": "kin - k * a", "b": "k * a - k / 3 * b"},
        {"a": ("a", "mg"), "b": ("b", "mg")},
    )  # fmt: skip
    person = {"k": 0.21, "kin": 3.0, "lag": 7.3}
    events = table((0.0, 1, 40.0, 0, 2, 0, 0, 0), (5.0, 1, 50.0, 6.0, 1, 2, 6.0, 3))
    wanted = states(model, person, events, TIMES, solver="closed_form")
    for solver in SOLVERS:
        np.testing.assert_allclose(states(model, person, events, TIMES, solver=solver), wanted, rtol=1e-6)
