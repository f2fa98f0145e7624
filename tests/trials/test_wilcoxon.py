"""The rank-sum test against scipy, replicate by replicate, and the Hodges-Lehmann shift against its definition."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from trials.analyses import mann_whitney, wilcoxon
from trials.analyses.wilcoxon import RankSum
from trials.errors import TrialError

WHAT = ("it", "y", "test", "control")


def trial(seed=0, replicates=6, n=50, shift=0.5, digits=1):
    """Rounded values, so that there are ties, some missing, and a third arm."""
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 3, (replicates, n))
    values = (10 + np.array([shift, 0.0, 9.0])[arm] + rng.standard_normal(arm.shape)).round(digits)
    values[rng.random(arm.shape) < 0.1] = np.nan
    dims = ("replicate", "subject")
    return xr.Dataset({"y": (dims, values), "arm": (dims, arm, {"names": ["test", "control", "other"]})})


def groups(made, row):
    values, arm = made["y"].values[row], made["arm"].values[row]
    return [values[(arm == index) & np.isfinite(values)] for index in (0, 1)]


@pytest.mark.parametrize("continuity", [False, True])
@pytest.mark.parametrize(
    ("alternative", "margin", "alpha"), [("two-sided", 0, 0.05), ("greater", 0.25, 0.025), ("less", 0.5, 0.1)]
)
def test_it_is_the_rank_sum_test(continuity, alternative, margin, alpha):
    made = trial()
    found = RankSum(*WHAT, alternative=alternative, margin=margin, alpha=alpha, continuity=continuity)(made)
    for row in range(6):
        one, other = groups(made, row)
        want = stats.mannwhitneyu(
            one - margin, other, use_continuity=continuity, alternative=alternative, method="asymptotic"
        )
        assert found["p"].values[row] == pytest.approx(want.pvalue, rel=1e-10)
        assert found["decision"].values[row] == (want.pvalue < alpha)
        assert found["superiority"].values[row] == pytest.approx(want.statistic / one.size / other.size)
        assert found["n"].values[row] == one.size + other.size


@pytest.mark.parametrize("continuity", [False, True])
def test_the_shift_is_the_median_difference_and_the_test_changes_its_mind_at_the_limits(monkeypatch, continuity):
    made = trial(digits=9)
    analysis = RankSum(*WHAT, alpha=0.1, continuity=continuity)
    whole = analysis(made)
    monkeypatch.setattr(wilcoxon, "PAIRS", 500)
    found = analysis(made)
    xr.testing.assert_identical(whole, found)
    for row in range(6):
        one, other = groups(made, row)
        gaps = np.sort(np.subtract.outer(one, other).ravel())
        assert found["estimate"].values[row] == np.median(gaps)
        for name in ("lower", "upper"):
            limit = found[name].values[row]
            assert np.isclose(gaps, limit, atol=1e-12).any()
            p = [
                stats.mannwhitneyu(one - at, other, use_continuity=continuity, method="asymptotic").pvalue
                for at in (limit - 1e-6, limit + 1e-6)
            ]
            assert min(p) < 0.1 <= max(p)


@pytest.mark.parametrize(
    ("alternative", "margin", "alpha"), [("two-sided", 0, 0.05), ("greater", 0.25, 0.025), ("less", 0.5, 0.1)]
)
def test_exact_p_values_are_scipys_and_the_interval_is_that_of_the_exact_test(alternative, margin, alpha):
    made = trial(digits=9, n=24)
    found = RankSum(*WHAT, alternative=alternative, margin=margin, alpha=alpha, exact=True)(made)
    assert (found["exact"] == 1).all()
    for row in range(6):
        one, other = groups(made, row)
        want = stats.mannwhitneyu(one - margin, other, alternative=alternative, method="exact").pvalue
        assert found["p"].values[row] == pytest.approx(want, rel=1e-10)
        assert found["decision"].values[row] == (want < alpha)
        for name, side in (("lower", "greater"), ("upper", "less")):
            if alternative != "two-sided" and side != alternative:
                continue
            share = alpha / (2 if alternative == "two-sided" else 1)
            limit = found[name].values[row]
            p = [
                stats.mannwhitneyu(one - at, other, alternative=side, method="exact").pvalue
                for at in (limit - 1e-6, limit + 1e-6)
            ]
            assert min(p) <= share < max(p)


def test_exact_is_what_r_gives():
    """Help of R's wilcox.test: permeability of the chorioamnion, Hollander & Wolfe (1973), W = 35, p = 0.1272."""
    x = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    y = [1.15, 0.88, 0.90, 0.74, 1.21]
    dims = ("replicate", "subject")
    arm = [[0] * 10 + [1] * 5]
    made = xr.Dataset({"y": (dims, [x + y]), "arm": (dims, arm, {"names": ["test", "control"]})})
    found = RankSum(*WHAT, alternative="greater", exact=True)(made)
    assert found["p"].item() == pytest.approx(0.1272, abs=5e-5)  # W = 35
    assert found["superiority"].item() * 50 == 35


def test_ties_and_many_subjects_keep_the_normal_approximation(monkeypatch):
    tied = trial(digits=1)
    for made in (tied, trial(digits=9)):
        plain = RankSum(*WHAT)(made)
        monkeypatch.setattr(mann_whitney, "LARGEST", 10_000 if made is tied else 20)
        found = RankSum(*WHAT, exact=True)(made)
        assert (found["exact"] == 0).all()
        for name in ("p", "lower", "upper"):
            np.testing.assert_array_equal(found[name], plain[name])


def test_the_exact_distribution_counts_orders():
    """All 35 ways to place three of seven."""
    import itertools

    counts = [sum(place - rank for rank, place in enumerate(chosen)) for chosen in itertools.combinations(range(7), 3)]
    share = [np.mean(np.array(counts) <= u) for u in range(13)]
    np.testing.assert_allclose(mann_whitney.below(3, 4), share, rtol=1e-14)
    np.testing.assert_allclose(mann_whitney.below(4, 3), share, rtol=1e-14)


def test_logarithms_give_a_ratio_that_keeps_the_ranks():
    made = trial()
    plain, log = RankSum(*WHAT)(made), RankSum(*WHAT, log=True)(made)
    np.testing.assert_array_equal(plain["p"], log["p"])
    assert log.attrs["scale"] == "log-ratio"
    one, other = map(np.log, groups(made, 2))
    assert log["estimate"].values[2] == pytest.approx(np.median(np.subtract.outer(one, other)))


def test_values_all_alike_and_an_empty_arm_are_failures():
    made = trial()
    made["y"].values[0] = 3.0
    made["y"].values[1, made["arm"].values[1] == 1] = np.nan
    found = RankSum(*WHAT)(made)
    assert found["failed"].values.tolist() == [True, True] + [False] * 4
    assert np.isnan(found["p"].values[:2]).all()


def test_the_truth_is_the_shift_of_independent_patients():
    rng = np.random.default_rng(3)
    people = rng.gamma(2.0, 1.0, 40_000)
    truth = RankSum(*WHAT).truth({"test": people + 0.7, "control": rng.permutation(people)})
    assert truth.value == pytest.approx(0.7, abs=3 * truth.mcse)
    assert 0.001 < truth.mcse < 0.02
    assert truth.replicates == 40_000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"exact": "yes"}, r"analysis\.exact: got 'yes', wanted true or false"),
        ({"continuity": 1}, r"analysis\.continuity: got 1, wanted true or false"),
        ({"alternative": "bigger"}, r"analysis\.alternative: got 'bigger'"),
        ({"control": "test"}, r"analysis\.control: got 'test', wanted another arm"),
        ({"margin": float("nan")}, r"analysis\.margin: got nan, wanted a number"),
    ],
)
def test_an_impossible_analysis_names_its_field(change, words):
    with pytest.raises(TrialError, match=words):
        RankSum(**{"name": "it", "endpoint": "y", "test": "test", "control": "control"} | change)
