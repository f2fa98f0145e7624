"""The log of a run: it cannot be switched off, and it and the manifest vouch for each other."""

import json
import shutil

import pytest

import trials
from tests.trials.small import crossover
from trials import manifest
from trials.errors import Interrupted, TrialError
from trials.tracking import NoTracking
from trials.trust import audit
from trials.trust.audit import LOG, Attribution, Log


@pytest.fixture(scope="module")
def continued(tmp_path_factory):
    """A run that was stopped, continued by other code, and finished, without tracking."""
    root = tmp_path_factory.mktemp("runs")

    def stop(what, done, _):
        if what == "simulating trials" and done >= 4:
            raise KeyboardInterrupt

    by = Attribution("A. Designer", "feasibility", ("design.n=12",))
    with pytest.raises(Interrupted):
        trials.run(crossover("block=2"), folder=root, progress=stop, by=by, tracker=NoTracking())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest, "source_digest", lambda *_: "other code")
        return trials.run(crossover("block=2"), folder=root, by=by).folder


@pytest.fixture
def folder(continued, tmp_path):
    return shutil.copytree(continued, tmp_path / "run")


def test_every_step_is_written_with_who_and_why(continued):
    entries = Log(continued / LOG).entries()
    assert [entry.action for entry in entries] == [
        "run started", "population known", "run stopped", "run continued", "blocks dropped", "population known",
        "run finished",
    ]  # fmt: skip
    assert {(entry.actor, entry.reason, entry.object) for entry in entries} == {
        ("A. Designer", "feasibility", "theophylline_bioequivalence")
    }
    found = json.loads((continued / "manifest.json").read_text())
    assert entries[0].new["config"] == found["digests"]["config"]
    assert entries[0].new["overrides"] == ["design.n=12"]
    assert entries[4].old["blocks"] >= 2
    assert entries[4].new["code"] == "other code"
    assert entries[-1].new["outcomes"] == found["digests"]["outcomes"]
    assert found["audit"] == f"6 sha256:{entries[5].hash}"
    assert LOG not in found["files"]


def test_the_run_is_checked_with_its_log(continued):
    report = trials.check(continued)
    assert report.ok, str(report)


def test_a_manifest_written_anew_is_seen(folder):
    path = folder / "manifest.json"
    found = json.loads(path.read_text())
    manifest.write(folder, {**found, "executor": "Dask()"})
    assert [finding.path for finding in trials.check(folder).findings] == ["manifest.json"]
    manifest.write(folder, {**found, "audit": "6 sha256:" + "0" * 64})
    assert len(trials.check(folder).findings) == 2


def test_a_removed_shortened_or_replaced_log_is_seen(folder):
    path = folder / LOG
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for content in (
        None,
        b"",
        b"".join(lines[:-1]),
        b"".join(lines[1:]),
        whole.replace(b"feasibility", b"Feasibility"),
    ):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        assert trials.check(folder).findings
    path.unlink()
    for entry in (json.loads(line) for line in lines):
        audit.append(folder, entry["action"], entry["object"], new=entry["new"])
    (finding,) = trials.check(folder).findings
    assert "has no such line" in finding.message


def test_a_later_line_leaves_the_run_as_it_is(folder):
    audit.append(folder, "packaged", "tagmanifest-sha512.txt", new="12ab")
    assert trials.check(folder).ok


def test_a_run_that_fails_says_so(tmp_path, monkeypatch):
    def fail(*_):
        raise TrialError("data.file: the secret folder")

    monkeypatch.setattr("trials.session.gather", fail)
    with pytest.raises(TrialError):
        trials.run(crossover(), folder=tmp_path)
    (path,) = tmp_path.rglob(LOG)
    assert [(entry.action, entry.new) for entry in Log(path).entries()][1:] == [("run failed", "TrialError")]
