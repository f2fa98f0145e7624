"""What estimates are called: a hazard ratio is no ratio of geometric means, and every difference has its unit."""

from pathlib import Path

import pytest

from trials.analyses.count_regression import CountRegression
from trials.analyses.logistic import Logistic
from trials.compose import load
from trials.effects import called, effect

SHIPPED = sorted(path.stem for path in (Path(__file__).parents[2] / "conf" / "trial").glob("*.yaml"))


@pytest.mark.parametrize(
    ("trial", "name", "words"),
    [
        ("lung_cancer_survival", "survival", "hazard ratio"),
        ("lung_cancer_survival", "hazard", "hazard ratio"),
        ("lung_cancer_survival", "response", "difference of proportions"),
        ("theophylline_bioequivalence", "auc", "ratio of geometric means"),
        ("parkinson_delayed_start", "week26", "difference (score)"),
        ("denosumab_biosimilar", "reference", "mean (percent)"),
    ],
)
def test_names_of_shipped_estimates(trial, name, words):
    assert effect(load(trial).protocol, name) == words


@pytest.mark.parametrize("trial", SHIPPED)
def test_every_shipped_estimate_has_a_name(trial):
    protocol = load(trial).protocol
    assert all(effect(protocol, one.name) for one in protocol.analyses)


def test_odds_and_rates():
    two = {"name": "a", "endpoint": "e", "test": "t", "control": "c"}
    assert called(Logistic(**two)) == "odds ratio"
    assert called(CountRegression(**two, family="poisson")) == "rate ratio"
