"""Copulas and sequential regressions: as written, and as fitted to tables with weights."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import special, stats

import cohorts
from cohorts import fit_covariates
from cohorts.covariates.base import Variable
from cohorts.covariates.fitting_copula import bivariate, polychoric, weighted_quantiles
from cohorts.covariates.reading import read_model
from cohorts.covariates.tables import from_frame
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
COPULA = {
    "model": "copula",
    "margins": {
        "weight": {"unit": "kg", "meaning": "weight", "distribution": {"lognormal": {"median": 70, "cv": 0.2}}},
        "age": {"unit": "year", "meaning": "age", "distribution": {"normal": {"mean": 50, "sd": 15}, "lower": 18}},
        "severity": {"meaning": "severity", "levels": {"mild": 0.2, "moderate": 0.5, "severe": 0.3}},
        "score": {
            "unit": "1",
            "meaning": "score",
            "quantiles": {"probabilities": [0, 0.5, 0.9, 1], "values": [0, 10, 30, 100]},
        },
    },
    "correlation": [[1, 0.5, 0.3, 0], [0.5, 1, -0.2, 0.1], [0.3, -0.2, 1, 0.6], [0, 0.1, 0.6, 1]],
    "source": "made up",
}
REGRESSION = {
    "model": "regression",
    "source": "made up",
    "steps": {
        "sex": {"meaning": "sex", "levels": {"female": {}, "male": {"intercept": 0.4}}},
        "age": {"unit": "year", "meaning": "age", "kind": "linear", "centre": 50, "spread": 12, "lower": 18},
        "height": {
            "unit": "cm",
            "meaning": "height",
            "kind": "linear",
            "centre": {"intercept": 163, "sex[male]": 13, "age>60": -0.1},
            "spread": 6.5,
        },
        "weight": {
            "unit": "kg",
            "meaning": "weight",
            "kind": "loglinear",
            "centre": {"intercept": -5.0, "log(height)": 1.8, "sex[male]:age": 0.001},
            "spread": {"intercept": -1.5, "sex[male]": -0.3},
        },
        "grade": {
            "meaning": "grade",
            "levels": {"a": {}, "b": {"intercept": -1.0, "age": 0.02}, "c": {"intercept": 0.5, "sex[male]": -1.0}},
        },
    },
}


def copula(**change):
    return read_model("all", Node("covariates.all", {**COPULA, **change}), {})


def regression(known=None, **steps):
    return read_model("all", Node("all", {**REGRESSION, "steps": {**REGRESSION["steps"], **steps}}), known or {})


# ---- as written
@pytest.fixture(scope="module")
def drawn():
    made = copula()
    return made.values(np.random.default_rng(1).random((200_000, 4)), {})


def test_copula_has_its_margins(drawn):
    few = {n: v[:5000] for n, v in drawn.items()}
    sigma = np.sqrt(np.log1p(0.04))
    assert stats.kstest(few["weight"], stats.lognorm(sigma, scale=70).cdf).pvalue > 0.001
    assert stats.kstest(few["age"], stats.truncnorm((18 - 50) / 15, np.inf, 50, 15).cdf).pvalue > 0.001
    assert stats.kstest(few["score"], lambda x: np.interp(x, [0, 10, 30, 100], [0, 0.5, 0.9, 1])).pvalue > 0.001
    assert stats.chisquare(np.bincount(few["severity"]), 5000 * np.array([0.2, 0.5, 0.3])).pvalue > 0.001


def test_copula_has_its_correlations(drawn):
    # Spearman's of a normal pair is 6 asin(r / 2) / pi, whatever the margins.
    for (a, b), r in {("weight", "age"): 0.5, ("age", "score"): 0.1, ("weight", "score"): 0.0}.items():
        rho = stats.spearmanr(drawn[a][:50_000], drawn[b][:50_000]).statistic
        assert rho == pytest.approx(6 / np.pi * np.arcsin(r / 2), abs=4 / np.sqrt(50_000)), (a, b)
    both = ((drawn["severity"] == 2) & (drawn["score"] > 30)).mean()
    corner = stats.multivariate_normal.cdf([special.ndtri(0.3), special.ndtri(0.1)], cov=[[1, 0.6], [0.6, 1]])
    assert both == pytest.approx(corner, abs=4 * np.sqrt(corner / 200_000))


def test_regression_is_what_it_says():
    made = regression()
    found = made.values(np.random.default_rng(3).random((200_000, made.width)), {})
    man = found["sex"] == 1
    assert man.mean() == pytest.approx(special.expit(0.4), abs=4 * np.sqrt(0.25 / 200_000))
    assert found["age"].min() > 18
    assert stats.kstest(found["age"][:5000], stats.truncnorm(-32 / 12, np.inf, 50, 12).cdf).pvalue > 0.001
    residual = found["height"] - 163 - 13 * man + 0.1 * np.maximum(found["age"] - 60, 0)
    assert stats.kstest(residual[:5000] / 6.5, "norm").pvalue > 0.001
    left = np.log(found["weight"]) + 5 - 1.8 * np.log(found["height"]) - 0.001 * man * found["age"]
    assert stats.kstest((left / np.exp(-1.5 - 0.3 * man))[:5000], "norm").pvalue > 0.001
    near = (np.abs(found["age"] - 50) < 1) & man
    odds = np.exp([0, -1 + 0.02 * 50, 0.5 - 1])
    shares = np.bincount(found["grade"][near], minlength=3) / near.sum()
    np.testing.assert_allclose(shares, odds / odds.sum(), atol=4 * np.sqrt(0.25 / near.sum()))


@pytest.mark.parametrize("model", [copula, regression])
def test_chunks_do_not_matter(model):
    made = model()
    u = np.random.default_rng(9).random((4, 50, made.width))
    whole = made.values(u, {})
    for name, part in made.values(u[2, 10:17], {}).items():
        np.testing.assert_array_equal(part, whole[name][2, 10:17])


@pytest.mark.parametrize("model", [copula, regression])
def test_model_reads_back_to_an_equal_one(model):
    made = model()
    again = read_model("all", Node("all", yaml.safe_load(yaml.safe_dump(made.to_dict(), sort_keys=False))), {})
    assert again == made
    assert hash(again) == hash(made)
    assert all(v.source == "made up" for v in made.variables)


def test_regression_goes_on_from_covariates_drawn_before():
    known = {"dose": Variable("dose", "mg", "dose", "made up")}
    step = {"unit": "1", "meaning": "x", "kind": "linear", "centre": {"dose": 2.0}, "spread": 1e-9}
    made = read_model("all", Node("all", {"model": "regression", "source": "s", "steps": {"x": step}}), known)
    np.testing.assert_allclose(made.values(np.full((3, 1), 0.5), {"dose": np.arange(3.0)})["x"], [0, 2, 4], atol=1e-7)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"margins": {}}, "all.margins: missing"),
        ({"correlation": [[1, 0.5], [0.5, 1]]}, "all.correlation: got .*wanted a symmetric 4 x 4"),
        ({"margins": {"w": {"unit": "kg", "meaning": "w"}}}, r"margins.w: got \[\], wanted one of"),
        ({"margins": {"g": {"meaning": "g", "levels": {"a": 0.5, "b": 0.4}}}}, "2 probabilities sum to 0.9, wanted 1"),
        ({"margins": {"g": {"meaning": "g", "levels": {"a": 1.5, "b": -0.5}}}}, "g.levels.a: got 1.5"),
        (
            {"margins": {"q": {"unit": "1", "meaning": "q", "quantiles": {"probabilities": [0, 1], "values": [2, 1]}}}},
            "q.quantiles.values: got .* wanted two or more increasing",
        ),
        (
            {
                "margins": {
                    "q": {"unit": "1", "meaning": "q", "quantiles": {"probabilities": [0.1, 1], "values": [1, 2]}}
                }
            },
            "q.quantiles: got 2 values at 2 probabilities from 0.1 to 1",
        ),
    ],
)
def test_wrong_copula_is_named(change, says):
    with pytest.raises(PopulationError, match=says):
        copula(**change)


MEASURE = {"unit": "1", "meaning": "x", "kind": "linear", "centre": 0, "spread": 1}


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({**MEASURE, "centre": {"wieght": 1}}, "x.centre.wieght: 'wieght' is no covariate .*did you mean 'weight'"),
        ({**MEASURE, "centre": {"sex[man]": 1}}, "got 'man', wanted a level among"),
        ({**MEASURE, "centre": {"sex": 1}}, r"sex has levels; write sex\[male\]"),
        ({**MEASURE, "centre": {"age>old": 1}}, "got the knot 'old', wanted a number"),
        ({**MEASURE, "centre": {"exp(age)": 1}}, "wanted a term such as"),
        ({**MEASURE, "spread": 0}, "x.spread: got 0.0, wanted a number > 0"),
        ({**MEASURE, "kind": "cubic"}, "x.kind: got 'cubic'"),
        ({**MEASURE, "lower": 2, "upper": 1}, "got limits 2 and 1, wanted lower < upper"),
        ({**MEASURE, "residual": {"probabilities": [0, 0.9], "values": [-1, 1]}}, "probabilities from 0 to 1"),
        ({"meaning": "x", "levels": {"a": {"intercept": 1}, "b": {}}}, "the first without terms"),
    ],
)
def test_wrong_regression_is_named(step, says):
    with pytest.raises(PopulationError, match=says):
        regression(x=step)


def test_impossible_limits_are_refused():
    made = regression(x={**MEASURE, "centre": {"age": 1000.0}, "upper": 1})
    with pytest.raises(PopulationError, match="x: for some patient no value lies between -inf and 1"):
        made.values(np.full((3, made.width), 0.5), {})


# ---- as fitted
def test_normal_pairs_have_their_distribution_function():
    h, k = np.meshgrid([-1.3, 0.0, 0.7, 2.0, np.inf, -np.inf], [-2.0, 0.0, 0.4, 1.0, np.inf])
    for r in (-0.9, -0.3, 0.0, 0.5, 0.95):
        with np.errstate(invalid="ignore"):
            exact = stats.multivariate_normal.cdf(
                np.stack([np.clip(h, -9, 9), np.clip(k, -9, 9)], axis=-1), cov=[[1, r], [r, 1]]
            )
        np.testing.assert_allclose(bivariate(h, k, r), exact, atol=2e-7)


def test_correlation_behind_two_tables_of_levels_is_found():
    first, second = special.ndtri([0.3, 0.8]), special.ndtri([0.5])
    edges = [np.concatenate([[-np.inf], c, [np.inf]]) for c in (first, second)]
    cells = np.diff(np.diff(bivariate(edges[0][:, None], edges[1][None, :], -0.45), axis=0), axis=1)
    assert polychoric(first, second, cells) == pytest.approx(-0.45, abs=1e-4)


def sample(model, n=20_000):
    """People of a model, thinned by age and weighted up again: without the weights everything would be off."""
    rng = np.random.default_rng(12)
    found = model.values(rng.random((n, model.width)), {})
    chance = np.where(found["age"] > 50, 0.9, 0.3)
    kept = rng.random(n) < chance
    frame = pd.DataFrame({k: v[kept] for k, v in found.items()}).assign(w=1 / chance[kept])
    levels = {v.name: v.levels for v in model.variables if v.levels}
    for name, names in levels.items():
        frame[name] = pd.Categorical.from_codes(frame[name], categories=list(names))
    return frame


def test_copula_is_recovered_from_a_weighted_sample():
    truth = copula()
    units = {"weight": "kg", "age": "year", "score": "1"}
    fitted = fit_covariates(
        sample(truth, 60_000), "copula", weights="w", units=units, source="made up", margins={"weight": "lognormal"}
    )
    np.testing.assert_allclose(fitted.correlation, truth.correlation, atol=0.02)
    assert fitted.margins[0].distribution.named["median"] == pytest.approx(70, rel=0.01)
    assert fitted.margins[0].distribution.named["cv"] == pytest.approx(0.2, rel=0.02)
    np.testing.assert_allclose(fitted.margins[2].probabilities, [0.2, 0.5, 0.3], atol=0.01)
    z = np.linspace(-1.6, 1.6, 9)
    np.testing.assert_allclose(fitted.margins[1].of(z), truth.margins[1].of(z), rtol=0.02)
    unweighted = fit_covariates(sample(truth, 60_000).drop(columns="w"), units=units, source="made up", weights=False)
    assert unweighted.margins[1].of(np.array(0.0)) > truth.margins[1].of(np.array(0.0)) + 3


def test_regression_is_recovered_from_a_weighted_sample():
    truth = regression()
    units = {"age": "year", "height": "cm", "weight": "kg"}
    fitted = fit_covariates(
        sample(truth, 40_000), "regression", weights="w", units=units, source="made up", kinds={"height": "linear"}
    )
    u = np.random.default_rng(77).random((100_000, truth.width))
    a, b = truth.values(u, {}), fitted.values(u, {})
    for name in ("age", "height", "weight"):
        levels = [0.05, 0.25, 0.5, 0.75, 0.95]
        for code in (0, 1):
            one, other = (np.quantile(x[name][x["sex"] == code], levels) for x in (a, b))
            np.testing.assert_allclose(one, other, rtol=0.02)
    shares = [np.bincount(x["grade"][x["age"] > 60], minlength=3) / (x["age"] > 60).sum() for x in (a, b)]
    np.testing.assert_allclose(*shares, atol=0.02)
    together = [np.corrcoef(np.log(x["height"]), np.log(x["weight"]))[0, 1] for x in (a, b)]
    assert together[0] == pytest.approx(together[1], abs=0.02)


def test_logistic_fit_gives_the_weighted_shares_of_each_group():
    frame = pd.DataFrame({"g": list("aabbb"), "y": list("nyynn"), "w": [1.0, 3.0, 2.0, 1.0, 1.0]})
    fitted = fit_covariates(frame, "regression", ["g", "y"], weights="w", source="made up")
    terms = {t.text: c for t, c in fitted.steps[1].odds[0]}
    assert special.expit(terms["intercept"]) == pytest.approx(3 / 4, abs=2e-4)  # the penalty moves it a little
    assert special.expit(terms["intercept"] + terms["g[b]"]) == pytest.approx(2 / 4, abs=2e-4)


def test_quantiles_of_equal_weights_are_hazens():
    x = np.random.default_rng(0).normal(size=31)
    p = np.array([0.1, 0.5, 0.77])
    np.testing.assert_allclose(weighted_quantiles(x, np.ones(31), p), np.quantile(x, p, method="hazen"))
    twice = np.concatenate([x, x[:5]])
    weights = np.ones(31)
    weights[:5] = 2
    np.testing.assert_allclose(weighted_quantiles(twice, np.ones(36), p), weighted_quantiles(x, weights, p))


ADULT = [{"name": "adult", "covariate": "age", "min": 18}]
COLUMNS = {
    "age": "age_years",
    "sex": "sex",
    "height": "height",
    "weight": "weight",
    "creatinine": "creatinine",
    "hematocrit": "hematocrit",
}


@pytest.mark.parametrize(
    ("kind", "within"),
    [
        # A copula has one dependence for all: men and women, young and old alike. Its quantiles within a group show it.
        ("copula", {"height_cm": 0.03, "weight_kg": 0.15, "scr_mgdl": 0.15, "hct_pct": 0.07}),
        ("regression", {"height_cm": 0.02, "weight_kg": 0.08, "scr_mgdl": 0.07, "hct_pct": 0.04}),
    ],
)
def test_fits_to_the_survey_are_near_its_groups(kind, within):
    fitted = fit_covariates("nhanes_2013_2014", kind, COLUMNS, where=ADULT)
    found = fitted.values(np.random.default_rng(1).random((400_000, 6)), {})
    summary = json.loads((REFERENCE / "nhanes_summary.json").read_text())["table"]
    names = {"height_cm": "height", "weight_kg": "weight", "scr_mgdl": "creatinine", "hct_pct": "hematocrit"}
    for sex, code in (("Female", 0), ("Male", 1)):
        for low, high in ((18, 30), (30, 45), (45, 60), (60, 75)):
            inside = (found["age"] >= low) & (found["age"] < high) & (found["sex"] == code)
            for label, name in names.items():
                cell = summary[f"{sex} [{low},{high})"][label]
                quantiles = np.quantile(found[name][inside], [0.05, 0.25, 0.5, 0.75, 0.95])
                wanted = [cell[p] for p in ("p5", "p25", "p50", "p75", "p95")]
                np.testing.assert_allclose(quantiles, wanted, rtol=within[label], err_msg=f"{sex} {low} {label}")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kind": "forest"}, "kind: got 'forest'"),
        ({"columns": ["wieght"]}, "columns.wieght: got 'wieght', wanted one of the columns"),
        ({"columns": ["weight"], "weights": "w"}, "weights: got 'w', wanted true or false"),
        ({"columns": ["weight"], "margins": {"height": "normal"}}, "margins: got 'height'"),
        ({"columns": ["weight"], "margins": {"weight": "gamma"}}, "margins.weight: got 'gamma'"),
        ({"columns": ["sex"], "where": [{"name": "w", "covariate": "sex", "in": ["Male"]}]}, "one level only"),
        (
            {"kind": "regression", "columns": {"a": "weight", "b": "weight"}, "kinds": {"b": "linear"}},
            "b: does not vary, or follows",
        ),
        ({"kind": "regression", "columns": ["weight"], "kinds": {"weight": "cubic"}}, "kinds.weight: got 'cubic'"),
        ({"kind": "regression", "columns": ["weight"], "kinds": {"b": "linear"}}, "kinds: got 'b'"),
    ],
)
def test_wrong_fit_is_named(given, says):
    with pytest.raises(PopulationError, match=says):
        fit_covariates("nhanes_2013_2014", **given)


def test_frame_needs_a_source():
    with pytest.raises(PopulationError, match="source: missing"):
        fit_covariates(pd.DataFrame({"x": [1.0, 2.0]}), units={"x": "kg"})
    table = from_frame(pd.DataFrame({"x": [1.0, 2.0, 3.0]}), units={"x": "kg"}, source="made up")
    assert fit_covariates(table).names == ("x",)


def test_public_names_are_there():
    assert cohorts.load_table("nhanes_2013_2014").columns["weight"].variable.unit == "kg"
    assert "nhanes_2013_2014" in cohorts.tables()
