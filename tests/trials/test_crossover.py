"""The crossover design and its randomisation."""

import numpy as np
import pytest

from trials.designs.crossover import Crossover
from trials.errors import TrialError
from trials.randomisation import permuted_blocks

ARMS = ("test", "reference")


def rng(replicate):
    return np.random.default_rng((7, replicate))


def test_every_subject_gets_both_arms_in_opposite_orders():
    arm = Crossover(ARMS, 24, 168).assign(rng, range(50))
    assert arm.shape == (50, 24, 2)
    assert set(np.unique(arm)) == {0, 1}
    assert (arm.sum(axis=-1) == 1).all()


def test_assignment_is_the_order_of_the_sequence():
    design = Crossover(ARMS, 12, 168)
    sequence, arm = design.sequence(rng, range(5)), design.assign(rng, range(5))
    assert design.orders == ((0, 1), (1, 0))
    np.testing.assert_array_equal(arm[..., 0], sequence)
    np.testing.assert_array_equal(arm[..., 1], 1 - sequence)


@pytest.mark.parametrize(("n", "counts"), [(24, {12}), (22, {11}), (26, {13}), (23, {11, 12}), (5, {2, 3}), (4, {2})])
def test_sequences_are_as_equal_as_the_size_allows(n, counts):
    sequence = Crossover(ARMS, n, 168).sequence(rng, range(400))
    assert set((sequence == 0).sum(axis=1).tolist()) == counts


def test_an_odd_subject_goes_either_way_with_equal_chance():
    first = (Crossover(ARMS, 23, 168).sequence(rng, range(4000)) == 0).sum(axis=1)
    assert abs((first == 12).mean() - 0.5) < 4 * 0.5 / np.sqrt(4000)


def test_every_whole_block_is_balanced():
    sequence = Crossover(ARMS, 26, 168, block=6).sequence(rng, range(100))
    assert (sequence[:, :24].reshape(100, 4, 6).sum(axis=-1) == 3).all()


def test_every_arrangement_of_a_block_is_equally_likely():
    lists = Crossover(ARMS, 4, 168).sequence(rng, range(6000))
    _, counts = np.unique(lists @ (8, 4, 2, 1), return_counts=True)
    assert counts.size == 6
    assert abs(counts / 6000 - 1 / 6).max() < 4 * np.sqrt(5 / 36 / 6000)


def test_a_short_block_is_shuffled_too():
    lists = Crossover(ARMS, 6, 168).sequence(rng, range(4000))
    assert (lists[:, 4:].sum(axis=1) == 1).all()
    assert abs(lists[:, 4].mean() - 0.5) < 4 * 0.5 / np.sqrt(4000)


def test_a_replicate_does_not_depend_on_the_others():
    design = Crossover(ARMS, 23, 168)
    np.testing.assert_array_equal(design.assign(rng, range(10))[7:], design.assign(rng, range(7, 10)))


def test_subjects_of_whole_blocks_keep_their_sequence_when_the_trial_grows():
    small, large = (Crossover(ARMS, n, 168).sequence(rng, range(20)) for n in (22, 40))
    np.testing.assert_array_equal(small[:, :20], large[:, :20])


def test_replicates_differ():
    assert len(np.unique(Crossover(ARMS, 24, 168).sequence(rng, range(100)), axis=0)) == 100


def test_periods_are_a_follow_up_and_a_washout_apart():
    design = Crossover(ARMS, 24, washout=168)
    assert design.periods == 2
    assert design.starts(36.0) == (0.0, 204.0)
    assert design.duration(36.0) == 240.0
    assert Crossover(ARMS, 24, washout=0).starts(36.0) == (0.0, 36.0)


def test_a_williams_design_of_three_arms():
    sequences = [list(order) for order in ("abc", "bca", "cab", "acb", "bac", "cba")]
    design = Crossover(("a", "b", "c"), 18, 24, sequences=sequences, block=6)
    arm = design.assign(rng, range(30))
    assert design.starts(10.0) == (0.0, 34.0, 68.0)
    assert (np.sort(arm, axis=-1) == (0, 1, 2)).all()
    assert ((arm == 0).sum(axis=1) == 6).all()


def test_equal_designs_are_one_key():
    one = Crossover(["test", "reference"], 24.0, 168, sequences=[["test", "reference"], ["reference", "test"]])
    assert {one: 1}[Crossover(ARMS, 24, 168.0)] == 1
    assert isinstance(one.n, int)
    assert isinstance(one.washout, float)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n": 3}, r"design\.n: got 3, wanted 4 or more"),
        ({"n": 24.5}, r"design\.n: got 24\.5, wanted a whole number"),
        ({"n": "24"}, r"design\.n: got '24', wanted a whole number"),
        ({"n": True}, r"design\.n: got True"),
        ({"washout": -1}, r"design\.washout: got -1, wanted a number in \[0, inf\)"),
        ({"washout": float("nan")}, r"design\.washout: got nan"),
        ({"block": 3}, r"design\.block: got 3, wanted a multiple of 2"),
        ({"arms": ("test",)}, r"design\.arms: got \('test',\), wanted 2 or more distinct names"),
        ({"arms": ("test", "test")}, r"design\.arms: .* distinct names"),
        ({"arms": "test"}, r"design\.arms: got 'test', wanted a list of names"),
        ({"arms": ("a", "b", "c")}, r"design\.sequences: got \(\), wanted two or more distinct sequences"),
        ({"sequences": (("test", "placebo"), ("reference", "test"))}, r"design\.sequences: .* of the arms test"),
        ({"sequences": (("test",), ("reference", "test"))}, r"design\.sequences: .* of one length"),
        ({"arms": ("a", "b", "c"), "sequences": (("a", "b"), ("b", "a"))}, r"design\.sequences: .* in which c occurs"),
    ],
)  # fmt: skip
def test_an_impossible_design_names_its_field(change, words):
    with pytest.raises(TrialError, match=words):
        Crossover(**{"arms": ARMS, "n": 24, "washout": 168} | change)


def test_a_list_is_a_permutation_of_the_ratio():
    groups = permuted_blocks(np.random.default_rng(1), n=12, ratio=(1, 2, 3), block=12)
    assert np.bincount(groups).tolist() == [2, 4, 6]
