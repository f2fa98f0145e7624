"""Analyses of two proportions against scipy, replicate by replicate, and what they promise."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from scipy.stats import contingency

from tests.trials.binary_data import WHAT, binomial, from_counts, stratified
from trials.analyses.chi_square import ChiSquare
from trials.analyses.fisher import FisherExact
from trials.analyses.mantel_haenszel import MantelHaenszel
from trials.analyses.risk_difference import RiskDifference
from trials.errors import TrialError
from trials.operating import characteristics

TABLES = [(12, 20, 7, 22), (3, 30, 11, 29), (9, 9, 1, 12), (15, 40, 14, 40), (0, 8, 5, 9)]
DATA = from_counts(TABLES)


def square(table):
    a, m, c, k = table
    return np.array([[a, m - a], [c, k - c]])


@pytest.mark.parametrize("continuity", [False, True])
def test_chi_square_is_scipys(continuity):
    found = ChiSquare(*WHAT, continuity=continuity)(DATA)
    for row, table in enumerate(TABLES):
        want = stats.chi2_contingency(square(table), correction=continuity)
        assert found["statistic"].values[row] ** 2 == pytest.approx(want.statistic, rel=1e-12)
        assert found["p"].values[row] == pytest.approx(want.pvalue, rel=1e-10)
        assert found["decision"].values[row] == (want.pvalue < 0.05)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_fisher_is_scipys(alternative):
    found = FisherExact(*WHAT, alternative=alternative, alpha=0.04)(DATA)
    for row, table in enumerate(TABLES):
        assert found["p"].values[row] == pytest.approx(
            stats.fisher_exact(square(table), alternative=alternative).pvalue, rel=1e-9
        )
        odds = contingency.odds_ratio(square(table))
        interval = odds.confidence_interval(0.96 if alternative == "two-sided" else 0.92)
        limits = np.exp([found["lower"].values[row], found["upper"].values[row]])
        assert limits == pytest.approx(tuple(interval), rel=1e-6)
        if np.isfinite(odds.statistic) and odds.statistic > 0:
            assert np.exp(found["estimate"].values[row]) == pytest.approx(odds.statistic, rel=1e-6)
        else:
            assert np.isnan(found["estimate"].values[row])


@pytest.mark.parametrize(("effect", "method"), [("odds_ratio", "sample"), ("risk_ratio", None)])
def test_one_table_gives_the_crude_ratio(effect, method):
    found = MantelHaenszel(*WHAT, effect=effect)(DATA)
    for row in (0, 1, 3):
        a, m, c, k = TABLES[row]
        if method:
            want = contingency.odds_ratio(square(TABLES[row]), kind="sample")
        else:
            want = contingency.relative_risk(a, m, c, k)
        value = want.statistic if method else want.relative_risk
        assert np.exp(found["estimate"].values[row]) == pytest.approx(value, rel=1e-12)
        interval = tuple(want.confidence_interval(0.95))
        assert np.exp([found["lower"].values[row], found["upper"].values[row]]) == pytest.approx(interval, rel=1e-6)
        chi = stats.chi2_contingency(square(TABLES[row]), correction=False).statistic
        n = m + k
        assert found["statistic"].values[row] ** 2 == pytest.approx(chi * (n - 1) / n, rel=1e-12)


def test_a_common_difference_is_the_weighted_mean_of_the_strata():
    tables = [(12, 20, 7, 22), (3, 30, 11, 29), (15, 40, 14, 40)]
    found = MantelHaenszel(*WHAT, effect="risk_difference", strata=("stratum",))(stratified(tables))
    weights = np.array([m * k / (m + k) for _, m, _, k in tables])
    differences = np.array([a / m - c / k for a, m, c, k in tables])
    assert found["estimate"].item() == pytest.approx((weights * differences).sum() / weights.sum())
    assert found["n"].item() == sum(m + k for _, m, _, k in tables)


def test_a_stratum_of_one_group_and_a_missing_stratum_add_nothing():
    tables = [(12, 20, 7, 22), (3, 30, 11, 29)]
    data = stratified(tables)
    more = stratified([*tables, (5, 9, 0, 0)])
    unknown = stratified([*tables, (5, 9, 4, 8)])
    unknown["stratum"] = unknown["stratum"].where(unknown["stratum"] < 2)
    analysis = MantelHaenszel(*WHAT, effect="odds_ratio", strata=("stratum",))
    for other in (more, unknown):
        for name, column in analysis(data).data_vars.items():
            np.testing.assert_array_equal(analysis(other)[name], column)


@pytest.mark.parametrize("method", ["newcombe", "miettinen_nurminen", "wald"])
@pytest.mark.parametrize(("alternative", "margin"), [("two-sided", 0.0), ("greater", -0.1), ("less", 0.15)])
def test_the_test_of_a_risk_difference_is_its_interval(method, alternative, margin):
    data = binomial((0.35, 0.30), (60, 55), 400)
    found = RiskDifference(*WHAT, alternative=alternative, margin=margin, method=method, alpha=0.04)(data)
    beyond = {"two-sided": (found["lower"] > margin) | (found["upper"] < margin), "greater": found["lower"] > margin,
              "less": found["upper"] < margin}[alternative]  # fmt: skip
    np.testing.assert_array_equal(found["decision"], beyond)
    assert 0.02 < found["decision"].mean() < 0.98
    favours = found["estimate"] - margin if alternative != "less" else margin - found["estimate"]
    apart = np.abs(favours.values) > 1e-9
    np.testing.assert_array_equal(np.sign(found["statistic"].values[apart]), np.sign(favours.values[apart]))


def test_the_score_test_at_zero_is_chi_square():
    score = RiskDifference(*WHAT, method="miettinen_nurminen")(DATA)["statistic"].values
    pearson = ChiSquare(*WHAT)(DATA)["statistic"].values
    n = np.array([m + k for _, m, _, k in TABLES])
    np.testing.assert_allclose(score**2, pearson**2 * (n - 1) / n, rtol=1e-10)


def test_nobody_with_the_event_is_a_failure_of_chi_square_alone():
    data = from_counts([(0, 10, 0, 10), (4, 10, 2, 10)])
    assert ChiSquare(*WHAT)(data)["failed"].values.tolist() == [True, False]
    assert MantelHaenszel(*WHAT, effect="risk_ratio")(data)["failed"].values.tolist() == [True, False]
    assert FisherExact(*WHAT)(data)["p"].values[0] == 1.0
    found = RiskDifference(*WHAT)(data)
    assert not found["failed"].any()
    assert found["upper"].values[0] == pytest.approx(0.2775, abs=1e-4)


@pytest.mark.parametrize(
    "analysis",
    [FisherExact(*WHAT), MantelHaenszel(*WHAT, effect="odds_ratio"), MantelHaenszel(*WHAT, effect="risk_ratio"),
     MantelHaenszel(*WHAT, effect="risk_difference"), RiskDifference(*WHAT)],
    ids=lambda analysis: f"{type(analysis).__name__}-{getattr(analysis, 'effect', '')}",
)  # fmt: skip
def test_the_truth_is_that_of_the_true_proportions(analysis):
    rng = np.random.default_rng(5)
    values = {"test": rng.random((400, 60)) < 0.4, "control": rng.random((400, 60)) < 0.3}
    truth = analysis.truth(values)
    one, other = values["test"].mean(), values["control"].mean()
    odds = {"odds_ratio": np.log(one / (1 - one) / (other / (1 - other))), "risk_ratio": np.log(one / other)}
    default = "odds_ratio" if isinstance(analysis, FisherExact) else "risk_difference"
    want = odds.get(getattr(analysis, "effect", default), one - other)
    assert truth.value == pytest.approx(want, rel=1e-12)
    assert truth.replicates == 400
    slope = {"odds_ratio": (1 / (one - one**2), 1 / (other - other**2)), "risk_ratio": (1 / one, 1 / other)}
    by_arm = slope.get(getattr(analysis, "effect", default), (1, 1))
    error = np.sqrt(by_arm[0] ** 2 * one * (1 - one) / 24_000 + by_arm[1] ** 2 * other * (1 - other) / 24_000)
    assert truth.mcse == pytest.approx(error, rel=0.35)


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        (RiskDifference, {"method": "exact"}, r"analysis\.method: got 'exact', wanted one of newcombe"),
        (RiskDifference, {"margin": 1}, r"analysis\.margin: got 1, wanted a number in \(-1, 1\)"),
        (ChiSquare, {"continuity": 1}, r"analysis\.continuity: got 1, wanted true or false"),
        (FisherExact, {"control": "test"}, r"analysis\.control: got 'test', wanted another arm"),
        (MantelHaenszel, {"effect": "or"}, r"analysis\.effect: got 'or', wanted one of odds_ratio"),
    ],
)
def test_an_impossible_analysis_names_its_field(kind, change, words):
    given = {"effect": "odds_ratio"} if kind is MantelHaenszel else {}
    with pytest.raises(TrialError, match=words):
        kind(**dict(zip(("name", "endpoint", "test", "control"), WHAT, strict=True)) | given | change)


def test_values_that_are_not_binary_and_strata_that_are_not_there_are_named():
    with pytest.raises(TrialError, match=r"analysis\.endpoint: got 'y', wanted values 0 and 1; one is 2"):
        ChiSquare(*WHAT)(DATA.assign(y=DATA["y"] * 2))
    with pytest.raises(TrialError, match=r"analysis\.strata: got 'site', wanted variables"):
        MantelHaenszel(*WHAT, effect="odds_ratio", strata=("site",))(DATA)


def test_tables_without_an_odds_ratio_are_left_out_of_standard_errors_alone():
    found = FisherExact(*WHAT)(binomial((0.05, 0.2), (20, 20), 300))
    outcomes = found.expand_dims(scenario=["only"]).expand_dims(analysis=["it"], axis=-1)
    truth = {
        name: (("scenario", "analysis"), [[value]])
        for name, value in {"effect": -1.5, "mcse": 0, "null": False}.items()
    }
    truth = xr.Dataset(truth).assign_coords(scenario=["only"], analysis=["it"])
    made = characteristics(outcomes.assign_coords(decides=("analysis", [True])), truth)["only"]["it"]
    finite = int(np.isfinite(found["estimate"]).sum())
    assert 0 < finite < 300
    assert made["empirical_se"]["replicates"] == made["model_se"]["replicates"] == finite
    assert made["empirical_se"]["value"] == pytest.approx(float(found["estimate"].std(ddof=1)))
    assert made["power"]["replicates"] == made["coverage"]["replicates"] == 300
