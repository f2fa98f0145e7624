"""Randomness of a trial by address, never by consumption.

Every random number of a trial comes from ``SeedSequence(seed, spawn_key=(stream, replicate, block, ...))``, where a
block is 256 consecutive subjects. A replicate, a subject or one visit can therefore be drawn again alone, in any order
and on any machine, with the same bits. The scenario is not part of the address: scenarios of one trial share their
random numbers, so that differences between them are not Monte Carlo noise. Streams 100 to 199 belong to ``cohorts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from zlib import crc32

import numpy as np

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


def generator(seed: int, stream: Stream, replicate: int, *address: int) -> np.random.Generator:
    """Make the generator standing at one address."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(stream), replicate, *address)))


def normals(
    seed: int, stream: Stream, replicates: range, subjects: int, *, each: tuple[int, ...], item: int = 0
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Draw standard normal numbers (replicate, subject, *each); `item` separates, say, one measurement from the next.

    Whole blocks are drawn and cut, so subject `i` has the same numbers whatever the number of subjects.
    """
    out = np.empty((len(replicates), subjects, *each))
    for row, replicate in enumerate(replicates):
        for block, start in enumerate(range(0, subjects, BLOCK)):
            drawn = generator(seed, stream, replicate, block, item).standard_normal((BLOCK, *each))
            out[row, start : start + BLOCK] = drawn[: subjects - start]
    return out


def uniforms(
    seed: int, stream: Stream, replicates: Sequence[int], subjects: int, *, each: tuple[int, ...], item: int = 0
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Draw uniform numbers on [0, 1) (replicate, subject, *each), addressed as those of `normals`."""
    out = np.empty((len(replicates), subjects, *each))
    for row, replicate in enumerate(replicates):
        for block, start in enumerate(range(0, subjects, BLOCK)):
            drawn = generator(seed, stream, int(replicate), block, item).random((BLOCK, *each))
            out[row, start : start + BLOCK] = drawn[: subjects - start]
    return out


def item(name: str) -> int:
    """Return the address of something that has a name, whatever stands beside it."""
    return crc32(name.encode())
