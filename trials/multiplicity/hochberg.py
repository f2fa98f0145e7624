"""Hochberg's step-up procedure."""

from dataclasses import dataclass

import numpy as np

from trials.multiplicity.base import Procedure


@dataclass(frozen=True, slots=True)
class Hochberg(Procedure):
    """Holm's levels from the largest p down (Hochberg 1988, doi:10.1093/biomet/75.4.800).

    Controls the familywise error of independent and of positively dependent tests.
    """

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Return adjusted p-values by stepping up from the largest."""
        order = np.argsort(-p, axis=-1, kind="stable")
        factor = np.arange(1, p.shape[-1] + 1)
        stepped = np.minimum.accumulate(np.take_along_axis(p, order, axis=-1) * factor, axis=-1)
        adjusted = np.empty(p.shape)
        np.put_along_axis(adjusted, order, np.minimum(stepped, 1.0), axis=-1)
        return adjusted
