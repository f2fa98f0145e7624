"""How many simulated trials it takes until every power and type I error is as precise as was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trials.checks import Number, Whole, fields

Z = 1.96
"""The share that is planned for lies this many standard errors from the one found, towards a half."""


@dataclass(frozen=True, slots=True)
class Precision:
    """A Monte Carlo error that every share of decisions must keep, and how far to go for it.

    Attributes
    ----------
    mcse
        Largest Monte Carlo standard error of a power or a type I error; None takes the trial's replicates as they are.
    most
        Replicates of a scenario that are never exceeded; a run that ends there says which error it reached.
    """

    mcse: float | None = None
    most: int = 100_000

    def __post_init__(self) -> None:
        """Check the fields."""
        fields(self, "precision", most=Whole(1))
        if self.mcse is not None:
            fields(self, "precision", mcse=Number(above=0, below=0.5))


def wanted(precision: Precision, decisions: Sequence[np.ndarray], have: int) -> int:
    """Return how many replicates are wanted in all, given the decisions of those there are.

    Parameters
    ----------
    precision
        What is asked for.
    decisions
        For each scenario bool (replicate, analysis), of the analyses that decide.
    have
        Replicates there are.

    Returns
    -------
    ``have`` when the precision is reached (or the most is), else more: with the share that could hold at the upper end
    of its error, p (1 - p) / mcse^2, and at most ten times what there is, so that a poor first guess costs little.
    """
    if precision.mcse is None or have >= precision.most:
        return have
    shares = np.concatenate([np.asarray(each, float).mean(axis=0) for each in decisions])
    if np.sqrt(shares * (1 - shares) / have).max(initial=0.0) <= precision.mcse:
        return have
    error = Z * np.sqrt(shares * (1 - shares) / have)
    towards = shares + np.clip(0.5 - shares, -error, error)
    needed = int(np.ceil((towards * (1 - towards)).max() / precision.mcse**2))
    return min(max(needed, have + 1), 10 * have, precision.most)


def reached(decisions: Sequence[np.ndarray]) -> float:
    """Largest Monte Carlo standard error among the shares of decisions."""
    largest = 0.0
    for each in decisions:
        share = np.asarray(each, float).mean(axis=0)
        largest = max(largest, float(np.sqrt(share * (1 - share) / len(each)).max(initial=0.0)))
    return largest
