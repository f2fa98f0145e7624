"""Addresses of random numbers: what is drawn depends on where it stands, never on what was drawn before.

Numbers 100 to 199 belong to this package, so that no other package can draw the same sequence from the same seed.
"""

from collections.abc import Iterator
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike

from cohorts.drawing import seeding
from cohorts.errors import PopulationError

BLOCK = 256
"""Subjects that share one generator: a fixed number, or a cohort would depend on how the work is split."""


class Stream(IntEnum):
    """First part of an address: what the random numbers are for."""

    POPULATION = 100
    POSTERIOR = 101
    COVARIATES = 102
    SUBJECTS = 103
    OCCASIONS = 104
    PREDICTIVE = 105
    SAMPLER = 106
    SITES = 107
    STUDIES = 108
    CLASSES = 109
    SCREENING = 112
    QUALITY = 120
    MATCHING = 121
    JUDGEMENT = 110
    SIMULATION = 111
    TWIN = 130
    INTEGRATION = 140
    APPROXIMATION = 141
    SUMMARIES = 142
    STARTS = 143


def generator(seed: int, stream: Stream, *address: int) -> np.random.Generator:
    """Generator at one address: ``(stream, replicate, block, ...)`` under a seed.

    Parameters
    ----------
    seed
        Non-negative whole number that drives everything.
    stream
        What the numbers are for.
    *address
        Replicate, then block of subjects, then occasion, as far as they apply.

    Raises
    ------
    PopulationError
        If the seed is not a non-negative whole number.
    """
    return np.random.Generator(np.random.PCG64(sequence(seed, stream, *address)))


def generators(seed: int, stream: Stream, *address: ArrayLike) -> Iterator[np.random.Generator]:
    """Generators at many addresses, whose parts are broadcast against each other: those of `generator`, in C order."""
    sequence(seed, stream)
    return seeding.generators(int(seed), int(stream), *address)


def derived(seed: int, stream: Stream, *address: int) -> int:
    """Another seed, for people who are not those of the trial; `generator` says what the arguments are."""
    return int(sequence(seed, stream, *address).generate_state(1, np.uint64)[0])


def sequence(seed: int, stream: Stream, *address: int) -> np.random.SeedSequence:
    """Seed material at one address; `generator` says what the arguments are."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise PopulationError(f"seed: got {seed!r}, wanted a whole number >= 0")
    return np.random.SeedSequence(int(seed), spawn_key=(int(stream), *address))
