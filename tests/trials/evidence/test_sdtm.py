"""SDTM of the shipped trials: it holds what was simulated, to the bit, and has no finding of our own checks."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.trials.evidence.examples import STUDY, TRIALS, example, told
from trials.errors import TrialError
from trials.evidence.conformance import check
from trials.evidence.sdtm import clock, tables
from trials.evidence.sdtm.exposure import administrations
from trials.evidence.sdtm.guide import csdrg
from trials.evidence.sdtm.plan import made, read
from trials.evidence.sdtm.triage import EXPLAINED, UNTRIED, counted, reported, unexplained
from trials.evidence.transport import define, xpt

WHEN = "2026-01-31T12:34:56Z"


@pytest.mark.parametrize("name", TRIALS)
def test_every_shipped_trial_is_told_without_a_finding(name):
    one, sdtm = told(name)
    assert [str(finding) for finding in check(sdtm.values())] == []
    assert {"TS", "TA", "TE", "TV", "TI", "DM", "SE", "SV", "DS", "EX"} <= set(sdtm)
    assert all(table.label.startswith("SIMULATED ") and len(table.label) <= 40 for table in sdtm.values())
    guide = csdrg(one)
    assert "virtual" in dict(guide.about)["Data"]
    randomised = (one.data["arm"].values[0].reshape(one.protocol.design.n, -1) >= 0).all(axis=1)
    assert len(sdtm["DM"].frame) == randomised.sum()


def test_concentrations_and_parameters_are_those_that_were_analysed():
    one, sdtm = told("theophylline_bioequivalence")
    frame, observed = sdtm["PC"].frame, one.course.observed["concentration"][0]
    order = frame.assign(period=frame["EPOCH"].str[-1].astype(int)).sort_values(["USUBJID", "period", "PCTPTNUM"])
    values = order["PCSTRESN"].to_numpy().reshape(observed.shape)
    below = order["PCSTRESC"].str.startswith("<").to_numpy().reshape(observed.shape)
    assert (values[~below] == observed[~below]).all()
    assert (below == (observed < 0.1)).all()
    assert np.isnan(values[below]).all()
    parameters = sdtm["PP"].frame
    for code, endpoint in (("AUCLST", "auc"), ("CMAX", "cmax")):
        rows = parameters[parameters["PPTESTCD"] == code].sort_values(["USUBJID", "PPRFTDTC"])
        assert (rows["PPSTRESN"].to_numpy().reshape(-1, 2) == one.data[endpoint].values[0]).all()
    assert set(sdtm["PC"].frame["PCSTRESU"]) <= {"ug/mL", ""}


def test_a_crossover_has_sequences_periods_and_a_washout():
    one, sdtm = told("theophylline_bioequivalence")
    assert sorted(set(sdtm["DM"].frame["ARMCD"])) == ["REF-TEST", "TEST-REF"]
    mine = {name: sdtm[name].frame[sdtm[name].frame["USUBJID"] == f"{STUDY}-SIM0001"] for name in ("SE", "EX", "PC")}
    assert mine["SE"]["EPOCH"].tolist() == ["TREATMENT 1", "WASHOUT 1", "TREATMENT 2"]
    arms = [one.course.names[index] for index in one.course.arms[0, 0]]
    assert mine["EX"]["EXTRT"].tolist() == [f"THEOPHYLLINE {arm.upper()}" for arm in arms]
    sample = mine["PC"][mine["PC"]["PCTPT"] == "1.5H POSTDOSE"]
    assert sample["PCDTC"].tolist() == ["2000-01-03T09:30:00", "2000-01-10T09:30:00"]
    assert sample["PCELTM"].tolist() == ["PT1H30M"] * 2
    assert sample["PCDY"].tolist() == [1.0, 8.0]
    assert mine["PC"].groupby("EPOCH").size().to_dict() == {"TREATMENT 1": 13, "TREATMENT 2": 13}


def test_equal_doses_are_one_record_and_can_be_written_out_again():
    one, sdtm = told("warfarin_titration")
    frame = sdtm["EX"].frame
    doses = administrations(frame)
    for subject in range(len(sdtm["DM"].frame)):
        given = [each for each in one.doses(subject) if each.taken]
        mine = doses[doses["USUBJID"] == sdtm["DM"].frame["USUBJID"][subject]]
        assert mine["EXDOSE"].tolist() == [each.amount for each in given]
        start = pd.Timestamp(sdtm["DM"].frame["RFSTDTC"][subject])
        hours = (pd.to_datetime(mine["EXSTDTC"]) - start).dt.total_seconds() / 3600
        assert np.allclose(hours, [each.time for each in given])
    assert len(frame) < len(doses) / 5


def test_an_infusion_ends_later_than_it_starts():
    regimen = "'320 mg into central over 2 h every 12 h, 3 times'"
    _, sdtm = told("theophylline_bioequivalence", f"arms.test.regimen={regimen}")
    taken = sdtm["EX"].frame[sdtm["EX"].frame["EXTRT"] == "THEOPHYLLINE TEST"]
    each = administrations(taken)
    assert (taken["EXDOSFRQ"] == "BID").all()
    for frame, hours in ((taken, 26), (each, 2)):
        length = pd.to_datetime(frame["EXENDTC"]) - pd.to_datetime(frame["EXSTDTC"])
        assert (length == pd.Timedelta(hours=hours)).all()
    assert len(each) == 3 * len(taken)


def test_those_who_leave_have_no_records_afterwards():
    one, sdtm = told("alzheimer_adas_cog")
    left = one.course.left[0]
    ended = sdtm["DS"].frame.query("DSCAT == 'DISPOSITION EVENT'").set_index("USUBJID")["DSDECOD"]
    assert (ended == "COMPLETED").to_numpy().tolist() == (~np.isfinite(left)).tolist()
    when = sdtm["FT"].frame.merge(sdtm["DM"].frame[["USUBJID", "RFPENDTC"]], on="USUBJID")
    assert (when["FTDTC"] <= when["RFPENDTC"]).all()
    observed = one.course.observed["adas"][0]
    assert sorted(sdtm["FT"].frame["FTSTRESN"].dropna()) == sorted(observed[np.isfinite(observed)])


def test_a_missed_visit_is_not_done():
    one, sdtm = told("semaglutide_weight", "measurements.weight.missed=0.3")
    missing = np.isnan(one.course.observed["weight"][0]).sum()
    frame = sdtm["VS"].frame
    assert missing == (frame["VSSTAT"] == "NOT DONE").sum() > 0
    visits = sdtm["SV"].frame
    assert (visits["SVOCCUR"] == "N").sum() == missing
    assert (visits.loc[visits["SVOCCUR"] == "N", "SVSTDTC"] == "").all()


def test_a_trial_that_a_look_ended_has_what_was_known_then():
    one, sdtm = told("lung_cancer_survival")
    data = one.data.isel(replicate=0)
    deaths = int((data["death_event"].values & (data["arm"].values >= 0)).sum())
    assert (sdtm["DM"].frame["DTHFL"] == "Y").sum() == (sdtm["DS"].frame["DSDECOD"] == "DEATH").sum() == deaths
    assert {"DCUTDTC", "DCUTDESC"} <= set(sdtm["TS"].frame["TSPARMCD"])
    assert sdtm["TD"].frame["TDTGTPAI"].tolist() == ["P42D", "P14D", "P28D", "P42D"]
    assert set(sdtm["DM"].frame["RACE"]) == {"ASIAN", "OTHER"}


def test_a_delayed_start_is_two_elements():
    _, sdtm = told("parkinson_delayed_start")
    late = sdtm["TA"].frame.query("ARMCD == 'DELAYED'")
    assert late["ELEMENT"].tolist() == ["PLACEBO", "Rasagiline after 26 weeks"]
    record = sdtm["EX"].frame[sdtm["EX"].frame["EXDOSE"] == 0]
    assert set(record["EXTRT"]) == {"PLACEBO"}
    assert set(record["EXENDY"]) == {182.0}
    assert set(sdtm["EX"].frame.query("EXDOSE > 0")["EXSTDY"]) == {1.0, 183.0}
    assert set(administrations(record)["EXSTDTC"].groupby(record["USUBJID"].repeat(182).to_numpy()).size()) == {182}
    assert set(sdtm["RS"].frame.query("VISIT == 'WEEK 26'")["EPOCH"]) == {"TREATMENT 1"}


@pytest.mark.parametrize(("name", "doses"), [("diabetes_hba1c", 24), ("alzheimer_adas_cog", 168)])
def test_a_constant_treatment_ends_with_its_last_dose(name, doses):
    """24 weeks are 24 injections or 168 patches: none is given at the visit that ends them, or after leaving."""
    _, sdtm = told(name)
    frame = sdtm["EX"].frame.merge(sdtm["DM"].frame[["USUBJID", "RFPENDTC"]], on="USUBJID")
    assert (frame["EXENDTC"] < frame["RFPENDTC"]).all()
    assert administrations(frame).groupby("USUBJID").size().max() == doses
    assert frame["EXENDTC"].str.endswith("T08:00:00").all()


def test_outcome_measures_are_told_in_words():
    _, sdtm = told("theophylline_bioequivalence")
    frame = sdtm["TS"].frame.set_index("TSPARMCD")["TSVAL"]
    assert frame["OUTMSPRI"] == "AUC to Last Nonzero Conc of Theophylline"
    assert frame["OUTMSSEC"] == "Max Conc of Theophylline"
    _, sdtm = told("lung_cancer_survival")
    frame = sdtm["TS"].frame.set_index("TSPARMCD")["TSVAL"]
    assert frame["OUTMSPRI"] == "Time to death"
    assert frame["OUTMSSEC"].endswith("of Sum of Diameter of at most -30) at WEEK 12")


def test_files_are_valid_and_alike_each_time(tmp_path):
    one, sdtm = told("denosumab_biosimilar")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for table in tables(one):
            xpt.write(table, tmp_path / folder / f"{table.name.lower()}.xpt", WHEN)
        define.write(list(sdtm.values()), tmp_path / folder / "define.xml", when=WHEN, standard="sdtm", study=STUDY)
    files = [sorted((tmp_path / folder).iterdir()) for folder in ("a", "b")]
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(*files, strict=True))


def test_clock():
    start = clock.starts(np.asarray([0.0, 1.6]), clock.DAY)
    assert clock.text(start).tolist() == ["2000-01-03T08:00:00", "2000-01-04T08:00:00"]
    times = clock.after(start, np.asarray([0.25, np.inf]), 3600.0)
    assert clock.text(times).tolist() == ["2000-01-03T08:15:00", ""]
    assert clock.day(clock.after(start, np.asarray([16.0, -9.0]), 3600.0), start).tolist() == [2.0, -1.0]
    assert [clock.duration(t, 3600.0) for t in (0, 0.5, 36, -24)] == ["PT0S", "PT30M", "P1DT12H", "-P1D"]
    with pytest.raises(TrialError, match="fortnight"):
        clock.seconds("fortnight")


def plan(**changes):
    base = {
        "arms": {"a": "A: An arm"}, "treatments": {"a": {"treatment": "DRUG"}},
        "measurements": {"c": {"domain": "PC", "code": "DRUG", "test": "Drug"}},
    }  # fmt: skip
    return {**base, **changes}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (plan(odd=1), "odd: is not known"),
        (plan(arms={"a": "TOO-LONG-A-CODE: x"}), "at most 8 characters"),
        (plan(measurements={"c": {"domain": "XX", "code": "DRUG", "test": "Drug"}}), "domain"),
        (plan(measurements={"c": {"domain": "PC", "code": "drug", "test": "Drug"}}), "letters A-Z"),
        (plan(measurements={"c": {"domain": "PC", "code": "DRUG", "name": "Drug"}}), "wants some of"),
        (plan(treatments={"a": {"treatment": "D", "doses": "constant"}}), "unit and frequency"),
        ({"arms": {"a": "A: An arm"}}, "treatments: is missing"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(content, said):
    with pytest.raises(TrialError, match=said):
        made(content)


def test_a_plan_of_another_trial_is_refused_with_all_that_is_wrong():
    with pytest.raises(TrialError, match=r"arms\.guided is none of the trial's.*treatments\.test is missing"):
        read("warfarin_titration").check(example("theophylline_bioequivalence", n=24).protocol)
    with pytest.raises(TrialError, match="nothing_of_the_kind"):
        read("nothing_of_the_kind")


FAILED = {"id": "CORE-000527", "issues": 0, "desc": "d", "statuses": ["execution error", "skipped"], "results": [
    {"dataset": "SE", "executionStatus": "execution error", "n": 1, "message": "rule execution error"}]}  # fmt: skip
"""A rule that the engine could not execute, as the script reports it."""


def test_reports_of_core_are_read_in_both_forms():
    script = {"rules": [
        {"id": "CORE-000741", "issues": 1, "desc": "d", "statuses": ["success"],
         "results": [{"dataset": "TS", "n": 1, "message": "m"}]},
        {"id": "CORE-000001", "issues": 0, "desc": "d", "statuses": ["skipped"], "results": []},
        FAILED,
    ]}  # fmt: skip
    shipped = {
        "Issue_Summary": [{"core_id": "CORE-999999", "dataset": "ts.xpt", "message": "m", "issues": 2}],
        "Rules_Report": [{"core_id": "CORE-000527", "message": "m", "status": "EXECUTION ERROR"}],
    }
    for report in (script, shipped):
        assert [one.rule for one in reported(report) if not one.executed] == ["CORE-000527"]
    assert [one.rule for one in reported(script) if one.executed] == ["CORE-000741"]
    assert counted(script) == (1, 1, 1)
    assert unexplained(reported(script)) == ()
    assert [one.records for one in unexplained(reported(shipped))] == [2]
    text = str(csdrg(example("theophylline_bioequivalence", n=24), core=shipped))
    assert "NOT EXPLAINED" in text
    assert all(one.why.endswith(".") for one in (*EXPLAINED.values(), *UNTRIED.values()))


def test_a_rule_that_fails_is_explained_by_itself_and_only_where_it_fails():
    """CORE-000527 finding something is another matter than the engine's error in it."""
    fired = {**FAILED, "issues": 3, "statuses": ["issue reported"], "results": [{"dataset": "SE", "n": 3}]}
    other = {**FAILED, "id": "CORE-000001"}
    crashed = {**FAILED, "id": "CORE-000002", "statuses": ["crash"], "results": []}
    found = unexplained(reported({"rules": [FAILED, fired, other, crashed]}))
    assert [(one.rule, one.executed) for one in found] == [
        ("CORE-000527", True), ("CORE-000001", False), ("CORE-000002", False)
    ]  # fmt: skip


SAID = {
    "theophylline_bioequivalence": ("samples taken before the first dose", "Enrolment is not simulated"),
    "lung_cancer_survival": ("OTHER is whoever is none of the rest", "are of a subject after its death", "Death"),
    "parkinson_delayed_start": ("there is no record at baseline", "SEXPOP: UNK", "case report forms"),
    "diabetes_hba1c": ("DS has the start", "until the last dose before the subject stopped"),
    "denosumab_biosimilar": ("such a trial admits F alone",),
}


@pytest.mark.parametrize("name", SAID)
def test_the_guide_says_what_a_reviewer_would_wonder_about(name):
    text = str(csdrg(told(name)[0], core={"rules": [FAILED]}))
    for words in (*SAID[name], "Rules that CORE could not execute", "empty_within_except_last_row"):
        assert words in text, words


@pytest.mark.slow
@pytest.mark.skipif("TRIALTWIN_CORE" not in os.environ, reason="TRIALTWIN_CORE names no script that runs CDISC CORE")
@pytest.mark.parametrize("name", TRIALS)
def test_core_finds_nothing_that_is_not_explained(name, tmp_path):
    """TRIALTWIN_CORE: command with {data}, {define} and {out}, as for `trialtwin package --core`."""
    import json
    import shlex

    for table in told(name)[1].values():
        xpt.write(table, tmp_path / f"{table.name.lower()}.xpt", WHEN)
    define.write(list(told(name)[1].values()), tmp_path / "define.xml", when=WHEN, standard="sdtm", study=STUDY)
    out = tmp_path / "core.json"
    command = os.environ["TRIALTWIN_CORE"]
    words = [word.format(data=tmp_path, define=tmp_path / "define.xml", out=out) for word in shlex.split(command)]
    subprocess.run(words, check=True, capture_output=True)
    assert unexplained(reported(json.loads(Path(out).read_text(encoding="utf-8")))) == ()
