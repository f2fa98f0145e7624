"""The parallel design."""

import numpy as np
import pytest

from trials.designs.parallel import Parallel
from trials.errors import TrialError

ARMS = ("guided", "fixed")


def rng(replicate):
    return np.random.default_rng((11, replicate))


def test_one_arm_a_subject_in_one_period():
    design = Parallel(ARMS, 400)
    arm = design.assign(rng, range(20))
    assert arm.shape == (20, 400, 1)
    assert ((arm == 0).sum(axis=(1, 2)) == 200).all()
    assert design.periods == 1
    assert design.starts(2016.0) == (0.0,)
    assert design.duration(2016.0) == 2016.0


@pytest.mark.parametrize(
    ("allocation", "n", "counts"),
    [((2, 1), 30, {20}), ((2, 1), 31, {20, 21}), ((2, 1), 34, {22, 23}), ((1, 1), 7, {3, 4}), ((4, 2), 30, {20})],
)
def test_allocation_is_kept_as_well_as_the_size_allows(allocation, n, counts):
    arm = Parallel(ARMS, n, allocation=allocation).assign(rng, range(300))[..., 0]
    assert set((arm == 0).sum(axis=1).tolist()) == counts


def test_leftover_places_keep_the_allocation_on_average():
    arm = Parallel(ARMS, 31, allocation=(2, 1)).assign(rng, range(6000))[..., 0]
    share = ((arm == 0).sum(axis=1) - 20).mean()
    assert abs(share - 2 / 3) < 4 * np.sqrt(2 / 9 / 6000)


def test_three_arms():
    arm = Parallel(("a", "b", "c"), 60).assign(rng, range(10))[..., 0]
    assert (np.apply_along_axis(np.bincount, 1, arm) == 20).all()


def test_default_block_and_allocation_are_spelt_out():
    assert Parallel(ARMS, 10) == Parallel(list(ARMS), 10.0, allocation=(1, 1), block=4)
    assert hash(Parallel(ARMS, 12, (2, 2))) == hash(Parallel(ARMS, 12, [1, 1]))
    assert Parallel(ARMS, 12, (2, 1)).block == 6


def test_block_changes_the_list():
    lists = [Parallel(ARMS, 40, block=block).assign(rng, range(5)) for block in (2, 20)]
    assert (lists[0].reshape(5, 20, 2).sum(axis=-1) == 1).all()
    assert not (lists[1].reshape(5, 20, 2).sum(axis=-1) == 1).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n": 3}, r"design\.n: got 3, wanted 4 or more, so that 1:1"),
        ({"n": 5, "allocation": (2, 1)}, r"design\.n: got 5, wanted 6 or more, so that 2:1"),
        ({"allocation": (1, 1, 1)}, r"design\.allocation: .* one number for each arm of guided, fixed"),
        ({"allocation": (1, 0)}, r"design\.allocation: got 0, wanted a whole number of 1 or more"),
        ({"allocation": (1, 1.5)}, r"design\.allocation: got 1\.5"),
        ({"allocation": 2}, r"design\.allocation: got 2, wanted a list"),
        ({"block": 5}, r"design\.block: got 5, wanted a multiple of 2"),
        ({"block": -2}, r"design\.block: got -2"),
        ({"arms": ("guided", "")}, r"design\.arms: got '', wanted a name"),
    ],
)
def test_an_impossible_design_names_its_field(change, words):
    with pytest.raises(TrialError, match=words):
        Parallel(**{"arms": ARMS, "n": 40} | change)
