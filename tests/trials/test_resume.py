"""Run folders: filled as the run goes, continued after a stop, never overwritten."""

import json

import numpy as np
import pytest
import yaml

import trials
from tests.trials.small import crossover
from trials import manifest, outcomes
from trials.errors import Interrupted

PARTS = {"config.yaml", "outcomes.parquet", "characteristics.json", "arms.parquet", "power_curve.parquet",
         "report.html", "manifest.json", "cohort.zarr", "trajectories.zarr", "figures", "audit.jsonl"}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of the small trial in a folder of its own."""
    return trials.run(crossover("block=2"), folder=tmp_path_factory.mktemp("runs"))


def stop_after(count):
    """Progress that stops the run, as Ctrl-C does, when so many replicates are done."""

    def progress(what, done, _):
        if what == "simulating trials" and done >= count:
            raise KeyboardInterrupt

    return progress


def test_a_run_leaves_what_the_design_says(finished):
    assert {path.name for path in finished.folder.iterdir()} == PARTS
    assert finished.folder.parent.name == "theophylline_bioequivalence"
    assert finished.folder.name.endswith(f"-{finished.trial.digest[:8]}")
    assert json.loads((finished.folder / "characteristics.json").read_text()) == trials.characteristics(finished)


def test_the_manifest_says_how_it_came_about(finished):
    made = json.loads((finished.folder / "manifest.json").read_text())
    assert made["digests"]["outcomes"] == outcomes.digest(finished.outcomes)
    assert made["digests"]["config"] == finished.trial.digest
    assert made["files"] == manifest.file_digests(finished.folder)
    assert made["seed"] == 1
    assert made["replicates"] == 6
    assert made["solver"]["name"] == "closed_form"
    assert made["failures"]["gmr_125"] == {"replicates": {"auc": 0, "cmax": 0}, "patient_periods": {}}
    assert trials.check(finished.folder).ok


def test_outcomes_come_back_from_disk_bit_for_bit(finished):
    read, truth = outcomes.read(finished.folder / "outcomes.parquet")
    assert outcomes.digest(read) == outcomes.digest(finished.outcomes)
    for name in ("scale", "level", "decides"):
        np.testing.assert_array_equal(read[name].values, finished.outcomes[name].values)
    for name in ("effect", "mcse", "null"):
        np.testing.assert_array_equal(truth[name].values, finished.truth[name].values)


def test_stored_patients_and_profiles_are_those_of_the_run(finished):
    import xarray as xr

    with xr.open_zarr(finished.folder / "trajectories.zarr", consolidated=False) as stored:
        np.testing.assert_array_equal(
            stored["observed_concentration"].isel(replicate=0), finished.example["observed_concentration"]
        )
    with xr.open_zarr(finished.folder / "cohort.zarr", consolidated=False) as patients:
        assert dict(patients.sizes)["replicate"] == 2
        assert {"cl", "ka", "v", "weight"} <= set(patients)


def test_a_stopped_run_continues_where_it_stopped(tmp_path, finished):
    with pytest.raises(Interrupted, match="the same command continues there"):
        trials.run(crossover("block=2"), folder=tmp_path, progress=stop_after(10))
    (folder,) = (tmp_path / "theophylline_bioequivalence").iterdir()
    kept = {path.name: path.stat().st_mtime_ns for path in (folder / "partial").glob("*.npz")}
    assert kept
    assert not (folder / "manifest.json").exists()

    told = []
    again = trials.run(crossover("block=3"), folder=tmp_path, progress=lambda *what: told.append(what))
    assert again.folder == folder
    assert outcomes.digest(again.outcomes) == outcomes.digest(finished.outcomes)
    first = next(done for what, done, _ in told if what == "simulating trials")
    assert first >= 10
    assert not (folder / "partial").exists()


def test_blocks_of_another_code_or_posterior_are_not_continued(tmp_path, finished, monkeypatch):
    with pytest.raises(Interrupted):
        trials.run(crossover("block=2"), folder=tmp_path, progress=stop_after(10))
    monkeypatch.setattr(manifest, "source_digest", lambda *_: "other code")
    told = []
    again = trials.run(crossover("block=2"), folder=tmp_path, progress=lambda *what: told.append(what))
    assert next(done for what, done, _ in told if what == "simulating trials") == 0
    assert outcomes.digest(again.outcomes) == outcomes.digest(finished.outcomes)


def test_a_finished_run_is_never_overwritten(tmp_path):
    first = trials.run(crossover(), folder=tmp_path)
    before = manifest.file_digests(first.folder)
    second = trials.run(crossover(), folder=tmp_path)
    assert second.folder != first.folder
    assert manifest.file_digests(first.folder) == before
    assert second.manifest["digests"] == first.manifest["digests"]


def test_a_folder_in_use_is_left_alone(tmp_path):
    from trials.folder import open_folder

    one, there = open_folder(tmp_path, crossover())
    other, again = open_folder(tmp_path, crossover())
    assert not there
    assert not again
    assert one.path != other.path
    one.release()
    third, found = open_folder(tmp_path, crossover())
    assert found
    assert third.path == one.path
    for folder in (other, third):
        folder.release()


def test_rerunning_the_written_configuration_reproduces_the_run(finished, tmp_path):
    config = yaml.safe_load((finished.folder / "config.yaml").read_text())
    assert config["replicates"] == 6
    again = trials.run(trials.load(finished.folder / "config.yaml"), folder=tmp_path)
    assert again.manifest["digests"]["outcomes"] == finished.manifest["digests"]["outcomes"]


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert trials.run(crossover()).folder is None
    assert list(tmp_path.iterdir()) == []


def test_a_tracker_wants_a_folder():
    from trials.tracking import MLflow, NoTracking

    with pytest.raises(trials.TrialError, match="runs"):
        trials.run(crossover(), tracker=MLflow("x"))
    assert trials.run(crossover(), tracker=NoTracking()).folder is None
