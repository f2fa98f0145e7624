"""Our own conformance checks: what we make has no finding, and every planted fault is found by the rule it breaks."""

import dataclasses

import pandas as pd
import pytest

from tests.trials.evidence.examples import TRIALS, example, told
from trials.evidence.conformance import check
from trials.evidence.sdtm import tables
from trials.evidence.sdtm.plan import read
from trials.evidence.transport import xpt

WHEN = "2026-01-31T12:34:56Z"


@pytest.fixture(scope="module")
def sdtm():
    return {table.name: table for table in tables(example("evolocumab_ldl", n=12))}


def put(name, variable, row, value):
    """Put a value into one record, or (row None) into all."""

    def plant(sdtm):
        frame = sdtm[name].frame.copy()
        frame.loc[slice(None) if row is None else row, variable] = value
        return sdtm | {name: dataclasses.replace(sdtm[name], frame=frame)}

    return plant


def records(name, change):
    def plant(sdtm):
        frame = change(sdtm[name].frame).reset_index(drop=True)
        return sdtm | {name: dataclasses.replace(sdtm[name], frame=frame)}

    return plant


def columns(name, change):
    """Change the variables."""

    def plant(sdtm):
        made = change(list(sdtm[name].columns))
        frame = sdtm[name].frame[[column.name for column in made]]
        keys = [key for key in sdtm[name].keys if key in frame]
        return sdtm | {name: dataclasses.replace(sdtm[name], columns=made, frame=frame, keys=keys)}

    return plant


def called(name, variable, other):
    """Give a variable another name; it keeps its values."""

    def plant(sdtm):
        old = sdtm[name]
        made = [dataclasses.replace(one, name=other) if one.name == variable else one for one in old.columns]
        frame = old.frame.rename(columns={variable: other})
        return sdtm | {name: dataclasses.replace(old, columns=made, frame=frame)}

    return plant


def without(name):
    return lambda sdtm: {one: table for one, table in sdtm.items() if one != name}


def labelled(name, label):
    return lambda sdtm: sdtm | {name: dataclasses.replace(sdtm[name], label=label)}


def renamed(name, other):
    return lambda sdtm: (
        {one: table for one, table in sdtm.items() if one != name}
        | {other: dataclasses.replace(sdtm[name], name=other)}
    )


def swapped(made):
    made[2], made[3] = made[3], made[2]
    return made


def dropped(variable):
    return lambda made: [one for one in made if one.name != variable]


def relabelled(variable):
    return lambda made: [
        dataclasses.replace(one, label="Another Label") if one.name == variable else one for one in made
    ]


def summarised(sdtm, code, value):
    row = int((sdtm["TS"].frame["TSPARMCD"] == code).to_numpy().nonzero()[0][0])
    return put("TS", "TSVAL", row, value)(sdtm)


def gap(sdtm):
    """The second element of the first subject starts a day after its first ended."""
    frame = sdtm["SE"].frame
    second = frame.iloc[[0]].assign(SESTDTC="2000-03-28T08:00:00", SESEQ=2.0, TAETORD=2.0)
    return records("SE", lambda frame: pd.concat([frame.iloc[:1], second, frame.iloc[1:]]))(sdtm)


def overlap(sdtm):
    """The first subject's doses are told twice, from the second on a week later."""
    frame = sdtm["EX"].frame
    again = frame.iloc[[0]].assign(EXSTDTC="2000-01-10T08:00:00", EXSEQ=2.0)
    return records("EX", lambda frame: pd.concat([frame.iloc[:1], again, frame.iloc[1:]]))(sdtm)


MISSED_BY_CORE = {
    "sex": (put("DM", "SEX", 3, "X"), "DM", 4, "terminology"),
    "dose unit": (put("EX", "EXDOSU", 2, "mgg"), "EX", 3, "terminology"),
    "label": (columns("LB", relabelled("LBTEST")), "LB", 0, "labels"),
    "no TS": (without("TS"), "TS", 0, "data sets"),
}
SIXTEEN = {
    "required variable missing": (columns("LB", dropped("LBTEST")), "LB", 0, "variables"),
    "same keys twice": (put("DM", "USUBJID", 1, "TT-TEST-E1-SIM0001"), "DM", 2, "keys"),
    "subject not in DM": (put("LB", "USUBJID", 5, "TT-TEST-E1-SIM9999"), "LB", 6, "USUBJID"),
    "no date": (put("LB", "LBDTC", 1, "2000-13-03"), "LB", 2, "ISO 8601"),
    "end before start": (put("EX", "EXENDTC", 0, "1999-12-31T08:00:00"), "EX", 1, "start and end"),
    "sequence number twice": (put("LB", "LBSEQ", 1, 1.0), "LB", 2, "--SEQ"),
    "order of variables": (columns("VS", swapped), "VS", 0, "order of variables"),
    "unknown variable": (called("VS", "VSLOBXFL", "VSODD"), "VS", 0, "variables"),
    "lower-case domain": (renamed("VS", "vs"), "vs", 0, "data sets"),
    "another study": (put("EX", "STUDYID", 2, "OTHER"), "EX", 3, "STUDYID"),
    "wrong study day": (put("LB", "LBDY", 1, 5.0), "LB", 2, "study days"),
    "arm not in TA": (put("DM", "ARMCD", 0, "NONE"), "DM", 1, "ARMCD and ARM"),
    "no unit": (put("LB", "LBSTRESU", 0, ""), "LB", 1, "units"),
    "text and number differ": (put("LB", "LBSTRESN", 2, 1.0), "LB", 3, "results"),
    "unknown epoch": (put("LB", "EPOCH", 0, "FOLLOW-UP"), "LB", 1, "EPOCH"),
    "visit not in TV": (put("LB", "VISITNUM", 3, 99.0), "LB", 4, "VISITNUM and VISIT and VISITDY"),
}
MORE = {
    "trial summary": (lambda sdtm: summarised(sdtm, "TPHASE", "PHASE 9"), "TS", None, "terminology"),
    "after the study": (put("LB", "LBDTC", 0, "2031-01-03T08:00:00"), "LB", 1, "end of study"),
    "gap between elements": (gap, "SE", 1, "elements"),
    "element that does not end": (lambda sdtm: put("SE", "SEENDTC", 0, "")(gap(sdtm)), "SE", 1, "elements"),
    "doses that overlap": (overlap, "EX", 2, "exposure"),
    "label of a data set": (labelled("DM", "Demographics"), "DM", 0, "labels"),
    "order of records": (records("LB", lambda frame: frame.iloc[::-1]), "LB", 1, "order of records"),
    "not said to be simulated": (put("TS", "TSVAL", None, "x"), "TS", 0, "summary"),
    "a death without a date": (put("DM", "DTHFL", 0, "Y"), "DM", 1, "death"),
    "exposure": (put("DM", "RFXSTDTC", 0, "2000-01-04T08:00:00"), "DM", 1, "exposure"),
    "negative dose": (put("EX", "EXDOSE", 0, -1.0), "EX", 1, "doses"),
    "not done with a result": (put("LB", "LBSTRESC", 0, ""), "LB", 1, "not done"),
    "not ASCII": (put("LB", "LBCAT", 0, "Bl\u00fct"), "LB", 0, "lengths"),
    "expected variable missing": (columns("DM", dropped("AGE")), "DM", 0, "variables"),
    "domain": (put("LB", "DOMAIN", 0, "XX"), "LB", 1, "DOMAIN"),
    "no data": (records("DS", lambda frame: frame.iloc[:0]), "DS", 0, "data sets"),
    "required value": (put("EX", "EXTRT", 1, ""), "EX", 2, "required values"),
    "tests": (put("LB", "LBTEST", 0, "Another"), "LB", 0, "tests"),
    "baseline twice": (put("LB", "LBLOBXFL", 1, "Y"), "LB", 2, "baseline"),
    "element not in TE": (put("SE", "ELEMENT", 0, "Odd"), "SE", 1, "ETCD and ELEMENT"),
}


def test_what_we_make_has_no_finding(sdtm):
    assert list(map(str, check(sdtm.values()))) == []


@pytest.mark.parametrize("plants", [MISSED_BY_CORE, SIXTEEN, MORE], ids=["four", "sixteen", "more"])
def test_every_planted_fault_is_found(sdtm, plants):
    for what, (plant, name, record, rule) in plants.items():
        found = check(plant(sdtm).values())
        rows = {one.record for one in found if (one.data_set, one.rule) == (name, rule)}
        assert rows if record is None else record in rows, (what, [str(one) for one in found])


def test_there_are_four_and_sixteen():
    assert (len(MISSED_BY_CORE), len(SIXTEEN)) == (4, 16)


def twenty(sdtm, name):
    """The four and the sixteen in the domain of a trial's findings: what is planted, in which data set, which rule."""
    one = sdtm["DM"].frame["USUBJID"][0]
    united = ("EX", "EXDOSU") if name in ("FT", "RS") else (name, f"{name}STRESU")
    return {
        "sex": (put("DM", "SEX", 3, "X"), "DM", "terminology"),
        "dose unit": (put("EX", "EXDOSU", 2, "mgg"), "EX", "terminology"),
        "label": (columns(name, relabelled(f"{name}TEST")), name, "labels"),
        "no TS": (without("TS"), "TS", "data sets"),
        "required variable missing": (columns(name, dropped(f"{name}TEST")), name, "variables"),
        "same keys twice": (put("DM", "USUBJID", 1, one), "DM", "keys"),
        "subject not in DM": (put(name, "USUBJID", 5, "TT-TEST-E1-SIM9999"), name, "USUBJID"),
        "no date": (put(name, f"{name}DTC", 1, "2000-13-03"), name, "ISO 8601"),
        "end before start": (put("EX", "EXENDTC", 0, "1999-12-31T08:00:00"), "EX", "start and end"),
        "sequence number twice": (put(name, f"{name}SEQ", 1, 1.0), name, "--SEQ"),
        "order of variables": (columns(name, swapped), name, "order of variables"),
        "unknown variable": (called(name, "EPOCH", f"{name}ODD"), name, "variables"),
        "lower-case domain": (renamed(name, name.lower()), name.lower(), "data sets"),
        "another study": (put("EX", "STUDYID", 2, "OTHER"), "EX", "STUDYID"),
        "wrong study day": (put(name, f"{name}DY", 1, 5000.0), name, "study days"),
        "arm not in TA": (put("DM", "ARMCD", 0, "NONE"), "DM", "ARMCD and ARM"),
        "no unit": (put(*united, 0, ""), united[0], "units"),
        "text and number differ": (put(name, f"{name}STRESN", 2, 1.5), name, "results"),
        "unknown epoch": (put(name, "EPOCH", 0, "FOLLOW-UP"), name, "EPOCH"),
        "visit not in TV": (put(name, "VISITNUM", 3, 99.0), name, "VISITNUM and VISIT and VISITDY"),
    }


QUICK = ("theophylline_bioequivalence", "parkinson_delayed_start")


@pytest.mark.parametrize("trial", [pytest.param(one, marks=() if one in QUICK else pytest.mark.slow) for one in TRIALS])
def test_the_four_and_the_sixteen_are_found_in_every_shipped_trial(trial):
    one, sdtm = told(trial)
    name = read(one.trial.name).measurements[one.protocol.measurements[0].name].domain
    planted = twenty(sdtm, name)
    assert set(planted) == set(MISSED_BY_CORE) | set(SIXTEEN)
    assert list(check(sdtm.values())) == []
    for what, (plant, place, rule) in planted.items():
        found = check(plant(sdtm).values())
        assert any((each.data_set, each.rule) == (place, rule) for each in found), (what, [str(each) for each in found])


def test_transport_files_are_checked_as_they_are_read(sdtm, tmp_path):
    for plant, expected in ((lambda tables: tables, 0), (put("DM", "SEX", 3, "X"), 1)):
        for table in plant(sdtm).values():
            xpt.write(table, tmp_path / f"{table.name.lower()}.xpt", WHEN)
        found = check(xpt.read(path) for path in sorted(tmp_path.glob("*.xpt")))
        assert len(found) == expected, [str(one) for one in found]
