"""Generators made in bulk have the bits of NumPy's own."""

import numpy as np
import pytest

from cohorts.drawing.seeding import generators, states


@pytest.mark.parametrize("seed", [0, 1, 7, 2**31, 2**32 - 1, 2**32, 2**70 + 3, 2**130 + 5, 2**200 + 11])
@pytest.mark.parametrize("rest", [(), (0,), (3, 2**32 - 1), (1, 2, 3, 4, 5)])
def test_states_are_those_of_seed_sequences(seed, rest):
    replicates = np.array([0, 1, 5, 999, 2**30, 2**32 - 1])
    found = states(seed, 200, replicates, *rest)
    for words, replicate in zip(found, replicates.tolist(), strict=True):
        wanted = np.random.SeedSequence(seed, spawn_key=(200, replicate, *rest)).generate_state(4, np.uint64)
        np.testing.assert_array_equal(words, wanted)


def test_generators_draw_what_default_rng_draws():
    made = list(generators(3, 102, np.arange(4)[:, None], np.arange(3)))
    assert len(made) == 12
    for index, generator in enumerate(made):
        wanted = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(102, index // 3, index % 3)))
        np.testing.assert_array_equal(generator.standard_normal(5), wanted.standard_normal(5))
        np.testing.assert_array_equal(generator.permutation(9), wanted.permutation(9))


@pytest.mark.parametrize("part", [-1, 2**32])
def test_parts_out_of_range_are_refused(part):
    with pytest.raises(ValueError, match="wanted whole numbers from 0"):
        states(1, part)
