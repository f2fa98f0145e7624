"""Covariate models from YAML: the table of kinds that ``model:`` may name."""

from collections.abc import Callable, Mapping

from cohorts.covariates import copula, derived, genotype, growth, regression, resampling
from cohorts.covariates.base import CovariateModel, Variable
from cohorts.covariates.group import Group, entries
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node

Reader = Callable[[str, Node, Mapping[str, Variable]], CovariateModel]


def _group(name: str, node: Node, before: Mapping[str, Variable]) -> Group:
    known, members = dict(before), []
    for inner in entries(node).named():
        member = read_model(inner.name, inner, known)
        if twice := set(member.names) & set(known):
            raise PopulationError(f"{inner.where}: makes {min(twice)!r}, which stands before it")
        members.append(member)
        known |= {v.name: v for v in member.variables}
    if not members:
        raise PopulationError(f"{node.where}: a group has at least one model")
    return Group(name, tuple(members))


KINDS: dict[str, Reader] = {
    "table": resampling.read,
    "copula": copula.read,
    "regression": regression.read,
    "growth": growth.read,
    "genotype": genotype.read,
    "derived": derived.read,
    "group": _group,
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
