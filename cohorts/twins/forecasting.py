"""What weighted draws of patients foretell: true values and measurements at times to come, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from cohorts.drawing.streams import Stream, generator
from cohorts.errors import PopulationError
from cohorts.specification.outcomes import OUTCOMES, Outcome
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array
from cohorts.specification.residuals import Residual
from cohorts.twins import weighted
from cohorts.twins.particles import NOISE, OCCASION
from cohorts.twins.problem import Index, Problem, course
from cohorts.twins.records import Course, PatientRecord

type Draws = tuple[Problem, Index, Index, Array]
"""A problem with occasions as wanted; of each particle of each patient: patient, population draw, unknowns."""


def ahead(problem: Problem, x: Array, *, occasion: str, seed: int, numbers: Index) -> tuple[Problem, Array, int]:
    """Problem, unknowns and number of the occasion that times to come belong to.

    ``same``: the last one the patient was seen on. ``new``: another one, its deviations drawn from what is believed of
    occasions in general.
    """
    if occasion not in ("same", "new"):
        raise PopulationError(f"occasion: got {occasion!r}, wanted 'same' or 'new'")
    latent = problem.latent
    changing = any(p.between_occasion for p in latent.population.parameters)
    if occasion == "same" or not changing:
        return problem, x, latent.occasions - 1
    wider = replace(latent, occasions=latent.occasions + 1)
    fresh = np.stack(
        [generator(seed, Stream.TWIN, int(n), OCCASION).standard_normal((x.shape[1], wider.size)) for n in numbers]
    )
    for i, name in enumerate(wider.names):
        if name in latent.names:
            fresh[..., i] = x[..., latent.names.index(name)]
    return replace(problem, latent=wider), fresh, latent.occasions


def courses_of(
    problem: Problem, times: Sequence[Array], outputs: Sequence[str], doses: Sequence[PatientRecord], occasion: int
) -> tuple[Course, ...]:
    """Course of each patient: all outputs at all its times, after its own doses and those to come."""
    made = []
    for record, when, more, breaks in zip(problem.records, times, doses, problem.breaks, strict=True):
        given = record.joined(more).doses
        given = {**given, "occasion": np.where(_is_new(record, more), occasion, given["occasion"])}
        rows = np.tile(when, len(outputs))
        names = np.repeat(np.array(outputs, dtype=np.str_), len(when))
        made.append(course(problem.latent, given, (rows, names, np.full(len(rows), occasion)), breaks))
    return tuple(made)


def _is_new(record: PatientRecord, more: PatientRecord) -> Any:
    """Whether each dose of the two together, in order of time, is one to come."""
    time = np.concatenate([record.doses["time"], more.doses["time"]])
    new = np.concatenate([np.zeros(len(record.doses["time"]), bool), np.ones(len(more.doses["time"]), bool)])
    return new[np.argsort(time, kind="stable")]


def values(problem: Problem, courses: tuple[Course, ...], draw: Index, x: Array) -> Array:
    """The model's values, (patient, particle, row)."""
    patients, particles, d = x.shape
    which = np.repeat(np.arange(patients), particles)
    rows = replace(problem, courses=courses).ready().rows(which, draw.ravel(), x.reshape(-1, d))
    return rows.reshape(patients, particles, -1)


def outputs_of(population: Population, wanted: str | Sequence[str] | None) -> list[str]:
    """Outputs to foretell: those named, or all the population has an endpoint for."""
    if wanted is None:
        return [name for e in population.endpoints for name in e.requests]
    return [wanted] if isinstance(wanted, str) else list(wanted)


def measured(problem: Problem, output: str, true: Array, draw: Index, seed: int, numbers: Index) -> Array | None:
    """A measurement of each true value, (patient, particle, time); None where the population has no such endpoint."""
    endpoint = next((e for e in problem.latent.population.endpoints if e.output == output), None)
    if endpoint is None or (isinstance(endpoint, Outcome) and OUTCOMES[endpoint.kind].quantile is None):
        return None
    place = problem.latent.population.endpoints.index(endpoint)
    noise = np.stack(
        [generator(seed, Stream.TWIN, int(n), NOISE, place).standard_normal(true.shape[1:]) for n in numbers]
    )
    own = {n: problem.at(n, draw)[..., None] for n in endpoint.names.values()}
    if isinstance(endpoint, Residual):
        return np.asarray(endpoint.observe(true, own, noise, np))
    return np.asarray(endpoint.simulate((true,), own, noise))


def summary(true: Array, seen: Array | None, weight: Array, level: float) -> dict[str, Array]:
    """Mean, median and interval of true values and of measurements, with Monte Carlo errors, (patient, time)."""
    tail = 0.5 * (1.0 - level)
    made: dict[str, Array] = {}
    made["mean"], made["mean_mcse"] = weighted.mean(true, weight)
    shares = {"median": 0.5, "lower": tail, "upper": 1.0 - tail}
    for name, p in shares.items():
        made[name], made[f"{name}_mcse"] = weighted.quantile(true, weight, p)
    for name in ("lower", "upper"):
        if seen is None:
            break
        made[f"measured_{name}"], made[f"measured_{name}_mcse"] = weighted.quantile(seen, weight, shares[name])
    return made


def table(
    found: Mapping[str, dict[str, Array]],
    times: Array,
    subjects: Sequence[str],
    about: dict[str, Any],
    units: Mapping[str, str],
) -> xr.Dataset:
    """Dataset (subject, output, time) of summaries by output; NaN for measurements of an output without error."""
    names = list(dict.fromkeys(n for one in found.values() for n in one))
    shape = (len(subjects), times.shape[1])
    data = {
        n: (
            ("subject", "output", "time"),
            np.stack([one.get(n, np.full(shape, np.nan)) for one in found.values()], axis=1),
        )
        for n in names
    }
    common = bool(np.all(times == times[:1]))
    own = {"units": units["time"]} if "time" in units else {}
    dims = ("time",) if common else ("subject", "time")
    place = {"time" if common else "sample_time": (dims, times[0] if common else times, own)}
    told = {"units": ("output", [units.get(n, "") for n in found])} if units else {}
    return xr.Dataset(data, {"subject": list(subjects), "output": list(found), **place, **told}, about)


def moments(times: ArrayLike, patients: int) -> Array:
    """Times of each patient, (patient, time)."""
    found = np.atleast_2d(np.asarray(times, dtype=np.float64))
    if found.ndim > 2 or len(found) not in (1, patients) or not np.isfinite(found).all():
        raise PopulationError(
            f"times: got the shape {found.shape}, wanted finite numbers, (time) or ({patients}, time)"
        )
    return np.broadcast_to(found, (patients, found.shape[1]))
