"""Randomness of a trial by address, never by consumption.

Every random number of a trial comes from ``SeedSequence(seed, spawn_key=(stream, replicate, block, ...))``, where a
block is 256 consecutive subjects. A replicate, a subject or one visit can therefore be drawn again alone, in any order
and on any machine, with the same bits. The scenario is not part of the address: scenarios of one trial share their
random numbers, so that differences between them are not Monte Carlo noise. Streams 100 to 199 belong to ``cohorts``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from zlib import crc32

import numpy as np

from cohorts.drawing import seeding

BLOCK = 256
"""Subjects in one block of addressed numbers; part of the address, so never a setting."""

TRUTH_FIRST = 1 << 30
"""First replicate address of the patients behind the true effects; a trial's own replicates stay below it."""


DESCRIPTION = "NumPy PCG64 seeded by SeedSequence(seed, spawn_key=(stream, replicate, block of 256 subjects, ...))"
"""How random numbers are made, for the manifest."""


class Stream(IntEnum):
    """First word of an address."""

    RANDOMISATION = 200
    RESIDUAL = 201
    ENDPOINT = 210
    VISITS = 211
    ADHERENCE = 212
    INTERCURRENT = 213
    ENROLMENT = 220
    IMPUTATION = 230
    SAMPLER = 231


def generator(seed: int, stream: Stream, replicate: int, *address: int) -> np.random.Generator:
    """Make the generator standing at one address."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(stream), replicate, *address)))


def normals(
    seed: int, stream: Stream, replicates: range, subjects: int, *, each: tuple[int, ...], item: int = 0
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Draw standard normal numbers (replicate, subject, *each); `item` separates, say, one measurement from the next.

    A short block has the first rows of a whole one, so subject `i` has the same numbers however many follow.
    """
    out = np.empty((len(replicates), subjects, *each))
    for rows, rng in _blocks(out, seed, stream, replicates, item):
        rng.standard_normal(out=rows)
    return out


def uniforms(
    seed: int, stream: Stream, replicates: Sequence[int], subjects: int, *, each: tuple[int, ...], item: int = 0
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Draw uniform numbers on [0, 1) (replicate, subject, *each), addressed as those of `normals`."""
    out = np.empty((len(replicates), subjects, *each))
    for rows, rng in _blocks(out, seed, stream, replicates, item):
        rng.random(out=rows)
    return out


def _blocks(
    out: np.ndarray, seed: int, stream: Stream, replicates: Sequence[int], item: int
) -> Iterator[tuple[np.ndarray, np.random.Generator]]:
    """Each replicate's block of subjects and the generator that fills it from the first subject on."""
    for block, start in enumerate(range(0, out.shape[1], BLOCK)):
        made = seeding.generators(seed, int(stream), replicates, block, item)
        yield from zip(out[:, start : start + BLOCK], made, strict=True)


def addressed(seed: int, stream: Stream, replicates: range) -> Callable[[int], np.random.Generator]:
    """Give the generator of each of some replicates, fresh at each call; quicker than `generator` one by one."""
    words = seeding.states(seed, int(stream), replicates)
    return lambda replicate: seeding.at(words[replicates.index(replicate)])


def item(name: str) -> int:
    """Return the address of something that has a name, whatever stands beside it."""
    return crc32(name.encode())
