"""Hommel's procedure: closed testing with Simes' test."""

from dataclasses import dataclass

import numpy as np

from trials.multiplicity.base import Procedure


@dataclass(frozen=True, slots=True)
class Hommel(Procedure):
    """Every intersection is tested by Simes (Hommel 1988, doi:10.1093/biomet/75.2.383): never behind Hochberg's.

    Controls the familywise error of independent and of positively dependent tests.
    """

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Return adjusted p-values.

        The intersection of a hypothesis with m - 1 others is least significant by Simes with the m - 1 largest others,
        so closed testing needs one such intersection of each size (Wright 1992, doi:10.2307/2532694).
        """
        count = p.shape[-1]
        order = np.argsort(p, axis=-1, kind="stable")
        ordered = np.take_along_axis(p, order, axis=-1)
        adjusted = ordered.copy()
        for size in range(2, count + 1):
            tail = ordered[..., count - size :]
            simes = (size * tail / np.arange(1, size + 1)).min(axis=-1, keepdims=True)
            # a hypothesis in front of the tail stands in it for the tail's first
            others = size * tail[..., 1:] / np.arange(2, size + 1)
            joined = np.minimum(size * ordered[..., : count - size], others.min(axis=-1, keepdims=True))
            adjusted[..., count - size :] = np.maximum(adjusted[..., count - size :], simes)
            adjusted[..., : count - size] = np.maximum(adjusted[..., : count - size], joined)
        found = np.empty(p.shape)
        np.put_along_axis(found, order, np.minimum(adjusted, 1.0), axis=-1)
        return found
