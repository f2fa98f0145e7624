"""Effects of a factorial design against a least-squares fit with all interactions."""

import numpy as np
import pytest
import statsmodels.api as sm
import xarray as xr

from trials.analyses.factorial_effect import FactorialEffect
from trials.errors import TrialError

ARMS = ["drug+diet", "drug+none", "placebo+diet", "placebo+none"]
DIMS = ("replicate", "subject")


def trial(seed=0, replicates=3, n=60):
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 4, (replicates, n))
    values = 5 + np.array([2.0, 0.5, 0.4, 0.0])[arm] + rng.gamma(2.0, 0.5, arm.shape)
    values[rng.random(arm.shape) < 0.1] = np.nan
    return xr.Dataset({"y": (DIMS, values), "arm": (DIMS, arm, {"names": ARMS})})


@pytest.mark.parametrize(
    ("change", "weights"),
    [
        ({"test": "drug", "control": "placebo"}, [0.5, 0.5, -0.5, -0.5]),
        ({"test": "diet", "control": "none", "factor": 2, "margin": 0.2}, [0.5, -0.5, 0.5, -0.5]),
        ({"test": "drug", "control": "placebo", "within": ("diet", "none"), "alternative": "greater"}, [1, -1, -1, 1]),
        ({"test": "drug", "control": "placebo", "log": True}, [0.5, 0.5, -0.5, -0.5]),
    ],
)
def test_it_is_a_contrast_of_the_cell_means(change, weights):
    made = trial()
    analysis = FactorialEffect("it", "y", **change)
    found = analysis(made)
    for row in range(3):
        values, arm = made["y"].values[row], made["arm"].values[row]
        used = np.isfinite(values)
        value = np.log(values[used]) if analysis.log else values[used]
        fit = sm.OLS(value, (arm[used, None] == np.arange(4)).astype(float)).fit()
        want = fit.t_test((np.array(weights, float), analysis.margin))
        assert found["estimate"].values[row] == pytest.approx(want.effect.item(), rel=1e-10)
        assert found["se"].values[row] == pytest.approx(want.sd.item(), rel=1e-10)
        assert found["statistic"].values[row] == pytest.approx(want.tvalue.item(), rel=1e-10)
        p = want.pvalue.item()
        one = p / 2 if want.tvalue.item() > 0 else 1 - p / 2
        assert found["p"].values[row] == pytest.approx(one if analysis.alternative == "greater" else p, rel=1e-8)
        assert found["n"].values[row] == used.sum()


def test_the_truth_is_the_contrast_of_the_true_means():
    values = {arm: np.full(4, mean) for arm, mean in zip(ARMS, (3.0, 1.0, 2.0, 0.5), strict=True)}
    assert FactorialEffect("it", "y", "drug", "placebo").truth(values).value == pytest.approx(0.75)
    assert FactorialEffect("it", "y", "drug", "placebo", within=("diet", "none")).truth(values).value == pytest.approx(
        0.5
    )


def test_an_empty_arm_is_a_failure():
    made = trial()
    made["y"].values[1, made["arm"].values[1] == 3] = np.nan
    assert FactorialEffect("it", "y", "drug", "placebo")(made)["failed"].values.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"test": "pill"}, r"analysis\.test: got 'pill', wanted a level that part 1 of an arm's name has"),
        ({"factor": 3}, r"analysis\.test: got 'drug', wanted a level that part 3"),
        ({"within": ("diet",)}, r"analysis\.within: got \('diet',\), wanted two levels of another factor"),
        ({"within": ("diet", "gym")}, r"analysis\.within: got \('diet', 'gym'\), wanted levels in the names"),
        ({"separator": "x"}, r"analysis\.test: got 'drug'"),
    ],
)
def test_an_effect_that_is_not_there_is_named(change, words):
    with pytest.raises(TrialError, match=words):
        FactorialEffect(**{"name": "it", "endpoint": "y", "test": "drug", "control": "placebo"} | change)(trial())
