"""Fixed-sequence (hierarchical) procedure."""

from dataclasses import dataclass

import numpy as np

from trials.multiplicity.base import Procedure


@dataclass(frozen=True, slots=True)
class FixedSequence(Procedure):
    """Test one hypothesis after the other at the whole alpha, in the order in which they were named, up to a failure.

    Maurer, Hothorn & Lehmacher (1995); controls the familywise error whatever the dependence.
    """

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Return the largest p-value up to each hypothesis."""
        adjusted: np.ndarray = np.maximum.accumulate(p, axis=-1)
        return adjusted
