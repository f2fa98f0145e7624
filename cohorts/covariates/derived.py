"""A covariate that follows from others by a published equation: eGFR, creatinine clearance, BSA, lean mass ..."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cohorts.covariates.base import CovariateModel, Drawn, Values, Variable
from cohorts.covariates.equations.catalogue import EQUATIONS, FACTORS, SUBJECTS, Equation, factor
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node, guess
from cohorts.specification.quantities import Array

_SEXES = {"female": True, "f": True, "woman": True, "male": False, "m": False, "man": False}


@dataclass(frozen=True, slots=True)
class Derived(CovariateModel):
    """A covariate computed from covariates drawn before.

    Attributes
    ----------
    name
        What it is called.
    equation
        Row of `cohorts.covariates.equations.catalogue.EQUATIONS`.
    inputs
        For each argument on a scale: its name, the covariate, and the factor to the unit of the equation.
    flags
        For each true-or-false argument: its name, the covariate, and what each level of it says.
    meaning, source
        For people; the equation's own where they are not written.
    black
        Levels of the covariate race that the coefficient of race applies to; empty where it is not used.
    """

    name: str
    equation: str
    inputs: tuple[tuple[str, str, float], ...]
    flags: tuple[tuple[str, str, tuple[bool, ...]], ...]
    meaning: str
    source: str
    black: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The one covariate it makes."""
        row = EQUATIONS[self.equation]
        return (Variable(self.name, row.unit, self.meaning, self.source, row.levels),)

    @property
    def width(self) -> int:
        """Nothing of it is random."""
        return 0

    def values(self, u: Array, drawn: Drawn) -> dict[str, Values]:  # noqa: ARG002 (one call shape)
        """Values by the equation; `CovariateModel.values` says what the arguments are."""
        row = EQUATIONS[self.equation]
        given: dict[str, Any] = {}
        for argument, covariate, scale in self.inputs:
            given[argument] = np.asarray(drawn[covariate], dtype=np.float64) * scale
            self._within(row, argument, covariate, given[argument])
        for argument, covariate, says in self.flags:
            given[argument] = np.array(says)[drawn[covariate].astype(np.intp)]
        return {self.name: row.function(**given)}

    def _within(self, row: Equation, argument: str, covariate: str, seen: Array) -> None:
        low, high = row.ranges.get(argument, (-np.inf, np.inf))
        if seen.size and (seen.min() < low or seen.max() > high):
            raise PopulationError(
                f"covariates.{self.name}: got {covariate} from {seen.min():g} to {seen.max():g} "
                f"{row.numbers[argument]}, wanted {low:g} to {high:g}: {self.equation} is not made for others; "
                f"limit {covariate} where it is drawn (where: of a table, lower: and upper: of a distribution)"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping that `read` reads back to an equal covariate."""
        inputs = {a: c for a, c, _ in self.inputs} | {SUBJECTS[a]: c for a, c, _ in self.flags}
        made: dict[str, Any] = {"model": "derived", "equation": self.equation, "inputs": inputs}
        if self.black:
            made["black"] = list(self.black)
        return {**made, "meaning": self.meaning, "source": self.source}


def read(name: str, node: Node, before: Mapping[str, Variable]) -> Derived:
    """Read an entry with ``model: derived``; `cohorts.covariates.reading.read_model` says what the arguments are.

    Keys: ``equation``; ``inputs``, the covariate of each argument where it is not called like the argument; ``black``,
    the levels of the covariate race that the coefficient of race of MDRD and CKD-EPI 2009 applies to (left out, that
    coefficient is not used); ``meaning``; ``source``.
    """
    node.only("model", "equation", "inputs", "black", "meaning", "source")
    equation = node.choice("equation", EQUATIONS)
    row = EQUATIONS[equation]
    flags = tuple(f for f in row.flags if f != "black" or "black" in node.value)
    if "black" in node.value and "black" not in row.flags:
        raise PopulationError(f"{node.path('black')}: {equation} has no coefficient of race")
    inputs = node.inner("inputs").only(*row.numbers, *(SUBJECTS[f] for f in flags))
    return Derived(
        name,
        equation,
        tuple(_number(inputs, a, unit, before) for a, unit in row.numbers.items()),
        tuple(flag(inputs, f, before, _listed(node)) for f in flags),
        node.text("meaning", row.meaning),
        node.text("source", row.citation),
        _listed(node),
    )


def _found(inputs: Node, argument: str, before: Mapping[str, Variable]) -> Variable:
    covariate = inputs.text(argument, argument)
    if covariate not in before:
        known = list(before)
        raise PopulationError(
            f"{inputs.path(argument)}: got {covariate!r}, wanted a covariate that stands before it: {known}"
            f"{guess(covariate, known)}"
        )
    return before[covariate]


def _number(inputs: Node, argument: str, unit: str, before: Mapping[str, Variable]) -> tuple[str, str, float]:
    found = _found(inputs, argument, before)
    scale = None if found.levels else factor(found.unit, unit)
    if scale is None:
        same = next((list(kind) for kind in FACTORS.values() if unit in kind), [unit])
        got = "levels" if found.levels else found.unit
        raise PopulationError(f"{inputs.path(argument)}: {found.name} has {got}, wanted one of the units {same}")
    return argument, found.name, scale


def flag(
    inputs: Node, argument: str, before: Mapping[str, Variable], listed: tuple[str, ...] = ()
) -> tuple[str, str, tuple[bool, ...]]:
    """True-or-false argument read from a covariate with levels: its name, the covariate, what each level of it says.

    Parameters
    ----------
    inputs
        Names the covariate under ``sex`` or ``race``, where it is not called so.
    argument
        ``female`` or ``black``.
    before
        Covariates that stand before.
    listed
        Levels that make ``black`` true.

    Raises
    ------
    PopulationError
        If there is no such covariate, or a level of it means nothing.
    """
    found = _found(inputs, SUBJECTS[argument], before)
    where = inputs.path(SUBJECTS[argument])
    if not found.levels:
        raise PopulationError(f"{where}: {found.name} is on a scale, wanted a covariate with levels")
    if argument == "female":
        odd = [level for level in found.levels if level.lower() not in _SEXES]
        if odd:
            raise PopulationError(f"{where}: got level {odd[0]!r} of {found.name}, wanted levels among {list(_SEXES)}")
        return argument, found.name, tuple(_SEXES[level.lower()] for level in found.levels)
    for level in listed:
        if level not in found.levels:
            raise PopulationError(f"{where}: got black {level!r}, wanted levels among {list(found.levels)}")
    return argument, found.name, tuple(level in listed for level in found.levels)


def _listed(node: Node) -> tuple[str, ...]:
    written = node.value.get("black", ())
    return tuple(str(w) for w in (written if isinstance(written, list | tuple) else [written]))
