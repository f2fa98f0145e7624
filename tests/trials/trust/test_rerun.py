"""Replicates simulated again: what nothing but simulation can find."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import trials
import trials.manifest
from tests.trials.trust.packages import packaged, rewrite
from trials import outcomes
from trials.trust import audit
from trials.trust.rerun import Rerun, differences, sample, trial_of
from trials.verification import verify


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return packaged(tmp_path_factory.mktemp("evidence") / "study-1")


@pytest.fixture(autouse=True)
def same_code(made, monkeypatch):
    """The code that made the run is at work: whoever edits a file while the tests run changes nothing."""
    manifest = json.loads((made / "data/simulation/run/manifest.json").read_text())
    monkeypatch.setattr("trials.trust.rerun.source_digest", lambda *_: manifest["digests"]["code"])


@pytest.fixture
def bag(made, tmp_path):
    return shutil.copytree(made, tmp_path / "study-1")


def last(report):
    return report.outcomes[-1]


def test_replicates_come_out_again_to_the_last_bit(made):
    report = verify(made, rerun=4, seed=3)
    assert report.ok, str(report)
    assert "to the last bit" in last(report).note
    assert last(report).name == "rerun"


def test_without_being_asked_it_says_that_it_was_not_done(made):
    assert last(verify(made)).state == "not done"


def test_the_sample_follows_from_the_seed():
    assert sample(1000, 20, 0) == sample(1000, 20, 0) != sample(1000, 20, 1)
    assert sample(5, 20, 0) == [0, 1, 2, 3, 4]
    often = np.bincount(np.concatenate([sample(40, 10, seed) for seed in range(400)]), minlength=40)
    assert abs(often - 100).max() < 5 * np.sqrt(400 * 0.25 * 0.75), "each is as likely as any other"


def forge(bag, change):
    """Change the outcomes, and everything else that depends on them, as somebody would who has no key."""
    run = bag / "data" / "simulation" / "run"
    table = pd.read_parquet(run / "outcomes.parquet")
    change(table)
    table.to_parquet(run / "outcomes.parquet", index=False)
    found, truth = outcomes.read(run / "outcomes.parquet")
    families = trials.load(run / "config.yaml").families
    told = json.dumps(trials.characteristics(found, truth, families=families), indent=1)
    (run / "characteristics.json").write_text(told + "\n")
    manifest = json.loads((run / "manifest.json").read_text())
    log = bag / "data" / "audit" / "audit.jsonl"
    entries = audit.Log(log).entries()
    log.unlink()
    for entry in entries[:-1]:
        audit.Log(log).append(entry.action, entry.object, new=entry.new, actor=entry.actor)
    manifest["audit"] = str(audit.Log(log).head())
    manifest["digests"]["outcomes"] = outcomes.digest(found)
    manifest["files"] = trials.manifest.file_digests(run)
    trials.manifest.write(run, manifest)
    new = {"manifest": trials.manifest.file_digest(run / "manifest.json"), "outcomes": outcomes.digest(found)}
    audit.Log(log).append("run finished", entries[-1].object, new=new)
    info = (bag / "bag-info.txt").read_text().splitlines()
    head = f"Audit-Head: {audit.Log(log).head()}"
    (bag / "bag-info.txt").write_text("\n".join(head if row.startswith("Audit-Head") else row for row in info) + "\n")
    rewrite(bag)


def test_a_forgery_of_everything_is_found_by_simulating_alone(bag):
    scenario = trials.load(bag / "data/simulation/run/config.yaml").scenarios[0].name

    def better(table):
        rows = (table["scenario"] == scenario) & (table["replicate"] == 1)
        table.loc[rows, "estimate"] += 1e-9

    forge(bag, better)
    assert verify(bag).ok, "whoever has no key can write all digests anew where nobody signed"
    report = verify(bag, rerun=1000)
    assert {finding.path for finding in report.findings} == {
        f"data/simulation/run/outcomes.parquet {scenario}, replicate 1"
    }
    assert report.exit_code == 10


def test_other_code_is_compared_with_a_tolerance_that_is_told(made, monkeypatch):
    monkeypatch.setattr("trials.trust.rerun.source_digest", lambda *_: "other")
    outcome = Rerun(2)(made)
    assert outcome.state == "passed"
    assert "to 1e-06, since these differ: the program's code" in outcome.note
    monkeypatch.setattr("trials.trust.rerun.versions", lambda: {"numpy": "0.1", "scipy": "0.1"})
    manifest = json.loads((made / "data/simulation/run/manifest.json").read_text())
    assert differences(manifest)[:3] == ["the program's code", "numpy", "scipy"]
    monkeypatch.setattr("trials.trust.rerun.machine", lambda: {"machine": "x86_64", "processor": "another"})
    assert "the processor" in differences(manifest)
    assert "the processor" in differences({**manifest, "machine": {}}), "of an older version, which did not note it"


def test_the_trial_is_built_without_the_data_it_was_fitted_to(tmp_path):
    import yaml

    fitted = trials.load("theophylline_bioequivalence")
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump({**fitted.config, "data": {"file": "not here"}}, sort_keys=False)
    )
    assert trial_of(tmp_path).protocol.population == fitted.protocol.population


def test_a_run_that_cannot_be_repeated_says_so(bag):
    (bag / "data/simulation/run/config.yaml").write_text("nothing: 1\n")
    outcome = Rerun(1)(bag)
    assert outcome.state == "failed"
    assert "cannot be repeated" in outcome.findings[0].message
