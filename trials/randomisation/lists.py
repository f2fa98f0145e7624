"""Permuted-block randomisation lists, one addressed generator a replicate."""

from collections.abc import Callable

import numpy as np

type Rng = Callable[[int], np.random.Generator]
"""Gives a fresh generator for a replicate's number."""


def randomise(rng: Rng, replicates: range, *, n: int, ratio: tuple[int, ...], block: int) -> np.ndarray:
    """Return randomised groups: int (replicate, subject), values ``0 .. len(ratio) - 1``.

    Parameters
    ----------
    rng
        Gives the generator of a replicate.
    replicates
        Numbers of the replicates.
    n
        Subjects of a replicate.
    ratio
        Allocation of the groups in lowest terms: ``(2, 1)`` is two to one.
    block
        Subjects in a block, a multiple of ``sum(ratio)``.

    Notes
    -----
    Every whole block holds the ratio exactly. When ``n`` is no multiple of the block, the last block is a short one
    that keeps the ratio as well as its size allows: 22 subjects 1:1 in blocks of 4 end 11 to 11, 23 end 12 to 11 or
    11 to 12 with equal chance. Subjects of whole blocks keep their group when ``n`` grows.
    """
    lists = np.empty((len(replicates), n), dtype=np.int64)
    for row, replicate in enumerate(replicates):
        lists[row] = permuted_blocks(rng(replicate), n=n, ratio=ratio, block=block)
    return lists


def permuted_blocks(generator: np.random.Generator, *, n: int, ratio: tuple[int, ...], block: int) -> np.ndarray:
    """Return one randomisation list: int (subject,); see `randomise`."""
    unit = np.repeat(np.arange(len(ratio)), ratio)
    whole, short = divmod(n, block)
    groups = generator.permuted(np.tile(unit, (whole, block // unit.size)), axis=1).ravel()
    if not short:
        return groups
    return np.concatenate([groups, _short_block(generator, unit, short)])


def _short_block(generator: np.random.Generator, unit: np.ndarray, size: int) -> np.ndarray:
    """Return a last, incomplete block: whole units, and a random part of one unit for what is left over."""
    units, left = divmod(size, unit.size)
    places = np.concatenate([np.tile(unit, units), generator.permutation(unit)[:left]])
    return generator.permutation(places)
