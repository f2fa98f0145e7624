"""Randomisation: who gets which arm. One file a method; ``base`` has the contract, ``lists`` the permuted blocks."""

from trials.randomisation.lists import Rng, permuted_blocks, randomise

__all__ = ["Rng", "permuted_blocks", "randomise"]
