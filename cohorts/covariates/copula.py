"""Several covariates with margins of any kind and one correlation matrix: a Gaussian copula."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from cohorts.covariates.base import CovariateModel, Drawn, Values, Variable
from cohorts.covariates.margins import Margin, read_margin
from cohorts.covariates.scores import Rows, correlated, correlation_matrix
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node
from cohorts.specification.quantities import Array


@dataclass(frozen=True, slots=True)
class Copula(CovariateModel):
    """Margins joined by the correlation of their standard normal scores.

    Levels are cut from a score in their order, so two levels may go together with anything, more than two only if their
    order means something: for others take a regression or a table.

    Attributes
    ----------
    name
        The entry it was read from.
    margins
        One a covariate, in the order of `correlation`.
    correlation
        Of the scores; for levels that of the score they are cut from (polychoric).
    source
        Where it comes from.
    """

    name: str
    margins: tuple[Margin, ...]
    correlation: Rows
    source: str

    @property
    def variables(self) -> tuple[Variable, ...]:
        """One covariate a margin."""
        return tuple(m.variable for m in self.margins)

    @property
    def width(self) -> int:
        """One uniform number a margin."""
        return len(self.margins)

    def values(self, u: Array, drawn: Drawn) -> dict[str, Values]:  # noqa: ARG002 (it depends on nothing else)
        """Values at uniform numbers; `CovariateModel.values` says what the arguments are."""
        z = correlated(special.ndtri(u), self.correlation)
        return {m.variable.name: m.of(z[..., i]) for i, m in enumerate(self.margins)}

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping that `read` reads back to an equal model."""
        return {
            "model": "copula",
            "margins": {m.variable.name: m.to_dict() for m in self.margins},
            "correlation": [list(row) for row in self.correlation],
            "source": self.source,
        }


def read(name: str, node: Node, before: Mapping[str, Variable]) -> Copula:  # noqa: ARG001 (one call shape)
    """Read an entry with ``model: copula``; `cohorts.covariates.reading.read_model` says what the arguments are.

    Keys: ``margins``, for each covariate ``meaning``, ``unit`` and one of ``distribution``, ``quantiles``
    (``probabilities`` and ``values``) and ``levels``; ``correlation``, a matrix in their order, left out for
    independence; ``source``.
    """
    node.only("model", "margins", "correlation", "source")
    source = node.optional("source")
    margins = tuple(read_margin(n, source) for n in node.inner("margins").named())
    if not margins:
        raise PopulationError(f"{node.path('margins')}: missing; a copula has at least one")
    written = node.value.get("correlation", np.eye(len(margins)).tolist())
    rows = correlation_matrix(written, len(margins), node.path("correlation"))
    return Copula(name, margins, rows, source or margins[0].variable.source)
