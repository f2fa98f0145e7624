"""The command line, as a user types it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

import trials
from tests.trials.small import RUN
from trials import stopping
from trials.cli import main
from trials.stopping import stoppable
from trials.trust.finding import CODES


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Each test in an empty folder."""
    monkeypatch.chdir(tmp_path)


def folders():
    return sorted(Path("runs/theophylline_bioequivalence").iterdir())


def test_run_prints_characteristics_and_leaves_a_folder(capsys):
    assert main(RUN) == 0
    told = capsys.readouterr().out
    (folder,) = folders()
    found = json.loads((folder / "characteristics.json").read_text())
    assert f"type I {found['gmr_125']['auc']['type_1_error']['value']:.2g}"[:9] in told
    assert str(folder) in told
    assert trials.check(folder).ok


def test_the_folder_is_all_that_is_left():
    assert main(RUN) == 0
    assert [path.name for path in Path().iterdir()] == ["runs"]
    assert [path.name for path in Path("runs").iterdir()] == ["theophylline_bioequivalence"]


def test_a_run_again_from_its_own_configuration(capsys):
    assert main(RUN) == 0
    (folder,) = folders()
    assert main(["run", f"{folder}/config.yaml", "block=1"]) == 0
    assert "power" in capsys.readouterr().out
    first, second = (json.loads((one / "manifest.json").read_text()) for one in folders())
    assert first["digests"]["outcomes"] == second["digests"]["outcomes"]


def test_a_sweep_makes_a_run_of_each_value(capsys):
    assert main([*RUN, "design.n=12,24", "-m"]) == 0
    sizes = {yaml.safe_load((folder / "config.yaml").read_text())["design"]["n"] for folder in folders()}
    assert sizes == {12, 24}
    assert capsys.readouterr().out.count("run folder") == 2


def test_cfg_job_shows_the_configuration_and_runs_nothing(capsys):
    assert main([*RUN, "design.n=30", "--cfg", "job"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown["design"]["n"] == 30
    assert shown["model"]["name"] == "theophylline_oral"
    assert list(Path().iterdir()) == []


def test_help_names_the_groups(capsys):
    assert main(["run", "--help"]) == 0
    told = capsys.readouterr().out
    assert "theophylline_bioequivalence" in told
    assert main(["--help"]) == 0
    assert "whatif" in capsys.readouterr().out


def test_ones_own_folder(tmp_path, capsys):
    mine = tmp_path / "mine"
    (mine / "design").mkdir(parents=True)
    (mine / "design" / "small.yaml").write_text(
        "_target_: trials.designs.crossover.Crossover\nn: 8\nwashout: 96\nsequences: []\nblock: 2\n"
    )
    assert main(["run", "--config-dir", str(mine), *RUN[1:], "design=small", "design.n=12", "--cfg", "job"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["design"]["block"] == 2


@pytest.mark.parametrize(
    ("what", "name"), [("models", "warfarin_inr"), ("populations", "warfarin_adults"), ("trials", "warfarin_titration")]
)
def test_list(what, name, capsys):
    assert main(["list", what]) == 0
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert len(rows[name]) > 20
    assert all(len(row) <= 102 for row in rows.values())


def test_list_of_nothing_known(capsys):
    assert main(["list", "drugs"]) == 2
    assert "models | populations | trials" in capsys.readouterr().err


def test_whatif_prints_key_numbers_and_draws(capsys):
    regimen = "320 mg into depot every 12 h, 4 times; 100 mg into depot at 2 h"
    assert main(["whatif", "model=theophylline_oral", f"regimen={regimen}", "parameters.cl=1.5", "duration=60"]) == 0
    told = capsys.readouterr().out
    header, row = (line.split() for line in told.splitlines()[:2])
    assert header[0] == "output"
    assert row[:2] == ["concentration", "mg/L"]
    assert Path("whatif-theophylline_oral.png").stat().st_size > 5000

    assert main(["whatif", "model=theophylline_oral", f"regimen={regimen}", "plot=other.svg"]) == 0
    usual = capsys.readouterr().out.splitlines()[1].split()
    assert float(usual[5]) < float(row[5])
    assert Path("other.svg").exists()


def test_whatif_without_a_regimen_is_the_models_example(capsys):
    assert main(["whatif", "model=michaelis_menten_oral", "plot=example.svg"]) == 0
    shown = capsys.readouterr().out.splitlines()[1]
    regimen = "regimen=300 mg into depot every 24 h, 3 times"
    assert main(["whatif", "model=michaelis_menten_oral", regimen, "duration=72", "plot=same.svg"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == shown
    assert main(["whatif", "model=hiv_dynamics", "regimen=nothing", "plot=nothing.svg"]) == 0


@pytest.mark.slow
def test_package_verify_and_check(capsys):
    assert main(RUN) == 0
    (folder,) = folders()
    assert main(["check", str(folder)]) == 0
    assert main(["package", str(folder), "--out", "evidence"]) == 2, "nobody has answered what only people can"
    assert main(["package", str(folder), "--out", "evidence", "--draft"]) == 0
    assert main(["verify", "evidence"]) == 0
    outcomes = Path("evidence/data/simulation/run/outcomes.parquet")
    outcomes.write_bytes(outcomes.read_bytes() + b"x")
    assert main(["verify", "evidence"]) == CODES["files"][0]
    assert "outcomes.parquet" in capsys.readouterr().out


def test_as_a_program(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "trials.cli", *RUN, "design.nope=1"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Key 'nope' is not in struct" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_command_and_an_unknown_one(capsys):
    assert main([]) == 2
    assert main(["runn"]) == 2
    assert "there is no command 'runn'" in capsys.readouterr().err
    assert main(["--version"]) == 0


# A small run of several blocks, stopped by a signal when `begun` is there.
SEVERAL = [*(word for word in RUN if not word.startswith(("cluster", "replicates"))), "replicates=40", "block=1"]
LOCAL = ("cluster=local", "cluster.workers=1")
STARTING, WORKING = "runs/*/*/partial/identity.json", "runs/*/*/partial/*.npz"


def stopped(folder, words, begun, send):
    """Exit code and what is said at the end."""
    command = [sys.executable, "-m", "trials.cli", *SEVERAL, *words]
    with subprocess.Popen(
        command, cwd=folder, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=heeding_interrupts,
    ) as running:  # fmt: skip
        patience = time.monotonic() + 90
        while not list(folder.glob(begun)):
            assert running.poll() is None
            assert time.monotonic() < patience
            time.sleep(0.05)
        send(running.pid)
        _, told = running.communicate(timeout=60)
        return running.returncode, told


def heeding_interrupts():
    """A shell starts what runs in the background with interrupts ignored, and a child inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupt(pid):
    os.kill(pid, signal.SIGINT)


def terminate(pid):
    os.kill(pid, signal.SIGTERM)


def as_a_terminal_does(pid):
    os.killpg(pid, signal.SIGINT)


@pytest.mark.parametrize(
    ("words", "begun", "send", "code"),
    [
        (["cluster=serial"], WORKING, interrupt, 130),
        (["cluster=serial"], STARTING, terminate, 143),
        (LOCAL, STARTING, interrupt, 130),
        (LOCAL, WORKING, as_a_terminal_does, 130),
    ],
    ids=["serial", "serial-sigterm-at-start", "local-at-start", "local-terminal"],
)
def test_a_signal_stops_the_run_and_its_workers_and_says_how_to_go_on(tmp_path, words, begun, send, code):
    found, told = stopped(tmp_path, words, begun, send)
    assert found == code
    assert told.strip().endswith("the same command continues there")
    assert "Traceback" not in told


@pytest.mark.slow
def test_a_stopped_run_continues_to_the_very_same_result(tmp_path):
    assert stopped(tmp_path, ["cluster=serial"], WORKING, interrupt)[0] == 130
    trial, told = trials.load("theophylline_bioequivalence", [*SEVERAL[2:], "cluster=serial"]), []
    continued = trials.run(trial, folder=tmp_path / "runs", progress=lambda *what: told.append(what))
    assert any(what.startswith("continuing in") for what, *_ in told)
    assert next(done for what, done, _ in told if what == "simulating trials") > 0
    whole = trials.run(trials.load("theophylline_bioequivalence", [*SEVERAL[2:], "cluster=serial", "runs=null"]))
    assert continued.manifest["digests"]["outcomes"] == whole.manifest["digests"]["outcomes"]


def test_an_interrupt_that_a_library_swallowed_is_heeded_at_the_next_step():
    with stoppable() as stop:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert stop.code == 143
        with pytest.raises(KeyboardInterrupt):
            stopping.check()
    stopping.check()
