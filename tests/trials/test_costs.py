"""Cost of a trial: the sum of its prices, for whom it screened and randomised, and how long it took."""

from pathlib import Path

import numpy as np
import pytest

import trials
from trials.costs import Costs

CONF = Path(__file__).parent / "conf"
SMALL = ["runs=null", "tracking=none", "truth.draws=2", "truth.patients=16", "store.trajectories=0"]


def survival(*overrides):
    trial = trials.load("exponential_survival", [*SMALL, *overrides], config_dir=CONF)
    return trials.run(trial, replicates=40).outcomes.sel(scenario="effect", analysis="primary")


def test_a_sequential_trial_pays_for_those_it_randomised_and_the_time_it_took():
    found = survival("+costs={unit: EUR, fixed: 1000, patient: 50, screened: 7, time: 20}")
    expected = 1000 + (50 + 7) * found["n"] + 20 * found["duration"]
    np.testing.assert_allclose(found["cost"], expected)
    assert found["cost"].std() > 0


def test_it_is_a_characteristic_with_its_error_and_without_prices_there_is_none():
    trial = trials.load("exponential_survival", [*SMALL, "+costs={unit: EUR, patient: 50}"], config_dir=CONF)
    result = trials.run(trial, replicates=40)
    cost = trials.characteristics(result)["effect"]["primary"]["cost"]
    values = result.outcomes["cost"].sel(scenario="effect", analysis="primary").values
    assert cost["value"] == pytest.approx(values.mean())
    assert cost["mcse"] == pytest.approx(values.std(ddof=1) / np.sqrt(40))
    assert "cost" not in survival()


def test_screening_failures_of_the_randomised_count():
    prices = Costs("EUR", screened=3)
    candidates = np.array([[1, 4, 2], [2, 1, 9]])
    np.testing.assert_array_equal(prices.of(np.array([3, 2]), candidates, np.zeros(2)), [21, 9])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("+costs={unit: EUR, patient: -1}", r"costs\.patient"),
        ("+costs={patient: 1}", r"costs\.unit: missing"),
        ("+costs={unit: EUR, visit: 1}", r"costs\.visit: unknown field"),
    ],
)
def test_prices_that_make_no_sense_are_refused(override, words):
    with pytest.raises(trials.TrialError, match=words):
        survival(override)
