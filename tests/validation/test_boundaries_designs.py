"""Group-sequential boundaries and what they do, against rpact and published tables, and by another integration."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from trials.boundaries import (
    AlphaSpending,
    BetaSpending,
    FutilityBounds,
    HaybittlePeto,
    HwangShihDeCani,
    KimDeMets,
    OBrienFleming,
    OBrienFlemingSpending,
    Pocock,
    PocockSpending,
    WangTsiatis,
    critical_values,
    expected_information,
    inflation_factor,
    required_drift,
    stop_probabilities,
)

FOLDER = Path(__file__).resolve().parents[1] / "reference" / "design"
CASES = [
    case for case in json.loads((FOLDER / "rpact.json").read_text(encoding="utf-8")) if "typeOfDesign" in case["inputs"]
]
BOUNDARIES = {"OF": OBrienFleming, "P": Pocock, "HP": HaybittlePeto}
SPENDING = {"asOF": OBrienFlemingSpending, "asP": PocockSpending, "asHSD": HwangShihDeCani, "asKD": KimDeMets}


def made(given):
    """Bounds of a case of rpact."""
    futility = FutilityBounds(given["futilityBounds"]) if "futilityBounds" in given else None
    common = {"alpha": given["alpha"], "sided": given["sided"], "futility": futility}
    kind, looks = given["typeOfDesign"], given["kMax"]
    if kind in SPENDING:
        function = SPENDING[kind](*[given[name] for name in ("gammaA",) if name in given])
        boundary = AlphaSpending(spending=function, **common)
    else:
        boundary = BOUNDARIES[kind](**common)
    return boundary(given.get("informationRates", np.arange(1, looks + 1) / looks))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_rpact_boundary(case):
    bounds, want = made(case["inputs"]), case["outputs"]
    np.testing.assert_allclose(bounds.efficacy, want["criticalValues"], rtol=0, atol=5e-8)
    np.testing.assert_allclose(bounds.stage_levels, want["stageLevels"], rtol=0, atol=2e-9)
    np.testing.assert_allclose(bounds.alpha_spent, want["alphaSpent"], rtol=0, atol=1.5e-8)
    np.testing.assert_allclose(bounds.information_rates, want["informationRates"], rtol=1e-10)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_rpact_characteristics(case):
    bounds, want, power = made(case["inputs"]), case["outputs"], 1 - case["inputs"]["beta"]
    drift, inflation = required_drift(bounds, power), inflation_factor(bounds, power)
    assert drift**2 == pytest.approx(want["shift"], rel=3e-8)
    assert inflation == pytest.approx(want["inflationFactor"], rel=3e-8)
    asn = inflation * expected_information(bounds, [0, drift / 2, drift])
    np.testing.assert_allclose(asn, [want[f"asnRatioH{at}"] for at in ("0", "01", "1")], rtol=3e-8)
    found = stop_probabilities(bounds, drift)
    np.testing.assert_allclose(found.efficacy, want["rejectionProbabilitiesH1"], rtol=0, atol=1e-8)
    if case["inputs"]["sided"] == 1:
        np.testing.assert_allclose(found.futility[:-1], np.ravel(want["futilityProbabilitiesH1"]), rtol=0, atol=1e-8)


TABLES = {
    "pocock 0.10": (Pocock, 0.10, [1.645, 1.875, 1.992, 2.067, 2.122, 2.164, 2.197, 2.225, 2.249, 2.270]),
    "pocock 0.05": (Pocock, 0.05, [1.960, 2.178, 2.289, 2.361, 2.413, 2.453, 2.485, 2.512, 2.535, 2.555]),
    "pocock 0.01": (Pocock, 0.01, [2.576, 2.772, 2.873, 2.939, 2.986, 3.023, 3.053, 3.078, 3.099, 3.117]),
    "obf 0.10": (OBrienFleming, 0.10, [1.645, 1.678, 1.710, 1.733, 1.751, 1.765, 1.776, 1.786, 1.794, 1.801]),
    "obf 0.05": (OBrienFleming, 0.05, [1.960, 1.977, 2.004, 2.024, 2.040, 2.053, 2.063, 2.072, 2.080, 2.087]),
    "obf 0.01": (OBrienFleming, 0.01, [2.576, 2.580, 2.595, 2.609, 2.621, 2.631, 2.640, 2.648, 2.654, 2.660]),
}
"""C_P(K, α) and C_B(K, α) for K = 1 to 10: Jennison & Turnbull (2000), Tables 2.1 and 2.3; Pocock (1977), Table 1."""


@pytest.mark.parametrize("table", TABLES)
def test_published_tables(table):
    kind, alpha, want = TABLES[table]
    found = [kind(alpha=alpha, sided=2)(np.arange(1, looks + 1) / looks).efficacy[-1] for looks in range(1, 11)]
    np.testing.assert_allclose(found, want, rtol=0, atol=5.1e-4)


RATIOS = {
    "pocock": (Pocock, [1.000, 1.110, 1.166, 1.202, 1.229, 1.249, 1.265, 1.279, 1.291, 1.301]),
    "obf": (OBrienFleming, [1.000, 1.008, 1.017, 1.024, 1.028, 1.032, 1.035, 1.037, 1.038, 1.040]),
}
"""R_P(K, 0.05, 0.2) and R_B(K, 0.05, 0.2): Jennison & Turnbull (2000), Tables 2.2 and 2.4."""


@pytest.mark.parametrize("table", RATIOS)
def test_published_inflation(table):
    kind, want = RATIOS[table]
    looks = range(1, 11)
    found = [inflation_factor(kind(alpha=0.05, sided=2)(np.arange(1, k + 1) / k), 0.8) for k in looks]
    np.testing.assert_allclose(found, want, rtol=0, atol=5.1e-4)


def normal_probability(rates, drift, lower, upper):
    """Probability of a rectangle of the statistics, by SciPy's integration of the multivariate normal distribution."""
    rates = np.asarray(rates)
    covariance = np.sqrt(np.minimum.outer(rates, rates) / np.maximum.outer(rates, rates))
    return stats.multivariate_normal.cdf(
        upper, mean=drift * np.sqrt(rates), cov=covariance, lower_limit=lower, abseps=1e-8, releps=1e-8,
        maxpts=2_000_000, rng=np.random.default_rng(1),
    )  # fmt: skip


MANY = {
    "of 4": (OBrienFleming(), [0.25, 0.5, 0.75, 1]),
    "wang-tsiatis": (WangTsiatis(exponent=0.1), [0.2, 0.7, 1]),
    "two-sided spending": (AlphaSpending(alpha=0.05, sided=2), [0.3, 0.6, 0.8, 1]),
    "beta, not binding": (AlphaSpending(futility=BetaSpending(0.1, HwangShihDeCani(-2))), [0.4, 0.7, 1]),
    "beta, binding": (AlphaSpending(futility=BetaSpending(0.2), binding=True), [0.3, 0.5, 0.9, 1]),
    "obf, beta, binding": (OBrienFleming(futility=BetaSpending(0.2), binding=True), [0.3, 0.5, 1]),
}


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("drift", [0.0, 2.5])
def test_crossing_probabilities_by_another_integration(name, drift):
    boundary, rates = MANY[name]
    bounds = boundary(rates)
    lower = -bounds.efficacy if bounds.sided == 2 else bounds.futility
    found = stop_probabilities(bounds, drift)
    for look in range(len(rates)):
        low, high = lower[: look + 1].copy(), bounds.efficacy[: look + 1].copy()
        low[look], high[look] = bounds.efficacy[look], np.inf
        want = normal_probability(rates[: look + 1], drift, low, high)
        assert found.efficacy[look] == pytest.approx(want, abs=2e-6)


@pytest.mark.parametrize("name", [name for name in MANY if "beta" in name])
def test_errors_that_are_spent(name):
    boundary, rates = MANY[name]
    bounds, rule = boundary(rates), boundary.futility
    found = stop_probabilities(bounds, bounds.drift)
    assert found.power == pytest.approx(1 - rule.beta, abs=1e-10)
    want = rule.spending(rule.beta, np.asarray(rates))
    np.testing.assert_allclose(bounds.beta_spent, want, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.futility[:-1].cumsum(), want[:-1], rtol=0, atol=1e-10)
    if not boundary.binding:
        kept = normal_probability(rates, 0.0, np.full(len(rates), -np.inf), bounds.efficacy)
        assert 1 - kept == pytest.approx(boundary.alpha, abs=2e-6)
    assert bounds.alpha_spent[-1] == pytest.approx(boundary.alpha, abs=1e-10)


def test_a_non_binding_boundary_is_that_of_gsdesign():
    """GsDesign 3.10.1, test.type 4, sfLDOF, beta sfHSD(-2), timing 0.5 and 0.75: `gsdesign_simon.json`."""
    cases = json.loads((FOLDER / "gsdesign_simon.json").read_text(encoding="utf-8"))
    want = next(case["outputs"] for case in cases if case["id"].startswith("gsSurv"))
    bounds = AlphaSpending(futility=BetaSpending(0.1, HwangShihDeCani(-2)))([0.5, 0.75, 1])
    np.testing.assert_allclose(bounds.efficacy, want["upper"], rtol=0, atol=2e-5)
    np.testing.assert_allclose(bounds.futility[:2], want["lower"][:2], rtol=0, atol=2e-5)
    np.testing.assert_allclose(np.diff(bounds.alpha_spent, prepend=0), want["upper_spend"], rtol=0, atol=1e-9)
    found = stop_probabilities(bounds, [0.0, bounds.drift])
    np.testing.assert_allclose(found.efficacy.T, want["crossProb_upper"], rtol=0, atol=5e-6)
    np.testing.assert_allclose(found.futility.T[:2], want["crossProb_lower"][:2], rtol=0, atol=5e-6)
    np.testing.assert_allclose(
        1 - found.efficacy.sum(axis=1) - found.futility[:, :-1].sum(axis=1), want["crossProb_lower"][2], atol=5e-6
    )
    assert bounds.drift == pytest.approx(want["theta"][1] * np.sqrt(want["n.I"][2]), rel=2e-6)


def test_type_i_error_at_observed_information_is_alpha():
    boundary, trials = AlphaSpending(), 200_000
    rng = np.random.default_rng(5)
    fractions = np.column_stack([rng.uniform(0.3, 0.6, trials), rng.uniform(0.65, 0.9, trials), np.ones(trials)])
    fractions = np.round(fractions, 2)
    increments = np.diff(fractions, prepend=0.0, axis=1)
    score = (np.sqrt(increments) * rng.standard_normal(increments.shape)).cumsum(axis=1)
    rejected = (score / np.sqrt(fractions) >= critical_values(boundary, fractions).efficacy).any(axis=1).mean()
    assert rejected == pytest.approx(0.025, abs=3 * np.sqrt(0.025 * 0.975 / trials))
