"""Fallback procedure: a fixed sequence in which later hypotheses keep a share of alpha of their own."""

from dataclasses import dataclass

import numpy as np

from trials.checks import fields
from trials.multiplicity.base import Procedure, shares, weights
from trials.multiplicity.graphical import Graphical


@dataclass(frozen=True, slots=True)
class Fallback(Procedure):
    """Each hypothesis in the order named is tested at its share plus what the one before, if rejected, was tested at.

    Wiens (2003), doi:10.1002/pst.64; the graph in which each hands its share to the next.
    """

    weights: tuple[float, ...] = ()
    """Share of alpha of each hypothesis; none is equal shares."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "multiplicity", weights=weights)

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Return adjusted p-values."""
        forward = tuple(map(tuple, np.eye(p.shape[-1], k=1).tolist()))
        return Graphical(tuple(shares(self.weights, p).tolist()), forward)(p)
