"""Multiple imputation against closed forms, against the likelihood, and against its own other method."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from trials.analyses.ancova_at_visit import AncovaAtVisit
from trials.analyses.imputed import Imputed
from trials.analyses.mmrm import Mmrm
from trials.errors import TrialError
from trials.imputation.completed import complete
from trials.imputation.posterior import Draws, Incomplete, augmented, monotone
from trials.imputation.rubin import pool
from trials.imputation.strategies import STRATEGIES, impute

DIMS = ("replicate", "subject")
WHAT = ("it", "y", "test", "control")
METHODS = ("data_augmentation", "monotone")
VISITS = [1.0, 2.0, 3.0]


def trial(seed=0, replicates=3, n=60, leave=0.25, intermittent=0.0):
    """Three visits; who was ill at a visit leaves more often after it."""
    rng = np.random.default_rng(seed)
    arm = rng.permuted(np.tile(np.arange(n) % 2, (replicates, 1)), axis=1)
    base = 50 + 8 * rng.standard_normal((replicates, n))
    root = np.linalg.cholesky(0.7 ** np.abs(np.subtract.outer(range(3), range(3)))) * np.array([6, 7, 8])[:, None]
    y = (
        0.6 * base[..., None]
        - 3 * (arm == 0)[..., None] * np.arange(1, 4)
        + rng.standard_normal((*arm.shape, 3)) @ root.T
    )
    gone = np.zeros(arm.shape, bool)
    for visit in (1, 2):
        chance = leave * 2 / (1 + np.exp(-(y[..., visit - 1] - 30) / 5)) / 2
        gone |= rng.random(arm.shape) < chance
        y[gone, visit] = np.nan
    y[..., :2][rng.random((*arm.shape, 2)) < intermittent] = np.nan
    return xr.Dataset(
        {
            "y": ((*DIMS, "visit_y"), y),
            "arm": (DIMS, arm, {"names": ["test", "control"]}),
            "base": (DIMS, base),
            "site": (DIMS, rng.integers(0, 2, arm.shape).astype(float), {"levels": ["a", "b"]}),
        },
        coords={"visit_y": VISITS, "replicate": np.arange(10, 10 + replicates)},
    )


def imputed(**fields):
    return Imputed(*WHAT, **{"baseline": "base"} | fields)


# ---- Rubin's rules
def test_rubins_rules():
    estimate, variance, df = np.array([[1.0, 2.0, 4.0, 5.0]]), np.array([[4.0, 5.0, 4.0, 3.0]]), np.array([50.0])
    between = np.var([1, 2, 4, 5], ddof=1) * 5 / 4
    share = between / (4 + between)
    found = pool(estimate, variance, df)
    assert found.estimate == 3.0
    assert found.se == pytest.approx(np.sqrt(4 + between))
    assert found.missing == pytest.approx(share)
    assert found.df == pytest.approx(1 / (share**2 / 3 + 53 / (51 * 50 * (1 - share))))
    assert pool(estimate, variance, np.array([1e9])).df == pytest.approx(3 / share**2, rel=1e-6)


# ---- draws of the parameters
def whole(n=80, seed=1):
    rng = np.random.default_rng(seed)
    z = np.stack([np.ones(n), rng.standard_normal(n), rng.integers(0, 2, n)], axis=1)
    y = z @ rng.standard_normal((3, 2)) + rng.standard_normal((n, 2)) @ [[2, 1], [0, 1]]
    centre = np.linalg.lstsq(z, y, rcond=None)[0]
    rest = y - z @ centre
    return Incomplete(y[None], z[None], np.ones((1, n), bool)), centre, rest.T @ rest, np.linalg.inv(z.T @ z)


def test_without_missing_values_the_posterior_is_the_conjugate_one():
    data, centre, squares, back = whole()
    count = 20_000
    draws = augmented(data, [np.random.default_rng(3)], draws=count, burn_in=0, thinning=1)
    mean = squares / (80 - 3 - 2 - 1)
    np.testing.assert_allclose(draws.covariance[0].mean(axis=0), mean, rtol=0.01)
    error = np.sqrt(np.diag(back)[:, None] * np.diag(mean))
    np.testing.assert_allclose(draws.coefficients[0].mean(axis=0), centre, atol=4 * error.max() / np.sqrt(count))
    np.testing.assert_allclose(draws.coefficients[0].std(axis=0), error, rtol=0.03)
    correlation = np.corrcoef(draws.coefficients[0, :, 1, 0], draws.coefficients[0, :, 1, 1])[0, 1]
    assert correlation == pytest.approx(mean[0, 1] / np.sqrt(mean[0, 0] * mean[1, 1]), abs=0.03)
    first = draws.covariance[0, :, 0, 0]
    assert stats.kstest(squares[0, 0] / first, stats.chi2(80 - 3 - 2 + 1).cdf).pvalue > 0.001


def test_monotone_regression_is_a_posterior_a_visit():
    data, centre, squares, back = whole()
    draws = monotone(data, [np.random.default_rng(3)], draws=20_000)
    first = draws.covariance[0, :, 0, 0]
    assert stats.kstest(squares[0, 0] / first, stats.chi2(80 - 3).cdf).pvalue > 0.001
    np.testing.assert_allclose(draws.coefficients[0].mean(axis=0), centre, atol=0.01)
    slope = draws.covariance[0, :, 0, 1] / first
    assert slope.mean() == pytest.approx(squares[0, 1] / squares[0, 0], abs=0.005)
    left = squares[1, 1] - squares[0, 1] ** 2 / squares[0, 0]
    residual = draws.covariance[0, :, 1, 1] - slope * draws.covariance[0, :, 0, 1]
    assert stats.kstest(left / residual, stats.chi2(80 - 4).cdf).pvalue > 0.001
    assert draws.coefficients[0, :, 1, 0].std() == pytest.approx(np.sqrt(back[1, 1] * squares[0, 0] / 75), rel=0.03)


def test_both_methods_have_one_posterior():
    data = trial(replicates=1, n=200)
    model = imputed()._model(data).data
    one = augmented(model, [np.random.default_rng(1)], draws=4000, burn_in=200, thinning=5)
    two = monotone(model, [np.random.default_rng(2)], draws=4000)
    spread = two.coefficients[0].std(axis=0)
    difference = one.coefficients[0].mean(axis=0) - two.coefficients[0].mean(axis=0)
    assert np.abs(difference / spread).max() < 0.1
    np.testing.assert_allclose(one.coefficients[0].std(axis=0), spread, rtol=0.08)
    np.testing.assert_allclose(one.covariance[0].mean(axis=0), two.covariance[0].mean(axis=0), rtol=0.05)


# ---- what is imputed
def test_each_strategy_imputes_about_its_course():
    own, other = np.array([10.0, 12.0, 15.0]), np.array([9.0, 9.5, 11.0])
    v = np.array([[4.0, 2.0, 1.0], [2.0, 5.0, 2.5], [1.0, 2.5, 6.0]])
    y = np.array(
        [[[13.0, np.nan, np.nan], [np.nan] * 3, [13.0, 14.0, np.nan], [13.0, np.nan, 20.0], [8.0, np.nan, np.nan]]]
    )
    z = np.array([[[1.0, 1], [1, 1], [1, 1], [1, 1], [1, 0]]])
    draws = Draws(np.stack([other, own - other])[None, None], v[None, None])
    found = {
        name: impute(Incomplete(y, z, np.ones((1, 5), bool)), draws, 2, (name, 1), np.zeros((1, 5, 1)))
        for name in STRATEGIES
    }
    two = np.linalg.solve(v[:2, :2], v[:2, 2])
    want = {
        "missing_at_random": [15 + 3 / 4, 15, 15 + two @ [3, 2], 20, 11 - 1 / 4],
        "jump_to_reference": [11 + 3 / 4, 11, 11 + two @ [3, 2], 20, 11 - 1 / 4],
        "copy_reference": [11 + 4 / 4, 11, 11 + two @ [4, 4.5], 20, 11 - 1 / 4],
        "copy_increments": [11 + 1 + 3 / 4, 11, 11 + 2.5 + two @ [3, 2], 20, 11 - 1 / 4],
    }
    for name, values in want.items():
        np.testing.assert_allclose(found[name][0, :, 0], values, rtol=1e-12, err_msg=name)
    noise = impute(Incomplete(y, z, np.ones((1, 5), bool)), draws, 2, ("copy_reference", 1), np.ones((1, 5, 1)))
    left = np.sqrt([6 - 1 / 4, 6, 6 - two @ [1, 2.5], 0, 6 - 1 / 4])
    np.testing.assert_allclose((noise - found["copy_reference"])[0, :, 0], left, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("strategy", ["jump_to_reference", "copy_reference", "copy_increments"])
def test_with_one_visit_who_left_takes_the_effect_along(method, strategy):
    """Then every reference-based estimate is the effect in those seen times their share of the test arm."""
    data = trial(replicates=2, n=120).isel(visit_y=[0])
    data["y"].values[np.random.default_rng(5).random((2, 120)) < 0.3] = np.nan
    found = imputed(baseline=None, method=method, strategy=strategy, imputations=2000, thinning=2)(data)
    for row in range(2):
        y, arm = data["y"].values[row, :, 0], data["arm"].values[row]
        effect = np.nanmean(y[arm == 0]) - np.nanmean(y[arm == 1])
        share = np.isfinite(y[arm == 0]).mean()
        error = found["se"].values[row] * np.sqrt(found["missing_information"].values[row] / 2000)
        assert found["estimate"].values[row] == pytest.approx(share * effect, abs=4 * error)


@pytest.mark.parametrize("method", METHODS)
def test_at_random_it_is_the_mixed_model_in_large_samples(method):
    data = trial(seed=2, replicates=1, n=2000)
    found = imputed(method=method, imputations=200)(data)
    want = Mmrm(*WHAT, baseline="base", df="kenward_roger")(data)
    se = want["se"].item()
    assert found["estimate"].item() == pytest.approx(want["estimate"].item(), abs=0.06 * se)
    assert found["se"].item() == pytest.approx(se, rel=0.03)


def test_intermittent_visits_are_at_random_too():
    data = trial(seed=3, replicates=1, n=2000, intermittent=0.2)
    found = imputed(imputations=200)(data)
    want = Mmrm(*WHAT, baseline="base")(data)
    assert found["estimate"].item() == pytest.approx(want["estimate"].item(), abs=0.06 * want["se"].item())
    assert found["se"].item() == pytest.approx(want["se"].item(), rel=0.03)


def test_reference_based_imputation_is_information_anchored():
    """Its standard error is about that under MAR, though the estimator varies less from trial to trial."""
    data = trial(seed=4, replicates=300, n=120)
    at_random, jump = (
        imputed(method="monotone", strategy=strategy)(data) for strategy in ("missing_at_random", "jump_to_reference")
    )
    assert jump["se"].mean().item() == pytest.approx(at_random["se"].mean().item(), rel=0.08)
    assert at_random["estimate"].std().item() == pytest.approx(at_random["se"].mean().item(), rel=0.12)
    assert jump["estimate"].std().item() < 0.9 * at_random["estimate"].std().item()


def test_without_missing_values_it_is_ancova():
    data = trial(leave=0.0)
    found, want = imputed()(data), AncovaAtVisit(*WHAT, baseline="base")(data)
    for name in ("estimate", "se", "n"):
        np.testing.assert_allclose(found[name], want[name], rtol=1e-10)
    assert (found["missing_information"] < 1e-12).all()


# ---- shifts
def test_delta_is_added_to_what_is_imputed_in_the_test_arm():
    data = trial()
    plain, shifted = imputed(baseline=None)(data), imputed(baseline=None, delta=5.0)(data)
    lost = np.isnan(data["y"].values[..., 2]) & (data["arm"].values == 0)
    share = lost.sum(axis=1) / (data["arm"].values == 0).sum(axis=1)
    np.testing.assert_allclose(shifted["estimate"] - plain["estimate"], 5 * share, rtol=1e-9)


def test_a_shift_is_one_of_the_values():
    model, rng = imputed()._model(trial()), np.random.default_rng(9)
    values, shifted = rng.standard_normal((3, 60, 4)), rng.random((3, 60)) < 0.3
    moved = values + 2.5 * shifted[..., None]
    good = np.ones(3, bool)
    one = complete(values, model.data, shifted, good).pooled(2.5)
    other = complete(moved, model.data, shifted, good).pooled(0.0)
    for name in one._fields:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-10, err_msg=name)


@pytest.mark.parametrize(("alternative", "sign"), [("less", 1), ("two-sided", 1), ("greater", -1)])
def test_the_tipping_point_tips(alternative, sign):
    data = trial(seed=6, n=100)
    data["y"] = data["y"] * sign
    analysis = imputed(alternative=alternative, alpha=0.025, tipping=True)
    found = analysis(data)
    assert found["decision"].any()
    for row in np.flatnonzero(found["decision"]):
        point = found["tipping_point"].values[row]
        assert np.sign(point) == sign
        one = data.isel(replicate=[row])
        at = dataclasses.replace(analysis, delta=float(point), tipping=False)(one)
        assert at["p"].item() == pytest.approx(0.025, rel=1e-6)
        assert dataclasses.replace(analysis, delta=float(point) * 0.99)(one)["decision"].item()


def test_what_cannot_tip_has_an_infinite_tipping_point_and_no_decision_none():
    data = trial(leave=0.0)
    sure, unsure = imputed(tipping=True)(data), imputed(tipping=True, margin=-9.0)(data)
    assert np.isinf(sure["tipping_point"].values[sure["decision"].values]).all()
    assert np.isnan(unsure["tipping_point"].values[~unsure["decision"].values]).all()


OTHERS = {
    "endpoint": "z", "test": "other", "control": "other", "baseline": None, "covariates": (), "visit": 2.0,
    "strategy": "copy_reference", "imputations": 5, "method": "monotone", "burn_in": 3, "thinning": 2, "seed": 2,
    "delta": 1.0, "tipping": True, "all_arms": True, "alternative": "less", "margin": 1.0, "alpha": 0.2,
}  # fmt: skip


# ---- promises of an analysis
def test_every_field_changes_an_output():
    data = trial(n=80)
    third = np.where(np.random.default_rng(8).random((3, 80)) < 0.3, 2, data["arm"].values)
    data["arm"] = (DIMS, third, {"names": ["test", "control", "other"]})
    data = data.assign(z=(("replicate", "subject", "visit_z"), 2 * data["y"].values)).assign_coords(visit_z=VISITS)
    base = imputed(covariates=("site",))
    assert {field.name for field in dataclasses.fields(Imputed)} == {*OTHERS, "name"}
    want = base(data)
    for name, value in OTHERS.items():
        found = dataclasses.replace(base, **{name: value})(data)
        assert name == "tipping" or any((found[o] != want[o]).any() for o in ("estimate", "se", "p", "lower")), name
    assert "tipping_point" in dataclasses.replace(base, tipping=True)(data)


@pytest.mark.parametrize("method", METHODS)
def test_alone_a_replicate_has_the_same_bits(method):
    data = trial(replicates=70)
    analysis = imputed(method=method, imputations=3)
    together = analysis(data)
    for row in (0, 40, 69):
        alone = analysis(data.isel(replicate=[row]))
        for output in together.data_vars:
            np.testing.assert_array_equal(alone[output], together[output].isel(replicate=[row]), err_msg=output)


def test_what_the_data_do_not_determine_is_a_failure():
    data = trial(replicates=4)
    y, arm = data["y"].values, data["arm"].values
    y[0, :, 1] = np.nan
    y[1, arm[1] == 0, 2] = np.nan
    data["site"].values[2] = arm[2]
    for method in METHODS:
        rows = [1, 2, 3] if method == "monotone" else [0, 1, 2, 3]
        found = imputed(covariates=("site",), method=method)(data.isel(replicate=rows))
        assert found["failed"].values.tolist() == [True] * (len(rows) - 1) + [False]
        assert found["n"].values.tolist() == [0] * (len(rows) - 1) + [60]


def test_wrong_fields_are_named():
    with pytest.raises(
        TrialError, match=r"analysis\.method: got 'monotone', wanted 'data_augmentation': in replicate 1\d"
    ):
        imputed(method="monotone")(trial(intermittent=0.2))
    with pytest.raises(TrialError, match=r"analysis\.strategy: got 'j2r', wanted one of missing_at_random"):
        imputed(strategy="j2r")
    with pytest.raises(TrialError, match=r"analysis\.imputations: got 1, wanted a whole number of 2 or more"):
        imputed(imputations=1)
