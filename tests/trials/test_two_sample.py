"""Two-sample t tests against scipy, replicate by replicate."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from trials.analyses.descriptive import ArmMean
from trials.analyses.two_sample import TwoSample
from trials.errors import TrialError

ARMS = ["guided", "fixed", "other"]
WHAT = ("ttr", "ttr", "guided", "fixed")


def trial(seed=0, replicates=8, n=60, missing=0.1):
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 3, (replicates, n))
    values = 50 + np.array([6.0, 0.0, 30.0])[arm] + np.array([10.0, 22.0, 1.0])[arm] * rng.standard_normal(arm.shape)
    values[rng.random(arm.shape) < missing] = np.nan
    return xr.Dataset(
        {"ttr": (("replicate", "subject"), values), "arm": (("replicate", "subject"), arm, {"names": ARMS})}
    )


def groups(made, row):
    values, arm = made["ttr"].values[row], made["arm"].values[row]
    return [values[(arm == index) & np.isfinite(values)] for index in (0, 1)]


@pytest.mark.parametrize("equal_variance", [False, True])
@pytest.mark.parametrize(
    ("alternative", "margin", "alpha"), [("two-sided", 0, 0.05), ("greater", 2, 0.025), ("less", 9, 0.1)]
)
def test_it_is_the_t_test(equal_variance, alternative, margin, alpha):
    made = trial()
    test = TwoSample(*WHAT, alternative=alternative, margin=margin, alpha=alpha, equal_variance=equal_variance)
    found = test(made)
    for row in range(8):
        one, other = groups(made, row)
        want = stats.ttest_ind(one - margin, other, equal_var=equal_variance, alternative=alternative)
        both = stats.ttest_ind(one, other, equal_var=equal_variance)
        interval = both.confidence_interval(1 - alpha if alternative == "two-sided" else 1 - 2 * alpha)
        assert found["estimate"].values[row] == pytest.approx(one.mean() - other.mean(), rel=1e-12)
        assert found["statistic"].values[row] == pytest.approx(want.statistic, rel=1e-10)
        assert found["df"].values[row] == pytest.approx(want.df, rel=1e-10)
        assert found["p"].values[row] == pytest.approx(want.pvalue, rel=1e-8)
        assert (found["lower"].values[row], found["upper"].values[row]) == pytest.approx(tuple(interval), rel=1e-9)
        assert found["decision"].values[row] == (want.pvalue < alpha)
        assert found["n"].values[row] == one.size + other.size
        assert found["se"].values[row] == pytest.approx((one.mean() - other.mean() - margin) / want.statistic, rel=1e-9)


def test_logarithms_give_the_ratio_of_geometric_means():
    made = trial()
    made["ttr"] = made["ttr"].clip(min=1)
    found = TwoSample(*WHAT, log=True)(made)
    one, other = groups(made, 3)
    assert found["estimate"].values[3] == pytest.approx(np.log(stats.gmean(one) / stats.gmean(other)))
    assert found.attrs["scale"] == "log-ratio"


def test_a_period_axis_of_one_is_a_parallel_design_and_two_are_not():
    made = trial()
    xr.testing.assert_identical(TwoSample(*WHAT)(made.expand_dims("period", -1)), TwoSample(*WHAT)(made))
    with pytest.raises(TrialError, match=r"analysis\.endpoint: got 'ttr', wanted one period a subject, not 2"):
        TwoSample(*WHAT)(xr.concat([made, made], "period"))


def test_an_arm_without_variance_or_subjects_is_a_failure():
    made = trial(missing=0.0)
    values, arm = made["ttr"].values, made["arm"].values
    values[0, arm[0] == 1] = np.nan
    values[1, np.flatnonzero(arm[1] == 1)[1:]] = np.nan
    values[2, arm[2] < 2] = 50.0
    found = TwoSample(*WHAT)(made)
    assert found["failed"].values.tolist() == [True] * 3 + [False] * 5
    assert not found["decision"].values[:3].any()
    assert np.isnan(found["p"].values[:3]).all()


@pytest.mark.parametrize(
    ("alternative", "effect", "null"),
    [("two-sided", 1.0, True), ("two-sided", 0.9, False), ("greater", 0.9, True), ("greater", 1.1, False),
     ("greater", 1.0, True), ("less", 0.9, False), ("less", 1.1, True)],
)  # fmt: skip
def test_the_null_is_up_to_the_margin(alternative, effect, null):
    test = TwoSample(*WHAT, alternative=alternative, margin=1.0)
    assert test.null(effect) is null
    assert test.null(effect, tolerance=0.5)


def test_the_truth_is_the_mean_difference():
    truth = TwoSample(*WHAT).truth({"guided": np.array([3.0, 5.0, 7.0]), "fixed": np.array([1.0, 2.0, 6.0])})
    assert (truth.value, truth.replicates) == (2.0, 3)
    assert truth.mcse == pytest.approx(np.std([2, 3, 1], ddof=1) / np.sqrt(3))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"alternative": "bigger"}, r"analysis\.alternative: got 'bigger', wanted one of two-sided, greater, less"),
        ({"control": "guided"}, r"analysis\.control: got 'guided', wanted another arm"),
        ({"equal_variance": 1}, r"analysis\.equal_variance: got 1, wanted true or false"),
        ({"alpha": 0}, r"analysis\.alpha: got 0"),
        ({"margin": float("inf")}, r"analysis\.margin: got inf, wanted a number"),
    ],
)
def test_an_impossible_analysis_names_its_field(change, words):
    with pytest.raises(TrialError, match=words):
        TwoSample(**{"name": "ttr", "endpoint": "ttr", "test": "guided", "control": "fixed"} | change)


@pytest.mark.parametrize("log", [False, True])
def test_the_mean_of_one_arm(log):
    made = trial()
    made["ttr"] = made["ttr"].clip(min=1)
    description = ArmMean("guided mean", "ttr", "guided", level=0.9, log=log)
    found = description(made)
    one = np.log(groups(made, 2)[0]) if log else groups(made, 2)[0]
    interval = stats.t.interval(0.9, one.size - 1, one.mean(), stats.sem(one))
    assert found["estimate"].values[2] == pytest.approx(one.mean())
    assert (found["lower"].values[2], found["upper"].values[2]) == pytest.approx(interval)
    assert found["n"].values[2] == one.size
    assert not found["decision"].any()
    assert np.isnan(found["p"]).all()
    assert not description.decides


def test_the_mean_of_an_arm_over_both_periods_of_a_crossover():
    dims = ("replicate", "subject", "period")
    made = xr.Dataset(
        {"ttr": (dims, [[[1.0, 10.0], [20.0, 3.0]]]), "arm": (dims, [[[0, 1], [1, 0]]], {"names": ["a", "b"]})}
    )
    assert ArmMean("a", "ttr", "a")(made)["estimate"].item() == 2.0
    assert ArmMean("b", "ttr", "b")(made)["estimate"].item() == 15.0
    made["ttr"].values[0, 0, 0] = np.nan
    assert ArmMean("a", "ttr", "a")(made)["failed"].item()
