"""How likely a person's data are once their random effects are integrated out, at each draw of the population."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import special, stats

from cohorts.calibration.data import IndividualData, individual_data
from cohorts.calibration.people import Predictor, changing, fixed_values, predictor, same_people, told_apart
from cohorts.calibration.rows import Measurements, measurements
from cohorts.drawing.streams import Stream, derived
from cohorts.errors import PopulationError
from cohorts.judgement.seen import group
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array

WIDER = 1.25
"""How much wider than the posterior of a person's random effects the points are spread."""
DEGREES = 5.0
"""Degrees of freedom of Student's t the points follow: heavier tails than those of what is integrated."""
ROWS = 2_000_000
"""Most predictions made at a time."""


def integrate_subjects(
    tree: xr.DataTree,
    population: Population,
    data: Any,
    predict: Callable[[Mapping[str, Any]], Any],
    *,
    points: int = 64,
    seed: int = 0,
) -> xr.DataTree:
    """Tree with a group log_likelihood_subject: the marginal likelihood of each person at each draw.

    The random effects of people and of their occasions are integrated out by importance sampling at scrambled Sobol
    points, about the mean and with 1.25 times the SDs that the posterior gives a person's effects at that draw, and the
    tails of Student's t with 5 degrees of freedom; the classes of a mixture are summed over; sites and studies stay as
    drawn. This is what leaving out a person needs: Merkle, Furr & Rabe-Hesketh 2019, doi:10.1007/s11336-019-09679-0.

    Parameters
    ----------
    tree
        Result of `calibrate`; the draws of its group log_likelihood are used.
    population, data, predict
        As they were given to `calibrate`.
    points
        Points a person and draw, a power of 2.
    seed
        Seed of the points.

    Returns
    -------
    xr.DataTree
        A copy with the group added: ``likelihood`` (chain, draw, subject), of all endpoints together;
        ``attrs["mcse"]`` is the root mean square Monte Carlo error of its values.

    Raises
    ------
    PopulationError
        If the tree belongs to other data, or `points` is no power of 2.
    """
    if points < 2 or points & (points - 1):
        raise PopulationError(f"points: got {points!r}, wanted a power of 2")
    people = individual_data(data)
    if tree.attrs.get("data_digest") != people.digest:
        raise PopulationError("posterior: fitted to other data than those given; wanted the same")
    occasions = told_apart(population, people)
    posterior = group(tree, "posterior")
    thin = posterior.sel(draw=group(tree, "log_likelihood")["draw"])
    names = population.parameter_names
    function = predictor(predict, names, len(people.subjects), occasions=occasions, changing=changing(population))
    measured = measurements(population, people, str(tree.attrs["output"]))
    work = _Work(population, people, measured, function, occasions or 0)
    z, weights = _points(_effects(posterior, work), posterior, thin, points, seed)
    found, error = work.integrated(_stacked(thin), z, weights)
    sizes = thin.sizes["chain"], thin.sizes["draw"]
    made = xr.Dataset(
        {"likelihood": (("chain", "draw", "subject"), found.reshape(*sizes, -1))},
        {"chain": thin["chain"], "draw": thin["draw"], "subject": people.subjects},
        {"points": points, "mcse": float(np.sqrt((error**2).mean()))},
    )
    whole = tree.copy()
    whole["log_likelihood_subject"] = xr.DataTree(made)
    return whole


def _effects(posterior: xr.Dataset, work: "_Work") -> Array:
    """Standard normal effects of each person in every draw, (draw, subject, effect)."""
    columns = [posterior[f"z_{n}"] for n in work.between]
    columns += [posterior[f"k_{n}"].isel(occasion=o) for n, o in work.within]
    if not columns:
        raise PopulationError("population: no parameter differs between people, so there is nothing to integrate")
    whole = np.stack([c.transpose("chain", "draw", "subject").to_numpy() for c in columns], axis=-1)
    return whole.reshape(-1, *whole.shape[2:])


def _stacked(posterior: xr.Dataset) -> dict[str, Array]:
    """Every value that belongs to no person, its draws in one row: (draw, ...)."""
    made: dict[str, Array] = {}
    for name, column in posterior.data_vars.items():
        if "subject" not in column.dims:
            values = column.transpose("chain", "draw", ...).to_numpy()
            made[str(name)] = values.reshape(-1, *values.shape[2:])
    return made


def _points(effects: Array, posterior: xr.Dataset, thin: xr.Dataset, count: int, seed: int) -> tuple[Array, Array]:
    """Random effects (draw, point, subject, effect), and the logarithm of prior over proposal density without the last.

    A person's points at one draw lie about the mean their effects have given the population-level values of that draw,
    by linear regression over the whole posterior.
    """
    d = effects.shape[-1]
    given, known = _regressors(posterior, posterior), _regressors(posterior, thin)
    flat = effects.reshape(len(effects), -1)
    slopes = np.linalg.lstsq(given, flat, rcond=None)[0]
    apart = (flat - given @ slopes).reshape(len(effects), *effects.shape[1:])
    centre = (known @ slopes).reshape(len(known), 1, *effects.shape[1:])
    root = WIDER * np.linalg.cholesky(np.einsum("dsi,dsj->sij", apart, apart) / (len(flat) - given.shape[1]))
    sobol = stats.qmc.Sobol(d + 1, scramble=True, rng=derived(seed, Stream.JUDGEMENT, count))
    u = np.clip(sobol.random(count), 1e-12, 1.0 - 1e-12)
    wide = np.sqrt(DEGREES / stats.chi2.ppf(u[:, d], DEGREES))
    spherical = special.ndtri(u[:, :d]) * wide[:, None]
    z = centre + np.einsum("sij,pj->psi", root, spherical)
    volume = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    proposal = stats.multivariate_t(np.zeros(d), np.eye(d), df=DEGREES).logpdf(spherical)[:, None] - volume
    return z, -0.5 * (z**2).sum(axis=-1) - 0.5 * d * np.log(2.0 * np.pi) - proposal


def _regressors(posterior: xr.Dataset, thin: xr.Dataset) -> Array:
    """Ones and every population-level value that varies, standardised over the whole posterior: (draw, column)."""
    whole, chosen = _stacked(posterior), _stacked(thin)
    columns = [np.ones((len(next(iter(chosen.values()))), 1))]
    for name, values in whole.items():
        flat, mine = values.reshape(len(values), -1), chosen[name].reshape(len(chosen[name]), -1)
        spread = flat.std(axis=0)
        moves = spread > 0.0
        columns.append((mine[:, moves] - flat.mean(axis=0)[moves]) / spread[moves])
    return np.concatenate(columns, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """Whose random effects are integrated out: the people of one data set."""

    population: Population
    data: IndividualData
    measured: tuple[Measurements, ...]
    function: Predictor
    occasions: int

    @property
    def between(self) -> list[str]:
        """Parameters that differ between people."""
        return [p.name for p in self.population.parameters if p.between_subject]

    @property
    def within(self) -> list[tuple[str, int]]:
        """Parameters that differ between occasions told apart, with each occasion."""
        return [(n, o) for n in changing(self.population) for o in range(self.occasions)]

    def integrated(self, values: Mapping[str, Array], z: Array, weights: Array) -> tuple[Array, Array]:
        """Marginal log likelihood (draw, subject) and its Monte Carlo error."""
        size = max(1, ROWS // (z.shape[1] * len(self.data.position)))
        parts = [
            self._part({k: v[i : i + size] for k, v in values.items()}, z[i : i + size], weights[i : i + size])
            for i in range(0, len(z), size)
        ]
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def _part(self, values: Mapping[str, Array], z: Array, weights: Array) -> tuple[Array, Array]:
        draws, count = z.shape[:2]
        each = {k: np.repeat(v, count, axis=0) for k, v in values.items()} | self._drawn(z)
        own = self._summed(each).reshape(draws, count, -1) + weights
        most = own.max(axis=1, keepdims=True)
        ratio = np.exp(own - most)
        mean = ratio.mean(axis=1)
        return np.log(mean) + most[:, 0], ratio.std(axis=1, ddof=1) / np.sqrt(count) / mean

    def _drawn(self, z: Array) -> dict[str, Array]:
        """Effects by their names in a posterior, draws and points in one row."""
        flat = z.reshape(-1, *z.shape[2:])
        made = {f"z_{n}": flat[..., i] for i, n in enumerate(self.between)}
        for j, n in enumerate(changing(self.population) if self.occasions else ()):
            start = len(self.between) + j * self.occasions
            made[f"k_{n}"] = flat[..., start : start + self.occasions]
        return made

    def _summed(self, each: Mapping[str, Array]) -> Array:
        """Log likelihood of all observations of each person (row, subject), summed over the classes of a mixture."""
        count = len(next(iter(each.values())))
        if not self.population.mixtures:
            return self._likely(each, {})
        (mixture,) = self.population.mixtures
        shares = each[f"shares_{mixture.name}"]
        shape = (count, len(self.data.subjects))
        parts = [
            np.log(shares[:, code])[:, None] + self._likely(each, {mixture.name: np.full(shape, code)})
            for code in range(len(mixture.levels))
        ]
        return np.asarray(np.logaddexp.reduce(parts, axis=0))

    def _likely(self, each: Mapping[str, Array], classes: Mapping[str, NDArray[Any]]) -> Array:
        predicted = self.function(same_people(self.population, self.data, each, classes))
        values = fixed_values(self.population, len(predicted)) | dict(each)
        total = np.zeros((len(predicted), len(self.data.subjects)))
        for one in self.measured:
            own = {name: values[name][:, None] for name in one.endpoint.names.values()}
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # what is impossible has likelihood 0
                found = one.log_likelihood(predicted, own, np)
            total += found @ np.eye(total.shape[1])[self.data.position[one.index]]
        return total
