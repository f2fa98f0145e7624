"""The PyMC analysis against the conjugate posterior, and what its gate lets pass."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from trials.analyses.bayes_model import BayesModel
from trials.analyses.bayes_normal import BayesNormal
from trials.errors import TrialError

DIMS = ("replicate", "subject")
PRIORS = {
    "effect_sd": 50,
    "intercept_mean": 20,
    "intercept_sd": 50,
    "residual_sd": 50,
    "slope_sd": 50,
    "threshold": 0.9,
}


def trial(replicates=3, n=60, seed=0):
    rng = np.random.default_rng(seed)
    arm = rng.permuted(np.tile(np.arange(n) % 2, (replicates, 1)), axis=1)
    age, site = 60 + 9 * rng.standard_normal(arm.shape), rng.integers(0, 5, arm.shape)
    shift = 6 * rng.standard_normal((replicates, 5))
    y = 20 + 3 * (arm == 0) + 0.3 * (age - 60) + np.take_along_axis(shift, site, axis=1)
    y = y + 4 * rng.standard_normal(arm.shape)
    y[:, 0] = np.nan
    return xr.Dataset(
        {
            "y": (DIMS, y),
            "arm": (DIMS, arm, {"names": ["test", "control"]}),
            "age": (DIMS, age),
            "site": (DIMS, site, {"names": list("abcde")}),
        },
        coords={"replicate": np.arange(10, 10 + replicates)},
    )


def bayes(**fields):
    return BayesModel("it", "y", "test", "control", **PRIORS | {"covariates": ("age",)} | fields)


def test_with_vague_priors_it_is_the_conjugate_posterior():
    data = trial()
    data["y"].values[2, data["arm"].values[2] == 1] = np.nan
    found = bayes(margin=2.0)(data)
    want = BayesNormal("it", "y", "test", "control", 20, 0.001, 5, 0.001, 0.9, margin=2.0, covariates=("age",))(data)
    assert found["failed"].values.tolist() == [False, False, True]
    assert found["n"].values.tolist() == [59, 59, int(np.isfinite(data["y"].values[2]).sum())]
    for row in range(2):
        se = want["se"].values[row]
        error = se / np.sqrt(found["ess"].values[row])
        for name, loose in (("estimate", 4), ("lower", 10), ("upper", 10)):
            assert found[name].values[row] == pytest.approx(want[name].values[row], abs=loose * error), name
        assert found["se"].values[row] == pytest.approx(se, rel=0.1)
        assert found["probability"].values[row] == pytest.approx(want["probability"].values[row], abs=0.05)
        assert found["decision"].values[row] == (found["probability"].values[row] > 0.9)
    alone = bayes(margin=2.0)(data.isel(replicate=[1]))
    for name in found.data_vars:
        np.testing.assert_array_equal(alone[name], found[name].isel(replicate=[1]), err_msg=str(name))


def test_a_replicate_that_does_not_pass_the_gate_has_failed_and_says_why():
    data = trial(replicates=1)
    for gate in ({"ess": 1e6}, {"rhat": 1.0000001}):
        found = bayes(**gate)(data)
        assert found["failed"].item()
        assert not found["decision"].item()
        assert np.isnan(found["estimate"].item())
        assert found["rhat"].item() > 1 - 1e-3
        assert 50 < found["ess"].item() < 5000
        assert found["divergences"].item() == 0


def test_pymc_waits_until_it_is_needed():
    code = (
        "import sys, trials.analyses.bayes_model; sys.exit(any(m in sys.modules for m in ('pymc', 'nutpie', 'arviz')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_wrong_fields_are_named():
    with pytest.raises(TrialError, match=r"analysis\.site: got 'age', wanted a categorical variable"):
        bayes(site="age")(trial())
    with pytest.raises(TrialError, match=r"analysis\.site: got 'place', wanted a variable \(replicate, subject\)"):
        bayes(site="place")(trial())
    with pytest.raises(TrialError, match=r"analysis\.chains: got 1, wanted a whole number of 2 or more"):
        bayes(chains=1)


@pytest.mark.slow
def test_an_outlier_moves_a_robust_model_less():
    data = trial(replicates=2)
    wild = data.copy(deep=True)
    wild["y"].values[:, 7] += 200
    moved = {robust: np.abs(bayes(robust=robust)(wild)["se"] / bayes()(data)["se"]) for robust in (False, True)}
    assert (moved[False] > 2).all()
    assert (moved[True] < 1.5).all()


@pytest.mark.slow
def test_sites_explain_what_differs_between_them():
    data = trial(replicates=4, n=120)
    plain, grouped = bayes()(data), bayes(site="site", ess=50, divergences=20)(data)
    assert not grouped["failed"].any()
    assert (grouped["se"] < plain["se"]).all()
    assert (np.abs(grouped["estimate"] - 3) < 3.5 * grouped["se"]).all()


OTHERS = {
    "endpoint": "z", "test": "x", "control": "x", "effect_mean": 90.0, "effect_sd": 0.1, "intercept_mean": 200.0,
    "intercept_sd": 0.1, "residual_sd": 0.1, "threshold": 0.999999, "covariates": (), "slope_sd": 0.01,
    "site": None, "site_sd": 0.01, "robust": True, "alternative": "less", "margin": 1.0, "level": 0.5, "chains": 3,
    "tune": 200, "draws": 300, "target_accept": 0.7, "rhat": 1.0000001, "ess": 1e6, "seed": 2,
}  # fmt: skip


@pytest.mark.slow
def test_every_field_changes_an_output():
    data = trial(replicates=2).assign(z=(DIMS, 2 * trial(replicates=2)["y"].values))
    data["arm"] = (DIMS, np.where(data["age"].values > 65, 2, data["arm"].values), {"names": ["test", "control", "x"]})
    base = bayes(site="site", ess=20, divergences=100, rhat=1.2)
    assert {field.name for field in dataclasses.fields(BayesModel)} == {*OTHERS, "name", "divergences"}
    want = base(data)
    for name, value in OTHERS.items():
        found = dataclasses.replace(base, **{name: value})(data)
        changed = [output for output in found.data_vars if not found[output].equals(want[output])]
        assert changed, name
    hard = bayes(site="site", ess=0, rhat=9.0, target_accept=0.2, tune=50)
    loose = dataclasses.replace(hard, divergences=10_000)(data)
    strict = hard(data)
    assert (loose["divergences"] > 0).any()
    assert (strict["failed"] == (strict["divergences"] > 0)).all()
    assert not loose["failed"].any()
