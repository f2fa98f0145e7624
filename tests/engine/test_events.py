"""Event tables and reading NONMEM data sets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import engine
from engine.dosing.events import from_records
from engine.errors import DataError, DosingError

HEADER = "ID,TIME,AMT,EVID,MDV,DV,WT,SEX\n"
ROWS = "b,0,100,1,1,.,70,M\nb,0,.,0,0,1.5,70,M\nb,2,.,0,0,0.5,71,M\na,0,50,1,1,.,60,F\na,1,.,0,0,,60,F\n"


def _table(tmp_path: Path, text: str) -> engine.EventTable:
    path = tmp_path / "data.csv"
    path.write_text(text)
    return engine.read_nonmem(path)


def test_subjects_keep_their_order_and_records_theirs(tmp_path: Path) -> None:
    table = _table(tmp_path, HEADER + ROWS)
    assert table.ids.tolist() == ["b", "a"]
    assert table.evid.tolist() == [1, 0, 0, 1, 0]
    assert table.observations["subject"].to_numpy().tolist() == ["b", "b", "a"]
    assert np.isnan(table.observations["dv"][2])
    assert table.doses["amt"].to_numpy().tolist() == [100, 50]


def test_covariates_are_those_constant_within_a_subject(tmp_path: Path) -> None:
    table = _table(tmp_path, HEADER + ROWS)
    assert list(table.covariates.data_vars) == ["SEX"]
    assert table.covariates["SEX"].to_numpy().tolist() == ["M", "F"]
    assert table.time_varying["WT"].to_numpy().tolist() == [70, 70, 71, 60, 60]
    assert table.time_varying.sizes == {"record": 5}


def test_missing_measurement_is_not_one_without_mdv(tmp_path: Path) -> None:
    table = _table(tmp_path, "id,time,amt,dv\n1,0,10,.\n1,1,0,5\n1,2,0,.\n")
    assert table.evid.tolist() == [1, 0, 0]
    assert table.mdv.tolist() == [1, 0, 1]
    assert table.observations["time"].to_numpy().tolist() == [1]


def test_unsorted_records_are_sorted_without_mixing_those_of_one_time(tmp_path: Path) -> None:
    table = _table(tmp_path, "ID,TIME,AMT,EVID,TAG\n1,5,0,0,1\n1,0,9,1,2\n1,0,0,0,3\n")
    assert table.columns["TAG"].tolist() == [2, 3, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TIME,AMT\n0,1\n", "column ID is missing; found TIME, AMT"),
        ("ID,AMT\n1,1\n", "column TIME is missing"),
        ("ID,TIME,time\n1,1,1\n", "TIME occurs twice"),
        ("ID,TIME\n", "no records"),
        ("ID,TIME,AMT\n1,zero,1\n", "record 1: TIME is 'zero'; a number"),
        ("ID,TIME,AMT\n1,0,1\n1,.,0\n", "TIME is nan; a finite number"),
        ("ID,TIME,AMT\n1,0,1\n.,1,0\n", "record 2: ID is missing"),
        ("ID,TIME,AMT,EVID\n1,0,-5,1\n", "subject 1, time 0: AMT is -5"),
        ("ID,TIME,AMT,EVID\n1,0,5,0\n", "AMT is 5; 0 in a record that is no dose"),
        ("ID,TIME,AMT,EVID\n1,0,5,7\n", "EVID is 7; 0, 1, 2, 3 or 4"),
        ("ID,TIME,AMT,EVID\n1,0,5,0.5\n", "EVID is 0.5; a whole number"),
        ("ID,TIME,AMT,RATE\n1,0,5,-3\n", "RATE is -3; 0 or more, -1 or -2"),
        ("ID,TIME,AMT,ADDL\n1,0,5,2\n", "II is 0; more than 0 with ADDL"),
        ("ID,TIME,AMT,SS\n1,0,5,1\n", "II is 0; more than 0 with SS"),
        ("ID,TIME,AMT,SS,II\n1,0,5,3,12\n", "SS is 3; 0, 1 or 2"),
        ("ID,TIME,AMT,CMT\n1,0,5,-1\n", "CMT is -1"),
        ("ID,TIME,AMT,EVID\n1,0,5,1\n1,9,5,4\n1,0,5,1\n", "TIME goes back from 9 to 0 in a record that is no reset"),
    ],
)
def test_bad_data_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        _table(tmp_path, text)


def test_no_file_is_said_so() -> None:
    with pytest.raises(DataError, match=r"nowhere\.csv: no such file"):
        engine.read_nonmem("nowhere.csv")


def test_compartment_the_model_lacks_is_refused(oral: engine.Model, person: dict[str, float]) -> None:
    frame = pd.DataFrame({"ID": [1, 1], "TIME": [0, 1], "AMT": [1, 0], "CMT": [3, 1]})
    with pytest.raises(DosingError, match=r"CMT is 3; the compartments are 1 to 2 \(depot, central\)"):
        engine.simulate(oral, person, engine.read_nonmem(frame))


def test_amounts_given_become_a_table() -> None:
    table = engine.EventTable.from_amounts([[1, np.nan], [2, 3]], [0, 24], "depot", ids=["x", "y"], stops=[24])
    assert table.ids[table.subject].tolist() == ["x", "x", "y", "y", "y"]
    assert table.time.tolist() == [0, 24, 0, 24, 24]
    assert table.evid.tolist() == [1, 2, 1, 2, 1]
    assert table.amt.tolist() == [1, 0, 2, 0, 3]


COLUMNS = ["ID", "TIME", "AMT", "EVID", "CMT", "ADDL", "II", "RATE", "SS"]


def _simulate(model: engine.Model, person: dict[str, float], *records: tuple[float, ...]) -> np.ndarray:
    frame = pd.DataFrame([(1, *record) for record in records], columns=COLUMNS)
    return engine.simulate(model, person, engine.read_nonmem(frame))["total"].to_numpy()[0]


OBSERVE = (0, 0, 2, 0, 0, 0, 0)


@pytest.mark.parametrize("solver_lag", [0.0, 5.0])
def test_a_reset_cancels_what_is_pending(oral: engine.Model, person: dict[str, float], solver_lag: float) -> None:
    """Additional doses, a dose still lagging, and an infusion in progress; doses recorded later are given."""
    stay = person | {"cl": 0.0, "lag": solver_lag}
    before = _simulate(
        oral, stay, (0, 100, 1, 2, 3, 12, 0, 0), (10, 50, 1, 2, 0, 0, 5, 0), (14, *OBSERVE),
        (14.5, 0, 3, 2, 0, 0, 0, 0), (14.5, *OBSERVE), (40, *OBSERVE), (41, 7, 1, 2, 0, 0, 0, 0), (50, *OBSERVE),
    )  # fmt: skip
    arrived = 100 + (100 if solver_lag == 0 else 0) + (20 if solver_lag == 0 else 0)
    np.testing.assert_allclose(before, [arrived, 0, 0, 7], rtol=1e-12, atol=1e-12)


def test_a_steady_state_that_replaces_cancels_what_is_pending(oral: engine.Model, person: dict[str, float]) -> None:
    plain = _simulate(oral, person, (30, 10, 1, 2, 0, 12, 0, 1), (31, *OBSERVE), (60, *OBSERVE))
    after = _simulate(
        oral, person, (0, 1000, 1, 2, 9, 12, 0, 0), (25, 500, 1, 2, 0, 0, 5, 0), (30, 10, 1, 2, 0, 12, 0, 1),
        (31, *OBSERVE), (60, *OBSERVE),
    )  # fmt: skip
    np.testing.assert_allclose(after, plain, rtol=1e-12)
    added = _simulate(
        oral, person, (0, 1000, 1, 2, 9, 12, 0, 0), (30, 10, 1, 2, 0, 12, 0, 2), (31, *OBSERVE), (60, *OBSERVE)
    )
    alone = _simulate(oral, person, (0, 1000, 1, 2, 9, 12, 0, 0), (31, *OBSERVE), (60, *OBSERVE))
    np.testing.assert_allclose(added, alone + plain, rtol=1e-12)


def test_a_reset_and_dose_gives_its_dose_and_its_additional_ones(oral: engine.Model, person: dict[str, float]) -> None:
    stay = person | {"cl": 0.0}
    found = _simulate(
        oral,
        stay,
        (0, 100, 1, 2, 5, 12, 0, 0),
        (13, 9, 4, 2, 1, 12, 0, 0),
        (13, *OBSERVE),
        (24.5, *OBSERVE),
        (26, *OBSERVE),
    )
    np.testing.assert_allclose(found, [9, 9, 18], rtol=1e-12)


def test_a_stop_changes_nothing(oral: engine.Model, person: dict[str, float]) -> None:
    with_stop = _simulate(oral, person, (0, 100, 1, 1, 0, 0, 0, 0), (5, 0, 2, 2, 0, 0, 0, 0), (9, *OBSERVE))
    np.testing.assert_allclose(
        with_stop, _simulate(oral, person, (0, 100, 1, 1, 0, 0, 0, 0), (9, *OBSERVE)), rtol=1e-13
    )


@pytest.mark.parametrize("solver", ["closed_form", "taylor", "reference"])
def test_a_steady_state_without_a_dose_is_that_of_the_equations(
    make_model: Callable[..., engine.Model], solver: str
) -> None:
    """AMT, RATE and II 0 with SS 1: what the system comes to by itself; something made inside it, or nothing."""
    model = make_model(
        {"k": "1/h", "make": "mg/h", "base": "mg"},
        {"a": {"unit": "mg", "initial": "base"}},
        {"a": "make - k * a"},
        {"a": ("a", "mg")},
    )
    frame = pd.DataFrame({"ID": 1, "TIME": [0, 4, 4], "EVID": [0, 1, 0], "AMT": 0, "SS": [0, 1, 0]})
    table = engine.read_nonmem(frame)
    for made in (0.0, 3.0):
        found = engine.simulate_arrays(model, {"k": 0.5, "make": made, "base": 5.0}, table, solver=solver)
        assert found.status[0] == engine.Status.ok
        np.testing.assert_allclose(found.outputs["a"][0], [5, made / 0.5], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("solver", ["closed_form", "taylor", "reference"])
def test_a_constant_infusion_may_have_the_model_s_rate(make_model: Callable[..., engine.Model], solver: str) -> None:
    """AMT 0, RATE -1, SS 1 (NONMEM Users Guide VI, III.F.5): the steady state of R, which stops at the record."""
    model = make_model(
        {"k": "1/h", "r": "mg/h"}, {"a": {"unit": "mg", "rate": "r"}}, {"a": "-k * a"}, {"a": ("a", "mg")}
    )
    frame = pd.DataFrame({"ID": 1, "TIME": [1, 1, 3], "EVID": [1, 0, 0], "AMT": 0, "SS": [1, 0, 0], "RATE": [-1, 0, 0]})
    table, person = engine.read_nonmem(frame), {"k": 0.5, "r": 7.0}
    found = engine.simulate_arrays(model, person, table, solver=solver).outputs["a"][0]
    np.testing.assert_allclose(found, 14 * np.exp([0, -1]), rtol=1e-9)
    dose = engine.Dose(0, "a", at=1, rate="model", steady_state=1)
    again = engine.simulate_arrays(model, person, engine.Regimen(dose), [1.0, 3.0], solver=solver).outputs["a"][0]
    np.testing.assert_allclose(again, found, rtol=1e-9)


def test_subjects_without_records_or_doses(oral: engine.Model, person: dict[str, float]) -> None:
    table = engine.EventTable.from_amounts([[np.nan], [4.0], [np.nan]], [0.0], "central")
    found = engine.simulate_arrays(oral, person, table, [0.0, 1.0]).outputs["total"]
    np.testing.assert_array_equal(found[:, 0], [0, 4, 0])


def test_one_subject_s_many_doses_take_no_room_for_the_others(oral: engine.Model, person: dict[str, float]) -> None:
    """Additional doses are written out block by block, and a number that cannot be is refused."""
    count = 20_000
    who = np.arange(count)
    table = from_records(
        who, who, np.zeros(count), evid=np.ones(count), amt=np.ones(count), addl=np.where(who == 7, 300, 1),
        ii=np.full(count, 12.0),
    )  # fmt: skip
    from engine import memory

    before = memory.resident()
    found = engine.simulate_arrays(oral, person, table, [1.0])
    assert memory.resident() - before < 400e6
    assert not found.status.any()
    huge = from_records([1], [0], [0.0], evid=[1], amt=[1.0], addl=[2**40], ii=[1.0])
    with pytest.raises(engine.SizeError, match="doses"):
        engine.simulate_arrays(oral, person, huge, [1.0])
    with pytest.raises(engine.SizeError, match="doses"):
        engine.simulate_arrays(oral, person, engine.Regimen(engine.Dose(1, "depot", every=1, times=2**40)), [1.0])


def test_a_lag_of_a_thousand_intervals_is_no_steady_state(oral: engine.Model, person: dict[str, float]) -> None:
    frame = pd.DataFrame({"ID": [1, 1], "TIME": [0, 1], "AMT": [1, 0], "SS": [1, 0], "II": [2, 0]})
    lags = {**person, "lag": np.asarray([1e12, 3.0])}
    two = pd.concat([frame, frame.assign(ID=2)])
    found = engine.simulate_arrays(oral, lags, engine.read_nonmem(two))
    assert found.status.tolist() == [engine.Status.bad_dosing, engine.Status.ok]


def test_doses_others_are_given_do_not_count(oral: engine.Model, person: dict[str, float]) -> None:
    """A lag that cannot be, of a state that only a neighbour is dosed into, harms nobody."""
    how = {"unit": "mg", "lag": "x"}
    model = engine.load_model({
        **oral.to_dict(), "name": "two", "states": {"depot": oral.to_dict()["states"]["depot"], "central": how},
        "parameters": {**oral.to_dict()["parameters"], "x": {"unit": "h", "meaning": "lag"}},
    })  # fmt: skip
    frame = pd.DataFrame({"ID": [1, 1, 2, 2], "TIME": [0, 1, 0, 1], "AMT": [1, 0, 1, 0], "CMT": [1, 0, 2, 0]})
    found = engine.simulate_arrays(model, {**person, "x": -1.0}, engine.read_nonmem(frame))
    assert found.status.tolist() == [engine.Status.ok, engine.Status.bad_dosing]
