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
from trials.cli import main


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


def test_package_verify_and_check(capsys):
    assert main(RUN) == 0
    (folder,) = folders()
    assert main(["check", str(folder)]) == 0
    assert main(["package", str(folder), "--out", "evidence"]) == 0
    assert main(["verify", "evidence"]) == 0
    outcomes = Path("evidence/data/outcomes.parquet")
    outcomes.write_bytes(outcomes.read_bytes() + b"x")
    assert main(["verify", "evidence"]) == 1
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


def test_ctrl_c_stops_the_workers_too_and_says_how_to_go_on(tmp_path):
    words = [word for word in RUN if not word.startswith(("cluster", "replicates"))]
    command = [
        sys.executable,
        "-m",
        "trials.cli",
        *words,
        "cluster=local",
        "cluster.workers=1",
        "replicates=5000",
        "block=5",
    ]
    with subprocess.Popen(
        command, cwd=tmp_path, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as running:
        patience = time.monotonic() + 90
        while not list(tmp_path.glob("runs/*/*/partial/*.npz")):
            assert running.poll() is None
            assert time.monotonic() < patience
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGINT)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert told.strip().endswith("the same command continues there")
    assert "Traceback" not in told
