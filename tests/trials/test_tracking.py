"""Tracking with a real MLflow: an SQLite file, a server, and what happens when either is not there."""

import http.server
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from mlflow.tracking import MlflowClient

from trials.errors import TrialError
from trials.tracking import LONGEST_PARAMETER, NOTES, MLflow, NoTracking, allowed_key, fit, flatten, metrics

DIGEST = "ab12" + 60 * "0"
CHARACTERISTICS = {
    "ratio 0.95": {"auc": {"power": {"value": 0.9, "mcse": 0.01, "replicates": 900}}},
    "ratio 1.25": {"auc": {"type_1_error": {"value": 0.05, "mcse": 0.007, "replicates": 900},
                           "bias": {"value": None, "mcse": None, "replicates": 1}}},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    run = tmp_path / "runs" / "demo" / "20260101T000000Z-ab120000"
    (run / "figures").mkdir(parents=True)
    (run / "characteristics.json").write_text(json.dumps(CHARACTERISTICS))
    (run / "figures" / "power.svg").write_text("<svg/>")
    return run


@pytest.fixture
def result():
    config = {"design": {"n": 24, "arms": ["T", "R"]}, "solver": {"rtol": 1e-8}, "note": "x" * (LONGEST_PARAMETER + 1)}
    scenarios = {
        name: SimpleNamespace(name=name, description=f"about {name}", settings=(("arms.T.f", "1.25"),))
        for name in CHARACTERISTICS
    }
    trial = SimpleNamespace(name="demo", config=config, digest=DIGEST, scenario=scenarios.__getitem__)
    manifest = {"digests": {"config": DIGEST, "outcomes": "cd", "model": "ef"}, "seed": 7, "replicates": 900}
    return SimpleNamespace(trial=trial, manifest=manifest)


@pytest.fixture
def tracker(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return MLflow(experiment="demo", runs=str(tmp_path / "runs"))


def test_logs_parent_and_a_child_for_each_scenario(tracker, result, folder, capfd):
    tracker.check()
    run_id = tracker.log(result, folder)
    client = MlflowClient(tracker.store)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == folder.name
    assert run.data.params["design.n"] == "24"
    assert run.data.params["design.arms.1"] == "R"
    assert run.data.params["solver.rtol"] == "1e-08"
    assert run.data.metrics["ratio 0.95/auc/power"] == 0.9
    assert run.data.metrics["ratio 0.95/auc/power_mcse"] == 0.01
    assert "ratio 1.25/auc/bias" not in run.data.metrics
    assert run.data.tags["digest.config"] == DIGEST
    assert run.data.tags["digest.outcomes"] == "cd"
    assert run.data.tags["seed"] == "7"
    children = client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")
    assert {child.info.run_name for child in children} == set(CHARACTERISTICS)
    child = next(child for child in children if child.info.run_name == "ratio 1.25")
    assert child.data.metrics["auc/type_1_error"] == 0.05
    assert child.data.params["arms.T.f"] == "1.25"
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_files_and_long_values_are_artifacts_whole(tracker, result, folder):
    run_id = tracker.log(result, folder)
    run = MlflowClient(tracker.store).get_run(run_id)
    assert run.data.params["note"] == f"{LONGEST_PARAMETER + 1} characters: see {NOTES}"
    artifacts = folder.parents[1] / "mlartifacts" / run_id / "artifacts"
    assert (artifacts / "figures" / "power.svg").read_text() == "<svg/>"
    assert json.loads((artifacts / NOTES).read_text())["long values"]["note"] == result.trial.config["note"]


def test_found_again_by_digest_newest_first(tracker, result, folder):
    first = tracker.log(result, folder)
    second = tracker.log(result, folder)
    tracker.log_failure(result.trial, RuntimeError("solver"), seed=1)
    assert tracker.find(DIGEST) == (second, first)
    assert tracker.find(DIGEST[:8]) == (second, first)
    assert tracker.find("ffff") == ()
    with pytest.raises(TrialError, match="hexadecimal"):
        tracker.find("' or 1=1")


def test_failed_run_is_marked(tracker, result):
    run = MlflowClient(tracker.store).get_run(tracker.log_failure(result.trial, RuntimeError("no solver"), seed=3))
    assert run.info.status == "FAILED"
    assert run.data.params["error"] == "RuntimeError: no solver"
    assert run.data.params["seed"] == "3"


def test_failure_that_cannot_be_recorded_leaves_the_error_alone(result, tmp_path):
    (tmp_path / "file").write_text("")
    error = RuntimeError("no solver")
    tracker = MLflow(experiment="x", uri=f"sqlite:///{tmp_path}/file/mlflow.db")
    assert tracker.log_failure(result.trial, error, seed=1) is None
    assert "could not be recorded" in error.__notes__[0]


def test_record_that_breaks_off_is_marked_failed(tracker, result, folder):
    broken = SimpleNamespace(trial=replace_scenario(result.trial), manifest=result.manifest)
    with pytest.raises(KeyError):
        tracker.log(broken, folder)
    client = MlflowClient(tracker.store)
    experiment = client.get_experiment_by_name("demo").experiment_id
    assert {run.info.status for run in client.search_runs([experiment])} == {"FAILED"}
    assert tracker.find(DIGEST) == ()


def replace_scenario(trial):
    return SimpleNamespace(**{**vars(trial), "scenario": {}.__getitem__})


def test_environment_names_the_store_unless_configured(tracker, monkeypatch):
    assert tracker.store.startswith("sqlite:////")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://one")
    assert tracker.store == "http://one"
    assert replace(tracker, uri="http://two").store == "http://two"


@pytest.mark.parametrize(
    "uri", ["https://me:secret@host/mlflow", "postgresql://me:secret@host:5432/db", "http://me@host"]
)
def test_a_password_has_no_place_in_a_configuration(uri):
    with pytest.raises(TrialError, match=r"tracking\.uri: .*MLFLOW_TRACKING_URI") as told:
        MLflow(experiment="x", uri=uri)
    assert "secret" not in str(told.value)


def test_deleted_experiment_is_named(tracker, result, folder):
    tracker.log(result, folder)
    client = MlflowClient(tracker.store)
    client.delete_experiment(client.get_experiment_by_name("demo").experiment_id)
    with pytest.raises(TrialError, match=r"tracking\.experiment: 'demo' was deleted"):
        tracker.log(result, folder)


def test_absent_server_is_told_at_once():
    start = time.monotonic()
    with pytest.raises(
        TrialError, match=r"tracking\.uri: no MLflow server answers at http://127\.0\.0\.1:9 .*tracking=none"
    ):
        MLflow(experiment="x", uri="http://127.0.0.1:9").check()
    assert time.monotonic() - start < 60, "MLflow itself goes on trying for minutes"


def test_silent_server_is_told_within_seconds():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        start = time.monotonic()
        with pytest.raises(TrialError, match="no MLflow server answers"):
            MLflow(experiment="x", uri=f"http://127.0.0.1:{server.getsockname()[1]}").check()
        assert time.monotonic() - start < 60, "MLflow itself goes on trying for minutes"


@pytest.mark.parametrize(("status", "fails"), [(200, False), (401, False), (404, True), (503, True)])
def test_server_that_is_no_mlflow(status, fails):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"OK")

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tracker = MLflow(experiment="x", uri=f"http://127.0.0.1:{server.server_port}")
        try:
            if fails:
                with pytest.raises(TrialError, match="is not an MLflow server"):
                    tracker.check()
            else:
                tracker.check()
        finally:
            server.shutdown()


def test_file_that_is_no_database(tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_text("not a database, but long enough to be read as one" * 40)
    with pytest.raises(TrialError, match="cannot be an MLflow database"):
        MLflow(experiment="x", uri=f"sqlite:///{path}").check()


def test_check_of_a_file_leaves_none(tmp_path):
    MLflow(experiment="x", runs=str(tmp_path / "new")).check()
    assert list((tmp_path / "new").iterdir()) == []


def test_no_tracking_does_nothing(result, folder):
    before = sorted(folder.rglob("*"))
    tracker = NoTracking()
    tracker.check()
    tracker.log(result, folder)
    tracker.log_failure(result.trial, RuntimeError(), seed=1)
    assert sorted(folder.rglob("*")) == before


def test_flatten():
    nested = {"a": {"b": [1, {"c": None}], "d": {}}, "e": "text", "f": [], "g": True}
    assert flatten(nested) == {"a.b.0": "1", "a.b.1.c": "null", "a.d": "{}", "e": "text", "f": "[]", "g": "true"}


def test_keys_mlflow_refuses_are_renamed_apart_and_noted():
    notes = {}
    fitted = fit({"a*b": "1", "a?b": "2", "k" * 300: "3", "fine/key": "4"}, notes)
    assert fitted == {"a_b": "1", "a_b_": "2", "k" * 250: "3", "fine/key": "4"}
    assert notes["renamed keys"] == {"a_b": "a*b", "a_b_": "a?b", "k" * 250: "k" * 300}


def test_metrics_of_nothing_are_absent():
    flat = metrics({"s": {"a": {"n": {"value": 24, "mcse": None, "replicates": 1}}}})
    assert flat == {"s/a/n": 24.0}
    assert allowed_key("s/a/n", {}) == "s/a/n"


def test_importing_tracking_does_not_import_mlflow():
    code = "import sys, trials.tracking as t; t.MLflow(experiment='x').store; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], env=os.environ, check=False).returncode == 0
