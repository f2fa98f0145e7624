"""What a published baseline table says, as moments that a weighted cohort must have."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node, guess
from cohorts.specification.quantities import Array

Moments = Callable[[Array, Mapping[str, float]], Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """One row: a statistic of a baseline table as a moment that is 0 where it is met."""

    needs: tuple[str, ...]
    """Numbers that must be given."""
    moment: Moments
    """Values and numbers to a function of each patient whose weighted mean must be 0."""
    achieved: Callable[[Array, Array, Mapping[str, float]], float]
    """Values, weights (summing to 1) and numbers to the statistic itself."""


def _mean(x: Array, w: Array, _: Mapping[str, float]) -> float:
    return float(w @ x)


def _sd(x: Array, w: Array, _: Mapping[str, float]) -> float:
    return float(np.sqrt(w @ (x - w @ x) ** 2))


def _quantile(x: Array, w: Array, at: Mapping[str, float]) -> float:
    order = np.argsort(x, kind="stable")
    place = np.searchsorted(np.cumsum(w[order]), at["probability"] - 1e-12)
    return float(x[order[min(int(place), len(x) - 1)]])


KINDS: dict[str, Kind] = {
    "mean": Kind(("mean",), lambda x, v: x - v["mean"], _mean),
    "sd": Kind(("sd", "mean"), lambda x, v: (x - v["mean"]) ** 2 - v["sd"] ** 2, _sd),
    "geometric_mean": Kind(
        ("geometric_mean",),
        lambda x, v: np.log(x / v["geometric_mean"]),
        lambda x, w, _: float(np.exp(w @ np.log(x))),
    ),
    "quantile": Kind(("quantile", "probability"), lambda x, v: (x <= v["quantile"]) - v["probability"], _quantile),
    "share": Kind(("share",), lambda x, v: x - v["share"], _mean),
}


@dataclass(frozen=True, slots=True)
class Target:
    """One number of a baseline table.

    Attributes
    ----------
    covariate
        What it is about.
    kind
        Row of `KINDS`: ``mean``; ``sd`` (which needs the mean too); ``geometric_mean``; ``quantile`` (value and
        probability); ``share`` of a level.
    values
        The numbers it needs, by name.
    level
        Level whose share it is; empty otherwise.
    source
        Where it was published.
    """

    covariate: str
    kind: str
    values: tuple[tuple[str, float], ...]
    level: str
    source: str

    @property
    def label(self) -> str:
        """What it is called: covariate, level or probability, statistic."""
        named = dict(self.values)
        about = f" {self.level}" if self.level else f" {named['probability']:g}" if self.kind == "quantile" else ""
        return f"{self.covariate}{about} {self.kind}"

    @property
    def wanted(self) -> float:
        """The number published."""
        return dict(self.values)[self.kind]

    def moment(self, column: Array) -> Array:
        """Function of each patient whose weighted mean is 0 where the target is met; `column` (patient)."""
        return np.asarray(KINDS[self.kind].moment(column, dict(self.values)), dtype=np.float64)

    def achieved(self, column: Array, weights: Array) -> float:
        """The statistic of a weighted cohort; `column` and `weights` (patient), these summing to 1."""
        return KINDS[self.kind].achieved(column, weights, dict(self.values))

    def column(self, cohort: xr.Dataset) -> Array:
        """Values of its covariate, or 1 for patients of its level and 0 for others, one a patient.

        Raises
        ------
        PopulationError
            If the cohort has no such covariate or level, or a value has no logarithm where one is needed.
        """
        if self.covariate not in cohort:
            known = [str(n) for n in cohort.data_vars]
            raise PopulationError(f"targets.{self.covariate}: the cohort has none{guess(self.covariate, known)}")
        variable = cohort[self.covariate]
        values = np.asarray(variable.transpose(..., "subject").to_numpy(), dtype=np.float64).ravel()
        levels = [str(v) for v in variable.attrs.get("levels", ())]
        if bool(levels) != bool(self.level):
            wanted = f"the share of one of {levels}" if levels else "a mean, sd, geometric_mean or quantile"
            raise PopulationError(f"targets.{self.covariate}: got {self.kind}, wanted {wanted}")
        if levels:
            if self.level not in levels:
                raise PopulationError(f"targets.{self.covariate}: got level {self.level!r}, wanted one of {levels}")
            return np.asarray(values == levels.index(self.level), dtype=np.float64)
        if self.kind == "geometric_mean" and (values <= 0).any():
            raise PopulationError(f"targets.{self.covariate}: a value of {values.min():g} has no geometric mean")
        return values


def read_targets(written: Mapping[str, Any]) -> tuple[Target, ...]:
    """Targets from plain text.

    Parameters
    ----------
    written
        By covariate a mapping of ``mean``, ``sd``, ``geometric_mean``, ``quantiles`` (probability: value), ``shares``
        (level: share), and ``source``.

    Raises
    ------
    PopulationError
        Naming the field, what it got and what it wanted.
    """
    made = [target for node in Node("targets", written).named() for target in _of_covariate(node)]
    if not made:
        raise PopulationError("targets: got none, wanted a covariate with a mean, sd, quantiles or shares")
    return tuple(made)


def _of_covariate(node: Node) -> Sequence[Target]:
    node.only("mean", "sd", "geometric_mean", "quantiles", "shares", "source")
    source, numbers = (
        node.text("source"),
        {k: node.number(k) for k in ("mean", "sd", "geometric_mean") if k in node.value},
    )
    if "sd" in numbers and "mean" not in numbers:
        raise PopulationError(f"{node.path('sd')}: needs the mean beside it")
    for key in ("sd", "geometric_mean"):
        if numbers.get(key, 1.0) <= 0:
            raise PopulationError(f"{node.path(key)}: got {numbers[key]:g}, wanted a number > 0")
    made = [Target(node.name, kind, tuple((n, numbers[n]) for n in KINDS[kind].needs), "", source) for kind in numbers]
    quantiles, shares = node.inner("quantiles"), node.inner("shares")
    for key in quantiles.value:
        values = (("quantile", quantiles.number(key)), ("probability", _probability(quantiles.path(key), key)))
        made.append(Target(node.name, "quantile", values, "", source))
    for key in shares.value:
        share = _probability(shares.path(key), shares.number(key))
        made.append(Target(node.name, "share", (("share", share),), key, source))
    return made


def _probability(where: str, value: object) -> float:
    try:
        found = float(str(value))
    except ValueError:
        found = math.nan
    if not 0.0 < found < 1.0:
        raise PopulationError(f"{where}: got {value!r}, wanted a probability between 0 and 1")
    return found
