"""Holm's step-down procedure, weighted or not."""

from dataclasses import dataclass

import numpy as np

from trials.checks import fields
from trials.multiplicity.base import Procedure, divided, shares, weights


@dataclass(frozen=True, slots=True)
class Holm(Procedure):
    """Bonferroni's procedure with the alpha of what is rejected handed on (Holm 1979, doi:10.2307/4615733).

    Controls the familywise error whatever the dependence. Weighted, a share is handed on in proportion to the weights.
    """

    weights: tuple[float, ...] = ()
    """Share of alpha of each hypothesis; none is equal shares. What they leave of 1 is not spent."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "multiplicity", weights=weights)

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Return adjusted p-values by stepping down from the smallest p over share."""
        share = shares(self.weights, p)
        order = np.argsort(divided(p, share), axis=-1, kind="stable")
        ordered, weight = np.take_along_axis(p, order, axis=-1), share[order]
        left = np.cumsum(weight[..., ::-1], axis=-1)[..., ::-1]  # of the hypotheses not yet rejected
        handed = np.where(weight > 0, left, 1.0) / share.sum()
        stepped = np.maximum.accumulate(divided(ordered, weight) * handed, axis=-1)
        adjusted = np.empty(p.shape)
        np.put_along_axis(adjusted, order, np.minimum(stepped, 1.0), axis=-1)
        return adjusted
