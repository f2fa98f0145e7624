"""The conjugate comparison of two means against integration and against limits where the answer is known."""

import numpy as np
import pytest
import xarray as xr
from scipy import integrate, stats

from trials.analyses.bayes_normal import BayesNormal
from trials.analyses.two_sample import TwoSample
from trials.errors import TrialError

DIMS = ("replicate", "subject")
PRIOR = {"prior_mean": 45.0, "prior_n": 2.0, "prior_sd": 15.0, "prior_df": 4.0}
FIELDS = {"name": "ttr", "endpoint": "ttr", "test": "guided", "control": "fixed", "threshold": 0.9, **PRIOR}


def trial(seed=0, replicates=5, n=14, missing=0.1):
    rng = np.random.default_rng(seed)
    arm, weight = rng.integers(0, 2, (replicates, n)), 80 + 15 * rng.standard_normal((replicates, n))
    values = 50 + 8 * (arm == 0) + 0.5 * (weight - 80) + 12 * rng.standard_normal(arm.shape)
    values[rng.random(arm.shape) < missing] = np.nan
    names = {"names": ["guided", "fixed"]}
    return xr.Dataset({"ttr": (DIMS, values), "arm": (DIMS, arm, names), "weight": (DIMS, weight)})


def groups(made, row):
    values, arm = made["ttr"].values[row], made["arm"].values[row]
    return [values[(arm == index) & np.isfinite(values)] for index in (0, 1)]


def brute_force(one, other, margin):
    """Mean, SD and P(difference > margin) by integrating prior times likelihood over the variance.

    Given the variance both means are normal and independent; only their textbook update is used here.
    """
    means, grid = [], np.exp(np.linspace(np.log(1.0), np.log(1e5), 20_001))
    log_weight = stats.invgamma.logpdf(
        grid, PRIOR["prior_df"] / 2, scale=PRIOR["prior_df"] * PRIOR["prior_sd"] ** 2 / 2
    )
    spread = np.zeros_like(grid)
    for sample in (one, other):
        n = sample.size
        means.append((PRIOR["prior_n"] * PRIOR["prior_mean"] + sample.sum()) / (PRIOR["prior_n"] + n))
        spread += grid / (PRIOR["prior_n"] + n)
        cover = (
            np.eye(n)[None] * grid[::400, None, None] + np.full((n, n), 1 / PRIOR["prior_n"]) * grid[::400, None, None]
        )
        marginal = [stats.multivariate_normal.logpdf(sample, np.full(n, PRIOR["prior_mean"]), c) for c in cover]
        log_weight += _interpolated(grid, marginal)
    weight = np.exp(log_weight - log_weight.max())
    weight /= integrate.trapezoid(weight, grid)
    centre = means[0] - means[1]
    beyond = stats.norm.sf(margin, centre, np.sqrt(spread))
    return centre, np.sqrt(integrate.trapezoid(weight * spread, grid)), integrate.trapezoid(weight * beyond, grid)


def _interpolated(grid, marginal):
    # the log marginal likelihood is a - b/variance - c ln(variance): exactly linear in these, so three constants do
    coarse = grid[::400]
    basis = np.stack([np.ones_like(coarse), 1 / coarse, np.log(coarse)], axis=1)
    constants, *_ = np.linalg.lstsq(basis, np.asarray(marginal), rcond=None)
    return constants @ np.stack([np.ones_like(grid), 1 / grid, np.log(grid)])


def test_it_is_prior_times_likelihood():
    made = trial()
    found = BayesNormal(**FIELDS, margin=3.0)(made)
    for row in range(5):
        one, other = groups(made, row)
        mean, sd, probability = brute_force(one, other, 3.0)
        assert found["estimate"].values[row] == pytest.approx(mean, rel=1e-10)
        assert found["se"].values[row] == pytest.approx(sd, rel=1e-5)
        assert found["probability"].values[row] == pytest.approx(probability, abs=1e-6)
        assert found["n"].values[row] == one.size + other.size
        assert found["df"].values[row] == 4 + one.size + other.size


def test_the_interval_is_equal_tailed_and_the_decision_is_the_threshold():
    made = trial(replicates=60)
    found = BayesNormal(**FIELDS, level=0.8)(made)
    for end, tail in (("lower", 0.9), ("upper", 0.1)):
        for row in (0, 7):
            beyond = BayesNormal(**FIELDS, margin=found[end].values[row])(made)["probability"].values[row]
            assert beyond == pytest.approx(tail, abs=1e-10)
    np.testing.assert_array_equal(found["decision"], found["probability"] > 0.9)
    assert 0 < found["decision"].mean() < 1
    assert np.isnan(found["p"]).all()


def test_the_other_direction_is_the_other_probability():
    made = trial()
    greater, less = (BayesNormal(**FIELDS, margin=2.0, alternative=word)(made) for word in ("greater", "less"))
    np.testing.assert_allclose(greater["probability"] + less["probability"], 1, rtol=1e-12)


def test_a_weak_prior_gives_the_pooled_t_test():
    made = trial(n=300, missing=0.0)
    weak = BayesNormal(**FIELDS | {"prior_n": 1e-9, "prior_df": 1e-9})(made)
    plain = TwoSample("t", "ttr", "guided", "fixed", equal_variance=True, alternative="greater")(made)
    np.testing.assert_allclose(weak["estimate"], plain["estimate"], rtol=1e-9)
    np.testing.assert_allclose(weak["probability"], 1 - plain["p"], atol=5e-3)


def test_a_strong_prior_pulls_both_means_together():
    made = trial(missing=0.0)
    strong = BayesNormal(**FIELDS | {"prior_n": 1e9})(made)
    assert np.abs(strong["estimate"]).max() < 1e-6
    np.testing.assert_allclose(strong["probability"], 0.5, atol=0.01)


def test_the_prior_of_the_spread_counts():
    made = trial()
    narrow, wide = (BayesNormal(**FIELDS | {"prior_sd": sd, "prior_df": 50})(made) for sd in (5, 50))
    assert (narrow["se"] < wide["se"]).all()
    one, other = (BayesNormal(**FIELDS | {"prior_mean": mean})(made) for mean in (0.0, 45.0))
    assert (one["se"] > other["se"]).all()


def test_a_covariate_is_regressed_out():
    made = trial(n=60, missing=0.0)
    found = BayesNormal(**FIELDS, covariates=("weight",))(made)
    for row in range(5):
        weight = made["weight"].values[row]
        x = np.stack([made["arm"][row] == 0, made["arm"][row] == 1, (weight - weight.mean()) / weight.std()], axis=1)
        precision = x.T.astype(float) @ x + 2 * np.eye(3)
        prior = np.array([45.0, 45.0, 0.0])
        mean = np.linalg.solve(precision, x.T @ made["ttr"].values[row] + 2 * prior)
        a = (4 + 60) / 2
        b = (
            4 * 15.0**2
            + made["ttr"].values[row] @ made["ttr"].values[row]
            + 2 * prior @ prior
            - mean @ precision @ mean
        ) / 2
        contrast = np.array([1.0, -1.0, 0.0])
        spread = np.sqrt(b / a * contrast @ np.linalg.solve(precision, contrast))
        assert found["estimate"].values[row] == pytest.approx(mean[0] - mean[1], rel=1e-9)
        assert found["probability"].values[row] == pytest.approx(
            stats.t.cdf((mean[0] - mean[1]) / spread, 2 * a), rel=1e-8
        )
    assert (found["se"] < BayesNormal(**FIELDS)(made)["se"]).all()


def test_subjects_without_the_covariate_are_left_out():
    made = trial(missing=0.0)
    made["weight"].values[0, :3] = np.nan
    assert BayesNormal(**FIELDS, covariates=("weight",))(made)["n"].values.tolist() == [11, 14, 14, 14, 14]


def test_an_empty_arm_is_a_failure():
    made = trial()
    made["ttr"].values[0, made["arm"].values[0] == 0] = np.nan
    found = BayesNormal(**FIELDS)(made)
    assert found["failed"].values.tolist() == [True, False, False, False, False]
    assert np.isnan(found["probability"].values[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prior_n": 0}, r"analysis\.prior_n: got 0, wanted a number in \(0, inf\)"),
        ({"prior_sd": -1}, r"analysis\.prior_sd: got -1"),
        ({"prior_df": "weak"}, r"analysis\.prior_df: got 'weak', wanted a number"),
        ({"threshold": 1}, r"analysis\.threshold: got 1, wanted a number in \(0, 1\)"),
        ({"alternative": "two-sided"}, r"analysis\.alternative: got 'two-sided', wanted one of greater, less"),
        ({"level": 95}, r"analysis\.level: got 95"),
    ],
)
def test_an_impossible_analysis_names_its_field(change, words):
    with pytest.raises(TrialError, match=words):
        BayesNormal(**FIELDS | change)
