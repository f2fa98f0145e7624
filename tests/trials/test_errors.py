"""Bad input: one clear message on stderr, a non-zero exit, no traceback, nothing written."""

import shutil
import socket
from pathlib import Path

import pytest
import yaml

from tests.trials.small import FITTED, RUN
from trials.cli import main
from trials.compose import conf_dir


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Each test in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def refused(capsys, arguments, *words, keep=()):
    """Run a command that must fail; gives its message."""
    code = main(arguments)
    told = capsys.readouterr()
    assert code != 0
    assert "Traceback" not in told.err
    assert told.out.strip() == ""
    for word in words:
        assert word in told.err, told.err
    assert {path.name for path in Path().iterdir()} <= set(keep)
    return told.err


def mine(group, name, change):
    """A copy of a configuration file in a folder of one's own, changed."""
    folder = Path("mine") / group
    folder.mkdir(parents=True)
    spec = yaml.safe_load((conf_dir() / group / f"{name}.yaml").read_text())
    change(spec)
    (folder / f"{name}_changed.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    return ["--config-dir", str(Path("mine").resolve()), f"{group}={name}_changed"]


def test_a_unit_error_in_a_model(capsys):
    def change(model):
        model["derivatives"]["central"] = "ka * depot - cl * central"

    arguments = [*RUN, *mine("model", "theophylline_oral", change)]
    told = refused(capsys, arguments, "derivatives.central", "cl * central", "mg/h", keep=["mine"])
    assert len(told.splitlines()) == 1


def test_a_unit_error_in_a_model_that_is_only_looked_at(capsys):
    def change(model):
        model["parameters"]["v"]["unit"] = "mL"

    arguments = ["whatif", "regimen=1 mg into depot", *mine("model", "theophylline_oral", change)]
    refused(capsys, arguments, "derivatives.central", "mL", keep=["mine"])


def test_an_unknown_parameter(capsys):
    refused(capsys, [*RUN, "+arms.test.modify.kaa=2"], "arms.test.modify", "'kaa'", "did you mean 'ka'")
    whatif = ["whatif", "model=theophylline_oral", "regimen=1 mg into depot", "parameters.kaa=2"]
    refused(capsys, whatif, "parameters.kaa", "did you mean 'ka'")


def test_a_negative_dose(capsys):
    refused(capsys, [*RUN, "arms.test.regimen=-320 mg into depot"], "arms.test.regimen", "-320")
    refused(capsys, ["whatif", "model=theophylline_oral", "regimen=-1 mg into depot"], "-1")
    refused(capsys, ["whatif", "model=theophylline_oral", "regimen=1 mg into depo"], "dose 1", "'depo'", "depot")


def test_an_unknown_override(capsys):
    refused(capsys, [*RUN, "design.size=24"], "size")
    refused(capsys, [*RUN, "solver=fast"], "fast", "closed_form")
    refused(capsys, ["run", "trial=theophyline"], "theophyline", "theophylline_bioequivalence")
    refused(capsys, ["whatif", "model=theophylline_oral", "regimen=1 mg into depot", "dose=3"], "dose")


def test_a_missing_override(capsys):
    refused(capsys, ["run"], "trial")
    without = mine("model", "theophylline_oral", lambda model: [model.pop(key) for key in ("example", "checks")])
    refused(capsys, ["whatif", *without], "regimen", keep=["mine"])


def data_file(change):
    """The theophylline file in a data folder of one's own, its text changed and its digest told."""
    import hashlib

    text = change((conf_dir() / "data" / "theophylline.csv").read_text())
    options = mine("data", "theophylline", lambda spec: spec.update(file="changed.csv"))
    (Path("mine") / "data" / "changed.csv").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return [*options, f"data.sha256={digest}"]


def test_a_data_file_without_a_column(capsys):
    options = data_file(lambda text: text.replace(",DV,", ",CONC,", 1))
    refused(capsys, [*FITTED, *options], "data.columns", "changed.csv", "'DV'", "CONC", keep=["mine"])


def test_a_data_file_without_a_covariate(capsys):
    options = data_file(lambda text: text.replace("WT", "HT", 1))
    refused(capsys, [*FITTED, *options], "weight", "WT", "HT", keep=["mine"])


def test_a_data_file_with_text_where_a_number_should_be(capsys):
    options = data_file(lambda text: text.replace("2.84", "high", 1))
    refused(capsys, [*FITTED, *options], "DV", "'high'", keep=["mine"])


def test_another_data_file_than_the_one_described(capsys):
    refused(capsys, [*FITTED, "data.sha256=" + "0" * 64], "data.sha256", "theophylline.csv")


def test_data_in_another_unit(capsys):
    refused(capsys, [*FITTED, "data.units.value=ug/L"], "data.units.value", "'ug/L'", "'mg/L'")


def test_no_data_file(capsys):
    refused(capsys, [*FITTED, "data.file=nowhere.csv"], "data.file", "nowhere.csv")


def test_a_cohort_without_a_parameter_of_the_model(capsys):
    def change(population):
        del population["parameters"]["tlag"]

    options = mine("population", "theophylline_adults", change)
    refused(capsys, [*RUN, *options], "population.parameters", "'tlag'", "ka, cl, v, f", keep=["mine"])


def test_a_cohort_with_another_unit_than_the_model(capsys):
    refused(capsys, [*RUN, "population.parameters.cl.unit=mL/h"], "population.parameters.cl.unit", "'mL/h'", "'L/h'")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_a_scheduler_that_does_not_answer(capsys):
    port = free_port()
    arguments = [*RUN, "cluster=address", f"cluster.client_or_address=tcp://127.0.0.1:{port}"]
    refused(capsys, arguments, "cluster", str(port))


def test_a_tracking_server_that_does_not_answer(capsys):
    port = free_port()
    arguments = [*RUN, "tracking=mlflow", f"tracking.uri=http://127.0.0.1:{port}"]
    refused(capsys, arguments, "tracking.uri", str(port), "tracking=none")


def test_a_posterior_that_is_not_there_or_not_the_populations(capsys):
    refused(capsys, [*FITTED, "calibration.posterior=nowhere.nc"], "calibration.posterior", "nowhere.nc")


def test_a_run_folder_that_is_none(capsys):
    for command in (["check", "."], ["verify", "."], ["package", ".", "--out", "evidence"]):
        refused(capsys, command, "no")


def test_a_disk_that_cannot_be_written(capsys):
    Path("runs").write_text("a file where the folder should be")
    refused(capsys, RUN, "runs", keep=["runs"])


def test_a_stopped_run_says_how_to_go_on(capsys, monkeypatch):
    from trials import session

    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "simulate_block", stop)
    assert main(RUN) == 130
    assert "the same command continues there" in capsys.readouterr().err
    shutil.rmtree("runs")
