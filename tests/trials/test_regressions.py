"""Logistic, Poisson, negative binomial and proportional odds regressions against statsmodels, one by one."""

import numpy as np
import pytest
import statsmodels.api as sm
import xarray as xr
from scipy import special, stats
from statsmodels.discrete.discrete_model import NegativeBinomial
from statsmodels.miscmodels.ordinal_model import OrderedModel

from trials.analyses.count_regression import CountRegression
from trials.analyses.logistic import Logistic
from trials.analyses.newton import Local, maximise
from trials.analyses.proportional_odds import ProportionalOdds
from trials.errors import TrialError
from trials.operating import characteristics

WHAT = ("it", "y", "test", "control")
DIMS = ("replicate", "subject")
COVARIATES = ("weight", "sex")


def trial(kind, replicates=4, n=120, seed=0):
    """Endpoint of a kind that depends on arm, weight and sex, with missing values, exposure and a third arm."""
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 3, (replicates, n))
    weight, sex = 70 + 12 * rng.standard_normal(arm.shape), rng.integers(0, 3, arm.shape)
    line = 0.6 * (arm == 0) + 0.05 * (weight - 70) - 0.4 * (sex == 1)
    exposure = rng.uniform(0.2, 2.0, arm.shape)
    values = {
        "binary": rng.random(arm.shape) < special.expit(line),
        "ordinal": np.digitize(line + rng.logistic(size=arm.shape), [-1.5, 0, 1]),
        "count": rng.poisson(exposure * np.exp(line) * rng.gamma(2.0, 0.5, arm.shape)),
    }[kind].astype(float)
    values[rng.random(arm.shape) < 0.05] = np.nan
    weight[rng.random(arm.shape) < 0.02] = np.nan
    made = xr.Dataset({"y": (DIMS, values), "arm": (DIMS, arm, {"names": ["test", "control", "other"]})})
    made["weight"] = (DIMS, weight)
    made["sex"] = (DIMS, sex.astype(float), {"levels": ["a", "b", "c"]})
    return made.assign(y_exposure=(DIMS, exposure)) if kind == "count" else made


def rows(made, row, covariates):
    """Endpoint, design without intercept and log exposure of the subjects analysed."""
    one = made.isel(replicate=row)
    columns = [(one["arm"].values == 0).astype(float)]
    if covariates:
        columns += [one["weight"].values, *((one["sex"].values == level).astype(float) for level in (1, 2))]
    design, y = np.column_stack(columns), one["y"].values
    used = (one["arm"].values < 2) & np.isfinite(y) & np.isfinite(design).all(axis=1)
    exposure = one["y_exposure"].values[used] if "y_exposure" in one else np.ones(used.sum())
    return y[used], design[used], np.log(exposure)


def check(found, row, *, estimate, se, n, rel=1e-6):
    assert found["estimate"].values[row] == pytest.approx(estimate, rel=rel, abs=1e-8)
    assert found["se"].values[row] == pytest.approx(se, rel=rel)
    assert found["statistic"].values[row] == pytest.approx(estimate / se, rel=2 * rel)
    assert found["p"].values[row] == pytest.approx(2 * stats.norm.sf(abs(estimate / se)), rel=1e-4)
    assert found["lower"].values[row] == pytest.approx(estimate - stats.norm.ppf(0.975) * se, rel=1e-4, abs=1e-6)
    assert found["n"].values[row] == n


@pytest.mark.parametrize("covariates", [(), COVARIATES])
def test_logistic(covariates):
    made = trial("binary")
    found = Logistic(*WHAT, covariates=covariates)(made)
    for row in range(4):
        y, design, _ = rows(made, row, covariates)
        fit = sm.Logit(y, sm.add_constant(design)).fit(disp=0)
        check(found, row, estimate=fit.params[1], se=fit.bse[1], n=y.size)


def test_the_marginal_odds_ratio_is_standardised():
    made = trial("binary")
    found = Logistic(*WHAT, covariates=COVARIATES, effect="marginal")(made)
    for row in range(4):
        y, design, _ = rows(made, row, COVARIATES)
        whole = sm.add_constant(design)
        fit = sm.Logit(y, whole).fit(disp=0)
        means, parts = [], []
        for arm in (1, 0):
            every = whole.copy()
            every[:, 1] = arm
            share = fit.predict(every)
            mean, own = share.mean(), whole[:, 1] == arm
            parts.append((own * (y - share) / own.mean() + share - mean) / (mean * (1 - mean)))
            means.append(mean)
        se = np.sqrt(((parts[0] - parts[1]) ** 2).mean() / y.size)
        check(found, row, estimate=special.logit(means[0]) - special.logit(means[1]), se=se, n=y.size)


def test_without_covariates_marginal_and_conditional_are_one():
    made = trial("binary")
    one, other = (Logistic(*WHAT, effect=effect)(made) for effect in ("marginal", "conditional"))
    for name in ("estimate", "se", "p"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-7)


@pytest.mark.parametrize("covariates", [(), COVARIATES])
def test_poisson(covariates):
    made = trial("count")
    found = CountRegression(*WHAT, family="poisson", covariates=covariates)(made)
    for row in range(4):
        y, design, offset = rows(made, row, covariates)
        fit = sm.GLM(y, sm.add_constant(design), family=sm.families.Poisson(), offset=offset).fit(tol=1e-12)
        check(found, row, estimate=fit.params[1], se=fit.bse[1], n=y.size)
    assert (found["dispersion"] == 0).all()


@pytest.mark.parametrize("covariates", [(), COVARIATES])
def test_negative_binomial(covariates):
    made = trial("count")
    found = CountRegression(*WHAT, family="negative_binomial", covariates=covariates)(made)
    for row in range(4):
        y, design, offset = rows(made, row, covariates)
        scaled = (design - design.mean(axis=0)) / design.std(axis=0)
        fit = NegativeBinomial(y, sm.add_constant(scaled), offset=offset).fit(disp=0, method="newton", maxiter=200)
        dispersion = fit.params[-1]
        assert found["dispersion"].values[row] == pytest.approx(dispersion, rel=1e-5)
        family = sm.families.NegativeBinomial(alpha=dispersion)
        again = sm.GLM(y, sm.add_constant(design), family=family, offset=offset).fit(tol=1e-12)
        check(found, row, estimate=again.params[1], se=again.bse[1], n=y.size, rel=1e-5)


def test_counts_that_vary_less_than_poisson_keep_no_dispersion():
    values = np.tile([1.0, 2.0], (1, 20))
    made = xr.Dataset({"y": (DIMS, values), "arm": (DIMS, np.repeat([[0, 1]], 20, axis=1), {"names": WHAT[2:]})})
    plain = CountRegression(*WHAT, family="poisson")(made)
    found = CountRegression(*WHAT, family="negative_binomial")(made)
    assert found["dispersion"].item() == 0
    assert found["se"].item() == plain["se"].item() == pytest.approx(np.sqrt(2 / 30))


@pytest.mark.parametrize("covariates", [(), COVARIATES])
def test_proportional_odds(covariates):
    made = trial("ordinal")
    found = ProportionalOdds(*WHAT, covariates=covariates)(made)
    for row in range(4):
        y, design, _ = rows(made, row, covariates)
        scale = design.std(axis=0)
        model = OrderedModel(y, design / scale, distr="logit")
        fit = model.fit(method="newton", disp=0, maxiter=200)
        fit = model.fit(method="bfgs", start_params=fit.params, disp=0, gtol=1e-10) if not fit.mle_retvals else fit
        check(found, row, estimate=fit.params[0] / scale[0], se=fit.bse[0] / scale[0], n=y.size, rel=1e-4)


def test_two_categories_are_a_logistic_regression():
    made = trial("binary")
    made["y"].values[0] = np.where(made["y"].values[0] == 1, 1, 0)
    for covariates in ((), COVARIATES):
        one = ProportionalOdds(*WHAT, covariates=covariates)(made)
        other = Logistic(*WHAT, covariates=covariates)(made)
        for name in ("estimate", "se", "p"):
            np.testing.assert_allclose(one[name], other[name], rtol=1e-6)


def test_a_category_nobody_has_changes_nothing():
    made = trial("ordinal")
    gap = made.assign(y=made["y"].where(made["y"] < 2, made["y"] + 3))
    gap["y"].values[0] = np.where(gap["y"].values[0] == 1, 0, gap["y"].values[0])
    found = ProportionalOdds(*WHAT)(gap)
    np.testing.assert_array_equal(found["estimate"].values[1:], ProportionalOdds(*WHAT)(made)["estimate"].values[1:])
    assert not found["failed"].any()


@pytest.mark.parametrize(
    ("analysis", "values"),
    [
        (Logistic(*WHAT), [[1, 0] * 10]),
        (Logistic(*WHAT, covariates=("x",)), [[1, 0, 0, 1] * 5]),
        (CountRegression(*WHAT, family="poisson"), [[2, 0] * 10]),
        (CountRegression(*WHAT, family="negative_binomial"), [[7, 0] * 10]),
        (ProportionalOdds(*WHAT), [[3, 1] * 10]),
        (ProportionalOdds(*WHAT), [[2, 2] * 10]),
    ],
)
def test_without_a_finite_maximum_it_failed(analysis, values):
    made = xr.Dataset(
        {"y": (DIMS, np.array(values, float)), "arm": (DIMS, np.array([[0, 1] * 10]), {"names": WHAT[2:]})}
    )
    made["x"] = made["y"] + np.linspace(0, 0.5, 20)
    found = analysis(made)
    assert found["failed"].item()
    assert np.isnan(found["p"].item())


def test_the_truth_is_what_a_large_trial_finds():
    rng = np.random.default_rng(8)
    line = 0.8 * rng.standard_normal(100_000)
    uniform = rng.random(line.shape)
    binary = {arm: uniform < special.expit(line + shift) for arm, shift in (("test", 0.5), ("control", 0.0))}
    truth = Logistic(*WHAT).truth(binary)
    one, other = (binary[arm].mean() for arm in ("test", "control"))
    assert truth.value == pytest.approx(special.logit(one) - special.logit(other), rel=1e-12)
    assert np.isnan(Logistic(*WHAT, covariates=("x",)).truth(binary).value)
    assert Logistic(*WHAT, covariates=("x",), effect="marginal").truth(binary) == truth
    latent = special.logit(uniform)
    ordinal = {arm: np.digitize(shift + latent, [-1, 0, 2]) for arm, shift in (("test", 0.5), ("control", 0.0))}
    truth = ProportionalOdds(*WHAT).truth(ordinal)
    assert truth.value == pytest.approx(0.5, abs=0.02)
    counts = {arm: rng.poisson(np.exp(line + shift)) for arm, shift in (("test", 0.5), ("control", 0.0))}
    truth = CountRegression(*WHAT, family="poisson").truth(counts)
    assert truth.value == pytest.approx(0.5, abs=4 * truth.mcse)


def test_newton_gives_up_a_likelihood_without_end():
    def rising(at, rows):
        return Local(at[:, 0] * 1e-9, np.full((len(rows), 1), 1.0), np.full((len(rows), 1, 1), 1e-12))

    assert not maximise(rising, np.zeros((2, 1))).converged.any()


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        (Logistic, {"effect": "mean"}, r"analysis\.effect: got 'mean', wanted one of conditional, marginal"),
        (Logistic, {"covariates": "weight"}, r"analysis\.covariates: got 'weight', wanted a list of names"),
        (CountRegression, {"family": "gamma"}, r"analysis\.family: got 'gamma', wanted one of poisson"),
        (ProportionalOdds, {"alternative": "up"}, r"analysis\.alternative: got 'up'"),
    ],
)
def test_an_impossible_analysis_names_its_field(kind, change, words):
    given = {"family": "poisson"} if kind is CountRegression else {}
    with pytest.raises(TrialError, match=words):
        kind(**dict(zip(("name", "endpoint", "test", "control"), WHAT, strict=True)) | given | change)


def test_values_of_another_kind_are_named():
    made = trial("count")
    with pytest.raises(TrialError, match=r"analysis\.endpoint: got 'y', wanted counts"):
        CountRegression(*WHAT, family="poisson")(made.assign(y=made["y"] + 0.5))
    many = made.assign(y=made["y"] + 0.001 * np.arange(120))
    with pytest.raises(TrialError, match=r"analysis\.endpoint: got 'y', wanted an ordinal endpoint of 50 values"):
        ProportionalOdds(*WHAT)(many)


def test_an_unknown_truth_leaves_bias_and_coverage_open():
    found = Logistic(*WHAT, covariates=COVARIATES)(trial("binary"))
    outcomes = found.expand_dims(scenario=["only"]).expand_dims(analysis=["it"], axis=-1)
    truth = {"effect": np.nan, "mcse": np.nan, "null": False}
    truth = xr.Dataset({name: (("scenario", "analysis"), [[value]]) for name, value in truth.items()})
    truth = truth.assign_coords(scenario=["only"], analysis=["it"])
    made = characteristics(outcomes.assign_coords(decides=("analysis", [True])), truth)["only"]["it"]
    for name in ("truth", "bias", "coverage", "mse"):
        assert made[name]["value"] is None
    assert made["estimate"]["value"] is not None
