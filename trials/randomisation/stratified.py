"""Permuted blocks within strata: a list of its own for each combination of levels."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from trials.checks import fields
from trials.randomisation.base import Randomisation
from trials.randomisation.factors import Factor, crossed, read_factors
from trials.randomisation.lists import Rng


@dataclass(frozen=True, slots=True)
class StratifiedBlocks(Randomisation):
    """Every whole block of a stratum holds the allocation exactly; blocks left open at the end need not."""

    factors: tuple[Factor, ...]
    """Names of variables, or mappings of variable and cuts; the strata are the combinations of their levels."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "randomisation", factors=read_factors)

    @property
    def variables(self) -> tuple[str, ...]:
        """Those of the factors."""
        return tuple(factor.variable for factor in self.factors)

    def strata(self, subjects: xr.Dataset) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return the stratum of each subject and the names of all strata."""
        return crossed(self.factors, subjects)

    def __call__(
        self, rng: Rng, replicates: range, subjects: xr.Dataset, *, ratio: tuple[int, ...], block: int
    ) -> np.ndarray:
        """Return the groups (replicate, subject).

        The subject who opens a block brings the random numbers whose order is that of the block's groups.
        """
        stratum, _ = self.strata(subjects)
        opener, slot = _blocks(stratum, block)
        keys = np.stack([rng(replicate).random((stratum.shape[1], block)) for replicate in replicates])
        units = np.tile(np.repeat(np.arange(len(ratio)), ratio), block // sum(ratio))
        groups: np.ndarray = units[np.argsort(keys, axis=-1)][np.arange(len(stratum))[:, None], opener, slot]
        return groups


def _blocks(stratum: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the subject who opened the block of each subject, and the place in it, each (replicate, subject)."""
    order = np.argsort(stratum, axis=1, kind="stable")
    ordered = np.take_along_axis(stratum, order, axis=1)
    position = np.arange(stratum.shape[1])
    begins = np.ones(stratum.shape, dtype=bool)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    slot = (position - np.maximum.accumulate(np.where(begins, position, 0), axis=1)) % block
    opener, place = np.empty_like(order), np.empty_like(order)
    np.put_along_axis(opener, order, np.take_along_axis(order, position - slot, axis=1), axis=1)
    np.put_along_axis(place, order, slot, axis=1)
    return opener, place
