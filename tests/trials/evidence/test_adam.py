"""Analysis data sets from SDTM: the trial's own analyses of them give the outcomes of the run, and faults are found."""

import json
import runpy
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

import trials
from tests.trials.small import SMALL, UNFITTED
from trials.block import Work, simulate_block
from trials.evidence import sdtm
from trials.evidence.adam import check, tables, write
from trials.evidence.adam.building import selected
from trials.evidence.adam.making import ascii_text, named
from trials.evidence.adam.programs import SIMPLE, programs, reanalyse
from trials.evidence.adam.reporting import dangling
from trials.evidence.adam.results import Result, treatments
from trials.evidence.answers import read as read_answers
from trials.evidence.sdtm.plan import read
from trials.evidence.study import Example, open_study
from trials.evidence.transport import xpt

REFERENCE = Path(__file__).resolve().parents[2] / "reference" / "evidence"
WHEN = "2026-01-01T00:00:00Z"
TRIALS = {
    "theophylline_bioequivalence": (*UNFITTED, "power_curve=null"),
    "alzheimer_adas_cog": ("design.n=60",),
    "antibody_first_in_human": (),
    "lung_cancer_survival": ("design.n=160", "design.at=[30,60]"),
    "diabetes_hba1c": ("design.n=60",),
    "denosumab_biosimilar": ("design.n=24",),
}
"""A crossover with parameters of concentrations; values carried forward; ascending doses; looks at deaths; estimands
with rescue; visits within windows."""
PROGRESSION = (
    "{_target_: trials.endpoints.crossing.Crossing, measure: size, unit: d, "
    "criterion: {_target_: trials.endpoints.criterion.Criterion, above: 20, of: nadir}}"
)
CHANGED = {
    "failures": ("alzheimer_adas_cog", "design.n=60", "+estimand.on_treatment.failure=30",
                 "estimand.on_treatment.events.leaves_drug=composite"),
    "flagged": ("theophylline_bioequivalence", *UNFITTED, "power_curve=null", "+measurements.concentration.blq=flagged",
                "measurements.concentration.lloq=1.0"),
    "first event": ("lung_cancer_survival", "design=parallel", "~design.monitored", "~design.at", "design.n=80",
                    f"+endpoints.progression={PROGRESSION}", "analyses.survival.endpoint=pfs",
                    "+endpoints.pfs={_target_: trials.endpoints.composite.First, unit: d, of: [progression, death]}"),
}  # fmt: skip
"""Composite strategy; flags below quantification; progression or death."""


@cache
def example(name):
    source, *words = CHANGED[name] if name in CHANGED else (name, *TRIALS[name])
    trial = trials.load(source, [*SMALL, *words])
    scenario = trial.scenarios[0]
    work = Work("", scenario.protocol, range(1, 2), int(trial.config["seed"]), None)
    return Example(1, "TT-TEST-1", scenario, 1, "a test", work, trial)


@cache
def made(name):
    tabulated = sdtm.tables(example(name))
    return tables(example(name), tabulated), tabulated


@pytest.mark.parametrize("name", [*TRIALS, *CHANGED])
def test_analyses_of_the_data_sets_give_the_outcomes_of_the_replicate(name, tmp_path):
    """From the transport files alone, to 1e-9."""
    one, (adam, tabulated) = example(name), made(name)
    for table in adam:
        xpt.write(table, tmp_path / f"{table.name.lower()}.xpt", WHEN)
    where = {
        variable: (each.dataset, each.column, each.parameter, each.flag)
        for variable, each in selected(one, tabulated).items()
    }
    found, outcomes = reanalyse(one.protocol, tmp_path, where), simulate_block(one.work)
    for place, analysis in enumerate(one.protocol.analyses):
        for outcome, value in found[analysis.name].items():
            want = outcomes[f"outcome.{outcome}"][0, place]
            assert value == pytest.approx(float(want), rel=1e-9, abs=1e-9), (analysis.name, outcome)
        assert {"estimate", "se"} <= set(found[analysis.name])


@pytest.mark.parametrize("name", [*TRIALS, *CHANGED])
def test_our_own_data_sets_have_no_finding(name):
    assert check(*made(name)) == ()


def test_which_data_sets_there_are():
    names = {name: [table.name for table in made(name)[0]] for name in TRIALS}
    assert names["theophylline_bioequivalence"] == ["ADSL", "ADEX", "ADPPK", "ADPC", "ADPP"]
    assert names["alzheimer_adas_cog"] == ["ADSL", "ADEX", "ADFT"]
    assert names["lung_cancer_survival"] == ["ADSL", "ADEX", "ADTR", "ADEFF", "ADTTE"]
    assert names["diabetes_hba1c"] == ["ADSL", "ADEX", "ADLB"]
    assert named(made("lung_cancer_survival")[0])["ADTTE"].of == "BASIC DATA STRUCTURE / TIME-TO-EVENT"
    assert named(made("theophylline_bioequivalence")[0])["ADPPK"].of.endswith("POPULATION PHARMACOKINETIC ANALYSIS")
    told = named(made("lung_cancer_survival")[0])["ADTTE"].values["AVAL"]
    assert list(told) == ["PARAMCD EQ DEATH"]
    assert "cumulative_hazard_death" in told["PARAMCD EQ DEATH"].source


def test_values_carried_forward_are_records_of_their_own():
    """The value before the patient left stands for the last visit, and says that it does."""
    one, frame = example("alzheimer_adas_cog"), named(made("alzheimer_adas_cog")[0])["ADFT"].frame
    carried = frame[frame["DTYPE"] == "LOCF"]
    gone = one.course.left[0] < 0.4599
    assert len(carried) == gone.sum() > 0
    assert (carried["NRRLT"] == 0.4599).all()
    assert set(carried["AVISIT"]) == {"WEEK 24"}
    last = frame[(frame["DTYPE"] == "") & frame["USUBJID"].isin(carried["USUBJID"])].groupby("USUBJID")["AVAL"].last()
    np.testing.assert_array_equal(carried.set_index("USUBJID")["AVAL"], last)
    source = named(made("alzheimer_adas_cog")[1])["FT"].frame.set_index(["USUBJID", "FTSEQ"])
    behind = source.loc[list(zip(carried["USUBJID"], carried["FTSEQ"], strict=True))]
    np.testing.assert_array_equal(carried["AVAL"], behind["FTSTRESN"])
    np.testing.assert_array_equal(carried["ADY"], behind["FTDY"])
    assert set(carried["SRCDOM"]) == {"FT"}


def test_a_text_in_ascii_says_the_same():
    """A minus sign that is lost makes another margin of -0.001."""
    assert ascii_text("margin = \u22120.001, kde \u00d7 2, 5 \u00b5g, caf\u00e9, \u2264 3") == (
        "margin = -0.001, kde x 2, 5 ug, cafe, <= 3"
    )
    one = next(each for each in example("lung_cancer_survival").protocol.analyses if each.name == "survival")
    told = Result(replace(one, margin=-0.25), "", None, {}, {}).documentation
    assert "margin = -0.25" in told


def test_failures_and_flags_are_told():
    failures = named(made("failures")[0])["ADFT"].frame
    assert (failures.loc[failures["DTYPE"] == "FAILURE", "CHG"] == 30).all()
    assert (failures["DTYPE"] == "FAILURE").sum() == np.isfinite(example("failures").course.events["leaves_drug"]).sum()
    flagged = named(made("flagged")[0])["ADPC"].frame
    below = example("flagged").course.below["concentration"]
    assert (flagged["BLQFL"] == "Y").sum() == below.sum() > 0
    assert (flagged.loc[flagged["BLQFL"] == "Y", "AVAL"] == 1.0).all()
    both = named(made("first event")[0])["ADTTE"].frame
    first = both[both["PARAMCD"] == "PFS"].set_index("USUBJID")["AVAL"]
    for code in ("DEATH", "PROGRESS"):
        event = both[(both["PARAMCD"] == code) & (both["CNSR"] == 0)].set_index("USUBJID")["AVAL"]
        assert (first.reindex(event.index) <= event + 1e-9).all()


def test_population_data_are_in_order_of_time_and_hold_every_dose():
    """NONMEM's columns: a dose has an amount, a sample a value unless it is below quantification."""
    frame = named(made("antibody_first_in_human")[0])["ADPPK"].frame
    doses, samples = frame[frame["EVID"] == 1], frame[frame["EVID"] == 0]
    assert doses["AMT"].notna().all()
    assert doses["DV"].isna().all()
    assert samples["AMT"].isna().all()
    assert (samples["DV"].isna() == (samples["MDV"] == 1)).all()
    assert (frame.groupby("USUBJID")["AFRLT"].diff().dropna() >= 0).all()
    nominal = samples[samples["MDV"] == 0]
    np.testing.assert_allclose(nominal["AFRLT"], nominal["NFRLT"], atol=1e-9)
    assert sorted(doses["AMT"].unique()) == [6, 18, 60, 120]


def test_times_to_death_are_exact_to_half_a_second():
    one, frame = example("lung_cancer_survival"), named(made("lung_cancer_survival")[0])["ADTTE"].frame
    data = one.data.isel(replicate=0)
    known = np.isfinite(data["death"].values)
    np.testing.assert_allclose(frame["AVAL"], data["death"].values[known], atol=0.5 / 86400 + 1e-9)
    np.testing.assert_array_equal(frame["CNSR"] == 0, data["death_event"].values[known])
    assert set(frame["EVNTDESC"]) >= {"DEATH", "DATA CUT-OFF"}
    people = named(made("lung_cancer_survival")[1])["DM"].frame
    ended = people["DTHDTC"].where(people["DTHDTC"] != "", people["RFPENDTC"])
    shown = pd.to_datetime(frame["ADT"], unit="D", origin="1960-01-01").dt.strftime("%Y-%m-%d")
    assert (shown.to_numpy() == ended.str[:10].to_numpy()).all()
    assert set(frame["PARAM"]) == {"Time to death (d)"}


def test_concentrations_are_those_recorded_also_below_quantification():
    """SDTM has <0.02 and no number there; the rule of the protocol makes it 0 again."""
    one, frame = example("antibody_first_in_human"), named(made("antibody_first_in_human")[0])["ADPC"].frame
    observed = one.course.observed["concentration"][0, :, 0]
    found = frame.pivot(index="USUBJID", columns="NRRLT", values="AVAL")
    np.testing.assert_array_equal(found, observed)
    np.testing.assert_array_equal(frame["BLQFL"] == "Y", frame["AVAL"] == 0)
    assert (frame["AVAL"] == 0).any()


def test_subjects_left_when_they_left():
    one, frame = example("alzheimer_adas_cog"), named(made("alzheimer_adas_cog")[0])["ADSL"].frame
    left = one.course.left[0]
    known = np.where(left <= 0.4599, left, np.nan)
    np.testing.assert_allclose(frame["DISCTM"], known, atol=1 / (365.25 * 86400))
    np.testing.assert_array_equal(frame["EOSSTT"] == "DISCONTINUED", np.isfinite(known))
    np.testing.assert_array_equal(frame["DCSREAS"] != "", np.isfinite(known))


# ---- faults
def changed(table, **values):
    frame = table.frame.copy()
    for name, value in values.items():
        frame.loc[frame.index[1], name] = value
    return replace(table, frame=frame)


FAULTS = {
    "another subject": ("ADSL", {"USUBJID": "TT-TEST-1-SIM9999"}, "USUBJID"),
    "another age": ("ADSL", {"ARM": "SOMETHING"}, "ADSL.ARM"),
    "a flag": ("ADFT", {"ANL01FL": "N"}, "ADFT.ANL01FL"),
    "a change": ("ADFT", {"CHG": 99.0}, "ADFT.CHG"),
    "a baseline": ("ADFT", {"BASE": -1.0}, "ADFT.BASE"),
    "a parameter's name": ("ADFT", {"PARAM": "Something"}, "ADFT.PARAM"),
    "a parameter's code": ("ADFT", {"PARAMCD": "9X"}, "ADFT.PARAMCD"),
    "not simulated": ("ADFT", {"SIMFL": ""}, "ADFT.SIMFL"),
    "another date": ("ADFT", {"ADY": 4000.0}, "ADFT.ADY"),
    "two records": ("ADFT", {"USUBJID": "TT-TEST-1-SIM0001", "NRRLT": 0.0, "FTSEQ": 1.0}, "ADFT"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault):
    name, values, where = FAULTS[fault]
    adam, tabulated = made("alzheimer_adas_cog")
    wrong = tuple(changed(table, **values) if table.name == name else table for table in adam)
    assert any(finding.path.endswith(where) or finding.path == where for finding in check(wrong, tabulated))


def test_censoring_and_labels_are_checked():
    adam, tabulated = made("lung_cancer_survival")
    tte = named(adam)["ADTTE"]
    wrong = (changed(tte, CNSR=3.0), changed(tte, AVAL=-1.0), changed(tte, EVNTDESC=""), replace(tte, label="Times"))
    for table in wrong:
        others = [table if one.name == "ADTTE" else one for one in adam]
        assert any(finding.path.startswith("ADTTE") for finding in check(others, tabulated))
    assert check([one for one in adam if one.name != "ADSL"], tabulated)[0].path == "ADSL"


# ---- what is written
@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    words = [*(w for w in SMALL if w != "runs=null"), *UNFITTED, f"runs={folder}", "power_curve=null"]
    study = open_study(trials.run(trials.load("theophylline_bioequivalence", words)).folder)
    write(study, None, folder / "data")
    return study, folder / "data" / "m5" / "datasets"


def test_programs_find_what_the_run_found(package, monkeypatch, capsys):
    study, folder = package
    programs = folder / study.examples[0].study.lower() / "analysis" / "adam" / "programs"
    for program, lines in (("analyses.py", 24), ("simple.py", 10)):
        monkeypatch.setattr(sys, "argv", [program, str(study.run / "config.yaml")])
        runpy.run_path(str(programs / program))
        printed = capsys.readouterr().out
        assert len(printed.splitlines()) == lines
        assert "NOT" not in printed


WITHOUT = {
    "theophylline_bioequivalence": {"auc", "cmax"},
    "alzheimer_adas_cog": {"locf", "placebo"},
    "antibody_first_in_human": {"auc_low", "auc_high", "half_60", "half_120"},
    "lung_cancer_survival": {"survival", "hazard", "response"},
    "diabetes_hba1c": {"completers"},
    "denosumab_biosimilar": {"month12", "reference"},
}
"""Analyses of each trial that the simple program has; it knows nothing of Trialtwin, and is a second implementation."""


@pytest.mark.parametrize("name", WITHOUT)
def test_results_are_found_without_this_program(name, tmp_path, capsys):
    one, (adam, tabulated) = example(name), made(name)
    data = tmp_path / "datasets"
    data.mkdir()
    for table in adam:
        xpt.write(table, data / f"{table.name.lower()}.xpt", WHEN)
    chosen = selected(one, tabulated)
    where = {variable: (each.dataset, each.column, each.parameter, each.flag) for variable, each in chosen.items()}
    values = reanalyse(one.protocol, data, where)
    found = [Result(each, "", chosen[each.endpoint], {}, values[each.name]) for each in one.protocol.analyses]
    text = programs(one, found, chosen, treatments(read(one.trial.name)))[SIMPLE]
    assert "trials" not in text.replace("Trialtwin", "").split('"""')[2].split("show(")[0]
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / SIMPLE).write_text(text)
    runpy.run_path(str(tmp_path / "programs" / SIMPLE))
    printed = capsys.readouterr().out.splitlines()
    assert {line for line in printed if not line.startswith(" ")} == WITHOUT[name]
    assert not [line for line in printed if "NOT" in line]
    assert sum("as in the run" in line for line in printed) == 4 * len(WITHOUT[name])


def test_guides_of_a_draft_say_that_it_is_one(package, tmp_path, monkeypatch):
    study, _ = package
    written = []
    monkeypatch.setattr("trials.evidence.reports.write", lambda document, *_: written.append(document))
    answers = read_answers(study.trial.name, draft=True, trial=study.trial)
    write(study, answers, tmp_path)
    assert {document.study for document in written} >= {one.study for one in study.examples}
    assert len(written) == len(study.examples) + 1
    assert all(document.draft for document in written)


def test_results_are_those_of_the_run_and_valid(package):
    study, folder = package
    schema = json.loads((REFERENCE / "ars_ldm_1_0.schema.json").read_text(encoding="utf-8"))
    for example in study.examples:
        event = json.loads((folder / example.study.lower() / "misc" / "ars.json").read_text(encoding="utf-8"))
        jsonschema.validate(event, schema)
        assert not list(dangling(event))
        found = study.outcomes.sel(scenario=example.scenario.name, replicate=example.replicate)
        steps = {one["id"]: one["name"] for method in event["methods"] for one in method["operations"]}
        for analysis in event["analyses"]:
            told = {steps[one["operationId"]]: float(one["rawValue"]) for one in analysis["results"]}
            assert {"estimate", "lower", "p"} <= set(told)
            for name, value in told.items():
                assert value == float(found[name].sel(analysis=analysis["name"]))


def test_every_study_has_its_files_and_writing_twice_gives_the_same(package, tmp_path):
    study, folder = package
    write(study, None, tmp_path)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    again = tmp_path / "m5" / "datasets"
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((folder / path).read_bytes() == (again / path).read_bytes() for path in files)
    one = folder / study.examples[0].study.lower()
    assert {path.name for path in (one / "analysis" / "adam" / "datasets").iterdir()} == {
        "adsl.xpt", "adex.xpt", "adpc.xpt", "adpp.xpt", "adppk.xpt", "define.xml", "define2-1.xsl", "adrg.pdf"
    }  # fmt: skip
    assert pd.Series([path.stem for path in (one / "misc" / "dataset-json" / "adam").iterdir()]).is_unique
