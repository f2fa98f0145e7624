"""Several covariate models under one name: a special population that other populations take whole."""

from dataclasses import dataclass
from typing import Any

from cohorts.covariates import shelf
from cohorts.covariates.base import CovariateModel, Drawn, Values, Variable, draw_all
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node
from cohorts.specification.quantities import Array


@dataclass(frozen=True, slots=True)
class Group(CovariateModel):
    """Covariate models drawn one after another, each given those before it.

    Attributes
    ----------
    name
        The entry it was read from.
    members
        In the order in which they are drawn.
    """

    name: str
    members: tuple[CovariateModel, ...]

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The covariates of all members."""
        return tuple(v for m in self.members for v in m.variables)

    @property
    def width(self) -> int:
        """The uniform numbers of all members."""
        return sum(m.width for m in self.members)

    def values(self, u: Array, drawn: Drawn) -> dict[str, Values]:
        """Values of all members; `CovariateModel.values` says what the arguments are."""
        return draw_all(self.members, u, drawn)

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping that reads back to an equal group, what it took from elsewhere written out."""
        return {"model": "group", "covariates": {m.name: m.to_dict() for m in self.members}}


def entries(node: Node) -> Node:
    """The models of a group: written under ``covariates``, or in a file that ``use`` names.

    Raises
    ------
    PopulationError
        If there is neither or both, or no such file.
    """
    node.only("model", "use", "covariates")
    if ("use" in node.value) == ("covariates" in node.value):
        raise PopulationError(f"{node.where}: wanted either use, the name of a file in conf/covariates, or covariates")
    if "covariates" in node.value:
        return node.inner("covariates")
    path = shelf.find("covariates", node.text("use"), node.path("use"))
    return shelf.read(path).only("name", "title", "reference", "covariates").inner("covariates")


def groups() -> list[str]:
    """Names of the special populations that come with the project."""
    return shelf.shipped("covariates")
