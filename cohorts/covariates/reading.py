"""Covariate models from YAML: the table of kinds that ``model:`` may name."""

from collections.abc import Callable, Mapping

from cohorts.covariates import copula, derived, growth, regression, resampling
from cohorts.covariates.base import CovariateModel, Variable
from cohorts.specification.nodes import Node

Reader = Callable[[str, Node, Mapping[str, Variable]], CovariateModel]

KINDS: dict[str, Reader] = {
    "table": resampling.read,
    "copula": copula.read,
    "regression": regression.read,
    "growth": growth.read,
    "derived": derived.read,
}
"""What ``model:`` may say, and what reads the rest of the entry."""


def read_model(name: str, node: Node, before: Mapping[str, Variable]) -> CovariateModel:
    """Covariate model of an entry of ``covariates:`` that has a key ``model``.

    Parameters
    ----------
    name
        The entry's name.
    node
        What it says.
    before
        Covariates that stand before it, by name (`cohorts.covariates.base.variables` of each entry), which it may use.

    Raises
    ------
    PopulationError
        Naming the field, what it got and what it wanted.
    """
    return KINDS[node.choice("model", KINDS)](name, node, before)
