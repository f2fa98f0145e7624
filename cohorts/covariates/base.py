"""The socket of covariate models: what several covariates of a patient are, as a pure function of uniform numbers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from cohorts.covariates.given import Categorical, Covariate
from cohorts.specification.quantities import Array

Values = NDArray[Any]
Drawn = Mapping[str, Values]


@dataclass(frozen=True, slots=True)
class Variable:
    """One covariate that a model makes.

    Attributes
    ----------
    name, unit, meaning, source
        What it is and where its distribution comes from. The unit of one with levels is ``1``.
    levels
        Names of its levels, stored as whole numbers; empty for one on a scale.
    column
        Its name in a data file, when that differs from `name`.
    """

    name: str
    unit: str
    meaning: str
    source: str
    levels: tuple[str, ...] = ()
    column: str = ""

    def attributes(self) -> dict[str, Any]:
        """What a Dataset says of its variable."""
        levels = {"levels": list(self.levels)} if self.levels else {}
        return {"role": "covariate", "long_name": self.meaning, "units": self.unit, "source": self.source, **levels}


class CovariateModel(ABC):
    """Several covariates that are drawn together; members are frozen dataclasses, one file each.

    A member has a field ``name`` (the entry of ``covariates:`` it was read from) and is equal to what
    `cohorts.covariates.reading.read_model` makes of its `to_dict`.
    """

    __slots__ = ()

    name: str

    @property
    @abstractmethod
    def variables(self) -> tuple[Variable, ...]:
        """The covariates it makes, in the order in which they are drawn."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Uniform numbers it takes for one patient; 0 for what is computed from covariates drawn before."""

    @abstractmethod
    def values(self, u: Array, drawn: Drawn) -> dict[str, Values]:
        """Values by name, each of the shape of a row of `u`.

        Parameters
        ----------
        u
            Uniform numbers in (0, 1), shape (..., width). Nothing else decides what is drawn.
        drawn
            Covariates drawn before, each (...): numbers, or codes of levels.

        Raises
        ------
        PopulationError
            If a value cannot be: a covariate drawn before lies outside the range the model is for.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain mapping that reads back to an equal model; its ``model`` says which kind."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the covariates it makes."""
        return tuple(v.name for v in self.variables)

    def attributes(self) -> dict[str, dict[str, Any]]:
        """What a Dataset says of each covariate."""
        return {v.name: v.attributes() for v in self.variables}


def variables(covariate: Covariate | CovariateModel) -> tuple[Variable, ...]:
    """The covariates of an entry of ``covariates:``, of a single one too."""
    if isinstance(covariate, CovariateModel):
        return covariate.variables
    about = (covariate.meaning, covariate.source)
    if isinstance(covariate, Categorical):
        return (Variable(covariate.name, "1", *about, covariate.levels, covariate.column),)
    return (Variable(covariate.name, covariate.unit, *about, (), covariate.column),)


def width(covariate: Covariate | CovariateModel) -> int:
    """Uniform numbers an entry of ``covariates:`` takes for one patient."""
    return covariate.width if isinstance(covariate, CovariateModel) else 1


def values(covariate: Covariate | CovariateModel, u: Array, drawn: Drawn) -> dict[str, Values]:
    """Values by name of an entry of ``covariates:``; `u` has shape (..., width)."""
    if isinstance(covariate, CovariateModel):
        return covariate.values(u, drawn)
    return {covariate.name: covariate.values(u[..., 0], drawn)}


def draw_all(
    entries: tuple[Covariate | CovariateModel, ...], u: Array, drawn: Drawn | None = None
) -> dict[str, Values]:
    """Values of several entries, each given those before it.

    Parameters
    ----------
    entries
        In the order in which they are drawn.
    u
        Uniform numbers in (0, 1), shape (..., sum of the widths).
    drawn
        Covariates drawn before, which are not returned.
    """
    known = dict(drawn or {})
    made: dict[str, Values] = {}
    start = 0
    for entry in entries:
        stop = start + width(entry)
        new = values(entry, u[..., start:stop], known)
        made |= new
        known |= new
        start = stop
    return made
