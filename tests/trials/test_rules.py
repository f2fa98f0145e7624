"""Rules over stored outcomes, thresholds, and designs side by side, on outcomes made by hand."""

import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

import trials
from tests.trials.small import crossover
from trials import outcomes as stored_outcomes
from trials.cli import main
from trials.trust import run_folder

COUNT = 4000


def made(power=(0.8, 0.05), shift=0.0, count=COUNT):
    """Outcomes of two analyses under an effect and under the null, of correlated decisions."""
    rng = np.random.default_rng(3)
    u = rng.uniform(size=(2, count, 2)) - shift
    decision = u < np.array(power)[:, None, None]
    failed = np.zeros_like(decision)
    failed[0, :10, 0] = True
    numbers = {
        "estimate": rng.normal(size=decision.shape), "se": np.ones(decision.shape), "df": np.ones(decision.shape),
        "statistic": -u, "p": u, "probability": 1 - u, "lower": -u, "upper": u, "n": np.full(decision.shape, 20.0),
        "duration": np.full(decision.shape, 3.0), "subjects_failed": np.zeros(decision.shape),
    }  # fmt: skip
    dims = ("scenario", "replicate", "analysis")
    coords = {"scenario": ["effect", "null"], "replicate": np.arange(count), "analysis": ["auc", "cmax"]}
    columns = numbers | {"decision": decision & ~failed, "failed": failed}
    data = xr.Dataset({name: (dims, values) for name, values in columns.items()}, coords=coords)
    data = data.assign_coords(scale=("analysis", ["difference"] * 2), level=("analysis", [0.9] * 2),
                              decides=("analysis", [True] * 2))  # fmt: skip
    flags = {"effect": np.zeros((2, 2)), "mcse": np.zeros((2, 2)), "null": np.array([[False, False], [True, True]])}
    truth = xr.Dataset({name: (dims[::2], values) for name, values in flags.items()},
                       coords={dim: coords[dim] for dim in dims[::2]})  # fmt: skip
    return SimpleNamespace(outcomes=data, truth=truth)


def test_all_and_any_are_what_their_parts_say():
    run = made()
    a, b = (run.outcomes["decision"].sel(analysis=name, scenario="effect").values for name in ("auc", "cmax"))
    rules = {"both": {"all": [{"analysis": "auc"}, {"analysis": "cmax"}]},
             "either": {"any": [{"analysis": "auc"}, {"analysis": "cmax"}]}}  # fmt: skip
    found = trials.score(run, rules)["effect"]
    assert found["both"]["power"]["value"] == (a & b).mean()
    assert found["either"]["power"]["value"] == (a | b).mean()
    p = (a & b).mean()
    assert found["both"]["power"]["mcse"] == pytest.approx(np.sqrt(p * (1 - p) / COUNT))


def test_one_true_null_makes_success_of_all_an_error_and_success_of_any_none():
    run = made()
    run.truth["null"].loc[{"scenario": "effect", "analysis": "auc"}] = True
    rules = {"both": {"all": [{"analysis": "auc"}, {"analysis": "cmax"}]},
             "either": {"any": [{"analysis": "auc"}, {"analysis": "cmax"}]}}  # fmt: skip
    found = trials.score(run, rules)
    assert list(found["effect"]["both"]) == ["type_1_error"]
    assert list(found["effect"]["either"]) == ["power"]
    assert list(found["null"]["either"]) == ["type_1_error"]


def test_thresholds_are_strict_and_failures_never_succeed():
    run = made()
    p = run.outcomes["p"].sel(analysis="auc", scenario="effect").values
    found = trials.score(run, {"small": {"analysis": "auc", "variable": "p", "below": 0.3, "above": 0.1}})
    holds = (p < 0.3) & (p > 0.1)
    holds[:10] = False
    assert found["effect"]["small"]["power"]["value"] == holds.mean()


def test_a_threshold_keeps_its_target_and_no_larger_one_would():
    run = made()
    found = trials.threshold(run, "auc", "null", target=0.025)
    values = run.outcomes["probability"].sel(analysis="auc", scenario="null").values
    assert (values > found.value).mean() <= 0.025 < (values >= found.value).mean() + 1 / COUNT
    assert found.lower < 0.975 < found.upper
    assert found.lower < found.value < found.upper
    below = trials.threshold(run, "auc", "null", target=0.025, variable="p", direction="below")
    assert below.value == pytest.approx(1 - found.value)
    assert below.lower < below.value < below.upper


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"r": {"analysis": "acu"}}, "did you mean 'auc'"),
        ({"r": {"analysis": "auc", "variable": "pp", "below": 1}}, "rule.variable: got 'pp'"),
        ({"r": {"analysis": "auc", "variable": "p"}}, "rules.r: got"),
        ({"r": {"any": []}}, "rules.r.any: wants a list"),
        ({"r": {"any": [{"analysis": "auc", "over": 1}]}}, r"rules.r.any\[0\].over: unknown field"),
        ({}, "rules: got none"),
        ({"r": 3}, "rules.r: wants"),
    ],
)
def test_a_wrong_rule_is_refused(rules, words):
    with pytest.raises(trials.TrialError, match=words):
        trials.score(made(), rules)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": 0.7}, "threshold.target"),
        ({"target": 1e-5}, "more than 4000 replicates"),
        ({"direction": "up"}, "threshold.direction"),
        ({"scenario": "nul"}, "threshold.scenario"),
        ({"analysis": "x"}, "rule.analysis"),
    ],
)
def test_a_threshold_that_cannot_be_found_is_refused(change, words):
    ask = {"analysis": "auc", "scenario": "null", "target": 0.05} | change
    with pytest.raises(trials.TrialError, match=words):
        trials.threshold(made(), **ask)


def test_a_run_folder_is_scored_as_its_result(tmp_path):
    run = made()
    stored_outcomes.write(run.outcomes, run.truth, tmp_path / "outcomes.parquet")
    rules = {"both": {"all": [{"analysis": "auc"}, {"analysis": "cmax"}]}}
    assert trials.score(tmp_path, rules) == trials.score(run, rules)
    with pytest.raises(trials.TrialError, match=r"no outcomes\.parquet"):
        trials.score(tmp_path / "nothing", rules)


def test_designs_side_by_side_differ_replicate_by_replicate():
    one, other = made(), made(shift=0.05)
    table = trials.compare({"small": one, "large": other})
    row = table.loc[("effect", "auc", "power")]
    a, b = (np.asarray(run.outcomes["decision"].sel(analysis="auc", scenario="effect"), float) for run in (one, other))
    assert row["large", "difference"] == pytest.approx((b - a).mean())
    assert row["large", "difference_mcse"] == pytest.approx((b - a).std(ddof=1) / np.sqrt(COUNT))
    assert row["large", "difference_mcse"] < np.hypot(row["small", "mcse"], row["large", "mcse"]) / 1.5
    assert ("null", "cmax", "type_1_error") in table.index
    assert table.loc[("effect", "auc", "n")]["large", "value"] == 20


def test_runs_of_different_length_are_compared_over_what_both_have():
    table = trials.compare({"long": made(), "short": made(count=500)})
    row = table.loc[("null", "auc", "type_1_error")]
    assert np.isfinite(row["short", "difference_mcse"])


def test_runs_that_share_nothing_are_refused():
    one, other = made(), made()
    other.outcomes = other.outcomes.assign_coords(scenario=["a", "b"])
    with pytest.raises(trials.TrialError, match="share no scenario"):
        trials.compare({"one": one, "other": other})
    with pytest.raises(trials.TrialError, match="two runs or more"):
        trials.compare({"one": one})


RULES = {"both": {"all": [{"analysis": "auc"}, {"analysis": "cmax"}]}}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two runs of the bioequivalence trial, of 12 and 24 subjects, the first with a rule of its own."""
    place = tmp_path_factory.mktemp("runs")
    words = ("power_curve=null", "store.trajectories=0")
    one = crossover(*words, "design.n=12", "+rules.both.all=[{analysis: auc},{analysis: cmax}]")
    other = crossover(*words, "design.n=24")
    return [trials.run(trial, folder=place / str(number)).folder for number, trial in enumerate((one, other))]


def test_a_trial_scores_its_own_rules_and_check_finds_a_changed_score(folders):
    path = folders[0] / "rules.json"
    assert json.loads(path.read_text()) == trials.score(folders[0]) == trials.score(folders[0], RULES)
    assert "Decision rules" in (folders[0] / "report.html").read_text()
    assert "Decision rules" not in (folders[1] / "report.html").read_text()  # without rules there is no table
    assert trials.check(folders[0]).ok
    before = path.read_text()
    found = json.loads(before)
    found["gmr_095"]["both"]["power"]["value"] += 0.25
    path.write_text(json.dumps(found))
    manifest = folders[0] / "manifest.json"
    listed = json.loads(manifest.read_text())
    listed["files"]["rules.json"] = hashlib.sha256(path.read_bytes()).hexdigest()
    kept = manifest.read_text()
    manifest.write_text(json.dumps(listed))
    try:
        assert [finding.path for finding in trials.check(folders[0]).findings] == ["manifest.json"]  # by the audit log
        found = run_folder._outcome_findings(folders[0], listed)
        assert [finding.path for finding in found] == ["rules.json gmr_095.both.power.value"]
    finally:
        path.write_text(before)
        manifest.write_text(kept)


def test_the_command_scores_rules_of_a_file(folders, tmp_path, capsys):
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"either": {"any": RULES["both"]["all"]}}))
    words = ["score", str(folders[1]), str(tmp_path / "rules.yaml"), "--out", str(tmp_path / "scores.json")]
    assert main(words) == 0
    assert "either" in capsys.readouterr().out
    found = json.loads((tmp_path / "scores.json").read_text())
    assert found == trials.score(folders[1], {"either": {"any": RULES["both"]["all"]}})
    assert main(["score", str(folders[1])]) == 2
    assert "has none of its own" in capsys.readouterr().err
    assert main(["score", str(folders[1]), "nowhere.yaml"]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_the_command_compares_runs(folders, tmp_path, capsys):
    words = ["compare", f"small={folders[0]}", f"large={folders[1]}", "--out", str(tmp_path / "table.csv")]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "large - small" in shown
    assert "gmr_125, cmax" in shown
    written = pd.read_csv(tmp_path / "table.csv", header=[0, 1], index_col=[0, 1, 2])
    table = trials.compare({"small": folders[0], "large": folders[1]})
    np.testing.assert_allclose(written.to_numpy(float), table.to_numpy(float))
    n = table.loc[("gmr_095", "auc", "n")]
    assert (n["small", "value"], n["large", "difference"]) == (12, 12)


def test_a_rule_of_an_unknown_analysis_is_refused_before_any_work():
    with pytest.raises(trials.TrialError, match=r"rules\.both: there is no analysis 'acu', did you mean 'auc'"):
        crossover("+rules.both.all=[{analysis: acu}]")
