"""Virtual patients: a new draw of the population for each replicate, each patient a draw within it."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cohorts.drawing.screening import LEAST, Screened, blocks, screen
from cohorts.drawing.streams import Stream, generator, generators
from cohorts.errors import PopulationError
from cohorts.specification.individuals import individual
from cohorts.specification.parameters import Parameter
from cohorts.specification.population import Coefficient, Population
from cohorts.specification.quantities import Array

_POSITIVE = frozenset({"power", "allometric", "exponential", "maturation"})
"""Kinds of effect that cannot change a parameter's sign."""


def draw(
    population: Population,
    n: int,
    replicates: int,
    seed: int,
    *,
    posterior: xr.DataTree | None = None,
    occasions: int = 1,
    sites: int | NDArray[np.integer] | None = None,
    studies: int = 1,
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
    sites
        Sites of the trial, new ones in each replicate; patient i is at site i modulo `sites`. Or the number of every
        patient's site, from 0, (replicate, subject). Needed where the population has variability between sites.
    studies
        Studies that a replicate consists of, new ones in each; site j (patient j without sites) belongs to study j
        modulo `studies`.
    first
        Number of the first replicate.

    Returns
    -------
    xr.Dataset
        Dims replicate and subject, and occasion when `occasions` > 1. Each parameter has dims (replicate, subject), and
        also occasion if it differs between occasions; each covariate (replicate, subject), whole-number codes with
        ``attrs["levels"]`` where it has levels; the class of a mixture likewise; each population-level value, residual
        SDs included, (replicate). ``attrs["role"]`` of a variable is parameter, covariate, class or population, and
        ``attrs["source"]`` says where its numbers come from. Coordinates ``site`` and ``study`` (subject), where there
        are several; with a posterior ``posterior_chain`` and ``posterior_draw`` (replicate) say which draw it took.
        With eligibility criteria ``screened`` (replicate) counts the candidates, ``failed`` those who failed by the
        first criterion they failed and ``failed_any`` by each (replicate, criterion), ``candidates`` (replicate,
        subject) those screened for each patient, the patient included: role screening.

    Raises
    ------
    PopulationError
        If a number is out of range, the posterior belongs to another population or lacks a value, a covariate effect
        makes a parameter impossible, or next to nobody is eligible.
    """
    _whole_numbers(n=n, replicates=replicates, occasions=occasions, studies=studies)
    _whole_numbers(0, first=first)
    _check_sites(population, sites, (replicates, n))
    numbers = range(first, first + replicates)
    values, picked = picked_values(population, seed, numbers, posterior)
    screened = screen(population, n, seed, numbers)
    z, k = deviations(population, n, seed, numbers, occasions)
    classes = draw_classes(population, values, n, seed, numbers)
    places = _places(n, sites, studies)
    shared = {kind: _shared(population, kind, where, seed, numbers) for kind, where in places.items()}
    made = individual(
        population,
        {name: _against(v) for name, v in values.items()},
        {name: v[..., None] for name, v in (screened.values | classes).items()},
        z,
        k,
        xp=np,
        sites=shared.get("site"),
        studies=shared.get("study"),
    )
    possible(population, made, first)
    cohort = _dataset(population, values, screened.values | classes, made, n, posterior)
    cohort = cohort.assign_coords(replicate=list(numbers), subject=np.arange(n))
    if occasions > 1:
        cohort = cohort.assign_coords(occasion=np.arange(occasions))
    cohort = cohort.assign(_counts(population, screened))
    dims = ("replicate", "subject")
    cohort = cohort.assign_coords({kind: (dims[2 - v.ndim :], v) for kind, v in places.items() if v.any()})
    cohort = cohort.assign_coords({f"posterior_{name}": ("replicate", v) for name, v in picked.items()})
    return cohort.assign_attrs(stamp(population, seed, posterior))


def _whole_numbers(least: int = 1, **numbers: Any) -> None:
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise PopulationError(f"{name}: got {value!r}, wanted a whole number >= {least}")


def _check_sites(
    population: Population, sites: int | NDArray[np.integer] | None, shape: tuple[int, int]
) -> None:  # fmt: skip
    if isinstance(sites, np.ndarray):
        if sites.shape != shape or sites.dtype.kind not in "iu" or sites.min() < 0:
            raise PopulationError(f"sites: got shape {sites.shape}, wanted whole numbers from 0, {shape}")
    elif sites is not None:
        _whole_numbers(sites=sites)
    elif differing := [p.name for p in population.parameters if p.between_site]:
        raise PopulationError(
            f"sites: missing; population {population.name} has variability between sites in {differing}, wanted how "
            f"many sites the trial has"
        )


def _places(n: int, sites: int | NDArray[np.integer] | None, studies: int) -> dict[str, NDArray[np.integer]]:
    """Site and study of each patient, (subject) or (replicate, subject); no site where none is told."""
    subject = np.arange(n)
    site = subject if sites is None else sites if isinstance(sites, np.ndarray) else subject % sites
    return {**({} if sites is None else {"site": site}), "study": site % studies}


def _shared(
    population: Population, kind: str, where: NDArray[np.integer], seed: int, numbers: range
) -> dict[str, Array]:  # fmt: skip
    """Standard normal deviation of each patient's site or study by parameter, (replicate, subject, 1)."""
    found = place_deviations(population, kind, int(where.max()) + 1, seed, numbers)
    rows = np.broadcast_to(where, (len(numbers), where.shape[-1]))
    return {name: np.take_along_axis(v, rows, axis=1)[..., None] for name, v in found.items()}


def place_deviations(population: Population, kind: str, count: int, seed: int, numbers: range) -> dict[str, Array]:
    """Standard normal deviations of sites or studies by parameter that differs between them, (replicate, place)."""
    names = [p.name for p in population.parameters if getattr(p, f"between_{kind}")]
    stream = {"site": Stream.SITES, "study": Stream.STUDIES}[kind]
    made = np.empty((len(names), len(numbers), count))
    for row, r in enumerate(numbers if names else ()):
        for place in range(count):
            made[:, row, place] = generator(seed, stream, r, place).standard_normal(len(names))
    return dict(zip(names, made, strict=True))


def draw_classes(
    population: Population, values: Mapping[str, Array], n: int, seed: int, numbers: range
) -> dict[str, NDArray[np.int64]]:
    """Class of each patient by mixture, (replicate, subject)."""
    made: dict[str, NDArray[np.int64]] = {}
    for i, mixture in enumerate(population.mixtures):
        shares = np.stack(mixture.shares(tuple(values[name] for name in mixture.names)), axis=-1)
        u = np.empty((len(numbers), n))
        for row, r in enumerate(numbers):
            for block, subjects in blocks(n):
                u[row, subjects] = generator(seed, Stream.CLASSES, r, block, i).random(subjects.stop - subjects.start)
        edges = np.cumsum(shares, axis=-1)[:, None, :-1]
        made[mixture.name] = (u[..., None] >= edges).sum(axis=-1)
    return made


def _counts(population: Population, screened: Screened) -> dict[str, Any]:
    if not screened.counts:
        return {}
    about = {"role": "screening", "units": "1"}
    names = [c.name for c in population.eligibility]
    made: dict[str, Any] = {k: (("replicate", "criterion")[: v.ndim], v, about) for k, v in screened.counts.items()}
    return {**made, "candidates": (("replicate", "subject"), screened.candidates, about), "criterion": names}


def population_values(
    population: Population, seed: int, numbers: range, posterior: xr.DataTree | None
) -> dict[str, Array]:
    """Population-level values by name: (replicate) or (replicate, level); `draw` says what the arguments are."""
    return picked_values(population, seed, numbers, posterior)[0]


def picked_values(
    population: Population, seed: int, numbers: range, posterior: xr.DataTree | None
) -> tuple[dict[str, Array], dict[str, NDArray[np.int64]]]:
    """The same values, and the ``chain`` and ``draw`` of the posterior that each replicate took, (replicate)."""
    coefficients = population.coefficients
    sizes = [len(c.quantities) for c in coefficients]
    u = np.array([rng.random(sum(sizes)) for rng in generators(seed, Stream.POPULATION, numbers)])
    ends = np.cumsum(sizes)
    values = {
        c.name: _from_prior(c, np.maximum(u[:, end - size : end], LEAST))
        for c, size, end in zip(coefficients, sizes, ends, strict=True)
    }
    if posterior is None:
        return values, {}
    learned, picked = _from_posterior(population, seed, numbers, posterior)
    return values | learned, picked


def _from_prior(coefficient: Coefficient, u: Array) -> Array:
    columns = np.stack([q.quantile(u[:, i]) for i, q in enumerate(coefficient.quantities)], axis=-1)
    return columns if coefficient.levels else columns[:, 0]


def _from_posterior(
    population: Population, seed: int, numbers: range, posterior: xr.DataTree
) -> tuple[dict[str, Array], dict[str, NDArray[np.int64]]]:
    group = fitted(population, posterior)
    total = group.sizes["chain"] * group.sizes["draw"]
    picked = np.array([rng.integers(total) for rng in generators(seed, Stream.POSTERIOR, numbers)])
    names = learned(population, posterior)
    stacked = {name: group[name].transpose("chain", "draw", ...).to_numpy() for name in names}
    chain, draw = np.divmod(picked, group.sizes["draw"])
    places = {"chain": group["chain"].values[chain], "draw": group["draw"].values[draw]} if total else {}
    return {name: v.reshape((total, *v.shape[2:]))[picked] for name, v in stacked.items()}, places


def learned(population: Population, posterior: xr.DataTree) -> list[str]:
    """Names of the population-level values that a calibration informs: ``gamma_`` too if it told occasions apart."""
    told = bool(posterior.attrs.get("occasions", 0))
    return [c.name for c in population.coefficients if c.free and (c.fitted or told)]


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
    wanted = population.digest_of_fit(occasions=bool(posterior.attrs.get("occasions", 0)))
    if digest != wanted:
        raise PopulationError(
            f"posterior: fitted to population {posterior.attrs.get('population')!r} with digest {str(digest)[:8]}, "
            f"wanted {population.name!r} with {wanted[:8]}; calibrate this population again"
        )
    group = posterior["posterior"].to_dataset()
    lacking = [name for name in learned(population, posterior) if name not in group]
    if lacking:
        raise PopulationError(f"posterior: lacks {lacking}; calibrate this population again")
    return group


def deviations(
    population: Population, n: int, seed: int, numbers: range, occasions: int
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Standard normal deviations by parameter: of patients (replicate, subject, 1), of occasions (..., occasion)."""
    varying = [p.name for p in population.parameters if p.between_subject]
    changing = [p.name for p in population.parameters if p.between_occasion]
    z = np.empty((len(varying), len(numbers), n, 1))
    k = np.empty((len(changing), len(numbers), n, occasions))
    for block, subjects in blocks(n):
        size = subjects.stop - subjects.start
        if varying:
            for row, rng in enumerate(generators(seed, Stream.SUBJECTS, numbers, block)):
                z[:, row, subjects, 0] = rng.standard_normal((size, len(varying))).T
        for o in range(occasions if changing else 0):
            for row, rng in enumerate(generators(seed, Stream.OCCASIONS, numbers, block, o)):
                k[:, row, subjects, o] = rng.standard_normal((size, len(changing))).T
    return dict(zip(varying, z, strict=True)), dict(zip(changing, k, strict=True))


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
        wrong = ~np.isfinite(values) | _outside(p, values)
        if wrong.any():
            replicate, subject = (int(i) for i in np.argwhere(wrong)[0][:2])
            by = [e.covariate for e in p.effects if e.kind not in _POSITIVE]
            raise PopulationError(
                f"parameters.{p.name}: got {values[replicate, subject].max():g} for subject {subject} of replicate "
                f"{first + replicate}, wanted {_wanted(p)}; truncate the effects of {by} or those covariates"
            )


def _outside(p: Parameter, values: Array) -> NDArray[np.bool_]:
    low, high = p.limits
    return values <= low if high == np.inf else (values < low) | (values > high)


def _wanted(p: Parameter) -> str:
    low, high = p.limits
    if high < np.inf:
        return f"a number from {low:g} to {high:g}"
    return f"a finite number > {low:g}" if low > -np.inf else "a finite number"


def _dataset(
    population: Population,
    values: dict[str, Array],
    covariates: dict[str, NDArray[Any]],
    made: dict[str, Array],
    n: int,
    posterior: xr.DataTree | None,
) -> xr.Dataset:
    data: dict[str, Any] = {}
    sources = _sources(population, posterior)
    for p in population.parameters:
        own = [source for name, source in sources.items() if name in _names_of(p)]
        about = {"role": "parameter", "units": p.unit, "long_name": p.meaning, "source": _joined(own)}
        data[p.name] = (*_placed(made[p.name], n), about)
    for v in population.variables:
        data[v.name] = (("replicate", "subject"), covariates[v.name], v.attributes())
    for m in population.mixtures:
        own = [sources[name] for name in m.names]
        told = {"role": "class", "units": "1", "long_name": m.meaning, "levels": list(m.levels), "source": _joined(own)}
        data[m.name] = (("replicate", "subject"), covariates[m.name], told)
    for q in population.coefficients:
        about = {"role": "population", "units": q.unit, "long_name": q.meaning, "source": sources[q.name]}
        data[q.name] = (("replicate", *q.dims), values[q.name], about)
    coords = {q.dims[0]: list(q.levels) for q in population.coefficients if q.levels}
    return xr.Dataset(data, coords)


def _sources(population: Population, posterior: xr.DataTree | None) -> dict[str, str]:
    """Where each population-level value comes from: the draw of a posterior, or what the specification cites."""
    found = {c.name: _joined([q.source for q in c.quantities]) for c in population.coefficients}
    if posterior is not None:
        told = f"posterior of data {str(posterior.attrs['data_digest'])[:16]}"
        found |= {name: f"{told}; prior: {found[name]}" for name in learned(population, posterior)}
    return found


def _names_of(p: Parameter) -> set[str]:
    inner = {n for e in p.effects for n in e.names(p.name)}
    return {f"{p.name}_pop", f"shape_{p.name}", *p.spreads, *inner}


def _joined(sources: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(sources))


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


@cache
def _version() -> str:
    try:
        return version("trialtwin")
    except PackageNotFoundError:
        return "not installed"
