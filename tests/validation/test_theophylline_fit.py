"""The theophylline population, fitted to the twelve people, against the recorded Monolix fit of the same.

Monolix maximises the likelihood (SAEM); ours is a posterior under weak priors. With twelve people the posterior means
of the standard deviations lie above their maximum likelihood estimates, by about half a standard error.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import cohorts

ROOT = Path(__file__).resolve().parents[2]
TYPICAL = {"ka_pop": ("ka_pop", 1.0), "cl_pop": ("Cl_pop", 70.0), "v_pop": ("V_pop", 70.0)}
SPREAD = {"omega_ka": "omega_ka", "omega_cl": "omega_Cl", "omega_v": "omega_V"}
RESIDUAL = {"sigma_additive_concentration": "a", "sigma_proportional_concentration": "b"}


@pytest.fixture(scope="module")
def data():
    table = pd.read_csv(ROOT / "conf" / "data" / "theophylline.csv")
    seen = table[(table["EVID"] == 0) & (table["TIME"] > 0)]
    doses = table[table["EVID"] == 1].set_index("ID")
    columns = {"subject": "ID", "time": "TIME", "dv": "DV", "amount": "ID"}
    observations = xr.Dataset({k: ("observation", seen[c].to_numpy()) for k, c in columns.items()})
    observations["amount"] = ("observation", doses["AMT"].loc[seen["ID"]].to_numpy())
    people = xr.Dataset({"WT": ("subject", doses["WT"].to_numpy())}, {"subject": doses.index.to_numpy()})
    return cohorts.IndividualData(observations, people)


def bateman(data):
    """One compartment, first-order absorption, written out: independent of the engine."""
    place, time, dose = data.position, data.observations["time"].values, data.observations["amount"].values

    def predict(parameters):
        import pytensor.tensor as pt

        ka, cl, v = (parameters[name][place] for name in ("ka", "cl", "v"))
        k = cl / v
        return dose * ka / (v * (ka - k)) * (pt.exp(-k * time) - pt.exp(-ka * time))

    return predict


@pytest.fixture(scope="module")
def population():
    return cohorts.load_population("theophylline_adults")


@pytest.fixture(scope="module")
def fit(population, data):
    return cohorts.calibrate(population, data, bateman(data), seed=20261121)


@pytest.fixture(scope="module")
def table(fit):
    return cohorts.diagnose(fit)


@pytest.fixture(scope="module")
def monolix():
    fits = json.loads((ROOT / "tests" / "reference" / "theophylline_fits.json").read_text(encoding="utf-8"))["fits"]
    return next(one["estimates"] for one in fits if one["software"].startswith("Monolix"))


def test_the_data_are_the_reference_data(data):
    assert data.observations.sizes["observation"] == 120
    assert len(data.subjects) == 12


@pytest.mark.parametrize("name", TYPICAL)
def test_typical_values_within_one_standard_error(table, monolix, name):
    reference, scale = TYPICAL[name]
    want = monolix[reference]
    assert abs(table.loc[name, "mean"] / scale - want["est"]) < want["se"]


@pytest.mark.parametrize("name", SPREAD)
def test_variability_between_people_within_one_and_a_half(table, monolix, name):
    want = monolix[SPREAD[name]]
    assert abs(table.loc[name, "mean"] - want["est"]) < 1.5 * want["se"]


@pytest.mark.parametrize("name", RESIDUAL)
def test_residual_error_within_one_standard_error(table, monolix, name):
    want = monolix[RESIDUAL[name]]
    assert abs(table.loc[name, "mean"] - want["est"]) < want["se"]


@pytest.mark.parametrize("name", [*TYPICAL, *SPREAD])
def test_uncertainty_is_of_the_size_of_the_reference_standard_errors(table, monolix, name):
    reference, scale = TYPICAL.get(name, (SPREAD.get(name), 1.0))
    assert 0.7 < table.loc[name, "sd"] / scale / monolix[reference]["se"] < 1.6


def test_the_fit_is_sound_and_quick(fit):
    assert fit.attrs["rhat_max"] < 1.01
    assert fit.attrs["ess_min"] > 400
    assert fit.attrs["divergences"] == 0
    assert fit.attrs["seconds_compile"] + fit.attrs["seconds_sample"] < 60


def test_absorption_and_elimination_did_not_swap_roles(fit):
    posterior = fit["posterior"].to_dataset()
    assert float((posterior["ka"] < posterior["cl"] / posterior["v"]).mean()) < 1e-3


def test_the_population_predicts_the_data(fit):
    check = cohorts.predictive_check(fit)
    assert check.attrs["inside"] >= 0.85


def test_cohorts_drawn_from_the_fit_are_like_the_twelve(fit, population):
    """The share of variance moved to occasions leaves what one occasion shows unchanged."""
    cohort = cohorts.draw(population, 200, 400, seed=1, posterior=fit, occasions=2)
    logs = np.log(cohort["cl"].isel(occasion=0) / cohort["weight"])
    expected = fit["posterior"]["omega_cl"].mean()
    assert float(logs.std("subject").mean()) == pytest.approx(float(expected), rel=0.05)
    within = np.log(cohort["cl"]).diff("occasion").std(("subject", "occasion")).mean()
    assert float(within) == pytest.approx(0.10 * np.sqrt(2), rel=0.05)
