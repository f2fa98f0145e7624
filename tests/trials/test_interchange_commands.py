"""``trialtwin import`` and ``trialtwin export``, as a user types them."""

from pathlib import Path

import pytest

from engine.models.loading import load_model
from tests.engine.test_control_streams import CLARET, WARFARIN
from trials.cli import main


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Each test in an empty folder."""
    monkeypatch.chdir(tmp_path)


def test_a_control_stream_becomes_a_model_that_runs(capsys):
    Path("run1.mod").write_text(WARFARIN)
    Path("mine/model").mkdir(parents=True)
    assert main(["import", "run1.mod", "--out", "mine/model/run1.yaml"]) == 0
    told = capsys.readouterr().out
    assert "states: DEPOT, CENTRAL" in told
    assert "Residual error: combined; Y = " in told
    text = Path("mine/model/run1.yaml").read_text()
    assert text.startswith("# Read from run1.mod by `trialtwin import`.\n# Estimates: initial.\n# THETA_1 = 1 (KA)\n")
    assert "# ETA_1: variance 0.3\n" in text
    assert load_model("mine/model/run1.yaml").typical == {"KA": 1.0, "CL": 0.13, "VC": 8.0}
    assert main(["whatif", "--config-dir", "mine", "model=run1", "regimen=100 mg into DEPOT", "duration=24"]) == 0


def test_units_and_covariates_are_given_by_name(capsys):
    Path("claret.ctl").write_text(CLARET)
    command = ["import", "claret.ctl", "--out", "claret.yaml", "--time", "week"]
    assert main(command) == 2
    assert "name those of KL, KD, LAMBDA, DOSE in units" in capsys.readouterr().err
    named = ["TUMOUR=mm", "KL=1/week", "KD=1/week", "LAMBDA=1/week", "DOSE=1"]
    assert main([*command, *(f"--unit={word}" for word in named), "--name", "tumour"]) == 0
    assert "without a typical value: DOSE" in capsys.readouterr().out
    assert main([*command, "--unitless", "--covariate", "DOSE=10"]) == 0
    assert load_model("claret.yaml").typical["DOSE"] == 10
    assert main([*command, "--unit", "KL"]) == 2
    assert main([*command, "--covariate", "DOSE=ten"]) == 2
    assert "--covariate: DOSE: wants a number, got 'ten'" in capsys.readouterr().err


def test_sbml_there_and_back(capsys):
    assert main(["export", "warfarin_turnover", "--to", "sbml", "--out", "model.xml"]) == 0
    assert main(["import", "model.xml", "--out", "again.yaml"]) == 0
    assert capsys.readouterr().out.count("written: ") == 2
    assert load_model("again.yaml") == load_model("warfarin_turnover")
    Path("model.txt").write_bytes(Path("model.xml").read_bytes())
    assert main(["import", "model.txt", "--from", "sbml", "--out", "third.yaml"]) == 0


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ("mrgsolve", "dxdt_depot = -ka * depot;"),
        ("rxode2", "    d/dt(depot) <- -ka * depot"),
        ("latex", r"\begin{aligned}"),
        ("sbml", '    <listOfParameters>'),
        ("yaml", "  depot: -ka * depot"),
    ],
)  # fmt: skip
def test_a_model_is_shown_for_another_program(program, line, capsys):
    assert main(["export", "theophylline_oral", "--to", program]) == 0
    assert line in capsys.readouterr().out.splitlines()


def test_values_are_for_programs_that_need_them(capsys):
    assert main(["export", "theophylline_oral", "--to", "mrgsolve", "--set", "cl=3.5"]) == 0
    assert "cl : 3.5 : clearance (L/h)" in capsys.readouterr().out
    assert main(["export", "theophylline_oral", "--to", "latex", "--set", "cl=3.5"]) == 2
    assert "--set: is for mrgsolve and rxode2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["import", "nothing.mod", "--out", "x.yaml"], "cannot read nothing.mod"),
        (["export", "warfarn_inr", "--to", "sbml"], "did you mean"),
        (["export", "warfarin_inr", "--to", "sbml", "--out", "no/such/folder.xml"], "cannot write no/such/folder.xml"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_sentence(words, told, capsys):
    assert main(words) == 2
    message = capsys.readouterr().err
    assert told in message
    assert message.count("\n") == 1
