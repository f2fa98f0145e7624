"""``trialtwin twin``: from a FHIR bundle to a dose, and `trials.twin` on the same bundle."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import cohorts
import engine
import trials
from trials.cli import main
from trials.errors import TrialError
from trials.twins import records

BUNDLE = Path(__file__).resolve().parents[2] / "conf" / "fhir" / "vancomycin_example.json"
WORDS = [f"bundle={BUNDLE}", "model=vancomycin", "population=vancomycin_adults", "fhir=vancomycin", "particles=2000"]
TARGET = "target={metric: auc, output: concentration, low: 400, high: 600, probability: 0.5, window: 24}"
PLAN = "plan={horizon: 48, intervals: [12, 24], duration: 1.5, least: 250, most: 2000, step: 250}"


def test_from_a_bundle_to_a_dose(capsys, tmp_path):
    assert main(["twin", *WORDS, TARGET, PLAN, f"save={tmp_path / 'p.nc'}"]) == 0
    said = capsys.readouterr().out
    for part in (
        "4 doses, 3 measurements",
        "body_weight 82",
        "cl0",
        "Pareto k",
        "forecast",
        "meets a probability of 0.5",
    ):
        assert part in said
    with xr.open_datatree(tmp_path / "p.nc", engine="h5netcdf") as tree:
        assert tree["posterior"].sizes["draw"] == 2000
        assert tree.attrs["population"] == "vancomycin_adults"


def test_a_target_without_a_plan_is_told(capsys):
    assert main(["twin", *WORDS, TARGET]) == 2
    assert "plan: missing" in capsys.readouterr().err


def test_the_same_patient_in_python():
    twin = trials.twin("vancomycin", "vancomycin_adults", BUNDLE, codes="vancomycin", seed=1, particles=2000)
    table = twin.summary()
    assert table.loc["weight", "mean"] == pytest.approx(82.0)
    assert table.loc["pma", "mean"] == pytest.approx(67.75, abs=0.01)
    assert table.loc["cl0", "sd"] < 0.2731 * 5.31  # the data have taught something
    with pytest.raises(TrialError, match="codes"):
        trials.twin("vancomycin", "vancomycin_adults", BUNDLE, seed=1)


def test_a_population_that_lacks_a_parameter_of_the_model_is_told():
    record = cohorts.read_fhir(BUNDLE, "vancomycin")[0]
    with pytest.raises(TrialError, match="lacks the parameters"):
        trials.twin("warfarin_inr", "vancomycin_adults", record, seed=1)


def test_warfarin_from_inr_to_a_dose():
    """Hamberg's patient of table 5 (70 years, *1/*1, G/A) needs 5.06 mg a day for an INR of 2.5."""
    covariates = {"age": 70.0, "cyp2c9": "*1/*1", "vkorc1": "GA"}
    record = cohorts.PatientRecord(None, None, covariates)
    population = cohorts.load_population("warfarin_adults")
    twin = trials.twin("warfarin_inr", population, record, seed=1, uncertainty="centred", particles=400)
    plan = cohorts.DosePlan(0.0, 70 * 24.0, (24.0,), into="depot", amounts=(2.5, 4.0, 5.0, 6.0, 7.5, 10.0))
    typical = twin.dose_for(cohorts.DoseTarget("trough", "inr", 2.0, 3.0, 0.3), plan, particles=200)
    assert typical.amount == 5.0


def test_records_of_a_nonmem_table():
    model = engine.load_model("one_compartment_oral")
    table = Path(__file__).resolve().parents[1] / "reference" / "popfit" / "warfarin_pkpd_pk.csv"
    events = engine.read_nonmem(table)
    found = records(events, model)
    assert [r.name for r in found] == [str(i) for i in events.ids.tolist()]
    assert sum(len(r.observations["dv"]) for r in found) == events.observations.sizes["observation"]
    assert np.isclose(sum(r.doses["amt"].sum() for r in found), float(events.doses["amt"].sum()))
