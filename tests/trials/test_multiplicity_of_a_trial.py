"""The ``multiplicity:`` section of a trial: what it refuses, and where its decisions appear."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import trials
from tests.trials.small import SMALL
from trials import report, report_tables
from trials.build import build
from trials.cli import main
from trials.compose import composed
from trials.errors import TrialError
from trials.multiplicity import Family, adjust
from trials.multiplicity.holm import Holm
from trials.outcomes import read
from trials.table import families_table
from trials.tracking import metrics

DIABETES = ("trial=diabetes_hba1c", *(word for word in SMALL if word != "replicates=6"), "design.n=60",
            "replicates=12", "solver=auto")  # fmt: skip
COMPLETERS = {"_target_": "trials.analyses.ancova.Ancova", "endpoint": "week24", "test": "mg10", "control": "placebo"}


@cache
def config():
    """The trial with two doses, without mixed models, which are slow."""
    made = composed("config", DIABETES)
    spec = {key: value for key, value in made["analyses"]["completers"].items() if key != "test"}
    made["analyses"] = {"mg20": spec | {"test": "mg20"}, "mg10": spec | {"test": "mg10"}}
    made["estimand"] = None
    made["published"] = []
    made["scenarios"] = {name: made["scenarios"][name] for name in ("as_published", "no_effect")}
    made["multiplicity"]["doses"]["hypotheses"] = ["mg20", "mg10"]
    return made


def changed(**fields):
    return config() | {"multiplicity": {"doses": config()["multiplicity"]["doses"] | fields}}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return trials.run(build(config()), folder=tmp_path_factory.mktemp("runs"))


def test_decisions_are_those_of_the_adjusted_p_values_of_each_replicate(result):
    found = trials.characteristics(result)
    p = result.outcomes["p"].transpose("scenario", "replicate", "analysis").values
    smallest, largest = p.min(axis=-1), p.max(axis=-1)
    some = smallest <= 0.025  # Holm of two hypotheses at 0.05
    every = some & (largest <= 0.05)
    assert found["as_published"]["doses"]["disjunctive_power"]["value"] == some[0].mean()
    assert found["as_published"]["doses"]["conjunctive_power"]["value"] == every[0].mean()
    assert found["no_effect"]["doses"]["familywise_error"]["value"] == some[1].mean()
    share = every[0].mean()
    mcse = np.sqrt(share * (1 - share) / p.shape[1])
    assert found["as_published"]["doses"]["conjunctive_power"]["mcse"] == pytest.approx(mcse)
    rejected = adjust(result.outcomes, Holm(), alpha=0.05)["decision"]
    for name in ("mg20", "mg10"):
        wanted = float(rejected.sel(scenario="as_published", hypothesis=name).mean())
        assert found["as_published"]["doses"][f"power: {name}"]["value"] == wanted


def test_they_stand_in_the_file_the_table_the_report_and_mlflow_and_are_verified(result):
    written = json.loads((result.folder / "characteristics.json").read_text())
    assert written["no_effect"]["doses"]["familywise_error"]["replicates"] == 12
    assert not trials.check(result.folder).findings
    table = families_table(result.trial.families, written)
    assert "doses (Holm at 0.05)" in table
    assert "mg20, power" in table
    page = (result.folder / "report.html").read_text()
    assert "Hypotheses tested together" in page
    assert "doses: Holm at 0.05" in page
    flat = metrics(written)
    assert {"as_published/doses/disjunctive_power", "no_effect/doses/familywise_error_mcse"} <= set(flat)
    outcomes, truth = read(result.folder / "outcomes.parquet")
    assert "doses" not in trials.characteristics(outcomes, truth)["no_effect"]


def test_a_trial_without_families_shows_none(result):
    bare = replace(result, trial=replace(result.trial, families=()))
    assert families_table((), trials.characteristics(bare)) == ""
    assert report_tables.families(trials.characteristics(bare), ()).rows == ()
    page = report.render(bare, {})
    assert "Hypotheses tested together" not in page


@pytest.mark.parametrize(("fields", "message"), [
    ({"hypotheses": ["mg20", "mg1O"]}, r"multiplicity\.doses\.hypotheses: there is no analysis 'mg1O', did you mean"),
    ({"alpha": 0}, r"multiplicity\.doses\.alpha: got 0"),
    ({"level": 0.05}, r"multiplicity\.doses: got .*wanted a mapping of procedure, alpha and optionally hypotheses"),
    ({"procedure": {"_target_": "trials.multiplicity.holm.Hilm"}}, r"multiplicity\.doses\.procedure\._target_"),
    ({"procedure": {"_target_": "trials.multiplicity.holm.Holm", "weigths": []}}, r"procedure\.weigths: unknown field"),
    ({"procedure": {"_target_": "trials.multiplicity.holm.Holm", "weights": [0.2, 0.3, 0.5]}}, "wanted 2 entries"),
    ({"hypotheses": "mg20"}, r"multiplicity\.doses\.hypotheses: got 'mg20', wanted a list"),
])  # fmt: skip
def test_what_a_trial_refuses_when_it_is_loaded(fields, message):
    with pytest.raises(TrialError, match=message):
        build(changed(**fields))


def test_a_family_may_not_be_called_as_an_analysis_is_nor_have_one_without_p():
    family = config()["multiplicity"]["doses"]
    with pytest.raises(TrialError, match=r"multiplicity\.mg20: .*another name"):
        build(config() | {"multiplicity": {"mg20": family}})
    mean = {"_target_": "trials.analyses.descriptive.ArmMean", "endpoint": "week24", "arm": "placebo"}
    described = changed(hypotheses=["mg20", "mean"]) | {"analyses": config()["analyses"] | {"mean": mean}}
    with pytest.raises(TrialError, match=r"hypotheses: got 'mean', wanted analyses that test with a p-value"):
        build(described)


def test_a_design_that_may_stop_early_has_none():
    words = ["trial=lung_cancer_survival", *SMALL, "+multiplicity@multiplicity.both.procedure=holm"]
    made = composed("config", words)
    made["multiplicity"]["both"] |= {"alpha": 0.025, "hypotheses": ["survival", "response"]}
    with pytest.raises(TrialError, match=r"multiplicity\.both: wants a design of one final analysis"):
        build(made)


def test_the_shipped_trial_tests_its_doses_together():
    made = trials.load("diabetes_hba1c", ["multiplicity@multiplicity.doses.procedure=fixed_sequence"])
    (family,) = made.families
    assert (family.name, family.alpha, family.hypotheses) == ("doses", 0.05, ("policy_20", "policy_10"))
    assert type(family.procedure).__name__ == "FixedSequence"
    (own,) = trials.load("diabetes_hba1c").families
    assert own == Family(Holm(), 0.05, ("policy_20", "policy_10"), "doses")


def test_the_score_of_a_run_shows_its_families(result, capsys, tmp_path):
    out = tmp_path / "scores.json"
    assert main(["score", str(result.folder), "--out", str(out)]) == 0
    assert "Hypotheses tested together: doses (Holm at 0.05)" in capsys.readouterr().out
    found = trials.characteristics(result)
    assert json.loads(out.read_text())["no_effect"]["doses"] == found["no_effect"]["doses"]
