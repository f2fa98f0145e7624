"""Classes that nobody observes, among the unknowns of a twin: each population draw once in every class."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cohorts.specification.population import Population
from cohorts.specification.quantities import Array

Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """Rows of a problem: row ``c * draws + r`` is population draw r in class c. Without a mixture there is one class.

    Attributes
    ----------
    draws
        Number of draws of the population-level values.
    codes
        Code of each class by mixture, (class).
    log_share
        Logarithm of the share of a class among all patients in each draw, (row).
    """

    draws: int
    codes: Mapping[str, NDArray[np.int64]]
    log_share: Array

    @property
    def count(self) -> int:
        """Number of classes."""
        return len(self.log_share) // self.draws

    def of(self, row: Index) -> Index:
        """Class of each row."""
        return row // self.draws

    def draw(self, row: Index) -> Index:
        """Population draw of each row."""
        return row % self.draws

    def covariates(self, row: Index) -> dict[str, NDArray[np.int64]]:
        """Classes as effects take them, the code of each row by mixture."""
        return {n: codes[self.of(row)] for n, codes in self.codes.items()}


def classes_of(population: Population, values: Mapping[str, Array]) -> Classes:
    """Classes of a population whose values are given, (draw) or (draw, level); of several mixtures all combinations."""
    draws = len(next(iter(values.values())))
    if not population.mixtures:
        return Classes(draws, {}, np.zeros(draws))
    each = [np.stack(np.broadcast_arrays(*m.shares(tuple(values[n] for n in m.names)))) for m in population.mixtures]
    places = np.array(list(product(*(range(len(share)) for share in each))), dtype=np.int64)
    with np.errstate(divide="ignore"):
        logs = [np.log(share[places[:, i]]) for i, share in enumerate(each)]
    whole = np.broadcast_to(sum(logs), (len(places), draws))
    return Classes(draws, {m.name: places[:, i] for i, m in enumerate(population.mixtures)}, whole.ravel())
