"""Replicates are added until shares of decisions are as precise as asked, and the same trials come out of it."""

import numpy as np
import pytest

import trials
from tests.trials.small import crossover
from trials.precision import Precision, reached, wanted


def shares(p, have, analyses=1):
    return [np.arange(have)[:, None] < np.full(analyses, round(p * have))]


def test_enough_is_enough():
    assert wanted(Precision(0.02), shares(0.5, 625), 625) == 625
    assert wanted(Precision(), shares(0.5, 10), 10) == 10


def test_a_share_is_planned_for_as_far_towards_a_half_as_it_may_lie():
    assert wanted(Precision(0.005), shares(0.5, 2000), 2000) == 10_000
    near, error = 0.9, np.sqrt(0.09 / 2000)
    share = near - 1.96 * error
    assert wanted(Precision(0.005), shares(near, 2000), 2000) == int(np.ceil(share * (1 - share) / 0.005**2))


def test_the_largest_error_of_all_analyses_and_scenarios_counts():
    both = [*shares(0.02, 1000), *shares(0.5, 1000)]
    assert wanted(Precision(0.01), both, 1000) == 2500
    assert reached(both) == pytest.approx(np.sqrt(0.25 / 1000))


def test_no_more_than_asked_and_no_more_than_tenfold_at_once():
    assert wanted(Precision(0.001), shares(0.5, 100), 100) == 1000
    assert wanted(Precision(0.001, most=400), shares(0.5, 100), 100) == 400
    assert wanted(Precision(0.001, most=100), shares(0.5, 100), 100) == 100


def test_a_run_goes_on_until_it_is_precise_and_gives_the_trials_of_a_longer_run():
    told = []
    precise = trials.run(crossover("precision.mcse=0.2", "replicates=4"), progress=lambda what, *_: told.append(what))
    count = precise.outcomes.sizes["replicate"]
    decided = precise.outcomes["decision"].values.reshape(len(precise.trial.scenarios), count, -1)
    assert reached(list(decided)) <= 0.2
    assert 4 < count < 100
    assert any("more replicates for an error of 0.2, about" in what for what in told)
    assert precise.manifest["replicates"] == count
    long = trials.run(crossover(f"replicates={count}"))
    np.testing.assert_array_equal(precise.outcomes["estimate"], long.outcomes["estimate"])
    np.testing.assert_array_equal(precise.truth["effect"], long.truth["effect"])


def test_a_stopped_run_goes_on_to_the_same_precision(tmp_path):
    whole = trials.run(crossover("precision.mcse=0.2", "replicates=4", "block=2"))

    def stop(what, done, total):
        if what == "simulating trials" and done > total - 3 and total > 24:
            raise KeyboardInterrupt

    asked = {"folder": tmp_path, "progress": None}
    with pytest.raises(trials.errors.Interrupted):
        trials.run(crossover("precision.mcse=0.2", "replicates=4", "block=2"), **asked | {"progress": stop})
    again = trials.run(crossover("precision.mcse=0.2", "replicates=4", "block=2"), **asked)
    np.testing.assert_array_equal(whole.outcomes["estimate"], again.outcomes["estimate"])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("precision.mcse=0", "precision.mcse"),
        ("precision.mcse=0.6", "precision.mcse"),
        ("precision.most=0", "precision.most"),
        ("+precision.least=3", "precision.least"),
    ],
)
def test_a_precision_that_makes_no_sense_is_refused(override, words):
    with pytest.raises(trials.TrialError, match=words):
        crossover(override)


def test_a_most_below_the_replicates_is_refused():
    with pytest.raises(trials.TrialError, match=r"precision\.most: got 5"):
        crossover("precision.mcse=0.1", "precision.most=5")
