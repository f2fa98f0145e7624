"""Generators at many addresses at once, with the bits of ``default_rng(SeedSequence(seed, spawn_key=address))``.

A simulated trial needs a generator for each of its purposes in every replicate, and NumPy takes longer to mix the seed
of one than to draw a trial's numbers from it. Here the mixing of NumPy's ``SeedSequence`` (O'Neill 2015,
``seed_seq_fe``, www.pcg-random.org/posts/developing-a-seed_seq-alternative.html) is done for all addresses as arrays.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import ArrayLike, DTypeLike, NDArray

type Words = NDArray[np.uint32]

POOL = 4
MASK = 0xFFFFFFFF
INIT_A, MULT_A = 0x43B0D7E5, 0x931E8875
INIT_B, MULT_B = 0x8B51F9DD, 0x58F38DED
LEFT, RIGHT = np.uint32(0xCA01F9DD), np.uint32(0x4973F715)
SHIFT = np.uint32(16)


class Mixed(ISeedSequence):
    """Seed material that is mixed already."""

    __slots__ = ("words",)

    def __init__(self, words: NDArray[np.uint64]) -> None:
        """Hold the four words that a PCG64 asks for."""
        self.words = words

    def generate_state(self, n_words: int, dtype: DTypeLike = np.uint32) -> NDArray[np.uint64]:
        """Give the words; a PCG64 asks for four of 64 bits."""
        if n_words != self.words.size or np.dtype(dtype) != np.uint64:
            raise ValueError(f"got {n_words} words of {dtype}, wanted {self.words.size} of 64 bits")
        return self.words


def at(words: NDArray[np.uint64]) -> np.random.Generator:
    """Generator of one row of `states`."""
    return np.random.Generator(np.random.PCG64(Mixed(words)))  # type: ignore[arg-type] # any ISeedSequence will do


def generators(seed: int, *address: ArrayLike) -> Iterator[np.random.Generator]:
    """Generators at the addresses that the parts, broadcast against each other, make up, in C order."""
    return map(at, states(seed, *address))


def states(seed: int, *address: ArrayLike) -> NDArray[np.uint64]:
    """State words (address, 4) of the generators at many addresses.

    Parameters
    ----------
    seed
        Non-negative whole number.
    *address
        Parts of the spawn key, numbers or arrays below 2^32, broadcast against each other.
    """
    parts = np.broadcast_arrays(*(np.asarray(part, dtype=np.int64) for part in address))
    if any(part.size and not 0 <= part.min() <= part.max() <= MASK for part in parts):
        raise ValueError(f"parts of an address: got {address}, wanted whole numbers from 0 to {MASK}")
    key = [part.ravel().astype(np.uint32) for part in parts]
    pool = _mixed([*_seed_words(seed), *key], key[0].size)
    return _generated(pool)


def _seed_words(seed: int) -> list[int]:
    """The seed in words of 32 bits, filled up to the pool as SeedSequence does when a spawn key follows."""
    return [seed >> 32 * place & MASK for place in range(max(POOL, (seed.bit_length() + 31) // 32))]


def _mixed(entropy: Sequence[int | Words], count: int) -> list[Words]:
    """The pool after all entropy is mixed in, four words (address)."""
    constant = INIT_A

    def hashed(value: Words) -> Words:
        nonlocal constant
        value = value ^ np.uint32(constant)
        constant = constant * MULT_A & MASK
        value = value * np.uint32(constant)
        return value ^ (value >> SHIFT)

    words = [np.full(count, word, np.uint32) if isinstance(word, int) else word for word in entropy]
    pool = [hashed(word) for word in words[:POOL]]
    for source in range(POOL):
        for target in range(POOL):
            if source != target:
                pool[target] = _mix(pool[target], hashed(pool[source]))
    for word in words[POOL:]:
        for target in range(POOL):
            pool[target] = _mix(pool[target], hashed(word))
    return pool


def _mix(one: Words, other: Words) -> Words:
    made: Words = LEFT * one - RIGHT * other
    return made ^ (made >> SHIFT)


def _generated(pool: Sequence[Words]) -> NDArray[np.uint64]:
    """Four words of 64 bits from the pool, the low half of each first."""
    constant, made = INIT_B, np.empty((pool[0].size, 2 * POOL), np.uint32)
    for place in range(2 * POOL):
        value = pool[place % POOL] ^ np.uint32(constant)
        constant = constant * MULT_B & MASK
        value = value * np.uint32(constant)
        made[:, place] = value ^ (value >> SHIFT)
    low, high = made[:, ::2].astype(np.uint64), made[:, 1::2].astype(np.uint64)
    return low | high << np.uint64(32)
