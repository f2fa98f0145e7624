"""Terms of a regression on covariates, written as text: ``age``, ``log(height)``, ``age>50``, ``sex[male]:age``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cohorts.covariates.base import Drawn, Variable
from cohorts.errors import PopulationError
from cohorts.specification.nodes import guess
from cohorts.specification.quantities import Array

INTERCEPT = "intercept"
_FACTOR = re.compile(
    r"log\((?P<log>[^()\[\]]+)\)|(?P<level>[^()\[\]]+)\[(?P<which>[^\[\]]+)\]|(?P<hinge>[^()\[\]>]+)>(?P<knot>[^>]+)|"
    r"(?P<plain>[^()\[\]>]+)"
)


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor of a term.

    Attributes
    ----------
    kind
        ``plain``; ``log``, the natural logarithm; ``level``, 1 where the covariate has that level, else 0; ``hinge``,
        what it is above a knot, else 0: a piece of a linear spline.
    covariate
        What it is of.
    at
        Code of the level, or the knot.
    """

    kind: str
    covariate: str
    at: float = 0.0

    def of(self, drawn: Drawn) -> Array:
        """Its value for each patient."""
        seen = np.asarray(drawn[self.covariate], dtype=np.float64)
        if self.kind == "log":
            return np.asarray(np.log(seen))
        if self.kind == "level":
            return np.asarray(seen == self.at, dtype=np.float64)
        return np.maximum(seen - self.at, 0.0) if self.kind == "hinge" else seen


@dataclass(frozen=True, slots=True)
class Term:
    """A product of factors, and how it is written; without factors the intercept."""

    text: str
    factors: tuple[Factor, ...]

    def of(self, drawn: Drawn) -> Array | float:
        """Its value for each patient."""
        made: Array | float = 1.0
        for i, one in enumerate(self.factors):
            made = made * one.of(drawn) if i else one.of(drawn)
        return made


Line = tuple[tuple[Term, float], ...]
"""Terms with their coefficients."""


def predictor(line: Line, drawn: Drawn) -> Array | float:
    """Sum of coefficients times terms, for each patient."""
    made: Array | float = 0.0
    for term, coefficient in line:
        made = made + coefficient * term.of(drawn)
    return made


def parse(text: str, known: Mapping[str, Variable], where: str) -> Term:
    """Term that a text means.

    Raises
    ------
    PopulationError
        If it is not a term, or of a covariate that does not stand before.
    """
    if text == INTERCEPT:
        return Term(text, ())
    return Term(text, tuple(_factor(part, known, where) for part in _parts(text)))


def _parts(text: str) -> list[str]:
    """Parts at colons, but for those inside the brackets of a level."""
    return re.split(r":(?![^\[]*\])", text)


def _factor(text: str, known: Mapping[str, Variable], where: str) -> Factor:
    found = _FACTOR.fullmatch(text.strip())
    kind = next((k for k in ("log", "level", "hinge", "plain") if found and found[k]), "")
    if found is None or not kind:
        raise PopulationError(
            f"{where}: got {text!r}, wanted a term such as age, log(age), age>50, sex[male], sex[male]:age"
        )
    name = found[kind].strip()
    if name not in known:
        raise PopulationError(
            f"{where}: {name!r} is no covariate that stands before; those are {list(known)}{guess(name, list(known))}"
        )
    return Factor(kind, name, _at(found, kind, known[name], where))


def _at(found: re.Match[str], kind: str, variable: Variable, where: str) -> float:
    if kind == "level":
        if found["which"] not in variable.levels:
            raise PopulationError(f"{where}: got {found['which']!r}, wanted a level among {list(variable.levels)}")
        return float(variable.levels.index(found["which"]))
    if variable.levels:
        raise PopulationError(f"{where}: {variable.name} has levels; write {variable.name}[{variable.levels[-1]}]")
    if kind != "hinge":
        return 0.0
    try:
        return float(found["knot"])
    except ValueError:
        raise PopulationError(f"{where}: got the knot {found['knot']!r}, wanted a number") from None
