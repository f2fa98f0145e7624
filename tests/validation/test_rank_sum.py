"""The rank-sum test against R on published data, and its type I error."""

import numpy as np
import pytest
import xarray as xr

from trials.analyses.wilcoxon import RankSum

WHAT = ("it", "y", "test", "control")
# Hollander & Wolfe (1999), table 4.1: permeability of the human chorioamnion at term and at 12 to 26 weeks
TERM = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
EARLY = [1.15, 0.88, 0.90, 0.74, 1.21]
# ozone in New York in May and August 1973 (Chambers et al. 1983), ppb
MAY = [41, 36, 12, 18, 28, 23, 19, 8, 7, 16, 11, 14, 18, 14, 34, 6, 30, 11, 1, 11, 4, 32, 23, 45, 115, 37]
AUGUST = [39, 9, 16, 78, 35, 66, 122, 89, 110, 44, 28, 65, 22, 59, 23, 31, 44, 21, 9, 45, 168, 73, 76, 118, 84, 85]


def data(one, other):
    dims = ("replicate", "subject")
    values, arm = [[*one, *other]], [[0] * len(one) + [1] * len(other)]
    return xr.Dataset({"y": (dims, values), "arm": (dims, arm, {"names": ["test", "control"]})})


def test_the_chorioamnion():
    found = RankSum(*WHAT, alternative="greater")(data(TERM, EARLY))
    assert found["p"].item() == pytest.approx(0.122311802563, rel=1e-10)  # wilcox.test of R 4.2.2
    assert found["estimate"].item() == pytest.approx(0.305)  # printed in Hollander & Wolfe, example 4.3
    two = RankSum(*WHAT)(data(TERM, EARLY))
    assert (two["lower"].item(), two["upper"].item()) == pytest.approx((-0.15, 0.76))  # R's exact interval


@pytest.mark.parametrize(("continuity", "p"), [(True, 0.000120807830769), (False, 0.000116377260044)])
def test_ozone_has_ties(continuity, p):
    found = RankSum(*WHAT, continuity=continuity)(data(MAY, AUGUST))
    assert found["p"].item() == pytest.approx(p, rel=1e-10)
    limits = [found[name].item() for name in ("estimate", "lower", "upper")]
    np.testing.assert_allclose(limits, [-32, -53, -15], atol=1e-9)  # R 4.2.2, to its tolerance of 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(("alternative", "alpha"), [("two-sided", 0.05), ("greater", 0.025)])
def test_type_i_error_and_coverage(alternative, alpha):
    rng = np.random.default_rng(11)
    values = rng.gamma(1.5, 1.0, (20_000, 60))
    arm = np.broadcast_to(np.arange(60) % 2, values.shape)
    dims = ("replicate", "subject")
    made = xr.Dataset({"y": (dims, values), "arm": (dims, arm, {"names": ["test", "control"]})})
    found = RankSum(*WHAT, alternative=alternative, alpha=alpha, continuity=False)(made)
    error = np.sqrt(alpha * (1 - alpha) / 20_000)
    assert found["decision"].mean().item() == pytest.approx(alpha, abs=3 * error)
    covered = ((found["lower"] <= 0) & (found["upper"] >= 0)).mean().item()
    assert covered == pytest.approx(0.95, abs=3 * np.sqrt(0.05 * 0.95 / 20_000))
