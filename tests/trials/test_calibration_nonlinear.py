"""A population whose drug is eliminated at a limited rate, fitted to data made from known values."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import cohorts
import engine
from engine.gradients.graph import prediction

PEOPLE = 12
TIMES = np.array([0.5, 1.5, 3.0, 6.0, 10.0, 16.0, 24.0, 36.0])
TRUTH = {"vmax_pop": 20.0, "v_pop": 75.0, "omega_vmax": 0.3, "omega_v": 0.15, "sigma_lognormal_concentration": 0.08}


def quantity(median, unit, **more):
    return {
        "unit": unit, "meaning": "made up", "source": "made up",
        "typical": {"lognormal": {"median": median, "cv": 0.7}}, **more,
    }  # fmt: skip


SPREAD = {"between_subject": {"halfnormal": {"sd": 0.5}}}
POPULATION = {
    "name": "saturable",
    "reference": "nobody, for the tests",
    "parameters": {
        "ka": {"unit": "1/h", "meaning": "absorption", "typical": 0.9, "source": "made up"},
        "vmax": quantity(15, "mg/h", **SPREAD),
        "km": {"unit": "mg/L", "meaning": "half saturation", "typical": 2.0, "source": "made up"},
        "v": quantity(60, "L", **SPREAD),
        "f": {"unit": "1", "meaning": "fraction absorbed", "typical": 0.86, "source": "made up"},
    },
    "residual": {"concentration": {"kind": "lognormal", "lognormal": {"halfnormal": {"sd": 0.3}}, "source": "made up"}},
}


@pytest.fixture(scope="module")
def events():
    """Two doses, the second while the first is still there; concentrations with a residual error."""
    rng, model = np.random.default_rng(3), engine.load_model("michaelis_menten_oral")
    own = {
        "ka": 0.9, "km": 2.0, "f": 0.86,
        "vmax": 20.0 * np.exp(0.3 * rng.standard_normal(PEOPLE)),
        "v": 75.0 * np.exp(0.15 * rng.standard_normal(PEOPLE)),
    }  # fmt: skip
    regimen = engine.Regimen(engine.Dose(500, into="depot", every=8, times=2))
    true = engine.simulate_arrays(model, own, regimen, TIMES).outputs["concentration"]
    seen = true * np.exp(0.08 * rng.standard_normal(true.shape))
    rows = [(n, at, 1, 500.0, np.nan) for n in range(PEOPLE) for at in (0.0, 8.0)]
    rows += [(n, t, 0, 0.0, seen[n, k]) for n in range(PEOPLE) for k, t in enumerate(TIMES)]
    frame = pd.DataFrame(rows, columns=["ID", "TIME", "EVID", "AMT", "DV"])
    return engine.read_nonmem(frame.sort_values(["ID", "TIME"], kind="stable"))


@pytest.mark.slow
def test_known_parameters_of_a_model_that_is_not_linear_are_found_again(events):
    population = cohorts.load_population(POPULATION)
    predict = prediction(
        engine.load_model("michaelis_menten_oral"), events.doses, events.observations, "concentration",
        subjects=events.ids.tolist(),
    )  # fmt: skip
    posterior = cohorts.calibrate(
        population, events, predict, seed=1, chains=2, tune=150, draws=150, target_accept=0.8,
        allow=("rhat", "ess", "divergences"),
    )  # fmt: skip
    draws = posterior["posterior"].to_dataset()
    assert set(TRUTH) <= set(draws.data_vars)
    for name, truth in TRUTH.items():
        values = draws[name].to_numpy().ravel()
        assert abs(values.mean() - truth) < 3.5 * values.std(), name
    assert draws["vmax_pop"].to_numpy().std() < 5  # the data say something: the prior's SD is 10
    seen = posterior["posterior_predictive"].to_dataset()["concentration"]
    assert isinstance(seen, xr.DataArray)
    assert np.isfinite(seen).all()
