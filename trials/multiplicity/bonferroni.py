"""Bonferroni's procedure, weighted or not."""

from dataclasses import dataclass

import numpy as np

from trials.checks import fields
from trials.multiplicity.base import Procedure, divided, shares, weights


@dataclass(frozen=True, slots=True)
class Bonferroni(Procedure):
    """Reject what is significant at its own share of alpha; controls the familywise error whatever the dependence."""

    weights: tuple[float, ...] = ()
    """Share of alpha of each hypothesis; none is equal shares."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "multiplicity", weights=weights)

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Return p over the hypothesis' share."""
        adjusted: np.ndarray = np.minimum(divided(p, shares(self.weights, p)), 1.0)
        return adjusted
