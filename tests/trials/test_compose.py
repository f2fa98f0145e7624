"""Configurations: composed, resolved, read again, refused."""

import pytest
import yaml

import trials
from engine.clusters import SSH, Kubernetes, Slurm
from tests.trials.small import CURVE, SMALL, UNFITTED, crossover
from trials.compose import composed, conf_dir, reread, understood
from trials.folder import write_config
from trials.making import make


def test_a_scenario_is_the_protocol_with_what_it_sets():
    trial = crossover()
    assert dict(trial.protocol.arm("test").modify) == {"f": 1.0, "ka": 1.0}
    assert dict(trial.scenario("gmr_125").protocol.arm("test").modify) == {"f": 1.25, "ka": 1.0}
    assert trial.scenario("gmr_125").null == ("auc", "cmax")
    assert trial.scenario("gmr_095").null == ()


def test_overrides_reach_every_scenario():
    trial = crossover("design.n=12", "analyses.auc.alpha=0.1")
    assert {scenario.protocol.design.n for scenario in trial.scenarios} == {12}
    assert {scenario.protocol.analysis("auc").alpha for scenario in trial.scenarios} == {0.1}


def test_a_trial_is_a_value():
    first = trials.load("theophylline_bioequivalence", [*SMALL, *UNFITTED, *CURVE])
    assert first == trials.load("theophylline_bioequivalence", [*SMALL, *UNFITTED, *CURVE])
    assert hash(first) == hash(crossover())
    assert first.digest != crossover("design.n=12").digest


def test_the_digest_does_not_depend_on_where_a_run_is_made():
    assert crossover().digest == crossover("cluster=local", "runs=elsewhere", "block=7").digest
    assert crossover().digest != crossover("seed=2").digest


@pytest.mark.parametrize(
    ("words", "executor"),
    [
        (["cluster=slurm", "cluster.workers=32", "cluster.queue=short", "cluster.prologue=[module load gcc]"],
         Slurm(32, cores=4, memory="8GB", queue="short", prologue=("module load gcc",))),
        (["cluster=kubernetes", "cluster.image=registry.example/trialtwin:1"],
         Kubernetes(8, "registry.example/trialtwin:1")),
        (["cluster=ssh", "cluster.hosts=[one,two]", "cluster.workers=4"], SSH(("one", "two"), workers=4)),
    ],
    ids=["slurm", "kubernetes", "ssh"],
)  # fmt: skip
def test_clusters_are_chosen_by_an_override(words, executor):
    config = composed("config", ["trial=theophylline_bioequivalence", *words])
    assert make("cluster", config["cluster"]) == executor


def test_a_cluster_wants_what_only_its_user_knows():
    with pytest.raises(trials.TrialError, match=r"cluster\.image"):
        composed("config", ["trial=theophylline_bioequivalence", "cluster=kubernetes"])


def test_the_resolved_configuration_gives_the_same_trial(tmp_path):
    write_config(crossover(), tmp_path)
    again = trials.load(tmp_path / "config.yaml")
    assert again == crossover()
    assert again.digest == crossover().digest


def test_a_posterior_that_was_given_is_found_in_the_folder_of_its_run(tmp_path):
    """No path of this computer is in what a run leaves, and the same posterior elsewhere is the same configuration."""
    (tmp_path / "mine.nc").touch()
    (tmp_path / "other.nc").touch()
    name = "theophylline_bioequivalence"
    given, other = (trials.load(name, [f"calibration.posterior={tmp_path / n}"]) for n in ("mine.nc", "other.nc"))
    run = tmp_path / "run"
    run.mkdir()
    write_config(given, run)
    assert str(tmp_path) not in (run / "config.yaml").read_text()
    with pytest.raises(trials.TrialError, match=r"there is no file 'posterior\.nc'"):
        trials.load(run / "config.yaml")
    (run / "posterior.nc").touch()
    again = trials.load(run / "config.yaml")
    assert again.calibration.posterior == run / "posterior.nc"
    assert again.digest == given.digest == other.digest
    assert again.digest != trials.load(name).digest


def test_the_log_tells_names_and_not_places_of_files_that_were_given():
    from trials.commands.run import placeless

    assert placeless("calibration.posterior=/data/fits/fit.nc") == "calibration.posterior=fit.nc"
    assert placeless("design.n=24") == "design.n=24"
    assert placeless("~precision") == "~precision"


def test_a_resolved_configuration_takes_overrides(tmp_path):
    write_config(crossover(), tmp_path)
    changed = reread(tmp_path / "config.yaml", ["design.n=30", "solver=reference", "runs=null"])
    assert changed["design"]["n"] == 30
    assert changed["solver"]["_target_"].endswith("Reference")
    with pytest.raises(trials.TrialError, match="nope"):
        reread(tmp_path / "config.yaml", ["design.nope=1"])


def test_a_folder_of_ones_own_adds_trials(tmp_path):
    (tmp_path / "trial").mkdir()
    spec = yaml.safe_load((conf_dir() / "trial" / "theophylline_bioequivalence.yaml").read_text())
    spec["name"], spec["title"] = "mine", "Mine"
    text = "# @package _global_\n" + yaml.safe_dump(spec, sort_keys=False)
    (tmp_path / "trial" / "mine.yaml").write_text(text)
    assert trials.load("mine", [*SMALL, *UNFITTED, *CURVE], config_dir=tmp_path).title == "Mine"
    with pytest.raises(trials.TrialError, match="mine"):
        trials.load("mine")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("regimen=100 mg into depot every 24 h, 28 times", "regimen='100 mg into depot every 24 h, 28 times'"),
        ("arms.test.regimen=1 mg into depot; 2 mg into depot", "arms.test.regimen='1 mg into depot; 2 mg into depot'"),
        ("regimen='already'", "regimen='already'"),
        ("design.n=24", "design.n=24"),
        ("data=null", "~data"),
    ],
)
def test_overrides_are_taken_as_people_write_them(written, meant):
    assert understood(written) == meant


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trial=nope"], "nope"),
        (["trial=theophylline_bioequivalence", "design.size=3"], "size"),
        (["trial=theophylline_bioequivalence", "unknown=3"], "unknown"),
    ],
)
def test_an_unknown_override_is_named(overrides, message):
    with pytest.raises(trials.TrialError, match=message):
        composed("config", overrides)
