"""Minimisation: each subject to the group that best balances the factors' margins, with a biased coin.

Pocock SJ, Simon R (1975), Sequential treatment assignment with balancing for prognostic factors in the controlled
clinical trial, Biometrics 31:103-115, doi:10.2307/2529712. Unequal allocation by the biased coin of Han B, Enas NH,
McEntegart D (2009), Statistics in Medicine 28:3329-3346, doi:10.1002/sim.3710: a group that is not preferred has the
same probability whichever group is, and this is in proportion to its share.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from trials.checks import Choice, Number, fields, refuse
from trials.randomisation.base import Randomisation
from trials.randomisation.factors import Factor, crossed, read_factors
from trials.randomisation.lists import Rng

IMBALANCES = ("range", "variance")


@dataclass(frozen=True, slots=True)
class Minimisation(Randomisation):
    """Minimisation by Pocock and Simon over the margins of the factors."""

    factors: tuple[Factor, ...]
    """Names of variables, or mappings of variable and cuts."""
    probability: float = 0.8
    """Probability of the preferred group (with unequal allocation, of the smallest when it is preferred)."""
    imbalance: str = "range"
    """How counts of the groups at one level are put into one number: their range or their variance."""
    weights: tuple[float, ...] = ()
    """Weight of each factor in the sum; none is 1 each."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "randomisation", factors=read_factors, imbalance=Choice(IMBALANCES), weights=_weights)
        fields(self, "randomisation", probability=Number(least=0.5, most=1))
        if len(self.weights or self.factors) != len(self.factors):
            raise refuse("randomisation.weights", self.weights, f"one number for each of {len(self.factors)} factors")

    @property
    def variables(self) -> tuple[str, ...]:
        """Those of the factors."""
        return tuple(factor.variable for factor in self.factors)

    def strata(self, subjects: xr.Dataset) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return the combination of levels of each subject and the names of all combinations."""
        return crossed(self.factors, subjects)

    def __call__(
        self,
        rng: Rng,
        replicates: range,
        subjects: xr.Dataset,
        *,
        ratio: tuple[int, ...],
        block: int = 0,  # noqa: ARG002
    ) -> np.ndarray:
        """Return the groups (replicate, subject); the design's blocks play no part."""
        found = [factor.levels(subjects) for factor in self.factors]
        codes, widths = np.stack([one for one, _ in found], axis=-1), [len(names) for _, names in found]
        uniforms = np.stack([rng(replicate).random((codes.shape[1], 2)) for replicate in replicates])
        counts = np.zeros((len(codes), len(widths), max(widths), len(ratio)))
        groups = np.empty(codes.shape[:2], dtype=np.int64)
        coins, rows = coin(np.asarray(ratio, float), self.probability), np.arange(len(codes))
        for subject in range(codes.shape[1]):
            level = (rows[:, None], np.arange(len(widths)), codes[:, subject])
            preferred = self._preferred(counts[level], np.asarray(ratio, float), uniforms[:, subject, 0])
            edges = np.cumsum(coins[preferred], axis=-1)[:, :-1]
            groups[:, subject] = (uniforms[:, subject, 1, None] >= edges).sum(axis=-1)
            counts[*level, groups[:, subject, None]] += 1
        return groups

    def _preferred(self, counts: np.ndarray, ratio: np.ndarray, tie: np.ndarray) -> np.ndarray:
        """Return the group (replicate,) whose choice leaves the least imbalance, of equals one at random."""
        after = (counts[..., None, :] + np.eye(len(ratio))) / ratio  # (replicate, factor, choice, group)
        each = np.ptp(after, axis=-1) if self.imbalance == "range" else after.var(axis=-1)
        total = np.einsum("rfc,f->rc", each, np.asarray(self.weights or (1.0,) * len(self.factors)))
        best = total <= total.min(axis=-1, keepdims=True) + 1e-9
        rank = np.cumsum(best, axis=-1)
        wanted = np.minimum(np.floor(tie * rank[:, -1]) + 1, rank[:, -1])
        preferred: np.ndarray = np.argmax(rank == wanted[:, None], axis=-1)
        return preferred


def coin(ratio: np.ndarray, probability: float) -> np.ndarray:
    """Return the probability of each group, (preferred, group), so that the shares hold whoever is preferred.

    A group that is not preferred has ``(1 - probability) * ratio / (sum of all ratios but the smallest)``.
    """
    others = ratio.sum() - ratio.min()
    made = np.tile((1 - probability) * ratio / others, (len(ratio), 1))
    np.fill_diagonal(made, 0.0)
    np.fill_diagonal(made, 1 - made.sum(axis=1))
    return made


def _weights(where: str, value: object) -> tuple[float, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise refuse(where, value, "a list of numbers above 0")
    return tuple(Number(above=0)(where, each) for each in value)
