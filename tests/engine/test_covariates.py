"""Parameters that change with time: columns of an event table."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import engine
from engine import Dose, Regimen
from engine.errors import DataError

REFERENCE = Path(__file__).parents[1] / "reference"
BASE = {"ka": 1.5, "v": 20.0, "tvcl": 1.1}


@pytest.fixture(scope="module")
def grown(make_model: Callable[..., engine.Model]) -> engine.Model:
    """Clearance by weight."""
    return make_model(
        {"ka": "1/h", "v": "L", "tvcl": "L/h", "wt": "1"},
        {"depot": "mg", "central": "mg"},
        {"depot": "-ka * depot", "central": "ka * depot - tvcl * (wt / 70)**0.75 / v * central"},
        {"cp": ("central / v", "mg/L")},
        name="grown",
    )


@pytest.fixture(scope="module")
def iv(make_model: Callable[..., engine.Model]) -> engine.Model:
    """One compartment whose every part depends on a covariate."""
    how = {"lag": "x * lag", "bioavailability": "x * f", "duration": "x * d", "rate": "x * r"}
    return make_model(
        {"k": "1/h", "x": "1", "lag": "h", "f": "1", "d": "h", "r": "mg/h", "base": "mg"},
        {"a": {"unit": "mg", "initial": "base * x", **how}},
        {"a": "-k * a"},
        {"a": ("a", "mg"), "seen": ("a * x", "mg")},
        name="iv",
    )


ONE = {"k": 0.1, "lag": 0.0, "f": 1.0, "d": 1.0, "r": 1.0, "base": 0.0}
COLUMNS = ["ID", "TIME", "EVID", "AMT", "X", "ADDL", "II", "RATE", "SS"]


def _simulate(
    model: engine.Model, rows: Sequence[tuple[float, ...]], output: str = "a", carry: str | None = None,
    solver: str = "closed_form", **changed: float,
) -> np.ndarray:  # fmt: skip
    """Output of one subject at its observations; ``rows`` are TIME, EVID, AMT, X and perhaps more."""
    padded = [(1, *row, *[0] * (len(COLUMNS) - 1 - len(row))) for row in rows]
    table = engine.read_nonmem(pd.DataFrame(padded, columns=COLUMNS))
    found = engine.simulate_arrays(model, {**ONE, **changed}, table, solver=solver, carry=carry)  # type: ignore[arg-type]
    assert found.status[0] == engine.Status.ok
    return found.outputs[output][0]


@pytest.mark.parametrize("solver", ["closed_form", "taylor", "reference"])
def test_weight_by_nonmem(grown: engine.Model, solver: str) -> None:
    """NONMEM 7.5, five digits: a record's weight acts on the interval that ends at it, additional doses included."""
    data = pd.read_csv(REFERENCE / "nmtests_timevarying_wt.csv")
    table = engine.read_nonmem(data)
    expected = data.loc[data["evid"] == 0, "cp_nonmem"].to_numpy() / 1000
    found = engine.simulate(grown, BASE, table, solver=solver)["cp"].to_numpy()[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-12)
    other = engine.simulate(grown, BASE, table, solver=solver, carry="forward")["cp"].to_numpy()[0]
    assert np.max(np.abs(other[1:] / expected[1:] - 1)) > 0.01


def test_elimination_over_the_interval_that_ends_at_a_record(make_model: Callable[..., engine.Model]) -> None:
    model = make_model({"k": "1/h"}, {"a": "mg"}, {"a": "-k * a"}, {"a": ("a", "mg")})
    frame = pd.DataFrame({
        "ID": 1, "TIME": [0, 1, 3, 3, 6], "EVID": [1, 0, 2, 0, 0], "AMT": [100, 0, 0, 0, 0],
        "K": [0.9, 0.1, 0.2, 0.7, 0.4],
    })  # fmt: skip
    table = engine.read_nonmem(frame)
    for carry, rates in (("backward", [0.1, 0.2, 0.4]), ("forward", [0.9, 0.1, 0.7])):
        steps = np.asarray(rates) * [1, 2, 3]
        found = engine.simulate_arrays(model, {}, table, carry=carry)  # type: ignore[arg-type]
        np.testing.assert_allclose(found.outputs["a"][0], 100 * np.exp(-np.cumsum(steps)), rtol=1e-13)


def test_samples_between_and_after_the_records(make_model: Callable[..., engine.Model]) -> None:
    """They lie in the interval that ends at the next record; after the last its value stays."""
    model = make_model(
        {"k": "1/h", "x": "1"}, {"a": "mg"}, {"a": "-k * a"}, {"a": ("a", "mg"), "seen": ("a * x", "mg")}
    )
    frame = pd.DataFrame({"ID": 1, "TIME": [0, 2, 4], "EVID": [1, 2, 2], "AMT": [1, 0, 0], "K": [5, 0.1, 0.3],
                          "X": [1, 2, 3]})  # fmt: skip
    table, times = engine.read_nonmem(frame), [0.0, 1.0, 2.0, 3.0, 4.0, 6.0]
    back = engine.simulate_arrays(model, {}, table, times).outputs
    np.testing.assert_allclose(back["a"][0], np.exp([0, -0.1, -0.2, -0.5, -0.8, -1.4]), rtol=1e-13)
    np.testing.assert_allclose(back["seen"][0] / back["a"][0], [1, 2, 2, 3, 3, 3], rtol=1e-13)
    ahead = engine.simulate_arrays(model, {}, table, times, carry="forward").outputs
    np.testing.assert_allclose(ahead["a"][0], np.exp([0, -5, -10, -10.1, -10.2, -10.8]), rtol=1e-13)
    np.testing.assert_allclose(ahead["seen"][0] / ahead["a"][0], [1, 1, 2, 2, 3, 3], rtol=1e-13)


@pytest.mark.parametrize("carry", ["backward", "forward"])
def test_a_record_s_own_dose_reset_and_observation_have_its_values(iv: engine.Model, carry: str) -> None:
    found = _simulate(
        iv, [(0, 0, 0, 1), (0, 1, 10, 2), (0, 0, 0, 3), (0, 3, 0, 4), (0, 0, 0, 5), (0, 4, 10, 0.5), (0, 0, 0, 7)],
        carry=carry, base=3.0,
    )  # fmt: skip
    np.testing.assert_allclose(found, [3, 3 + 20, 12, 1.5 + 5], rtol=1e-13)
    seen = _simulate(iv, [(0, 1, 10, 1), (0, 0, 0, 2), (0, 0, 0, 3)], "seen", carry=carry)
    np.testing.assert_allclose(seen, [20, 30], rtol=1e-13)


def test_lag_and_duration_are_those_of_the_dose_s_record(iv: engine.Model) -> None:
    """A dose at 0 with lag 2 arrives at 2, whatever the covariate is by then; its infusion runs on across a change."""
    still = {"k": 1e-12, "lag": 1.0}
    found = _simulate(iv, [(0, 1, 10, 2), (1.9, 0, 0, 9), (2.1, 0, 0, 5)], **still)
    np.testing.assert_allclose(found, [0, 20], atol=1e-9)
    running = _simulate(
        iv, [(0, 1, 10, 4, 0, 0, -2), (1, 0, 0, 1), (2, 0, 0, 3), (3, 0, 0, 1), (5, 0, 0, 9)], k=1e-12, d=1.0, f=0.1
    )
    np.testing.assert_allclose(running, [1, 2, 3, 4], rtol=1e-9)


def test_additional_doses_have_the_values_of_the_time_they_are_due(iv: engine.Model) -> None:
    """Due at 2, 4, 6 and 8: in the intervals that end at 3, 5, 6 and, after the last record, by its value."""
    rows = [(0, 1, 1, 1, 4, 2), (3, 0, 0, 10), (5, 0, 0, 100), (6, 0, 0, 1000)]
    found = _simulate(iv, rows, k=1e-12)
    np.testing.assert_allclose(found, [11, 111, 1111], rtol=1e-9)
    ahead = _simulate(iv, rows, k=1e-12, carry="forward")
    np.testing.assert_allclose(ahead, [2, 12, 112], rtol=1e-9)


@pytest.mark.parametrize("solver", ["closed_form", "taylor", "reference"])
def test_a_steady_state_is_that_of_its_record(make_model: Callable[..., engine.Model], solver: str) -> None:
    model = make_model({"k": "1/h"}, {"a": "mg"}, {"a": "-k * a"}, {"a": ("a", "mg")})
    frame = pd.DataFrame({"ID": 1, "TIME": [0, 5, 5, 7], "EVID": [2, 1, 0, 0], "AMT": [0, 10, 0, 0], "II": [0, 4, 0, 0],
                          "SS": [0, 1, 0, 0], "K": [9, 0.5, 0.7, 0.1]})  # fmt: skip
    found = engine.simulate_arrays(model, {}, engine.read_nonmem(frame), solver=solver).outputs["a"][0]
    peak = 10 / (1 - np.exp(-0.5 * 4))
    np.testing.assert_allclose(found, [peak, peak * np.exp(-0.2)], rtol=1e-9)


def test_an_infusion_at_steady_state_runs_on_across_changes(make_model: Callable[..., engine.Model]) -> None:
    """Rate 2 for 6 h every 4 h: at the record two overlap, one of them for 2 h more."""
    model = make_model({"k": "1/h"}, {"a": "mg"}, {"a": "-k * a"}, {"a": ("a", "mg")})
    frame = pd.DataFrame({"ID": 1, "TIME": [0, 1, 3, 7], "EVID": [1, 0, 0, 0], "AMT": [12, 0, 0, 0], "II": [4, 0, 0, 0],
                          "SS": [1, 0, 0, 0], "RATE": [2, 0, 0, 0], "K": [0.3, 0.5, 0.7, 0.2]})  # fmt: skip
    found = engine.simulate_arrays(model, {}, engine.read_nonmem(frame)).outputs["a"][0]
    k = 0.3

    def on(state: float, rate: float, k: float, hours: float) -> float:
        return state * np.exp(-k * hours) + rate / k * (1 - np.exp(-k * hours))

    state = 0.0
    for _ in range(60):
        state = on(on(state, 4, k, 2), 2, k, 2)
    expected = [on(state, 4, 0.5, 1)]
    expected.append(on(on(expected[0], 4, 0.7, 1), 2, 0.7, 1))
    expected.append(on(on(expected[1], 2, 0.2, 3), 0, 1.0, 0))  # the dose at 0 flows until 6
    expected[-1] = expected[-1] * np.exp(-0.2)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_table_by_hand_and_columns_that_stay_the_same(grown: engine.Model) -> None:
    table = engine.EventTable.from_amounts([[100.0], [50.0]], [0.0], "depot", stops=[5.0])
    weight = np.asarray([60.0, 60.0, 90.0, 90.0])
    from dataclasses import replace

    found = engine.simulate_arrays(grown, BASE, replace(table, columns={"wt": weight}), [1.0, 9.0])
    regimens = [Regimen(Dose(amount, "depot")) for amount in (100, 50)]
    plain = engine.simulate_arrays(grown, BASE | {"wt": np.asarray([60.0, 90.0])}, regimens, [1.0, 9.0])
    np.testing.assert_allclose(found.outputs["cp"], plain.outputs["cp"], rtol=1e-13)


def test_what_is_given_counts_before_the_table(grown: engine.Model) -> None:
    frame = pd.DataFrame({"ID": [1, 1], "TIME": [0, 9], "AMT": [1, 0], "WT": [50, 60]})
    table = engine.read_nonmem(frame)
    given = engine.simulate_arrays(grown, BASE | {"wt": 60.0}, table).outputs["cp"]
    np.testing.assert_array_equal(given, engine.simulate_arrays(grown, BASE, table).outputs["cp"])
    other = engine.simulate_arrays(grown, BASE | {"wt": 50.0}, table).outputs["cp"]
    assert abs(other[0, 0] / given[0, 0] - 1) > 0.01


@pytest.mark.parametrize("solver", ["closed_form", "taylor"])
def test_company_changes_no_bit(grown: engine.Model, solver: str) -> None:
    """Subjects with different numbers of changes, alone and together, in any order."""
    rng = np.random.default_rng(4)
    frames = []
    for who in range(9):
        count = int(rng.integers(2, 9))
        frames.append(pd.DataFrame({
            "ID": who, "TIME": np.sort(rng.uniform(0, 40, count)), "EVID": [1] + [0] * (count - 1),
            "AMT": [100.0] + [0.0] * (count - 1), "RATE": [10.0 * (who % 2)] + [0.0] * (count - 1),
            "CMT": 1 + who % 2, "WT": rng.uniform(50, 90, count) if who % 3 else 70.0,
        }))  # fmt: skip
    whole = engine.simulate_arrays(grown, BASE, engine.read_nonmem(pd.concat(frames)), solver=solver).outputs["cp"]
    order = rng.permutation(9)
    mixed = pd.concat([frames[who] for who in order])
    again = engine.simulate_arrays(grown, BASE, engine.read_nonmem(mixed), solver=solver).outputs["cp"]
    np.testing.assert_array_equal(again, whole[order][:, : again.shape[1]])
    for who, frame in enumerate(frames):
        alone = engine.simulate_arrays(grown, BASE, engine.read_nonmem(frame), solver=solver).outputs["cp"][0]
        np.testing.assert_array_equal(alone, whole[who, : len(alone)])


def test_a_subject_that_fails_in_one_stretch_fails_alone(make_model: Callable[..., engine.Model]) -> None:
    model = make_model({"k": "1/h", "x": "1"}, {"a": "mg"}, {"a": "-k * a"}, {"a": ("a", "mg"), "y": ("log(x)", "1")})
    frame = pd.DataFrame({"ID": [1, 1, 2, 2], "TIME": [0, 1, 0, 1], "AMT": [1, 0, 1, 0], "X": [1, 2, 1, -3.0]})
    found = engine.simulate_arrays(model, {"k": 0.1}, engine.read_nonmem(frame))
    assert found.status.tolist() == [engine.Status.ok, engine.Status.diverged]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"WT": [70, None]}, {}, r"subject 1, record 2 \(time 4\): WT is nan; it is a parameter"),
        ({"WT": [70, np.inf]}, {}, "WT is inf"),
        ({"WT": ["a", "b"]}, {}, "column WT holds 'a'; a parameter of the model is a number"),
        ({"WT": None}, {}, "parameters: wt missing"),
        ({}, {"carry": "sideways"}, "carry: 'sideways'; 'backward'"),
    ],
)
def test_what_a_column_cannot_be_is_said(
    grown: engine.Model, change: dict[str, object], options: dict[str, str], message: str
) -> None:
    columns = {"ID": [1, 1], "TIME": [0, 4], "AMT": [1, 0], "WT": [70, 71]} | change
    frame = pd.DataFrame({name: values for name, values in columns.items() if values is not None})
    with pytest.raises(DataError, match=message):
        engine.simulate(grown, BASE, engine.read_nonmem(frame), **options)  # type: ignore[arg-type]


def test_two_columns_that_could_be_the_parameter_are_refused(grown: engine.Model) -> None:
    from dataclasses import replace

    table = engine.EventTable.from_amounts([[1.0]], [0.0], "depot")
    one = np.asarray([70.0])
    with pytest.raises(DataError, match="columns WT and Wt could both be parameter wt"):
        engine.simulate_arrays(grown, BASE, replace(table, columns={"WT": one, "Wt": one}), [1.0])
    found = engine.simulate_arrays(grown, BASE, replace(table, columns={"wt": one, "Wt": one * 2}), [1.0])
    assert found.status[0] == engine.Status.ok


def test_carry_is_for_event_tables(grown: engine.Model) -> None:
    with pytest.raises(DataError, match="carry: only an event table"):
        engine.simulate(grown, BASE | {"wt": 70.0}, Regimen(Dose(1, "depot")), [1.0], carry="forward")
    with pytest.raises(DataError, match="parameters: wt missing"):
        engine.simulate(grown, BASE, Regimen(Dose(1, "depot")), [1.0])


def test_a_policy_wants_its_parameters(grown: engine.Model) -> None:
    """It has no table they could come from, nor anything to carry."""
    from tests.engine.test_policy import Halve

    with pytest.raises(DataError, match="parameters: wt missing"):
        engine.simulate(grown, BASE, Halve(), [1.0])
    with pytest.raises(DataError, match="carry: only an event table"):
        engine.simulate(grown, BASE | {"wt": 70.0}, Halve(), [1.0], carry="forward")
