"""Data sets as NM-TRAN reads them: clocks, dates, comments, headers, continued records, occasions."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import engine
from engine.errors import DataError


def _read(tmp_path: Path, text: str, **options: object) -> engine.EventTable:
    path = tmp_path / "data.csv"
    path.write_text(text)
    return engine.read_nonmem(path, **options)  # type: ignore[arg-type]


def test_dates_and_clocks_of_the_manual(tmp_path: Path) -> None:
    """The example of NONMEM's help on the DATE data item."""
    text = "ID DATE TIME AMT\n1 10-1-86 9:15 1\n1 10-1-86 14:40 .\n1 10-2-86 8:30 .\n2 10-12 8 1\n2 10-14 10 .\n"
    table = _read(tmp_path, text)
    np.testing.assert_allclose(table.time, [0, 5 + 25 / 60, 23.25, 0, 50], atol=1e-12)
    assert not table.columns


def test_a_colon_makes_all_times_relative(tmp_path: Path) -> None:
    """The example of NONMEM's help on the TIME data item."""
    table = _read(tmp_path, "ID,TIME,AMT\n1,8:00,1\n1,14:45,0\n1,14.75,0\n2,9.5,1\n2,10:30:36,0\n")
    np.testing.assert_allclose(table.time, [0, 6.75, 6.75, 0, 1.01])


@pytest.mark.parametrize(
    ("label", "dates"),
    [
        ("DATE", ["12/31/99", "1/2/00"]),
        ("DAT1", ["31.12.1999", "2.1.2000"]),
        ("DAT2", ["1999-12-31", "2000-01-02"]),
        ("DAT3", ["99/31/12", "00/2/1"]),
        ("DATE", [0, 2]),
        ("DATE", ["-1", "1"]),
        ("DATE", pd.to_datetime(["1999-12-31", "2000-01-02"])),
    ],
)
def test_every_order_of_day_month_and_year(label: str, dates: list[object]) -> None:
    frame = pd.DataFrame({"ID": [1, 1], "TIME": ["20:00", "4:00"], "AMT": [1, 0], label: dates})
    np.testing.assert_allclose(engine.read_nonmem(frame).time, [0, 32])


def test_comments_and_headers(tmp_path: Path) -> None:
    rows = "1,0,5,70\n1,2,0,71\n"
    plain = _read(tmp_path, "ID,TIME,AMT,WT\n" + rows)
    for text, options in (
        ("# made by hand\nID,TIME,AMT,WT\n" + rows, {}),
        ("#ID,TIME,AMT,WT\n1,0,5,70\n# a comment\n\n1,2,0,71\n", {}),
        ("\ufeffid, time, amt, wt\n" + rows, {}),
        ('"ID","TIME","AMT","WT"\n' + rows, {}),
        ('"","ID","TIME","AMT","WT"\n"1",1,0,5,70\n"2",1,2,0,71\n', {}),
        ("ID,TIME,AMT,WT,\n1,0,5,70,\n1,2,0,71,\n", {}),
        ("ID TIME AMT WT\n  1 0 5 70\n  1 2 . 71\n", {}),
        ("ID\tTIME\tAMT\tWT\n1\t0\t5\t70\n1\t2\t.\t71\n", {}),
        ("ID,TIME,AMT,WT\n" + rows, {"ignore": "@", "names": ["ID", "TIME", "AMT", "WT"]}),
        (
            "C,X,Y\n1,a,0,5,70\nC,a,0,5,70\n1,b,2,0,71\n",
            {"ignore": "C", "names": ["ID", "X=DROP", "TIME", "AMT", "WT"]},
        ),
        ("C,ID,TIME,AMT,WT\n.,1,0,5,70\nC,1,1,9,99\n.,1,2,0,71\n", {"ignore": "C"}),
    ):
        found = _read(tmp_path, text, **options)
        assert (found.time.tolist(), found.amt.tolist(), found.evid.tolist()) == ([0, 2], [5, 0], [1, 0]), text
        assert next(values for name, values in found.columns.items() if name.lower() == "wt").tolist() == [70, 71], text
    assert plain.ids.tolist() == [1]


def test_synonyms_of_input_are_those_nonmem_knows(tmp_path: Path) -> None:
    found = _read(tmp_path, "1,0,5,.,3\n1,2,0,1.5,3\n", names=["ID", "TIME", "AMT", "CONC=DV", "AGE"])
    assert found.observations["dv"].to_numpy().tolist() == [1.5]
    assert list(found.columns) == ["AGE"]


def test_continued_records_count_with_their_last(tmp_path: Path) -> None:
    found = _read(tmp_path, "ID,TIME,AMT,CONT,WT\n1,0,99,1,1\n1,0,5,0,70\n1,7,3,1,2\n1,2,.,0,71\n")
    assert found.amt.tolist() == [5, 0]
    assert found.columns["WT"].tolist() == [70, 71]


def test_an_interval_may_be_read_off_a_clock(tmp_path: Path) -> None:
    assert _read(tmp_path, "ID,TIME,AMT,ADDL,II\n1,8:00,5,2,12:30\n1,9:00,.,.,.\n").ii.tolist() == [12.5, 0]


def test_without_evid_any_item_of_a_dose_makes_one(tmp_path: Path) -> None:
    found = _read(tmp_path, "ID,TIME,AMT,RATE,SS,II\n1,0,5,0,0,0\n1,1,0,3,1,0\n1,2,0,0,1,0\n1,3,0,0,0,0\n")
    assert found.evid.tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("ID,TIME,AMT\n1,0,1\n2,0,1\n1,3,0\n", {}, "record 3: ID 1 comes again after 2; NONMEM"),
        ("ID,TIME,AMT\n1,23:00,1\n1,1:00,0\n", {}, "clock goes back at record 2; give the day too, in a column DATE"),
        ("ID,TIME,AMT\n1,9:75,1\n", {}, "record 1: TIME is '9:75'; a time such as 9:15"),
        ("ID,TIME,AMT,DATE\n1,9:00,1,2020-01-02\n", {}, "DATE is '2020-01-02'; it means month, day, year"),
        ("ID,TIME,AMT,DATE\n1,9:00,1,31/2\n", {}, "DATE is '31/2'"),
        ("ID,TIME,AMT,DATE,DAT2\n1,9:00,1,1,2\n", {}, "columns DATE and DAT2 both have the date"),
        ("ID,TIME,AMT,DATE\n1,9:00,1,.\n", {}, "record 1: DATE is missing"),
        ("ID,TIME,TIME\n1,9,1\n", {}, "TIME occurs twice"),
        ("ID,TIME\n1,9,1\n", {}, "the header has 2 columns, the records have 3"),
        ("ID,TIME,AMT\n1,9\n", {}, "the header has 3 columns, the records have 2"),
        ("ID,TIME\n1,9\n1,9,8,7\n", {}, "not a table"),
        ("1,9,1\n", {"names": ["ID", "TIME"]}, "3 columns; names has 2"),
        ("ID,TIME,CMT\n1,0,1e300\n", {}, "CMT is 1e\\+300; a whole number"),
        ("", {}, "no records"),
        ("#\n", {}, "no records"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, text: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        _read(tmp_path, text, **options)


def test_what_is_no_file_or_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00ID")
    with pytest.raises(DataError, match="not a text file"):
        engine.read_nonmem(tmp_path / "bytes")
    with pytest.raises(DataError, match="the path of a file, or a data frame"):
        engine.read_nonmem(5)  # type: ignore[arg-type]


def test_a_compartment_may_be_named(oral: engine.Model, person: dict[str, float]) -> None:
    frame = pd.DataFrame({"ID": [1, 1], "TIME": [0, 0], "AMT": [7, 0], "CMT": [1, 1]})
    for names, total in ((("central",), 7.0), (("central", "depot"), 7.0), (("depot", "central"), 0.0)):
        table = engine.read_nonmem(frame, compartments=names)
        found = engine.simulate_arrays(oral, person, table).outputs
        assert found["total"][0, 0] == 7.0
        assert found["cp"][0, 0] * person["v"] == pytest.approx(total)


def test_time_that_starts_again_is_another_occasion(oral: engine.Model, person: dict[str, float]) -> None:
    """As simulating each occasion alone; what was pending or flowing is gone; a second reset in one occasion stays."""
    columns = ["ID", "TIME", "EVID", "AMT", "CMT", "ADDL", "II", "RATE"]
    first = [
        (1, 0, 1, 100, 1, 9, 12, 0),
        (1, 5, 0, 0, 0, 0, 0, 0),
        (1, 30, 1, 50, 2, 0, 0, 5),
        (1, 31, 0, 0, 0, 0, 0, 0),
    ]
    second = [(1, 2, 4, 20, 1, 0, 0, 0), (1, 6, 0, 0, 0, 0, 0, 0), (1, 7, 3, 0, 0, 0, 0, 0), (1, 8, 0, 0, 0, 0, 0, 0)]
    other = [(2, 0, 1, 10, 1, 0, 0, 0), (2, 9, 0, 0, 0, 0, 0, 0)]
    people = {name: np.asarray([value, value * 1.1]) for name, value in person.items()}
    found = engine.simulate_arrays(
        oral, people, engine.read_nonmem(pd.DataFrame(first + second + other, columns=columns))
    )
    assert found.time[0].tolist() == [5, 31, 6, 8]
    apart = [
        engine.simulate_arrays(
            oral, {name: values[who] for name, values in people.items()},
            engine.read_nonmem(pd.DataFrame(rows, columns=columns)),
        ).outputs["cp"][0]
        for who, rows in ((0, first), (0, second), (1, other))
    ]  # fmt: skip
    np.testing.assert_array_equal(found.outputs["cp"][0], np.concatenate(apart[:2]))
    np.testing.assert_array_equal(found.outputs["cp"][1, :1], apart[2])
    assert np.isnan(found.outputs["cp"][1, 1:]).all()
    assert found.outputs["cp"][0, 3] == 0
    named = engine.simulate(oral, person, engine.read_nonmem(pd.DataFrame(first + second, columns=columns)))
    np.testing.assert_array_equal(named["time"], [5, 31, 6, 8])


def test_an_occasion_that_fails_fails_its_subject(oral: engine.Model, person: dict[str, float]) -> None:
    frame = pd.DataFrame({
        "ID": [1, 1, 1, 1, 2], "TIME": [0, 3, 0, 3, 1], "EVID": [1, 0, 4, 0, 0], "AMT": [5, 0, 5, 0, 0],
        "LAG": [0, 0, -1, 0, 0],
    })  # fmt: skip
    others = {name: value for name, value in person.items() if name != "lag"}
    found = engine.simulate_arrays(oral, others, engine.read_nonmem(frame))
    assert found.status.tolist() == [engine.Status.bad_dosing, engine.Status.ok]
    assert np.isnan(found.outputs["cp"][0]).all()


def test_occasions_are_sampled_at_their_records_only(oral: engine.Model, person: dict[str, float]) -> None:
    table = engine.read_nonmem(pd.DataFrame({"ID": [1, 1], "TIME": [5, 0], "EVID": [1, 4], "AMT": [1, 1]}))
    with pytest.raises(DataError, match="starts again at a reset"):
        engine.simulate(oral, person, table, [1.0])
