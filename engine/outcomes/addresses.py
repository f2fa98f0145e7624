"""Addressed random numbers of the engine's outcomes: the numbers of a subject follow from the seed and its place alone.

Streams 0 to 99 are the engine's; cohorts and trials have theirs above.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]

MEASUREMENT, EVENTS, COUNTS, MARKOV = 1, 2, 3, 4
BLOCK = 256
"""Subjects whose numbers come from one generator; a block is always drawn whole."""


def blocks(subjects: int) -> Iterator[tuple[int, slice, int]]:
    """Number, place and length of each block of subjects."""
    for number, first in enumerate(range(0, subjects, BLOCK)):
        yield number, slice(first, min(first + BLOCK, subjects)), min(BLOCK, subjects - first)


def draw(
    sample: Callable[[np.random.Generator, tuple[int, ...]], Floats], shape: tuple[int, ...], *, seed: int,
    stream: tuple[int, ...],
) -> Floats:  # fmt: skip
    """Random numbers (subject, ...); those of the first n subjects are the same however many there are."""
    found = np.empty(shape)
    for number, part, length in blocks(shape[0]):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*stream, number)))
        found[part] = sample(rng, (BLOCK, *shape[1:]))[:length]
    return found
