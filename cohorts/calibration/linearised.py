"""The fit at one point: each person at the mean of their random effects, and the equations made linear about it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cohorts.calibration.data import IndividualData
from cohorts.calibration.people import PLACES, Predictor, changing, fixed_values, same_people, sharing, told_apart
from cohorts.calibration.rows import Measurements
from cohorts.specification.individuals import correlated, spreads
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array
from cohorts.specification.residuals import Residual

STEP = 1e-3
"""Half the distance of a central difference in a standard normal random effect; its error is of the order STEP^2."""


def individual_fit(
    population: Population,
    data: IndividualData,
    measured: tuple[Measurements, ...],
    function: Predictor,
    posterior: xr.Dataset,
) -> xr.Dataset:
    """Predictions, residual spread and random effects at the posterior means, and what CWRES needs.

    A person's conditional mean stands where NONMEM's EM and BAYES methods have it; population-level values are their
    posterior means, sites and studies are at theirs, and the class of a mixture is the one most draws give a person.

    Parameters
    ----------
    population, data, measured
        What was fitted to what.
    function
        Individual parameters (draw, subject[, occasion]) to the model's values (draw, row).
    posterior
        The posterior group.

    Returns
    -------
    xr.Dataset
        Dims observation, subject, effect (a parameter that differs between people, or between their occasions, then
        with the occasion's number):

        - ``pred`` with random effects of zero, ``ipred`` with each person's own; ``sd``, the spread of the residual
          error at ``ipred``, of the logarithm where ``log`` is 1; NaN where the outcome is none on a scale;
        - ``jacobian`` (observation, effect): derivative of ``ipred`` (or its logarithm) with respect to the standard
          normal effects, whose means are ``z`` (subject, effect);
        - ``eta`` and ``eta_sd`` (subject, effect): posterior mean and SD of the effects on their own scale, and
          ``omega`` (effect): posterior mean of their SD.
    """
    point = _Point(population, data, posterior, told_apart(population, data))
    predicted = function(point.parameters())
    made = point.effects()
    columns: dict[str, Array] = {n: np.full(len(data.position), np.nan) for n in ("pred", "ipred", "sd", "log")}
    slopes = np.full((len(data.position), len(point.labels)), np.nan)
    means = {k: v[:1] for k, v in point.means.items()}
    for one in measured:
        parts = one.of(predicted)[0]
        columns["pred"][one.index], columns["ipred"][one.index] = parts[0], parts[1]
        if not isinstance(one.endpoint, Residual):
            continue
        own = {name: means[name] for name in one.endpoint.names.values()}
        columns["sd"][one.index] = one.endpoint.spread(parts[1], own, np)
        columns["log"][one.index] = float(one.endpoint.log)
        shown = np.log(parts) if one.endpoint.log else parts
        slopes[one.index] = ((shown[2::2] - shown[3::2]) / (2.0 * STEP)).T
    return made.assign(
        {k: ("observation", v) for k, v in columns.items()} | {"jacobian": (("observation", "effect"), slopes)}
    ).assign_coords(subject=data.subjects)


@dataclass(frozen=True, slots=True, eq=False)
class _Point:
    """The posterior means of one fit, and steps away from them."""

    population: Population
    data: IndividualData
    posterior: xr.Dataset
    occasions: int | None

    @property
    def between(self) -> list[str]:
        """Parameters that differ between people."""
        return [p.name for p in self.population.parameters if p.between_subject]

    @property
    def within(self) -> list[tuple[str, int]]:
        """Parameters that differ between occasions told apart, with each occasion."""
        return [(n, o) for n in changing(self.population) for o in range(self.occasions or 0)]

    @property
    def labels(self) -> list[str]:
        """Names of the random effects."""
        return [*self.between, *(f"{n}[{o}]" for n, o in self.within)]

    @property
    def means(self) -> dict[str, Array]:
        """Population-level values, the same at each point: (point) or (point, level)."""
        points = 2 + 2 * len(self.labels)
        free = {c.name: self._mean(c.name) for c in self.population.coefficients if c.name in self.posterior}
        repeated = {n: np.repeat(v[None], points, axis=0) for n, v in free.items()}
        return fixed_values(self.population, points) | repeated

    def _mean(self, name: str) -> Array:
        return np.asarray(self.posterior[name].mean(("chain", "draw")).values)

    def _draws(self, label: str) -> xr.DataArray:
        """Standard normal effects (chain, draw, subject) by label."""
        name, _, occasion = label.partition("[")
        if not occasion:
            return self.posterior[f"z_{name}"]
        return self.posterior[f"k_{name}"].isel(occasion=int(occasion[:-1]))

    def parameters(self) -> dict[str, Array]:
        """Individual parameters without random effects, at their means, and a step up and down in each."""
        labels, points = self.labels, 2 + 2 * len(self.labels)
        moved = {}
        for i, label in enumerate(labels):
            values = np.repeat(self._draws(label).mean(("chain", "draw")).values[None], points, axis=0)
            values[0] = 0.0
            values[2 + 2 * i] += STEP
            values[3 + 2 * i] -= STEP
            moved[label] = values
        drawn = {f"z_{n}": moved[n] for n in self.between}
        for n in changing(self.population) if self.occasions else ():
            drawn[f"k_{n}"] = np.stack([moved[f"{n}[{o}]"] for o in range(self.occasions or 0)], axis=-1)
        for kind, letter in PLACES.items():
            for n in sharing(self.population, kind):
                drawn[f"{letter}_{n}"] = np.repeat(self._mean(f"{letter}_{n}")[None], points, axis=0)
                drawn[f"{letter}_{n}"][0] = 0.0
        return same_people(self.population, self.data, self.means | drawn, self._classes(points))

    def _classes(self, points: int) -> dict[str, NDArray[Any]]:
        made: dict[str, NDArray[Any]] = {}
        for m in self.population.mixtures:
            draws = self.posterior[m.name].transpose("chain", "draw", "subject").values
            flat = draws.reshape(-1, draws.shape[-1])
            counts = np.stack([(flat == code).sum(axis=0) for code in range(len(m.levels))])
            made[m.name] = np.repeat(counts.argmax(axis=0)[None], points, axis=0)
        return made

    def effects(self) -> xr.Dataset:
        """Random effects: means of the standard normal ones, mean and SD on their own scale, and their SD."""
        labels = self.labels
        coords = {"effect": np.array(labels, dtype=str)}
        if not labels:
            empty = np.zeros((len(self.data.subjects), 0))
            return xr.Dataset({"z": (("subject", "effect"), empty)}, coords)
        known = {k: self._known(k) for k in self.means}
        standard = {n: self.posterior[f"z_{n}"] for n in self.between}
        going = correlated(self.population.correlations, known, standard, np)
        sds = {p.name: spreads(p, known, self.occasions is not None, np) for p in self.population.parameters}
        eta, omega = [], []
        for label in labels:
            name, _, occasion = label.partition("[")
            spread: Any = sds[name][1 if occasion else 0]
            eta.append(spread * (self._draws(label) if occasion else going[name]))
            omega.append(float(spread.mean()) if isinstance(spread, xr.DataArray) else float(np.asarray(spread)))
        over = ("chain", "draw")
        return xr.Dataset(
            {
                "z": _table([self._draws(label).mean(over) for label in labels]),
                "eta": _table([e.mean(over) for e in eta]),
                "eta_sd": _table([e.std(over) for e in eta]),
                "omega": ("effect", np.array(omega)),
            },
            coords,
        )

    def _known(self, name: str) -> Any:
        """A population-level value as its draws, or the number it is fixed at."""
        if name in self.posterior:
            return self.posterior[name]
        fixed = self.means[name][0]
        return xr.DataArray(fixed) if np.ndim(fixed) == 0 else fixed


def _table(columns: list[xr.DataArray]) -> tuple[tuple[str, str], Array]:
    return ("subject", "effect"), np.stack([c.values for c in columns], axis=-1)


def covariates_of(data: IndividualData, known: Collection[str]) -> dict[str, tuple[str, NDArray[Any]]]:
    """Covariates of the data that the fit did not use, for plots of random effects: (subject) by name."""
    found = data.covariates.data_vars
    return {str(n): ("subject", found[n].values) for n in found if n not in known and found[n].dims == ("subject",)}
