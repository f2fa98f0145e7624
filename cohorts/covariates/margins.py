"""One covariate on its own, as a function of a standard normal score: the margins of a copula."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from cohorts.covariates.base import Values, Variable
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node, quantity
from cohorts.specification.quantities import Array, Quantity


@dataclass(frozen=True, slots=True)
class Smooth:
    """A family of distributions: normal, lognormal, gamma ...

    Attributes
    ----------
    variable
        The covariate.
    distribution
        Its distribution, with its limits.
    """

    variable: Variable
    distribution: Quantity

    def of(self, z: Array) -> Values:
        """Values at standard normal scores (any shape)."""
        whole = self.distribution.lower is None and self.distribution.upper is None
        if whole and self.distribution.family in {"normal", "lognormal"}:
            at = self.distribution.named
            if self.distribution.family == "normal":
                return np.asarray(at["mean"] + at["sd"] * z)
            return np.asarray(at["median"] * np.exp(np.sqrt(np.log1p(at["cv"] ** 2)) * z))
        return self.distribution.quantile(special.ndtr(z))

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping that reads back to an equal margin."""
        v, value = self.variable, self.distribution.to_value()
        return {"unit": v.unit, "meaning": v.meaning, "distribution": value, "source": v.source}


@dataclass(frozen=True, slots=True)
class Empirical:
    """Quantiles of a table, joined by straight lines.

    Attributes
    ----------
    variable
        The covariate.
    probabilities, quantiles
        From 0 to 1, and the value below which that share of people lies: both increasing.
    """

    variable: Variable
    probabilities: tuple[float, ...]
    quantiles: tuple[float, ...]

    def of(self, z: Array) -> Values:
        """Values at standard normal scores (any shape)."""
        return np.asarray(np.interp(special.ndtr(z), self.probabilities, self.quantiles))

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping that reads back to an equal margin."""
        v = self.variable
        pairs = {"probabilities": list(self.probabilities), "values": list(self.quantiles)}
        return {"unit": v.unit, "meaning": v.meaning, "quantiles": pairs, "source": v.source}


@dataclass(frozen=True, slots=True)
class Graded:
    """Levels in an order: the score falls between cuts.

    Attributes
    ----------
    variable
        The covariate.
    probabilities
        Frequencies of its levels, in their order.
    """

    variable: Variable
    probabilities: tuple[float, ...]

    @property
    def cuts(self) -> Array:
        """Scores that part the levels."""
        return np.asarray(special.ndtri(np.clip(np.cumsum(self.probabilities)[:-1], 0.0, 1.0)))

    def of(self, z: Array) -> Values:
        """Codes at standard normal scores (any shape)."""
        return np.searchsorted(self.cuts, z, side="right").astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping that reads back to an equal margin."""
        v = self.variable
        return {
            "meaning": v.meaning,
            "levels": dict(zip(v.levels, self.probabilities, strict=True)),
            "source": v.source,
        }


Margin = Smooth | Empirical | Graded


def read_margin(node: Node, source: str) -> Margin:
    """Read a margin: ``levels``, ``quantiles`` (probabilities and values) or ``distribution``.

    Parameters
    ----------
    node
        What is written of it.
    source
        Its source where it names none.

    Raises
    ------
    PopulationError
        Naming the field, what it got and what it wanted.
    """
    node.only("unit", "meaning", "levels", "quantiles", "distribution", "source")
    kinds = [k for k in ("levels", "quantiles", "distribution") if k in node.value]
    if len(kinds) != 1:
        raise PopulationError(f"{node.where}: got {kinds}, wanted one of levels, quantiles and distribution")
    source = node.text("source", source or None)
    if kinds == ["levels"]:
        levels, frequencies = read_frequencies(node.inner("levels"))
        return Graded(Variable(node.name, "1", node.text("meaning"), source, levels), frequencies)
    variable = Variable(node.name, node.text("unit"), node.text("meaning"), source)
    if kinds == ["quantiles"]:
        return Empirical(variable, *_knots(node.inner("quantiles")))
    made = quantity(node, "distribution", source, (-np.inf, np.inf))
    return Smooth(variable, Quantity(made.family, made.values, source, made.lower, made.upper))


def read_frequencies(levels: Node) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Levels and their frequencies.

    Raises
    ------
    PopulationError
        If one is not a probability, or they do not add up to 1.
    """
    frequencies = tuple(levels.number(k) for k in levels.value)
    for key, p in zip(levels.value, frequencies, strict=True):
        if not 0.0 <= p <= 1.0:
            raise PopulationError(f"{levels.path(key)}: got {p!r}, wanted a probability from 0 to 1")
    if len(frequencies) < 2 or abs(sum(frequencies) - 1.0) > 1e-9:
        raise PopulationError(
            f"{levels.where}: {len(frequencies)} probabilities sum to {sum(frequencies):.10g}, wanted 1"
        )
    return tuple(levels.value), frequencies


def increasing(node: Node, key: str, *, strictly: bool) -> tuple[float, ...]:
    """A list of numbers, each not below (or above, if `strictly`) the one before.

    Raises
    ------
    PopulationError
        If it is not one of two or more.
    """
    written = node.need(key)
    try:
        found = np.array(written, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    steps = np.diff(found) if found.ndim == 1 else np.empty(0)
    if (
        found.ndim != 1
        or len(found) < 2
        or not np.isfinite(found).all()
        or (steps < 0).any()
        or (strictly and (steps == 0).any())
    ):
        raise PopulationError(f"{node.path(key)}: got {written!r}, wanted two or more increasing numbers")
    return tuple(found.tolist())


def _knots(node: Node) -> tuple[tuple[float, ...], tuple[float, ...]]:
    node.only("probabilities", "values")
    probabilities = increasing(node, "probabilities", strictly=True)
    values = increasing(node, "values", strictly=False)
    if len(probabilities) != len(values) or probabilities[0] != 0.0 or probabilities[-1] != 1.0:
        raise PopulationError(
            f"{node.where}: got {len(values)} values at {len(probabilities)} probabilities from {probabilities[0]:g} "
            f"to {probabilities[-1]:g}, wanted as many, from 0 to 1"
        )
    return probabilities, values
