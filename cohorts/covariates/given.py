"""What is known of a patient before the trial: weight, age, genotype."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohorts.specification.quantities import Array, Quantity, quantiles


@dataclass(frozen=True, slots=True)
class Measured:
    """A covariate on a scale, with one distribution or one for each level of another covariate.

    Attributes
    ----------
    name, unit, meaning, source
        What it is and where its distribution comes from.
    distributions
        One quantity, or one for each level of `given` in the order of its levels (all of one family).
    given
        Name of the categorical covariate it depends on; empty for none.
    levels
        Levels of `given`.
    column
        Its name in a data file, when that differs from `name`.
    """

    name: str
    unit: str
    meaning: str
    source: str
    distributions: tuple[Quantity, ...]
    given: str = ""
    levels: tuple[str, ...] = ()
    column: str = ""

    def values(self, u: Array, drawn: Mapping[str, NDArray[Any]]) -> Array:
        """Values at probabilities `u` (any shape), given the covariates drawn before."""
        which = drawn[self.given].astype(np.intp) if self.given else np.zeros(u.shape, dtype=np.intp)
        return quantiles(list(self.distributions), u, which)


@dataclass(frozen=True, slots=True)
class Categorical:
    """A covariate with named levels; stored as whole numbers, the index of the level.

    Attributes
    ----------
    name, meaning, source
        What it is and where its frequencies come from.
    levels, probabilities
        Names and frequencies, in one order.
    column
        Its name in a data file, when that differs from `name`.
    """

    name: str
    meaning: str
    source: str
    levels: tuple[str, ...]
    probabilities: tuple[float, ...]
    column: str = ""

    def values(self, u: Array, drawn: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:  # noqa: ARG002 (one call shape)
        """Codes at probabilities `u` (any shape)."""
        edges = np.cumsum(self.probabilities)[:-1]
        return np.searchsorted(edges, u, side="right").astype(np.int64)


Covariate = Measured | Categorical


def attributes(covariate: Covariate) -> dict[str, Any]:
    """What a Dataset says of a covariate's variable."""
    common = {"role": "covariate", "long_name": covariate.meaning}
    if isinstance(covariate, Categorical):
        return {**common, "units": "1", "levels": list(covariate.levels)}
    return {**common, "units": covariate.unit}
