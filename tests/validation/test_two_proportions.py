"""Analyses of two proportions against published tables, real trials and exact operating characteristics."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tests.trials.binary_data import WHAT, binomial, from_counts, stratified
from trials.analyses.chi_square import ChiSquare
from trials.analyses.fisher import FisherExact
from trials.analyses.mantel_haenszel import MantelHaenszel
from trials.analyses.risk_difference import RiskDifference

KNOWN = json.loads((Path(__file__).resolve().parents[1] / "reference" / "two_proportions.json").read_text("utf-8"))
REPLICATES = 20_000


@pytest.mark.parametrize("method", ["newcombe", "miettinen_nurminen"])
def test_newcombes_table(method):
    known = KNOWN["newcombe_1998"]
    found = RiskDifference(*WHAT, method=method)(from_counts(known["tables"]))
    limits = np.stack([found["lower"], found["upper"]], axis=-1)
    np.testing.assert_allclose(limits, known[method], atol=5.1e-5)


def test_streptomycin_in_tuberculosis():
    known = KNOWN["strep_tb"]
    found = FisherExact(*WHAT)(from_counts([known["table"]]))
    assert found["p"].item() == pytest.approx(known["p"], rel=1e-8)
    assert np.exp(found["estimate"].item()) == pytest.approx(known["odds_ratio"], rel=1e-5)
    for name in ("lower", "upper"):  # R finds a root to 1.2e-4 only; scipy and we agree to 1e-6 (test_binary)
        assert np.exp(found[name].item()) == pytest.approx(known[name], rel=5e-4)


def test_admissions_to_berkeley():
    known = KNOWN["berkeley"]
    data = stratified([(*one, *other) for one, other in zip(known["men"], known["women"], strict=True)])
    for continuity, tail in ((False, ""), (True, "_corrected")):
        found = MantelHaenszel(*WHAT, effect="odds_ratio", strata=("stratum",), continuity=continuity)(data)
        assert found["statistic"].item() ** 2 == pytest.approx(known[f"statistic{tail}"], rel=1e-10)
        assert found["p"].item() == pytest.approx(known[f"p{tail}"], rel=1e-9)
    for name, value in {"estimate": "odds_ratio", "lower": "lower", "upper": "upper"}.items():
        assert np.exp(found[name].item()) == pytest.approx(known[value], rel=1e-10)


def exact_size(analysis, shares, sizes):
    """Probability of a decision by enumerating every table."""
    a, c = np.meshgrid(np.arange(sizes[0] + 1), np.arange(sizes[1] + 1), indexing="ij")
    tables = [(x, sizes[0], y, sizes[1]) for x, y in zip(a.ravel(), c.ravel(), strict=True)]
    weight = stats.binom.pmf(a, sizes[0], shares[0]) * stats.binom.pmf(c, sizes[1], shares[1])
    return float((weight.ravel() * analysis(from_counts(tables))["decision"].values).sum())


ANALYSES = {
    "chi-square": ChiSquare(*WHAT),
    "yates": ChiSquare(*WHAT, continuity=True),
    "fisher": FisherExact(*WHAT, alternative="greater", alpha=0.025),
    "newcombe": RiskDifference(*WHAT, alternative="greater", margin=-0.1, alpha=0.025),
    "score": RiskDifference(*WHAT, alternative="greater", margin=-0.1, alpha=0.025, method="miettinen_nurminen"),
    "mantel-haenszel": MantelHaenszel(*WHAT, effect="risk_ratio"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ANALYSES)
def test_type_i_error_is_the_enumerated_one(name):
    analysis, sizes = ANALYSES[name], (48, 44)
    shares = (0.3 + getattr(analysis, "margin", 0.0), 0.3)
    exact = exact_size(analysis, shares, sizes)
    found = analysis(binomial(shares, sizes, REPLICATES, seed=7))["decision"].mean().item()
    assert found == pytest.approx(exact, abs=3 * np.sqrt(exact * (1 - exact) / REPLICATES))
    nominal = 0.05 if analysis.alternative == "two-sided" else 0.025
    assert exact < 1.15 * nominal
    if name in ("chi-square", "score", "mantel-haenszel"):
        assert exact > 0.8 * nominal
