"""Assurance against its closed form, on a power curve made by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import trials
from trials.design_prior import DesignPrior, weights

VALUES = np.linspace(-2.0, 4.0, 41)
COUNT = 20_000


@pytest.fixture(scope="module")
def run():
    """A z test of an effect with standard error 1: success when the estimate is above 1.96."""
    noise = np.random.default_rng(1).standard_normal(COUNT)
    decision = (VALUES[:, None] + noise > 1.96)[..., None]
    dims = ("value", "replicate", "analysis")
    curve = xr.Dataset(
        {"decision": (dims, decision), "failed": (dims, np.zeros_like(decision))},
        coords={"value": VALUES, "analysis": ["z"], "decides": ("analysis", [True])},
        attrs={"parameter": "arms.test.effect"},
    )
    return SimpleNamespace(power_curve=curve)


def test_assurance_of_a_normal_prior_has_its_closed_form(run):
    found = trials.assurance(run, DesignPrior("normal", 1.0, 0.8))["z"]
    exact = stats.norm.sf((1.96 - 1.0) / np.hypot(1, 0.8))
    assert found["assurance"]["value"] == pytest.approx(exact, abs=3 * found["assurance"]["mcse"] + 5e-4)
    each = stats.norm.cdf((np.random.default_rng(3).standard_normal(100_000) - 0.96) / 0.8)
    assert found["assurance"]["mcse"] == pytest.approx(each.std() / np.sqrt(COUNT), rel=0.03)
    assert abs(found["half_grid"]["value"] - found["assurance"]["value"]) < 0.002


@pytest.mark.parametrize(
    "prior",
    [
        DesignPrior("uniform", -1, 3),
        DesignPrior("lognormal", 0.9, 0.4),
        DesignPrior("beta", 3, 4),
        DesignPrior("gamma", 8, 6),
    ],
)
def test_weights_keep_the_mass_and_the_mean_of_a_prior(prior):
    found = weights(VALUES, prior)
    assert found.sum() == pytest.approx(1)
    assert found @ VALUES == pytest.approx(prior.frozen.mean(), rel=2e-3)


def test_an_order_of_values_is_none_of_its_business(run):
    mixed = SimpleNamespace(power_curve=run.power_curve.isel(value=np.random.default_rng(2).permutation(VALUES.size)))
    prior = DesignPrior("normal", 1.0, 0.8)
    assert trials.assurance(mixed, prior) == trials.assurance(run, prior)


def test_a_prior_beyond_the_curve_is_refused(run):
    with pytest.raises(trials.TrialError, match=r"of the prior of arms.test.effect lies outside of -2 to 4; walk"):
        trials.assurance(run, DesignPrior("normal", 1.0, 3.0))


def test_a_run_without_a_curve_is_refused():
    with pytest.raises(trials.TrialError, match="no power curve"):
        trials.assurance(SimpleNamespace(power_curve=None), DesignPrior("normal", 0, 1))


@pytest.mark.parametrize(
    ("given", "words"),
    [(("cauchy", 0, 1), "prior.distribution"), (("normal", 0, -1), "prior: got"), (("uniform", 2, 1), "prior: got")],
)
def test_a_prior_that_is_none_is_refused(given, words):
    with pytest.raises(trials.TrialError, match=words):
        DesignPrior(*given)
