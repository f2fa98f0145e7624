"""Equivalence in parallel groups, against statsmodels' two one-sided tests and least squares."""

import numpy as np
import pytest
import statsmodels.api as sm
import xarray as xr
from statsmodels.stats.weightstats import ttost_ind

import trials
from trials.analyses.equivalence import Equivalence

WHOM = {"name": "bmd", "endpoint": "change", "test": "test", "control": "control"}


def made(replicates=1, size=40, effect=0.3, log=False):
    rng = np.random.default_rng(4)
    arm = np.tile(np.arange(size) % 2, (replicates, 1))
    base = rng.normal(size=arm.shape)
    values = effect * (arm == 0) + 0.7 * base + rng.normal(size=arm.shape)
    dims = ("replicate", "subject")
    data = {"change": (dims, np.exp(values) if log else values), "base": (dims, base)}
    return xr.Dataset(data | {"arm": (dims, arm, {"names": ["test", "control"]})})


@pytest.mark.parametrize(("lower", "upper"), [(-1.0, 1.0), (-0.5, 2.0), (-3.0, 0.4)])
def test_without_covariates_it_is_the_pooled_tost(lower, upper):
    data = made()
    values, arm = data["change"].values[0], data["arm"].values[0]
    found = Equivalence(**WHOM, lower=lower, upper=upper)(data)
    p, first, second = ttost_ind(values[arm == 0], values[arm == 1], lower, upper)
    assert found["p"].item() == pytest.approx(p)
    assert abs(found["statistic"].item()) == pytest.approx(min(abs(first[0]), abs(second[0])))
    assert found["decision"].item() == (p <= 0.05)
    inside = lower < found["lower"].item() and found["upper"].item() < upper
    assert inside == found["decision"].item()


def test_with_a_covariate_it_is_least_squares():
    data = made()
    arm, base = data["arm"].values[0], data["base"].values[0]
    fit = sm.OLS(data["change"].values[0], np.column_stack([arm == 0, np.ones(arm.size), base]).astype(float)).fit()
    found = Equivalence(**WHOM, lower=-1.2, upper=1.4, covariates=("base",))(data)
    assert found["estimate"].item() == pytest.approx(fit.params[0])
    np.testing.assert_allclose([found["lower"].item(), found["upper"].item()], fit.conf_int(0.1)[0])
    low = fit.t_test(([1, 0, 0], -1.2)).tvalue.item()
    high = fit.t_test(([1, 0, 0], 1.4)).tvalue.item()
    assert found["statistic"].item() == pytest.approx(min(low, -high))


def test_ratios_have_margins_that_are_ratios():
    found = Equivalence(**WHOM, lower=0.8, upper=1.25, log=True)(made(log=True))
    plain = Equivalence(**WHOM, lower=np.log(0.8), upper=np.log(1.25))(made())
    assert found["p"].item() == pytest.approx(plain["p"].item())
    assert found.attrs["scale"] == "log-ratio"


def test_at_a_margin_the_error_is_alpha():
    found = Equivalence(**WHOM, lower=-2.0, upper=0.6)(made(replicates=20_000, effect=0.6))
    share = float(found["decision"].mean())
    assert share == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 20_000))


def test_the_null_is_outside_of_the_margins():
    rule = Equivalence(**WHOM, lower=-1.0, upper=1.0)
    assert [rule.null(effect) for effect in (-1.1, -1.0, 0.0, 0.99, 1.0)] == [True, True, False, False, True]
    assert rule.null(0.99, tolerance=0.02)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lower": 2}, "analysis.lower"),
        ({"log": True}, "analysis.lower"),
        ({"control": "test"}, "analysis.control"),
        ({"alpha": 0.5}, "analysis.alpha"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(change, words):
    with pytest.raises(trials.TrialError, match=words):
        Equivalence(**{**WHOM, "lower": -1.0, "upper": 1.0, **change})
