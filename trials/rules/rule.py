"""What a decision rule is: conditions on the outcomes of analyses, joined by all or any."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from trials.checks import refuse
from trials.errors import TrialError
from trials.making import known, near, number, text


class Node(ABC):
    """A statement about each simulated trial."""

    __slots__ = ()

    @abstractmethod
    def holds(self, outcomes: xr.Dataset) -> np.ndarray:
        """Whether it holds: bool (scenario, replicate), from outcomes (scenario, replicate, analysis).

        Raises
        ------
        TrialError
            When an analysis or a variable is not among the outcomes.
        """

    @property
    @abstractmethod
    def analyses(self) -> tuple[str, ...]:
        """Analyses that it speaks of."""

    @abstractmethod
    def null(self, nulls: Mapping[str, np.ndarray]) -> np.ndarray:
        """Whether success would be an error: bool (scenario,), from whether each analysis' null hypothesis is true."""


@dataclass(frozen=True, slots=True)
class Condition(Node):
    """One number of one analysis lies above, or below, a threshold; that of a failed replicate does not."""

    analysis: str
    variable: str = "decision"
    above: float = -math.inf
    below: float = math.inf

    def __post_init__(self) -> None:
        """Refuse a condition that always or never holds; a decision is asked for as it is."""
        if self.variable == "decision" and (self.above, self.below) == (-math.inf, math.inf):
            object.__setattr__(self, "above", 0.5)
        if (self.above, self.below) == (-math.inf, math.inf) or not self.above < self.below:
            raise refuse(
                "rule", {"above": self.above, "below": self.below}, "`above`, `below`, or above less than below"
            )

    def holds(self, outcomes: xr.Dataset) -> np.ndarray:
        """Compare strictly; NaN is neither above nor below."""
        values = column(outcomes, self.analysis, self.variable)
        failed = column(outcomes, self.analysis, "failed") > 0
        return (values > self.above) & (values < self.below) & ~failed

    @property
    def analyses(self) -> tuple[str, ...]:
        """The one it is about."""
        return (self.analysis,)

    def null(self, nulls: Mapping[str, np.ndarray]) -> np.ndarray:
        """As the scenario says of the analysis."""
        return np.asarray(nulls[self.analysis], dtype=bool)


@dataclass(frozen=True, slots=True)
class AllOf(Node):
    """All of the statements hold: co-primary endpoints, an intersection-union test."""

    parts: tuple[Node, ...]

    def holds(self, outcomes: xr.Dataset) -> np.ndarray:
        """Every part holds."""
        every: np.ndarray = np.logical_and.reduce([part.holds(outcomes) for part in self.parts])
        return every

    @property
    def analyses(self) -> tuple[str, ...]:
        """Those of the parts."""
        return tuple(name for part in self.parts for name in part.analyses)

    def null(self, nulls: Mapping[str, np.ndarray]) -> np.ndarray:
        """Success of all is an error as soon as one null hypothesis is true."""
        some: np.ndarray = np.logical_or.reduce([part.null(nulls) for part in self.parts])
        return some


@dataclass(frozen=True, slots=True)
class AnyOf(Node):
    """At least one of the statements holds: alternative endpoints, a union-intersection test."""

    parts: tuple[Node, ...]

    def holds(self, outcomes: xr.Dataset) -> np.ndarray:
        """Some part holds."""
        some: np.ndarray = np.logical_or.reduce([part.holds(outcomes) for part in self.parts])
        return some

    @property
    def analyses(self) -> tuple[str, ...]:
        """Those of the parts."""
        return tuple(name for part in self.parts for name in part.analyses)

    def null(self, nulls: Mapping[str, np.ndarray]) -> np.ndarray:
        """Success of any is surely an error when every null hypothesis is true."""
        every: np.ndarray = np.logical_and.reduce([part.null(nulls) for part in self.parts])
        return every


@dataclass(frozen=True, slots=True)
class Rule:
    """A named statement that makes a trial a success."""

    name: str
    node: Node


JOINS = {"all": AllOf, "any": AnyOf}


def read_rules(spec: Mapping[str, Any], where: str = "rules") -> tuple[Rule, ...]:
    """Read rules as a trial's ``rules:`` holds them, by name.

    A rule is a condition ``{analysis, variable, above, below}`` (the analysis alone asks for its decision), or
    ``{all: [...]}`` or ``{any: [...]}`` of such, to any depth.

    Raises
    ------
    TrialError
        Naming the field that is unknown, missing or wrong.
    """
    if not isinstance(spec, Mapping):
        raise TrialError(f"{where}: wants a mapping of rules by name, got {spec!r}")
    return tuple(Rule(str(name), _node(f"{where}.{name}", each)) for name, each in spec.items())


def _node(where: str, spec: Any) -> Node:
    if not isinstance(spec, Mapping):
        raise TrialError(f"{where}: wants {{analysis: …}}, {{all: […]}} or {{any: […]}}, got {spec!r}")
    for word, kind in JOINS.items():
        if word in spec:
            known(where, spec, (word,))
            parts = spec[word]
            if not isinstance(parts, list | tuple) or not parts:
                raise TrialError(f"{where}.{word}: wants a list of conditions, got {parts!r}")
            return kind(tuple(_node(f"{where}.{word}[{index}]", each) for index, each in enumerate(parts)))
    known(where, spec, ("analysis", "variable", "above", "below"))
    bounds = {key: number(f"{where}.{key}", spec[key]) for key in ("above", "below") if spec.get(key) is not None}
    try:
        return Condition(text(spec, "analysis", where), str(spec.get("variable", "decision")), **bounds)
    except TrialError as error:
        raise TrialError(str(error).replace("rule:", f"{where}:", 1)) from None


def column(outcomes: xr.Dataset, analysis: str, variable: str) -> np.ndarray:
    """Values of one variable of one analysis: float (scenario, replicate).

    Raises
    ------
    TrialError
        When there is none, saying what there is.
    """
    names = [str(name) for name in outcomes["analysis"].values]
    if analysis not in names:
        raise TrialError(f"rule.analysis: got {analysis!r}, wants one of {', '.join(names)}{near(analysis, names)}")
    if variable not in outcomes.data_vars:
        variables = ", ".join(map(str, outcomes.data_vars))
        raise TrialError(f"rule.variable: got {variable!r}, wants one of {variables}{near(variable, outcomes)}")
    values = outcomes[variable].sel(analysis=analysis).transpose("scenario", "replicate")
    return np.asarray(values.values, dtype=float)
