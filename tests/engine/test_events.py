"""Event tables and reading NONMEM data sets."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import engine
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
