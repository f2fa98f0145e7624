"""Every kind of dose and record against sums of exponentials, one compartment of one subject at a time."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

import engine

K = 0.2
COLUMNS = ["ID", "TIME", "EVID", "AMT", "CMT", "RATE", "ADDL", "II", "SS"]
TIMES = (0.0, 0.5, 2.0, 3.0, 5.5, 7.0, 12.0, 20.0)
MANY = range(-300, 1)


@pytest.fixture(scope="module")
def two(make_model) -> engine.Model:
    """Two compartments that know nothing of each other, each dosed in its own way."""

    def how(n: int) -> dict[str, str]:
        return {"unit": "mg", "lag": f"lag{n}", "bioavailability": f"f{n}", "duration": f"d{n}", "rate": f"r{n}"}

    units = {f"{name}{n}": unit for n in (1, 2) for name, unit in {"lag": "h", "f": "1", "d": "h", "r": "mg/h"}.items()}
    return make_model(
        {"k": "1/h", **units}, {"a": how(1), "b": how(2)}, {"a": "-k * a", "b": "-k * b"},
        {"a": ("a", "mg"), "b": ("b", "mg")},
    )  # fmt: skip


PERSON = {"k": K, "lag1": 0.0, "f1": 1.0, "d1": 1.0, "r1": 1.0, "lag2": 0.0, "f2": 1.0, "d2": 1.0, "r2": 1.0}


def _amount(given: Sequence[tuple[float, float, float]], times: Sequence[float] = TIMES) -> np.ndarray:
    """Sum over doses (arrival, amount, length) of what is left of each."""
    total = np.zeros(len(times))
    for arrives, amount, lasts in given:
        since = np.asarray(times) - arrives
        if lasts == 0:
            total += np.where(since >= 0, amount * np.exp(-K * np.maximum(since, 0)), 0.0)
        else:
            flowing, after = np.clip(since, 0, lasts), np.maximum(since - lasts, 0)
            total += amount / lasts / K * (1 - np.exp(-K * flowing)) * np.exp(-K * after)
    return total


def _simulate(model: engine.Model, rows: Sequence[tuple[float, ...]], solver: str, **changed: float) -> np.ndarray:
    """Amounts of ``a`` at ``TIMES`` under records TIME, EVID, AMT, CMT, RATE, ADDL, II, SS; observations come last."""
    records = [(1, *row, *[0] * (len(COLUMNS) - 1 - len(row))) for row in rows]
    records += [(1, time, *[0] * (len(COLUMNS) - 2)) for time in TIMES]
    frame = pd.DataFrame(records, columns=COLUMNS).sort_values("TIME", kind="stable")
    found = engine.simulate_arrays(model, {**PERSON, **changed}, engine.read_nonmem(frame), solver=solver)
    assert found.status[0] == engine.Status.ok
    return found.outputs["a"][0]


CASES = {
    "bolus": ([(0, 1, 9, 1)], {}, [(0, 9, 0)]),
    "bolus with bioavailability and lag": ([(0, 1, 9, 1)], {"f1": 0.4, "lag1": 2.5}, [(2.5, 3.6, 0)]),
    "additional doses": ([(0, 1, 9, 1, 0, 3, 4)], {}, [(4 * n, 9, 0) for n in range(4)]),
    "additional doses, lag longer than II": (
        [(0, 1, 9, 1, 0, 3, 2)], {"lag1": 5.0}, [(5 + 2 * n, 9, 0) for n in range(4)]
    ),
    "infusion by rate: bioavailability shortens it": ([(0, 1, 9, 1, 3)], {"f1": 0.5}, [(0, 4.5, 1.5)]),
    "infusion of the model's duration: bioavailability slows it": (
        [(0, 1, 9, 1, -2)], {"d1": 4.0, "f1": 0.5, "lag1": 1.0}, [(1, 4.5, 4)]
    ),
    "infusion of the model's rate": ([(0, 1, 9, 1, -1, 1, 12)], {"r1": 2.0}, [(0, 9, 4.5), (12, 9, 4.5)]),
    "infusions that overlap": ([(0, 1, 9, 1, 3, 2, 2)], {}, [(2 * n, 9, 3) for n in range(3)]),
    "steady state of boluses": ([(0, 1, 9, 1, 0, 0, 6, 1)], {}, [(6 * n, 9, 0) for n in MANY]),
    "steady state and additional doses": (
        [(0, 1, 9, 1, 0, 2, 6, 1)], {}, [(6 * n, 9, 0) for n in range(-300, 3)]
    ),
    "steady state with lag": ([(0, 1, 9, 1, 0, 0, 6, 1)], {"lag1": 2.5}, [(2.5 + 6 * n, 9, 0) for n in MANY]),
    "steady state with a lag longer than II": (
        [(0, 1, 9, 1, 0, 0, 6, 1)], {"lag1": 14.5}, [(14.5 + 6 * n, 9, 0) for n in MANY]
    ),
    "steady state with a lag of twice II": (
        [(0, 1, 9, 1, 0, 0, 6, 1)], {"lag1": 12.0}, [(12 + 6 * n, 9, 0) for n in MANY]
    ),
    "steady state of infusions": ([(0, 1, 9, 1, 3, 0, 6, 1)], {}, [(6 * n, 9, 3) for n in MANY]),
    "steady state of infusions longer than II": ([(0, 1, 9, 1, 1, 0, 4, 1)], {}, [(4 * n, 9, 9) for n in MANY]),
    "steady state of infusions of twice II": ([(0, 1, 8, 1, 1, 0, 4, 1)], {}, [(4 * n, 8, 8) for n in MANY]),
    "steady state of infusions longer than II, lagging": (
        [(0, 1, 9, 1, 1, 0, 4, 1)], {"lag1": 6.5, "f1": 0.5}, [(6.5 + 4 * n, 4.5, 4.5) for n in MANY]
    ),
    "steady state of the model's duration": (
        [(0, 1, 9, 1, -2, 1, 4, 1)], {"d1": 5.0, "f1": 0.5}, [(4 * n, 4.5, 5) for n in range(-300, 2)]
    ),
    "constant infusion that stops": ([(0, 1, 0, 1, 3, 0, 0, 1)], {}, [(0, 3 / K, 0)]),
    "constant infusion of the model's rate": ([(0, 1, 0, 1, -1, 0, 0, 1)], {"r1": 5.0}, [(0, 5 / K, 0)]),
    "steady state replaces": (
        [(0, 1, 50, 1, 0, 5, 1), (3, 1, 9, 1, 0, 0, 6, 1)], {},
        [(n, 50 * (n < 3), 0) for n in range(4)] + [(3 + 6 * n, 9, 0) for n in MANY],
    ),
    "steady states add up": (
        [(0, 1, 9, 1, 0, 9, 12, 1), (0, 1, 5, 1, 0, 9, 8, 2)], {},
        [(12 * n, 9, 0) for n in range(-300, 10)] + [(8 * n, 5, 0) for n in range(-300, 10)],
    ),
    "reset": ([(0, 1, 9, 1, 1, 5, 2), (2.5, 3, 0, 1)], {}, [(0, 9, 9), (2, 9, 9)]),
    "reset and dose": ([(0, 1, 9, 1, 0, 5, 2), (2.5, 4, 7, 1, 0, 1, 5)], {}, [(0, 9, 0), (2, 9, 0)]),
    "another compartment": ([(0, 1, 9, 2), (0, 1, 4, 2, 3), (1, 1, 5, 1)], {}, [(1, 5, 0)]),
    "several routes and doses at one time": (
        [(0, 1, 9, 1), (0, 1, 4, 2), (0, 1, 6, 1, 2), (0, 1, 5, 0), (0, 1, 8, 1, 0, 1, 3)], {},
        [(0, 9, 0), (0, 6, 3), (0, 5, 0), (0, 8, 0), (3, 8, 0)],
    ),
    "a stop": ([(0, 1, 9, 1), (1, 2, 0, 1)], {}, [(0, 9, 0)]),
}  # fmt: skip


@pytest.mark.parametrize("solver", ["closed_form", "block_taylor"])
@pytest.mark.parametrize("case", CASES)
def test_case(two: engine.Model, case: str, solver: str) -> None:
    rows, changed, given = CASES[case]
    found, expected = _simulate(two, rows, solver, **changed), _amount(given)
    if case == "steady state replaces":  # before it, the doses so far; from it on, its own series
        early = np.asarray(TIMES) < 3
        expected = np.where(early, _amount(given[:4]), _amount(given[4:]))
    if case.startswith("reset"):
        late = np.asarray(TIMES) >= 2.5
        expected = np.where(late, _amount([(2.5, 7, 0), (7.5, 7, 0)]) if "dose" in case else 0.0, expected)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("solver", ["closed_form", "block_taylor"])
def test_order_at_one_time(two: engine.Model, solver: str) -> None:
    """An observation sees what was recorded before it, and additional and lagging doses that arrive at its time."""
    rows = [
        (0, 1, 1, 1, 0, 1, 4), (4, 0, 0, 1), (4, 1, 10, 1), (4, 0, 0, 1), (4, 3, 0, 1), (4, 0, 0, 1), (4, 1, 100, 1),
        (4, 0, 0, 1), (4, 4, 5, 1), (4, 0, 0, 1),
    ]  # fmt: skip
    records = [(1, *row, *[0] * (len(COLUMNS) - 1 - len(row))) for row in rows]
    table = engine.read_nonmem(pd.DataFrame(records, columns=COLUMNS))
    left = np.exp(-4 * K)
    found = engine.simulate_arrays(two, PERSON, table, solver=solver).outputs["a"][0]
    np.testing.assert_allclose(found, [1 + left, 11 + left, 0, 100, 5], rtol=1e-9, atol=1e-12)
    late = engine.simulate_arrays(two, {**PERSON, "lag1": 4.0}, table, solver=solver).outputs["a"][0]
    np.testing.assert_allclose(late, [1, 1, 0, 0, 0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("solver", ["closed_form", "block_taylor"])
def test_a_regimen_says_the_same(two: engine.Model, solver: str) -> None:
    """Records and regimens that mean the same give the same."""
    pairs = {
        "9 mg into a every 4 h, 4 times": "additional doses",
        "9 mg into a rate 3 mg/h every 6 h at steady state": "steady state of infusions",
        "9 mg into a over 9 h every 4 h at steady state": "steady state of infusions longer than II",
        "0 mg into a rate 3 mg/h at steady state": "constant infusion that stops",
        "9 mg into a over 3 h every 2 h, 3 times": "infusions that overlap",
    }
    for text, case in pairs.items():
        found = engine.simulate_arrays(two, PERSON, engine.Regimen.parse(text), TIMES, solver=solver).outputs["a"][0]
        np.testing.assert_allclose(found, _amount(CASES[case][2]), rtol=1e-9, atol=1e-12, err_msg=text)
