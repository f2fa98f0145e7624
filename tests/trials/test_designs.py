"""Williams, replicate, factorial, dose-ranging and ascending-dose designs: balance, names, and what they refuse."""

import itertools
from collections import Counter

import numpy as np
import pytest
import xarray as xr

from trials.designs.ascending_dose import AscendingDose
from trials.designs.dose_ranging import DoseRanging
from trials.designs.escalation import EscalationRule
from trials.designs.factorial import Factorial
from trials.designs.replicate_crossover import ReplicateCrossover
from trials.designs.williams import Williams
from trials.errors import TrialError


def rng(replicate):
    return np.random.default_rng((7, replicate))


def names(count):
    return tuple("abcdefg"[:count])


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 7])
def test_in_a_williams_design_every_arm_follows_every_other_as_often(count):
    design = Williams(names(count), 10 * count, 7.0)
    assert len(design.orders) == (count if count % 2 == 0 else 2 * count)
    assert all(sorted(order) == list(range(count)) for order in design.orders)
    pairs = Counter(pair for order in design.orders for pair in itertools.pairwise(order))
    assert set(pairs) == set(itertools.permutations(range(count), 2))
    assert len(set(pairs.values())) == 1
    for period in range(count):
        assert len(set(Counter(order[period] for order in design.orders).values())) == 1
    assert design.starts(3.0)[:2] == (0.0, 10.0)
    assert design.block == len(design.orders)


def test_a_williams_list_is_balanced_in_blocks():
    sequence = Williams(names(3), 24, 7.0, block=12).sequence(rng, range(4))
    for row in sequence:
        assert np.bincount(row[:12]).tolist() == np.bincount(row[12:]).tolist() == [2] * 6


@pytest.mark.parametrize(
    ("pattern", "orders"),
    [("TRTR/RTRT", ((0, 1, 0, 1), (1, 0, 1, 0))), ("TRR/RTR/RRT", ((0, 1, 1), (1, 0, 1), (1, 1, 0))),
     ("TRRT/RTTR", ((0, 1, 1, 0), (1, 0, 0, 1))), ("TRT/RTR", ((0, 1, 0), (1, 0, 1)))],
)  # fmt: skip
def test_replicate_patterns(pattern, orders):
    design = ReplicateCrossover(("new", "old"), 24, 5.0, pattern)
    assert design.orders == orders
    assert design.block == 2 * len(orders)
    assert design.duration(2.0) == (len(orders[0]) - 1) * 7.0 + 2.0


@pytest.mark.parametrize("pattern", ["TR/RT", "TRTR", "TRT/RT", "TRX/RTR", "TRT/TRT", "TTT/TTT", "RRR/TTT/"])
def test_a_pattern_that_repeats_nothing_is_refused(pattern):
    with pytest.raises(TrialError, match=r"design\.pattern: got .* wanted two or more distinct sequences of T and R"):
        ReplicateCrossover(("new", "old"), 24, 5.0, pattern)


def test_factorial_levels_come_from_the_names():
    arms = ("drug+diet", "drug+none", "placebo+diet", "placebo+none")
    design = Factorial(arms, 40)
    assert design.levels == (("drug", "placebo"), ("diet", "none"))
    assert design.block == 8
    assert Factorial(tuple(arm.replace("+", " x ") for arm in arms), 40, separator=" x ").levels == design.levels
    three = tuple("+".join(parts) for parts in itertools.product("ab", "cd", "efg"))
    assert list(map(len, Factorial(three, 48).levels)) == [2, 2, 3]
    skewed = Factorial(arms, 50, allocation=(2, 1, 1, 1)).sequence(rng, range(1))
    assert np.bincount(skewed[0]).tolist() == [20, 10, 10, 10]


@pytest.mark.parametrize(
    ("arms", "words"),
    [
        (("a+c", "a+d", "b+c", "b+e"), "wanted an arm for each combination of levels"),
        (("a", "b", "c", "d"), "wanted two or more factors of two or more levels each"),
        (("a+c", "a+d", "a+e", "a+f"), "wanted two or more factors of two or more levels each"),
        (("a+c+x", "a+d", "b+c", "b+d"), "wanted an arm for each combination of levels"),
    ],
)
def test_arms_that_are_no_factorial_are_refused(arms, words):
    with pytest.raises(TrialError, match=rf"design\.arms: got .* {words}"):
        Factorial(arms, 40)


def test_the_control_of_a_dose_ranging_design_weighs_the_square_root_of_the_doses():
    assert DoseRanging(names(5), 60).ratio == (2, 1, 1, 1, 1)
    assert DoseRanging(names(4), 60).ratio == (7, 4, 4, 4)
    assert DoseRanging(names(4), 60, control="d", control_weight=1).ratio == (1, 1, 1, 1)
    assert DoseRanging(names(3), 60, control="c", control_weight=1.5).ratio == (2, 2, 3)
    counts = np.bincount(DoseRanging(names(5), 60).sequence(rng, range(1))[0])
    assert counts.tolist() == [20, 10, 10, 10, 10]


def test_ascending_cohorts():
    design = AscendingDose(names(4))
    assert (design.n, design.block, design.ratio) == (24, 8, (1, 1, 1, 1))
    assert AscendingDose(names(3), active=6, placebo=2).ratio == (2, 3, 3)
    sequence = design.sequence(rng, range(200))
    for dose in (1, 2, 3):
        cohort = sequence[:, 8 * (dose - 1) : 8 * dose]
        assert (np.sort(cohort, axis=1) == [0, 0] + [dose] * 6).all()
        assert (np.sort(cohort[:, :2], axis=1) == [0, dose]).all()
        assert 60 < (cohort[:, 0] == 0).sum() < 140
    free = AscendingDose(names(4), sentinels=False).sequence(rng, range(200))[:, :2]
    assert (free.sum(axis=1) == 2).any()


def tolerability(rates, replicates=3000):
    """Trials of an ascending design whose subjects have an event with the rate of their arm."""
    design = AscendingDose(names(len(rates)))
    arm = design.assign(rng, range(replicates))[..., 0]
    events = np.random.default_rng(1).random(arm.shape) < np.asarray(rates)[arm]
    dims = ("replicate", "subject")
    return xr.Dataset({"event": (dims, events.astype(float)), "arm": (dims, arm, {"names": list(design.arms)})})


def test_escalation_stops_at_the_first_cohort_with_too_many_events():
    data = tolerability((0.9, 0.1, 0.3, 0.5))
    found = EscalationRule("event")(data)
    event, arm = data["event"].values, data["arm"].values
    for row in range(50):
        counts = [event[row][arm[row] == dose].sum() for dose in (1, 2, 3)]
        over = [count >= 2 for count in counts]
        given = over.index(True) + 1 if any(over) else 3
        assert found["given"].values[row] == given
        assert found["cleared"].values[row] == given - any(over)
        assert found["stopped"].values[row] == any(over)
        assert found["n"].values[row] == 8 * given


def test_escalation_has_the_binomial_probabilities():
    found = EscalationRule("event", most=1)(tolerability((0.0, 0.1, 0.2)))
    first, second = 0.9**6, 0.8**6
    for cleared, share in ((0, 1 - first), (1, first * (1 - second)), (2, first * second)):
        simulated = (found["cleared"] == cleared).mean().item()
        assert simulated == pytest.approx(share, abs=3.5 * np.sqrt(share * (1 - share) / 3000))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Williams(names(3), 24, -1), r"design\.washout: got -1"),
        (lambda: Williams(names(3), 24, 1, block=4), r"design\.block: got 4, wanted a multiple of 6"),
        (lambda: Williams(names(4), 7, 1), r"design\.n: got 7, wanted 8 or more"),
        (lambda: ReplicateCrossover(names(3), 24, 1), r"design\.arms: got .* wanted two arms"),
        (lambda: Factorial(("a+c", "a+d", "b+c", "b+d"), 40, allocation=(1, 2)), r"design\.allocation: got \(1, 2\)"),
        (lambda: DoseRanging(names(3), 24, control="z"), r"design\.control: got 'z', wanted one of the arms a, b, c"),
        (lambda: DoseRanging(names(3), 24, control_weight=0.1), r"design\.control_weight: got 0\.1"),
        (lambda: AscendingDose(names(3), n=17), r"design\.n: got 17, wanted 0 or 16"),
        (lambda: AscendingDose(names(3), placebo=0), r"design\.placebo: got 0"),
        (lambda: EscalationRule("event", most=0), r"rule\.most: got 0"),
    ],
)
def test_an_impossible_design_names_its_field(make, words):
    with pytest.raises(TrialError, match=words):
        make()
