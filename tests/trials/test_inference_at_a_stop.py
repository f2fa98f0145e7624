"""Estimates, intervals and p-values of the monitored effect that allow for the looks before."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import trials
from tests.trials.small import SMALL
from trials import boundaries as b
from trials.analyses.two_sample import TwoSample
from trials.boundaries.estimating import Observed, stagewise
from trials.monitoring.inference import adjusted
from trials.monitoring.looks import Looks
from trials.monitoring.stopping import statistic, stopped
from trials.report import write
from trials.table import stopping_table

HERE = Path(__file__).parent / "conf"
COUNT = 3000


def found_at_looks(effect, alternative, margin=0.0, *, varying=False, seed=1):
    """What 3,000 trials find at three looks, estimates normal about an effect, and their information."""
    rng = np.random.default_rng(seed)
    information = np.broadcast_to(np.array([4.0, 7.0, 10.0]), (COUNT, 3))
    if varying:
        information = information * rng.uniform(0.85, 1.1, (COUNT, 1))
    increments = np.diff(information, prepend=0, axis=1)
    score = (effect * increments + np.sqrt(increments) * rng.standard_normal((COUNT, 3))).cumsum(axis=1)
    estimate, se = score / information, information**-0.5
    z = (estimate - margin) / se
    toward = {"two-sided": np.abs(z), "greater": z, "less": -z}[alternative]
    p = stats.norm.sf(toward) * (2 if alternative == "two-sided" else 1)
    columns = {"estimate": estimate, "se": se, "p": p, "information": information}
    dims = ("replicate", "look", "analysis")
    data = {name: (dims, values[..., None]) for name, values in columns.items()}
    return xr.Dataset(data, coords={"analysis": ["it"]})


def concluded(effect, alternative, boundary, *, margin=0.0, observed=False, varying=False):
    found = found_at_looks(effect, alternative, margin, varying=varying)
    alpha = 0.05 if alternative == "two-sided" else 0.025
    analysis = TwoSample("it", "y", "a", "b", alternative=alternative, margin=margin, alpha=alpha)
    plan = Looks("it", boundary, (0.4, 0.7, 1.0), by="information", maximum=10.0, observed=observed)
    z = statistic(found, "it", alternative)
    stop = stopped(z, np.ones(z.shape, bool), *plan.critical(found["information"].values[..., 0]))
    return found, stop, adjusted(plan, analysis, found, stop)


CASES = {
    "greater": (0.8, "greater", b.AlphaSpending(), {}),
    "less, with a margin": (-0.3, "less", b.Pocock(), {"margin": 0.4}),
    "binding futility": (
        0.4, "greater", b.AlphaSpending(futility=b.FutilityBounds([0.0, 0.5]), binding=True), {},
    ),
    "two-sided": (0.5, "two-sided", b.Pocock(alpha=0.05, sided=2), {}),
    "two-sided, the other way": (-0.5, "two-sided", b.Pocock(alpha=0.05, sided=2), {"margin": 0.1}),
    "observed information": (
        0.8, "greater", b.AlphaSpending(spending=b.PocockSpending()), {"observed": True, "varying": True},
    ),
    "no effect": (0.0, "greater", b.Pocock(), {}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_estimate_is_median_unbiased_and_the_interval_covers(case):
    effect, alternative, boundary, more = CASES[case]
    found, stop, made = concluded(effect, alternative, boundary, **more)
    assert (made["estimate_adjusted"] > effect).mean() == pytest.approx(0.5, abs=3.5 * np.sqrt(0.25 / COUNT))
    inside = (made["lower_adjusted"] <= effect) & (effect <= made["upper_adjusted"])
    assert inside.mean() == pytest.approx(0.95, abs=3.5 * np.sqrt(0.05 * 0.95 / COUNT))
    naive = found["estimate"].values[np.arange(COUNT), stop.look, 0]
    first = stop.look == 0
    assert 0.01 < first.mean() < 0.9
    np.testing.assert_allclose(made["estimate_adjusted"][first], naive[first], atol=1e-7)
    if case == "greater":
        assert np.median(naive) - effect > 3 * abs(np.median(made["estimate_adjusted"]) - effect)


@pytest.mark.parametrize(("case", "alpha"), [("greater", 0.025), ("two-sided", 0.05), ("observed information", 0.025)])
def test_a_trial_succeeds_when_its_p_value_is_at_most_alpha(case, alpha):
    effect, alternative, boundary, more = CASES[case]
    _, stop, made = concluded(effect, alternative, boundary, **more)
    np.testing.assert_array_equal(made["p_adjusted"] <= alpha * (1 + 1e-6), stop.efficacy)
    out = (made["lower_adjusted"] > 0) | (made["upper_adjusted"] < 0)
    np.testing.assert_array_equal(out, stop.efficacy)


def test_without_an_effect_the_p_value_is_uniform():
    _, _, made = concluded(0.0, "two-sided", b.OBrienFleming(alpha=0.05, sided=2))
    assert stats.kstest(made["p_adjusted"], "uniform").pvalue > 1e-3
    _, _, made = concluded(0.0, "greater", b.Pocock())
    assert stats.kstest(made["p_adjusted"], "uniform").pvalue > 1e-3


def test_a_two_sided_design_is_the_same_in_both_directions_and_a_fixed_one_plain():
    bounds = b.Pocock(sided=2)([0.3, 0.6, 1.0])
    one = b.final_analysis(bounds, [1, 2, 3], [2.9, 2.4, -0.3], level=0.9)
    other = b.final_analysis(bounds, [1, 2, 3], [-2.9, -2.4, 0.3], level=0.9)
    np.testing.assert_allclose(one.p, other.p, rtol=1e-9)
    np.testing.assert_allclose(one.estimate, -other.estimate, atol=1e-8)
    np.testing.assert_allclose(one.lower, -other.upper, atol=1e-8)
    fixed = b.final_analysis(b.Pocock(alpha=0.05, sided=2)([1.0]), 1, -1.3)
    np.testing.assert_allclose([fixed.lower, fixed.upper], [-1.3 - 1.959964, -1.3 + 1.959964], atol=1e-6)
    assert float(fixed.p) == pytest.approx(2 * stats.norm.sf(1.3), abs=1e-12)


def test_boundaries_of_their_own_are_each_alone():
    """A look that was not held leaves the others as if there had been none."""
    spending = b.AlphaSpending()
    three, two = spending([0.3, 0.6, 1.0]), spending([0.6, 1.0])
    rates = np.array([[0.3, 0.6, 1.0], [np.nan, 0.6, 1.0]])
    efficacy = np.array([three.efficacy, [np.inf, *two.efficacy]])
    observed = Observed(rates, efficacy, np.full((2, 3), -np.inf), 1)
    found = stagewise(observed, np.array([0, 1, 1]), np.array([2, 2, 1]), np.array([2.1, 2.1, 3.0]))
    wanted = [b.final_analysis(three, 3, 2.1), b.final_analysis(two, 2, 2.1), b.final_analysis(two, 1, 3.0)]
    for name in ("p", "estimate", "lower", "upper"):
        values = [float(getattr(each, name)) for each in wanted]
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-7, err_msg=name)


@cache
def run(*overrides):
    words = [*(word for word in SMALL if word != "replicates=6"), "replicates=200", *overrides]
    return trials.run(trials.load("exponential_survival", words, config_dir=HERE))


def test_a_trial_has_both_and_their_characteristics():
    made = run()
    by = trials.characteristics(made)["effect"]["primary"]
    outcomes = made.outcomes.sel(scenario="effect", analysis="primary")
    error = outcomes["estimate_adjusted"] - made.truth["effect"].sel(scenario="effect", analysis="primary")
    assert by["bias_adjusted"]["value"] == pytest.approx(float(error.mean()))
    assert by["bias_adjusted"]["mcse"] > 0
    assert by["coverage_adjusted"]["value"] > 0.88
    assert "lower_adjusted" not in by
    early = outcomes["look"] == 1
    np.testing.assert_allclose(outcomes["estimate_adjusted"][early], outcomes["estimate"][early], atol=1e-7)
    later = ~early & (outcomes["efficacy"] > 0)
    assert (outcomes["estimate_adjusted"][later] > outcomes["estimate"][later]).all()  # nearer to no effect
    assert (outcomes["p_adjusted"] <= 0.025).values.tolist() == (outcomes["efficacy"] > 0).values.tolist()
    rescored = trials.rescore(made, made.trial.protocol.design.boundary)
    np.testing.assert_array_equal(rescored["lower_adjusted"], made.outcomes["lower_adjusted"])


def test_the_tables_show_both(tmp_path):
    made = run()
    found = trials.characteristics(made)
    assert "allowing for the looks" in stopping_table(found)
    assert stopping_table({"s": {"a": {"bias": found["effect"]["primary"]["bias"]}}}) == ""
    assert "Estimates where a trial may stop early" in write(made, tmp_path).read_text(encoding="utf-8")


def test_only_the_monitored_analysis_has_them():
    made = trials.load("lung_cancer_survival", [*SMALL, "design.n=60", "design.at=[10,20]"])
    found = trials.run(made, replicates=3).outcomes
    assert np.isfinite(found["estimate_adjusted"].sel(analysis="survival")).all()
    assert np.isnan(found["estimate_adjusted"].sel(analysis=["hazard", "response"])).all()
    by = trials.characteristics(found, xr.Dataset(
        {name: (("scenario", "analysis"), np.zeros((4, 3))) for name in ("effect", "mcse", "null")},
        coords={"scenario": found["scenario"].values, "analysis": found["analysis"].values},
    ))["as_published"]  # fmt: skip
    assert "bias_adjusted" in by["survival"]
    assert "bias_adjusted" not in by["hazard"]
