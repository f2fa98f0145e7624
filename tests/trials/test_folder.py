"""The configuration in a run's folder names no place of the computer it was made on."""

import yaml

from tests.trials.small import crossover
from trials.compose import load
from trials.folder import portable, write_config


def test_absolute_folder_of_runs_is_not_written(tmp_path):
    trial = crossover(f"runs={tmp_path}", "tracking=mlflow")
    write_config(trial, tmp_path)
    text = (tmp_path / "config.yaml").read_text()
    assert str(tmp_path) not in text
    written = yaml.safe_load(text)
    assert written["runs"] == written["tracking"]["runs"] == "runs"
    assert {**written, "runs": "", "tracking": ""} == {**trial.config, "runs": "", "tracking": ""}
    assert load(tmp_path / "config.yaml").config == portable(trial.config)


def test_relative_folder_and_none_stay():
    assert portable({"runs": "elsewhere", "seed": 1}) == {"runs": "elsewhere", "seed": 1}
    assert portable({"runs": None}) == {"runs": None}
    assert portable({"seed": 1}) == {"seed": 1}
