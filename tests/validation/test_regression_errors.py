"""Type I error of the regressions and of the standardised odds ratio under their own models."""

import numpy as np
import pytest
import xarray as xr
from scipy import special

from trials.analyses.count_regression import CountRegression
from trials.analyses.logistic import Logistic
from trials.analyses.proportional_odds import ProportionalOdds

WHAT = ("it", "y", "test", "control")
DIMS = ("replicate", "subject")
REPLICATES, BLOCK = 20_000, 2_000


def binary(rng, line):
    return rng.random(line.shape) < special.expit(line - 0.4)


def ordinal(rng, line):
    return np.digitize(line + rng.logistic(size=line.shape), [-1, 0, 1.5])


def poisson(rng, line):
    return rng.poisson(np.exp(line))


def overdispersed(rng, line):
    return rng.poisson(2 * np.exp(line) * rng.gamma(2.0, 0.5, line.shape))


CASES = {
    "logistic": (Logistic(*WHAT, covariates=("x",)), binary, 300),
    "marginal": (Logistic(*WHAT, covariates=("x",), effect="marginal"), binary, 300),
    "poisson": (CountRegression(*WHAT, family="poisson", covariates=("x",)), poisson, 200),
    "negative binomial": (CountRegression(*WHAT, family="negative_binomial"), overdispersed, 400),
    "proportional odds": (ProportionalOdds(*WHAT, covariates=("x",)), ordinal, 300),
}


def outcomes(name, replicates=REPLICATES):
    analysis, make, n = CASES[name]
    decisions = []
    for block in range(0, replicates, BLOCK):
        rng = np.random.default_rng((13, block))
        x = rng.standard_normal((BLOCK, n))
        line = 0.5 * x if analysis.covariates else np.zeros(x.shape)
        arm = rng.permuted(np.broadcast_to(np.arange(n) % 2, x.shape), axis=1)
        made = xr.Dataset(
            {"y": (DIMS, make(rng, line).astype(float)), "x": (DIMS, x), "arm": (DIMS, arm, {"names": WHAT[2:]})}
        )
        found = analysis(made)
        assert not found["failed"].any()
        decisions.append(found["decision"].values)
    return np.concatenate(decisions)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_type_i_error(name):
    found = outcomes(name)
    assert found.mean() == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / REPLICATES))
