"""Random numbers by address."""

import numpy as np

from trials.streams import BLOCK, Stream, normals

SEED = 7


def test_a_subject_has_the_same_numbers_in_a_cohort_of_any_size():
    few = normals(SEED, Stream.RESIDUAL, range(3), 5, each=(2, 4))
    many = normals(SEED, Stream.RESIDUAL, range(3), BLOCK + 9, each=(2, 4))
    np.testing.assert_array_equal(few, many[:, :5])


def test_a_replicate_has_the_same_numbers_whatever_is_drawn_with_it():
    together = normals(SEED, Stream.RESIDUAL, range(6), 4, each=(3,))
    alone = normals(SEED, Stream.RESIDUAL, range(4, 5), 4, each=(3,))
    np.testing.assert_array_equal(together[4:5], alone)


def test_streams_replicates_items_blocks_and_seeds_are_independent():
    base = normals(SEED, Stream.RESIDUAL, range(2), 2 * BLOCK, each=(1,))
    others = [
        normals(SEED + 1, Stream.RESIDUAL, range(2), 2 * BLOCK, each=(1,)),
        normals(SEED, Stream.RANDOMISATION, range(2), 2 * BLOCK, each=(1,)),
        normals(SEED, Stream.RESIDUAL, range(2), 2 * BLOCK, each=(1,), item=1),
    ]
    columns = [base[0, :BLOCK], base[0, BLOCK:], base[1, :BLOCK], base[1, BLOCK:], *(o[0, :BLOCK] for o in others)]
    correlations = np.corrcoef(np.concatenate(columns, axis=1).T)
    assert np.abs(correlations - np.eye(len(columns))).max() < 5 / np.sqrt(BLOCK)
