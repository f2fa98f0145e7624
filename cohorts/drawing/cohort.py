"""Virtual patients: a new draw of the population for each replicate, each patient a draw within it."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cohorts.covariates.given import attributes
from cohorts.drawing.streams import BLOCK, Stream, generator
from cohorts.errors import PopulationError
from cohorts.specification.effects import Effect
from cohorts.specification.individuals import individual
from cohorts.specification.population import Coefficient, Population
from cohorts.specification.quantities import Array

_LEAST = 2.0**-54


def draw(
    population: Population,
    n: int,
    replicates: int,
    seed: int,
    *,
    posterior: xr.DataTree | None = None,
    occasions: int = 1,
    first: int = 0,
) -> xr.Dataset:
    """Virtual cohorts: parameters and covariates of `n` patients in each of several replicates of a trial.

    Parameters
    ----------
    population
        The specification.
    n
        Patients a replicate. Patient i is the same for any larger `n`.
    replicates
        How many, counted from `first`. Replicate r is the same for any `replicates` and `first`.
    seed
        Non-negative whole number; all random numbers are addressed under it.
    posterior
        Result of `calibrate` for this population: each replicate then takes one of its draws. None takes each
        population-level value from its prior, which for a literature population is its estimate with standard error.
    occasions
        Occasions (periods) a patient is seen on.
    first
        Number of the first replicate.

    Returns
    -------
    xr.Dataset
        Dims replicate and subject, and occasion when `occasions` > 1. Each parameter has dims (replicate, subject), and
        also occasion if it differs between occasions; each covariate (replicate, subject), whole-number codes with
        ``attrs["levels"]`` where it has levels; each population-level value, residual SDs included, (replicate).
        ``attrs["role"]`` of a variable is parameter, covariate or population.

    Raises
    ------
    PopulationError
        If a number is out of range, the posterior belongs to another population or lacks a value, or a covariate effect
        makes a parameter impossible.
    """
    for name, value, least in (
        ("n", n, 1),
        ("replicates", replicates, 1),
        ("occasions", occasions, 1),
        ("first", first, 0),
    ):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise PopulationError(f"{name}: got {value!r}, wanted a whole number >= {least}")
    numbers = range(first, first + replicates)
    values = population_values(population, seed, numbers, posterior)
    covariates = draw_covariates(population, n, seed, numbers)
    z, k = deviations(population, n, seed, numbers, occasions)
    made = individual(
        population,
        {name: _against(v) for name, v in values.items()},
        {name: v[..., None] for name, v in covariates.items()},
        z,
        k,
        xp=np,
    )
    possible(population, made, first)
    cohort = _dataset(population, values, covariates, made, n)
    cohort = cohort.assign_coords(replicate=list(numbers), subject=np.arange(n))
    if occasions > 1:
        cohort = cohort.assign_coords(occasion=np.arange(occasions))
    return cohort.assign_attrs(stamp(population, seed, posterior))


def population_values(
    population: Population, seed: int, numbers: range, posterior: xr.DataTree | None
) -> dict[str, Array]:
    """Population-level values by name: (replicate) or (replicate, level); `draw` says what the arguments are."""
    coefficients = population.coefficients
    sizes = [len(c.quantities) for c in coefficients]
    u = np.array([generator(seed, Stream.POPULATION, r).random(sum(sizes)) for r in numbers])
    ends = np.cumsum(sizes)
    values = {
        c.name: _from_prior(c, np.maximum(u[:, end - size : end], _LEAST))
        for c, size, end in zip(coefficients, sizes, ends, strict=True)
    }
    if posterior is not None:
        values |= _from_posterior(population, seed, numbers, posterior)
    return values


def _from_prior(coefficient: Coefficient, u: Array) -> Array:
    columns = np.stack([q.quantile(u[:, i]) for i, q in enumerate(coefficient.quantities)], axis=-1)
    return columns if coefficient.levels else columns[:, 0]


def _from_posterior(population: Population, seed: int, numbers: range, posterior: xr.DataTree) -> dict[str, Array]:
    group = fitted(population, posterior)
    total = group.sizes["chain"] * group.sizes["draw"]
    picked = np.array([generator(seed, Stream.POSTERIOR, r).integers(total) for r in numbers])
    wanted = [c for c in population.coefficients if c.free and c.fitted]
    stacked = {c.name: group[c.name].transpose("chain", "draw", ...).to_numpy() for c in wanted}
    return {name: v.reshape((total, *v.shape[2:]))[picked] for name, v in stacked.items()}


def fitted(population: Population, posterior: xr.DataTree) -> xr.Dataset:
    """Posterior group of a calibration, after checking that it is one of this population.

    Raises
    ------
    PopulationError
        If there is no such group, it belongs to another specification, or it lacks a value.
    """
    if "posterior" not in posterior.children:
        raise PopulationError(f"posterior: got groups {sorted(posterior.children)}, wanted one named posterior")
    digest = posterior.attrs.get("fitted_digest")
    if digest != population.fitted_digest:
        raise PopulationError(
            f"posterior: fitted to population {posterior.attrs.get('population')!r} with digest {str(digest)[:8]}, "
            f"wanted {population.name!r} with {population.fitted_digest[:8]}; calibrate this population again"
        )
    group = posterior["posterior"].to_dataset()
    lacking = [c.name for c in population.coefficients if c.free and c.fitted and c.name not in group]
    if lacking:
        raise PopulationError(f"posterior: lacks {lacking}; calibrate this population again")
    return group


def draw_covariates(population: Population, n: int, seed: int, numbers: range) -> dict[str, NDArray[Any]]:
    """Covariates by name, each (replicate, subject)."""
    count = len(population.covariates)
    u = np.empty((len(numbers), n, count))
    for row, r in enumerate(numbers):
        for block, subjects in blocks(n):
            rng = generator(seed, Stream.COVARIATES, r, block)
            u[row, subjects] = rng.random((subjects.stop - subjects.start, count))
    drawn: dict[str, NDArray[Any]] = {}
    for i, covariate in enumerate(population.covariates):
        drawn[covariate.name] = covariate.values(np.maximum(u[..., i], _LEAST), drawn)
    return drawn


def deviations(
    population: Population, n: int, seed: int, numbers: range, occasions: int
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Standard normal deviations by parameter: of patients (replicate, subject, 1), of occasions (..., occasion)."""
    varying = [p.name for p in population.parameters if p.between_subject]
    changing = [p.name for p in population.parameters if p.between_occasion]
    z = np.empty((len(varying), len(numbers), n, 1))
    k = np.empty((len(changing), len(numbers), n, occasions))
    for row, r in enumerate(numbers):
        for block, subjects in blocks(n):
            size = subjects.stop - subjects.start
            if varying:
                z[:, row, subjects, 0] = (
                    generator(seed, Stream.SUBJECTS, r, block).standard_normal((size, len(varying))).T
                )
            for o in range(occasions if changing else 0):
                rng = generator(seed, Stream.OCCASIONS, r, block, o)
                k[:, row, subjects, o] = rng.standard_normal((size, len(changing))).T
    return dict(zip(varying, z, strict=True)), dict(zip(changing, k, strict=True))


def blocks(n: int) -> list[tuple[int, slice]]:
    """Blocks of subjects that share a generator: their number and where they stand.

    A block that is cut short draws the first rows of what the whole block would draw, so a patient does not depend on
    how many follow.
    """
    return [(start // BLOCK, slice(start, min(start + BLOCK, n))) for start in range(0, n, BLOCK)]


def _against(values: Array) -> Any:  # one array, or one a level
    if values.ndim == 1:
        return values[:, None, None]
    return [values[:, i, None, None] for i in range(values.shape[1])]


def possible(population: Population, made: Mapping[str, Array], first: int) -> None:
    """Refuse parameters, each (replicate, subject, ...), that no patient can have.

    Raises
    ------
    PopulationError
        Naming the parameter, the patient and what to do.
    """
    for p in population.parameters:
        values = made[p.name]
        wrong = ~np.isfinite(values) | ((values <= 0.0) if p.scale == "lognormal" else False)
        if wrong.any():
            replicate, subject = (int(i) for i in np.argwhere(wrong)[0][:2])
            by = [e.covariate for e in p.effects if not (isinstance(e, Effect) and e.kind != "linear")]
            raise PopulationError(
                f"parameters.{p.name}: got {values[replicate, subject].max():g} for subject {subject} of replicate "
                f"{first + replicate}, wanted a finite number > 0; truncate the effects of {by} or those covariates"
            )


def _dataset(
    population: Population,
    values: dict[str, Array],
    covariates: dict[str, NDArray[Any]],
    made: dict[str, Array],
    n: int,
) -> xr.Dataset:
    data: dict[str, Any] = {}
    for p in population.parameters:
        about = {"role": "parameter", "units": p.unit, "long_name": p.meaning}
        data[p.name] = (*_placed(made[p.name], n), about)
    for c in population.covariates:
        data[c.name] = (("replicate", "subject"), covariates[c.name], attributes(c))
    for q in population.coefficients:
        about = {"role": "population", "units": q.unit, "long_name": q.meaning}
        data[q.name] = (("replicate", *q.dims), values[q.name], about)
    coords = {q.dims[0]: list(q.levels) for q in population.coefficients if q.levels}
    return xr.Dataset(data, coords)


def _placed(values: Array, n: int) -> tuple[tuple[str, ...], Array]:
    """Dims and values of a parameter; one that no patient differs in is repeated for each."""
    whole = np.repeat(values, n, axis=1) if values.shape[1] < n else values
    if whole.shape[-1] == 1:
        return ("replicate", "subject"), whole[..., 0]
    return ("replicate", "subject", "occasion"), whole


def stamp(population: Population, seed: int, posterior: xr.DataTree | None = None) -> dict[str, Any]:
    """Attributes every product of this package carries from birth."""
    about: dict[str, Any] = {
        "population": population.name,
        "population_digest": population.digest,
        "reference": population.reference,
        "seed": int(seed),
        "version": _version(),
    }
    if posterior is not None:
        about["posterior_seed"] = posterior.attrs["seed"]
        about["posterior_data_digest"] = posterior.attrs["data_digest"]
    return about


def _version() -> str:
    try:
        return version("trialtwin")
    except PackageNotFoundError:
        return "not installed"
