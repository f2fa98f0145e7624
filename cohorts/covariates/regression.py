"""Covariates one after another, each by a regression on those before it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from cohorts.covariates.base import CovariateModel, Drawn, Values, Variable
from cohorts.covariates.margins import increasing
from cohorts.covariates.terms import Line, parse, predictor
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node, number
from cohorts.specification.quantities import Array

KINDS = ("linear", "loglinear")


@dataclass(frozen=True, slots=True)
class Measure:
    """A covariate on a scale: ``centre + spread * residual``, or the exponential of that.

    Attributes
    ----------
    variable
        The covariate.
    kind
        ``linear``, or ``loglinear`` where the logarithm is what the terms add up to.
    centre
        Terms of the mean.
    spread
        Terms of the logarithm of the residual's scale.
    probabilities, residuals
        Quantiles of the scaled residual, joined by straight lines; empty for a standard normal one.
    lower, upper
        Limits: outside them the distribution is cut off.
    """

    variable: Variable
    kind: str
    centre: Line
    spread: Line
    probabilities: tuple[float, ...] = ()
    residuals: tuple[float, ...] = ()
    lower: float = -math.inf
    upper: float = math.inf

    def of(self, u: Array, drawn: Drawn) -> Values:
        """Values at uniform numbers (any shape), given what was drawn before."""
        centre, spread = predictor(self.centre, drawn), np.exp(predictor(self.spread, drawn))
        if math.isfinite(self.lower) or math.isfinite(self.upper):
            below, above = (self._share((self._link(limit) - centre) / spread) for limit in (self.lower, self.upper))
            if (np.asarray(above - below) <= 0.0).any():
                raise PopulationError(
                    f"covariates.{self.variable.name}: for some patient no value lies between {self.lower:g} and "
                    f"{self.upper:g}; widen the limits, or limit what it depends on"
                )
            u = below + u * (above - below)
        made = centre + spread * self._residual(u)
        return np.asarray(np.exp(made) if self.kind == "loglinear" else made)

    def _link(self, limit: float) -> float:
        if self.kind == "linear":
            return limit
        return math.log(limit) if limit > 0.0 else -math.inf

    def _residual(self, u: Array) -> Array:
        if self.residuals:
            return np.asarray(np.interp(u, self.probabilities, self.residuals))
        return np.asarray(special.ndtri(u))

    def _share(self, residual: Array | float) -> Array:
        if self.residuals:
            return np.asarray(np.interp(residual, self.residuals, self.probabilities, left=0.0, right=1.0))
        return np.asarray(special.ndtr(residual))

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping that reads back to an equal step."""
        v = self.variable
        made: dict[str, Any] = {"unit": v.unit, "meaning": v.meaning, "kind": self.kind, "source": v.source}
        made |= {"centre": _written(self.centre), "spread": _written(self.spread)}
        if self.residuals:
            made["residual"] = {"probabilities": list(self.probabilities), "values": list(self.residuals)}
        limits = {"lower": self.lower, "upper": self.upper}
        return made | {k: x for k, x in limits.items() if math.isfinite(x)}


@dataclass(frozen=True, slots=True)
class Choice:
    """A covariate with levels: logistic regression for two, multinomial for more.

    Attributes
    ----------
    variable
        The covariate.
    odds
        For each level but the first: terms of the logarithm of its odds against the first.
    """

    variable: Variable
    odds: tuple[Line, ...]

    def of(self, u: Array, drawn: Drawn) -> Values:
        """Codes at uniform numbers (any shape), given what was drawn before."""
        scores = [np.zeros(np.shape(u)), *(np.broadcast_to(predictor(line, drawn), np.shape(u)) for line in self.odds)]
        top = np.maximum.reduce(scores)
        weights = [np.exp(s - top) for s in scores]
        total = np.sum(weights, axis=0)
        made = np.zeros(np.shape(u), dtype=np.int64)
        below = np.zeros(np.shape(u))
        for weight in weights[:-1]:
            below = below + weight
            made += u * total >= below
        return made

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping that reads back to an equal step."""
        v = self.variable
        levels = dict(zip(v.levels[1:], map(_written, self.odds), strict=True))
        return {"meaning": v.meaning, "levels": {v.levels[0]: {}, **levels}, "source": v.source}


Step = Measure | Choice


@dataclass(frozen=True, slots=True)
class Regression(CovariateModel):
    """Covariates in an order, each a regression on those before it, so that any joint distribution can be built up.

    Attributes
    ----------
    name
        The entry it was read from.
    steps
        One a covariate.
    """

    name: str
    steps: tuple[Step, ...]

    @property
    def variables(self) -> tuple[Variable, ...]:
        """One covariate a step."""
        return tuple(s.variable for s in self.steps)

    @property
    def width(self) -> int:
        """One uniform number a step."""
        return len(self.steps)

    def values(self, u: Array, drawn: Drawn) -> dict[str, Values]:
        """Values at uniform numbers; `CovariateModel.values` says what the arguments are."""
        known = dict(drawn)
        for i, step in enumerate(self.steps):
            found = step.of(u[..., i], known)
            known[step.variable.name] = np.array(np.broadcast_to(found, u.shape[:-1]))
        return {s.variable.name: known[s.variable.name] for s in self.steps}

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping that `read` reads back to an equal model."""
        return {"model": "regression", "steps": {s.variable.name: s.to_dict() for s in self.steps}}


def read(name: str, node: Node, before: Mapping[str, Variable]) -> Regression:
    """Read an entry with ``model: regression``; `cohorts.covariates.reading.read_model` says what the arguments are.

    Keys: ``steps``, in the order in which they are drawn; ``source``, of those that name none. A step on a scale has
    ``unit``, ``kind`` (linear or loglinear), ``centre`` and ``spread``, each a number or terms with coefficients (a
    number is the mean and the SD; terms of the spread add up to its logarithm), and if need be ``residual`` with
    ``probabilities`` and ``values``, ``lower`` and ``upper``. One with levels has ``levels``: terms of the log odds of
    each against the first, whose own are empty. Terms are as in `cohorts.covariates.terms`.
    """
    node.only("model", "steps", "source")
    known, steps = dict(before), []
    for inner in node.inner("steps").named():
        if inner.name in known:
            raise PopulationError(f"{inner.where}: is the name of a covariate that stands before it")
        step = _choice(inner, known, node) if "levels" in inner.value else _measure(inner, known, node)
        steps.append(step)
        known[inner.name] = step.variable
    if not steps:
        raise PopulationError(f"{node.path('steps')}: missing; a regression has at least one")
    return Regression(name, tuple(steps))


def _measure(node: Node, known: Mapping[str, Variable], around: Node) -> Measure:
    node.only("unit", "meaning", "kind", "centre", "spread", "residual", "lower", "upper", "source")
    source = node.text("source", around.optional("source") or None)
    kind = node.choice("kind", dict.fromkeys(KINDS, True))
    probabilities, residuals = _residual(node) if "residual" in node.value else ((), ())
    limits = [node.number(k) if k in node.value else end for k, end in (("lower", -math.inf), ("upper", math.inf))]
    if limits[0] >= limits[1]:
        raise PopulationError(f"{node.where}: got limits {limits[0]:g} and {limits[1]:g}, wanted lower < upper")
    return Measure(
        Variable(node.name, node.text("unit"), node.text("meaning"), source), kind, _line(node, "centre", known),
        _spread(node, known), probabilities, residuals, *limits,
    )  # fmt: skip


def _choice(node: Node, known: Mapping[str, Variable], around: Node) -> Choice:
    node.only("meaning", "levels", "source")
    source = node.text("source", around.optional("source") or None)
    levels = node.inner("levels")
    names = tuple(levels.value)
    if len(names) < 2 or levels.value[names[0]]:
        raise PopulationError(f"{levels.where}: got {list(names)}, wanted two or more levels, the first without terms")
    variable = Variable(node.name, "1", node.text("meaning"), source, names)
    return Choice(variable, tuple(_line(levels, level, known) for level in names[1:]))


def _line(node: Node, key: str, known: Mapping[str, Variable]) -> Line:
    written = node.need(key)
    terms = Node(node.path(key), written).value if isinstance(written, Mapping) else {"intercept": written}
    return tuple(
        (parse(text, known, f"{node.path(key)}.{text}"), number(value, f"{node.path(key)}.{text}"))
        for text, value in terms.items()
    )


def _spread(node: Node, known: Mapping[str, Variable]) -> Line:
    if isinstance(node.need("spread"), Mapping):
        return _line(node, "spread", known)
    sd = node.number("spread")
    if sd <= 0.0:
        raise PopulationError(f"{node.path('spread')}: got {sd!r}, wanted a number > 0")
    return ((parse("intercept", known, ""), math.log(sd)),)


def _residual(node: Node) -> tuple[tuple[float, ...], tuple[float, ...]]:
    inner = node.inner("residual").only("probabilities", "values")
    probabilities, values = (
        increasing(inner, "probabilities", strictly=True),
        increasing(inner, "values", strictly=True),
    )
    if len(probabilities) != len(values) or probabilities[0] != 0.0 or probabilities[-1] != 1.0:
        raise PopulationError(f"{inner.where}: wanted as many values as probabilities, and probabilities from 0 to 1")
    return probabilities, values


def _written(line: Line) -> dict[str, float]:
    return {term.text: coefficient for term, coefficient in line}
