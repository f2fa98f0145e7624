"""Boundaries: every file of the group, what holds for all of them, and what is refused."""

import dataclasses
import importlib
import itertools
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

import trials.boundaries
from trials import boundaries as b
from trials.boundaries import recursion
from trials.boundaries.observing import critical_values
from trials.errors import TrialError
from trials.making import make

CONF = Path(__file__).resolve().parents[2] / "conf" / "boundary"
FILES = sorted(CONF.glob("*.yaml"))
SPENDINGS = (
    b.OBrienFlemingSpending(),
    b.PocockSpending(),
    b.KimDeMets(1.5),
    b.HwangShihDeCani(-4),
    b.HwangShihDeCani(0),
    b.HwangShihDeCani(3),
    b.CustomSpending((0.3, 0.6, 1), (0.001, 0.01, 0.025)),
)


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_boundary_file(path):
    boundary = make("boundary", read(path))
    assert isinstance(boundary, b.Boundary)
    assert "__dict__" not in dir(boundary)
    with pytest.raises(dataclasses.FrozenInstanceError):
        boundary.alpha = 0.1
    assert pickle.loads(pickle.dumps(boundary)) == boundary
    assert len({boundary, make("boundary", json.loads(json.dumps(read(path))))}) == 1
    names = {name: getattr(trials.boundaries, name) for name in trials.boundaries.__all__}
    assert eval(repr(boundary), names) == boundary
    bounds = boundary([0.5, 1])
    assert bounds.alpha_spent[-1] == pytest.approx(0.025, abs=1e-11)
    assert (np.diff(bounds.alpha_spent) > 0).all()
    assert np.isneginf(bounds.futility).all()
    text = path.read_text(encoding="utf-8")
    commented = [line for line in text.splitlines() if ":" in line and not line.lstrip().startswith(("#", "_target_"))]
    assert all("#" in line or line.endswith(":") for line in commented)


OTHER = {
    "alpha": 0.05,
    "sided": 2,
    "exponent": 0.1,
    "interim": [2.5],
    "spending": {"_target_": "trials.boundaries.spending.KimDeMets", "rho": 1.1},
    "futility": {"_target_": "trials.boundaries.futility.FutilityBounds", "z": [0.3]},
}
"""Another value of each field."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_field_changes_the_bounds(path):
    spec = read(path)
    before = make("boundary", spec)([0.5, 1])
    for field in set(spec) - {"_target_", "binding"}:
        if path.stem == "custom_spending" and field == "alpha":
            with pytest.raises(TrialError, match="spent_by"):  # the table says what alpha is
                make("boundary", spec | {field: OTHER[field]})
            continue
        after = make("boundary", spec | {field: OTHER[field]})([0.5, 1])
        assert not np.array_equal(before.efficacy, after.efficacy) or not np.array_equal(
            before.futility, after.futility
        )
    loose = make("boundary", spec | {"futility": OTHER["futility"]})([0.5, 1])
    tight = make("boundary", spec | {"futility": OTHER["futility"], "binding": True})([0.5, 1])
    assert tight.efficacy[-1] < loose.efficacy[-1]
    assert tight.alpha_spent[-1] == pytest.approx(0.025, abs=1e-11)
    spending = spec.get("spending", {})
    for field, value in {"rho": 1.2, "gamma": 2, "information": [0.7, 1], "spent_by": [0.01, 0.025]}.items():
        if field in spending:
            after = make("boundary", spec | {"spending": spending | {field: value}})([0.5, 1])
            assert after.efficacy[0] != before.efficacy[0]


rates_of_looks = st.lists(st.floats(0.02, 1), min_size=1, max_size=6).map(
    lambda steps: (np.cumsum(steps) / np.sum(steps)).tolist()
)


@settings(max_examples=40, deadline=None)
@given(rates=rates_of_looks, spending=st.sampled_from(SPENDINGS), sided=st.sampled_from([1, 2]))
def test_alpha_is_spent_as_the_function_says(rates, spending, sided):
    boundary = b.AlphaSpending(alpha=0.025, sided=sided, spending=spending)
    bounds = boundary(rates)
    fractions = np.append(rates[:-1], 1.0)
    np.testing.assert_allclose(bounds.alpha_spent, sided * spending(0.025 / sided, fractions), rtol=0, atol=1e-10)
    crossed = b.stop_probabilities(bounds, 0.0)
    spent = crossed.efficacy + (crossed.futility if sided == 2 else 0)
    np.testing.assert_allclose(spent.cumsum(), bounds.alpha_spent, rtol=0, atol=1e-13)


@settings(max_examples=60, deadline=None)
@given(
    spending=st.sampled_from(SPENDINGS), error=st.floats(1e-4, 0.4), fractions=st.lists(st.floats(0, 1.2), min_size=2)
)
def test_spending_does_not_decrease(spending, error, fractions):
    spent = spending(error, np.sort(fractions))
    assert (np.diff(spent) >= -1e-15).all()
    assert spent.min() >= 0
    assert spent.max() <= error * (1 + 1e-12)
    assert spending(error, np.array([0.0, 1.0])).tolist() == [0.0, error]


@settings(max_examples=25, deadline=None)
@given(
    rates=rates_of_looks,
    kind=st.sampled_from([b.OBrienFleming, b.Pocock, b.WangTsiatis]),
    sided=st.sampled_from([1, 2]),
)
def test_shaped_bounds_have_their_shape_and_level(rates, kind, sided):
    bounds = kind(sided=sided)(rates)
    assert bounds.alpha_spent[-1] == pytest.approx(0.025, abs=1e-11)
    exponent = {b.OBrienFleming: 0.0, b.Pocock: 0.5, b.WangTsiatis: 0.25}[kind]
    np.testing.assert_allclose(bounds.efficacy, bounds.efficacy[-1] * np.asarray(rates) ** (exponent - 0.5), rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(rates=rates_of_looks, alpha=st.floats(0.001, 0.2))
def test_without_early_stopping_the_design_is_the_fixed_one(rates, alpha):
    bounds = b.HaybittlePeto(alpha=alpha, interim=None)(rates)
    assert bounds.efficacy[-1] == -special.ndtri(alpha)
    assert np.isposinf(bounds.efficacy[:-1]).all()
    assert b.inflation_factor(bounds, 0.9) == pytest.approx(1, abs=1e-10)
    drift = b.required_drift(bounds, 0.8)
    assert drift == pytest.approx(special.ndtri(1 - alpha) + special.ndtri(0.8), abs=1e-9)
    assert float(b.expected_information(bounds, drift)) == pytest.approx(rates[-1], abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(rates=rates_of_looks, beta=st.floats(0.05, 0.3), spending=st.sampled_from(SPENDINGS[:-1]), binding=st.booleans())
def test_beta_is_spent_as_the_function_says(rates, beta, spending, binding):
    bounds = b.AlphaSpending(futility=b.BetaSpending(beta, spending), binding=binding)(rates)
    found = b.stop_probabilities(bounds, bounds.drift)
    assert found.power == pytest.approx(1 - beta, abs=1e-9)
    assert (bounds.futility <= bounds.efficacy).all()
    stopped = (bounds.futility >= bounds.efficacy)[:-1].any()
    if not stopped:
        np.testing.assert_allclose(bounds.beta_spent, spending(beta, np.append(rates[:-1], 1.0)), rtol=0, atol=1e-9)


def test_nodes_are_enough():
    rates = np.array([0.1, 0.101, 0.5, 0.51, 0.9, 0.999])
    bounds = b.Pocock()(rates)
    before = [b.stop_probabilities(bounds, drift).efficacy for drift in (0.0, 2.0, -3.0, 6.0)]
    density = recursion.DENSITY
    try:
        recursion.DENSITY = 4.0
        after = [b.stop_probabilities(bounds, drift).efficacy for drift in (0.0, 2.0, -3.0, 6.0)]
    finally:
        recursion.DENSITY = density
    np.testing.assert_allclose(before, after, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    "boundary",
    [
        b.AlphaSpending(),
        b.AlphaSpending(sided=2, spending=b.PocockSpending()),
        b.AlphaSpending(futility=b.FutilityBounds([0, None, 0.5]), binding=True),
        b.AlphaSpending(futility=b.BetaSpending(0.1)),
        b.AlphaSpending(futility=b.BetaSpending(0.1), binding=True),
    ],
    ids=lambda boundary: f"{boundary.sided} {type(boundary.futility).__name__} {boundary.binding}",
)
def test_critical_values_at_the_planned_information_are_the_planned_ones(boundary):
    planned = [0.25, 0.5, 0.75, 1]
    bounds = boundary(planned)
    found = critical_values(boundary, [planned, planned], planned)
    np.testing.assert_allclose(found.efficacy, [bounds.efficacy] * 2, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.futility, [bounds.futility] * 2, rtol=0, atol=1e-12)


def test_critical_values_look_back_only_and_do_not_depend_on_other_trials():
    planned = [0.3, 0.6, 1]
    boundary = b.AlphaSpending(futility=b.BetaSpending(0.1, b.PocockSpending()), binding=True)
    rng = np.random.default_rng(3)
    fractions = np.sort(rng.uniform(0.2, 1.1, (60, 3)), axis=1)
    found = critical_values(boundary, fractions, planned)
    for row in (0, 17):
        alone = critical_values(boundary, fractions[[row]], planned)
        np.testing.assert_array_equal(alone.efficacy[0], found.efficacy[row])
        np.testing.assert_array_equal(alone.futility[0], found.futility[row])
    later = fractions.copy()
    later[:, 2] += 0.01
    np.testing.assert_allclose(
        critical_values(boundary, later, planned).efficacy[:, :2], found.efficacy[:, :2], atol=1e-12
    )


def test_critical_values_of_looks_that_were_not_held():
    boundary = b.AlphaSpending()
    two = boundary([0.5, 1]).efficacy
    nothing, early = np.inf, two[0]
    rows = [[np.nan, 0.5, 1], [0.5, np.nan, 1], [0.5, 0.5001, 1], [0.5, 0.4, 1], [0.0, 0.5, 1], [np.nan, np.nan, 1]]
    want = [[nothing, *two], [early, nothing, two[1]], [early, nothing, two[1]], [early, nothing, two[1]],
            [nothing, *two], [nothing, nothing, special.ndtri(0.975)]]  # fmt: skip
    np.testing.assert_allclose(critical_values(boundary, rows).efficacy, want, rtol=0, atol=1e-10)
    short = critical_values(boundary, [[0.5, 0.9]]).efficacy[0]
    rho = np.sqrt(0.5 / 0.9)
    kept = stats.multivariate_normal.cdf(short, cov=[[1, rho], [rho, 1]])
    assert 1 - kept == pytest.approx(0.025, abs=1e-8)


def simulated(bounds, drift, trials, seed):
    """Looks (from 1) and statistics at which simulated trials stop."""
    rates = bounds.information_rates
    increments = np.diff(rates, prepend=0)
    noise = np.random.default_rng(seed).standard_normal((trials, rates.size))
    z = (drift * increments + np.sqrt(increments) * noise).cumsum(axis=1) / np.sqrt(rates)
    stops = (z >= bounds.efficacy) | (z <= bounds.futility)
    stops[:, -1] = True
    look = stops.argmax(axis=1)
    return look + 1, z[np.arange(trials), look]


@pytest.mark.parametrize(("drift", "binding"), [(0.0, False), (2.5, True), (4.0, False)])
def test_estimates_after_the_trial(drift, binding):
    bounds = b.AlphaSpending(futility=b.FutilityBounds([0.0, 0.5]), binding=binding)([0.4, 0.7, 1])
    if not binding:
        bounds = dataclasses.replace(bounds, futility=np.full(3, -np.inf))
    trials_ = 4000
    look, z = simulated(bounds, drift, trials_, 8)
    found = b.final_analysis(bounds, look, z)
    share = 3.5 * np.sqrt(0.25 / trials_)
    assert (found.estimate > drift).mean() == pytest.approx(0.5, abs=share)
    assert (found.lower > drift).mean() == pytest.approx(0.025, abs=3.5 * np.sqrt(0.025 / trials_))
    assert (found.upper < drift).mean() == pytest.approx(0.025, abs=3.5 * np.sqrt(0.025 / trials_))
    np.testing.assert_array_equal(found.p <= 0.025 + 1e-12, z >= bounds.efficacy[look - 1])
    np.testing.assert_array_equal(found.lower > 0, z >= bounds.efficacy[look - 1])
    if drift == 0:
        assert stats.kstest(found.p, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("sided", [1, 2])
def test_repeated_intervals_cover_at_all_looks_together(sided):
    bounds, drift, trials_ = b.Pocock(alpha=0.05, sided=sided)([0.3, 0.6, 1]), 1.5, 40_000
    rates = bounds.information_rates
    noise = np.random.default_rng(6).standard_normal((trials_, 3))
    score = (drift * np.diff(rates, prepend=0) + np.sqrt(np.diff(rates, prepend=0)) * noise).cumsum(axis=1)
    limits = [b.repeated_interval(bounds, k + 1, score[:, k] / np.sqrt(rates[k])) for k in range(3)]
    low = np.stack([lower for lower, _ in limits], axis=1)
    high = np.stack([upper for _, upper in limits], axis=1)
    missed = (low > drift).any(axis=1) | ((high < drift).any(axis=1) & (sided == 2))
    assert missed.mean() == pytest.approx(0.05, abs=3.5 * np.sqrt(0.05 * 0.95 / trials_))


def test_p_value_by_another_integration():
    bounds = b.OBrienFleming()([0.3, 0.6, 1])
    found = b.final_analysis(bounds, [1, 2, 3], [3.9, 2.0, 1.5], level=0.9)
    rates = bounds.information_rates
    covariance = np.sqrt(np.minimum.outer(rates, rates) / np.maximum.outer(rates, rates))
    for k, z in ((1, 3.9), (2, 2.0), (3, 1.5)):
        upper = np.append(bounds.efficacy[: k - 1], z)
        for value, drift in ((found.p[k - 1], 0.0), (0.05, found.lower[k - 1]), (0.5, found.estimate[k - 1])):
            mean = drift * np.sqrt(rates[:k])
            below = stats.multivariate_normal.cdf(upper, mean=mean, cov=covariance[:k, :k], abseps=1e-8, releps=1e-8)
            assert 1 - below == pytest.approx(value, abs=3e-6)
    one = b.final_analysis(b.fixed(), 1, 2.3)
    np.testing.assert_allclose([one.estimate, one.lower, one.upper], [2.3, 2.3 - 1.959964, 2.3 + 1.959964], atol=1e-6)
    assert float(one.p) == pytest.approx(stats.norm.sf(2.3), abs=1e-12)


def test_conditional_power_by_simulation_and_predictive_power_by_formula():
    bounds = b.Pocock(futility=b.FutilityBounds([0.0, 0.2]))([0.3, 0.6, 1])
    z, drift, trials_ = 1.1, 2.0, 200_000
    noise = np.random.default_rng(4).standard_normal((trials_, 2))
    score = z * np.sqrt(0.3) + (drift * np.array([0.3, 0.4]) + np.sqrt([0.3, 0.4]) * noise).cumsum(axis=1)
    z2, z3 = score[:, 0] / np.sqrt(0.6), score[:, 1]
    first = z2 >= bounds.efficacy[1]
    second = ~first & (z2 > 0.2) & (z3 >= bounds.efficacy[2])
    np.testing.assert_allclose(b.conditional_power(bounds, 1, z, drift), [first.mean(), second.mean()], atol=4e-3)
    one = b.given_bounds([0.5, 1], [None, 1.96])
    exact = stats.norm.cdf(z / np.sqrt(0.5) - 1.96)
    assert float(b.predictive_power(one, 1, z)) == pytest.approx(exact, abs=1e-9)
    sure = b.predictive_power(one, 1, np.array([z, 2.0]), mean=2.0, sd=1e-4)
    np.testing.assert_allclose(sure, b.conditional_power(one, 1, [z, 2.0], 2.0)[:, 0], atol=1e-6)
    points = b.predictive_power_of_points(one, 1, z, [2.0], [1.0])
    assert float(points) == pytest.approx(float(sure[0]), abs=1e-6)


def test_means_with_students_t_by_simulation_of_its_statistic():
    n, sd, difference, margin = 43.0, 3.0, 2.0, -0.5
    found = b.power_means(b.fixed(), n, difference, sd, margin=margin, ratio=2.0)
    rng = np.random.default_rng(9)
    shift = (difference - margin) / (sd * np.sqrt(1 / (n * 2 / 3) + 1 / (n / 3)))
    t = (rng.standard_normal(400_000) + shift) / np.sqrt(rng.chisquare(n - 2, 400_000) / (n - 2))
    assert (t > stats.t.ppf(0.975, n - 2)).mean() == pytest.approx(found.power, abs=3.5 * np.sqrt(0.25 / 400_000))
    size = b.sample_size_means(b.fixed(), difference, sd, power=found.power, margin=margin, ratio=2.0)
    assert size.maximum == pytest.approx(n, rel=1e-6)
    assert size.test[0] == pytest.approx(2 * size.control[0])
    one = b.sample_size_means(b.fixed(), -1.0, 2.0, power=0.9, groups=1)
    assert one.control[0] == 0
    assert one.critical_effects[0] < 0
    assert b.power_means(b.fixed(), one.maximum, -1.0, 2.0, groups=1, greater=False).power == pytest.approx(
        0.9, abs=1e-9
    )
    assert b.power_means(b.fixed(), one.maximum, -1.0, 2.0, groups=1).power < 1e-4


@pytest.mark.parametrize(
    ("rates", "greater"),
    [
        ({"test": 0.3, "control": 0.4, "ratio": 2.0}, False),
        ({"test": 0.42, "control": 0.4, "margin": -0.1}, True),
        ({"test": 0.35, "control": 0.4, "margin": 1.25, "measure": "ratio", "ratio": 0.5}, False),
        ({"test": 0.3, "margin": 0.2}, True),
    ],
)
def test_rates_size_and_power_agree(rates, greater):
    size = b.sample_size_rates(b.fixed(), power=0.85, **rates)
    found = b.power_rates(b.fixed(), size.maximum, greater=greater, **rates)
    assert found.power == pytest.approx(0.85, abs=1e-9)
    assert b.power_rates(b.fixed(), size.maximum, greater=not greater, **rates).power < 1e-3
    np.testing.assert_allclose(found.critical_effects, size.critical_effects, rtol=1e-9)
    looks = b.Pocock()([0.5, 1])
    size = b.sample_size_rates(looks, power=0.85, **rates)
    found = b.power_rates(looks, size.maximum, greater=greater, **rates)
    # The inflation factor is exact only when both hypotheses have one variance.
    assert found.power == pytest.approx(0.85, abs=0.004)
    assert size.expected < size.maximum < 1.2 * size.fixed


@pytest.mark.parametrize(("test", "control", "margin", "ratio", "measure"), [
    (0.3, 0.4, -0.1, 1.0, "difference"), (0.5, 0.45, 0.1, 2.0, "difference"), (0.3, 0.3, -0.2, 0.5, "difference"),
    (0.3, 0.4, 0.8, 1.0, "ratio"), (0.5, 0.45, 1.3, 2.0, "ratio"),
])  # fmt: skip
def test_restricted_rates_maximise_the_likelihood(test, control, margin, ratio, measure):
    from trials.boundaries.rates import restricted_rates

    def likelihood(high):
        low = high - margin if measure == "difference" else high / margin
        return ratio * (special.xlogy(test, high) + special.xlogy(1 - test, 1 - high)) + (
            special.xlogy(control, low) + special.xlogy(1 - control, 1 - low)
        )

    high, low = restricted_rates(test, control, margin, ratio, measure)
    assert low == pytest.approx(high - margin if measure == "difference" else high / margin)
    assert likelihood(high) > max(likelihood(high - 1e-4), likelihood(high + 1e-4))


def test_survival_methods():
    bounds, hazard_ratio, ratio = b.fixed(), 0.6, 2.0
    z = special.ndtri(0.975) + special.ndtri(0.8)
    want = {
        "schoenfeld": (z * 3 / np.log(0.6)) ** 2 / 2,
        "freedman": (z * (1 + 2 * 0.6) / 0.4) ** 2 / 2,
        "hsieh_freedman": (z * 3 / 2 * 1.6 / 0.4) ** 2 / 2,
    }
    for method, events in want.items():
        assert b.fixed_events(bounds, hazard_ratio, ratio=ratio, method=method) == pytest.approx(events, rel=1e-12)
    plan = b.SurvivalPlan(0.05, 0.6, 10.0, 20.0, ratio=2.0)
    for method in want:
        size = b.sample_size_survival(bounds, plan, 12.0, method=method)
        power = b.power_survival(bounds, size.plan, size.events[-1], method=method)
        assert power.power == pytest.approx(0.8, abs=1e-9)
        assert power.duration == pytest.approx(32.0, rel=1e-9)


def test_blinded_reestimation():
    rule = b.BlindedReestimation(difference=1.0, least=20, most=400)
    rng = np.random.default_rng(2)
    values = 3 + 2 * rng.standard_normal((500, 4000))
    values[:, ::2] += 1.0
    assert rule.variance(values).mean() == pytest.approx(4.25, rel=5e-3)
    adjusted = dataclasses.replace(rule, adjusted=True)
    assert adjusted.variance(values).mean() == pytest.approx(4.0, rel=5e-3)
    planned = b.sample_size_means(b.fixed(), 1.0, 2.0, normal=True).maximum
    assert adjusted.size(b.fixed(), values).mean() == pytest.approx(planned, rel=5e-3)
    values[:, :100] = np.nan
    assert dataclasses.replace(rule, most=30).size(b.fixed(), values).tolist() == [30.0] * 500
    with pytest.raises(TrialError, match="values: got 2"):
        rule.variance([[1.0, 2.0, np.nan]])


def test_unblinded_reestimation_keeps_the_plan_outside_its_zone():
    bounds = b.AlphaSpending()([0.5, 1])
    z = np.linspace(-1, 2.9, 40)
    always = b.UnblindedReestimation(least=40, most=200, power=0.9)
    promising = dataclasses.replace(always, zone=(0.3, 0.9))
    power = always.conditional_power(bounds, 1, z, 80, 80)
    inside = (power >= 0.3) & (power <= 0.9)
    assert 0 < inside.sum() < z.size
    changed, kept = always.size(bounds, 1, z, 80, 80), promising.size(bounds, 1, z, 80, 80)
    np.testing.assert_array_equal(kept, np.where(inside, changed, 80.0))
    reached = always.conditional_power(bounds, 1, z, 80, changed)
    np.testing.assert_allclose(reached[(changed > 40) & (changed < 200)], 0.9, atol=1e-12)
    assert (changed[z <= 0] == 200).all()


REFUSED = {
    "boundary.alpha: got 0.6": lambda: b.Pocock(alpha=0.6),
    "boundary.sided: got 3": lambda: b.Pocock(sided=3),
    "boundary.futility: got": lambda: b.Pocock(sided=2, futility=b.FutilityBounds([0])),
    "boundary.futility: got 3": lambda: b.Pocock(futility=3),
    "boundary.binding: got True": lambda: b.Pocock(binding=True),
    "boundary.exponent: got 3": lambda: b.WangTsiatis(exponent=3),
    "boundary.interim: got -1": lambda: b.HaybittlePeto(interim=-1),
    "boundary.interim: got (3.0, None)": lambda: b.HaybittlePeto(interim=[3, None])([0.5, 1]),
    "boundary.interim: got 1.0": lambda: b.HaybittlePeto(interim=1)([0.5, 1]),
    "boundary.spending: got 'of'": lambda: b.AlphaSpending(spending="of"),
    "boundary.spending.spent_by: got": lambda: b.AlphaSpending(alpha=0.05, spending=SPENDINGS[-1]),
    "spending.rho: got 0": lambda: b.KimDeMets(0),
    "spending.gamma: got 1000": lambda: b.HwangShihDeCani(1000),
    "spending.information: got (0.5, 0.9)": lambda: b.CustomSpending((0.5, 0.9), (0.01, 0.02)),
    "spending.spent_by: got (0.02, 0.01)": lambda: b.CustomSpending((0.5, 1), (0.02, 0.01)),
    "futility.beta: got 0": lambda: b.BetaSpending(0),
    "futility.spending.spent_by: got": lambda: b.BetaSpending(0.2, SPENDINGS[-1]),
    "boundary.futility.z: got (0.0,)": lambda: b.Pocock(futility=b.FutilityBounds([0]))([0.3, 0.6, 1]),
    "boundary.futility.z: got [4.0, -inf]": lambda: b.Pocock(futility=b.FutilityBounds([4]))([0.5, 1]),
    "boundary.information_rates: got (0.5, 0.5)": lambda: b.Pocock()([0.5, 0.5]),
    "boundary.information_rates: got 2": lambda: b.Pocock()([1, 2]),
    "boundary: got 'Pocock'": lambda: critical_values(b.Pocock(), [[0.5, 1]]),
    "planned: got None": lambda: critical_values(b.AlphaSpending(futility=b.BetaSpending()), [[0.5, 1]]),
    "fractions: got (2,)": lambda: critical_values(b.AlphaSpending(), [0.5, 1]),
    "power: got 0.01": lambda: b.required_drift(b.fixed(), 0.01),
    "difference: got 1": lambda: b.sample_size_means(b.fixed(), 1, 1, margin=1),
    "sd: got 0": lambda: b.sample_size_means(b.fixed(), 1, 0),
    "ratio: got 0": lambda: b.sample_size_means(b.fixed(), 1, 1, ratio=0),
    "groups: got 3": lambda: b.sample_size_means(b.fixed(), 1, 1, groups=3),
    "test: got 0.4": lambda: b.sample_size_rates(b.fixed(), 0.4, 0.4),
    "measure: got 'odds'": lambda: b.sample_size_rates(b.fixed(), 0.5, 0.4, measure="odds"),
    "plan.starts: got (1.0,)": lambda: b.SurvivalPlan(1, 0.7, 1, 1, starts=1),
    "plan.accrual_ends: got (1.0,)": lambda: b.SurvivalPlan(1, 0.7, (1, 2), 1),
    "events: got 500": lambda: b.power_survival(b.fixed(), b.SurvivalPlan(0.1, 0.7, 10, 10), 500),
    "method: got 'cox'": lambda: b.fixed_events(b.fixed(), 0.7, method="cox"),
    "hazard_ratio: got 1": lambda: b.fixed_events(b.fixed(), 1),
    "look: got 2": lambda: b.conditional_power(b.Pocock()([0.5, 1]), 2, 1.0, 0.0),
    "look: got [3]": lambda: b.final_analysis(b.Pocock()([0.5, 1]), 3, 1.0),
    "stage_z: got (2, 3)": lambda: b.inverse_normal(np.zeros((2, 3)), [0.5, 1]),
    "reestimation.most: got 10": lambda: b.UnblindedReestimation(least=20, most=10),
    "reestimation.zone: got (0.9, 0.1)": lambda: b.UnblindedReestimation(least=2, most=10, zone=(0.9, 0.1)),
    "reestimation.difference: got 0": lambda: b.BlindedReestimation(0, 1, 2),
    "desirable: got 0.2": lambda: b.simon_two_stage(0.3, 0.2),
    "most: got 10": lambda: b.simon_two_stage(0.3, 0.5, most=10),
    "efficacy: got [2.0]": lambda: b.given_bounds([0.5, 1], [2.0]),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_refused(message):
    with pytest.raises(TrialError) as caught:
        REFUSED[message]()
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", trials.boundaries.__all__)
def test_public_name_is_no_module(name):
    home = trials.boundaries._HOME[name]
    assert name not in trials.boundaries._NAMES
    assert getattr(trials.boundaries, name) is getattr(importlib.import_module(f"trials.boundaries.{home}"), name)
    assert trials.boundaries.__doc__
    assert getattr(trials.boundaries, name).__doc__


def test_importing_the_room_is_light():
    heavy = ("scipy", "xarray", "pymc", "numba")
    code = f"import sys, trials.boundaries; sys.exit(', '.join(n for n in {heavy} if n in sys.modules) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = trials.boundaries.nothing
    assert set(trials.boundaries.__all__) <= set(dir(trials.boundaries))


def test_pairs_of_fields_make_distinct_boundaries():
    made = [b.OBrienFleming(), b.Pocock(), b.WangTsiatis(), b.HaybittlePeto(), b.AlphaSpending()]
    assert all(one != other for one, other in itertools.combinations(made, 2))
