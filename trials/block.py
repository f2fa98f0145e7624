"""One piece of work: a block of replicates of the trial under one protocol, from virtual patients to outcomes.

A block knows its address (seed and replicates) and nothing of its neighbours, so any division of a run into blocks
gives the same bits. Workers need neither PyMC nor the posterior's file: draws of the population travel as arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr

import cohorts
import engine
from trials import entry
from trials.conduct import Conduct, Course, follow_up, noise
from trials.conduct.database import DIMS, variables
from trials.consistency import between_sites
from trials.monitoring.conclusion import concluded
from trials.protocol import Protocol

type Array = np.ndarray

SUMMARY = ("n", "mean", "sd", "geometric_mean")


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Replicates to be simulated under one protocol."""

    part: str
    """Which part of the run this is: a scenario or a point of the power curve."""
    protocol: Protocol
    replicates: range
    seed: int
    posterior: xr.DataTree | None
    """Draws of the population parameters; None for a population from the literature."""


def simulate_block(work: Work) -> dict[str, Array]:
    """Simulate and analyse a block.

    Returns
    -------
    Arrays by name: ``outcome.<variable>`` (replicate, analysis), ``arm.<statistic>`` (replicate, endpoint, arm),
    ``status`` (replicate, code), the number of subject-periods by the engine's status; and of a design with looks
    ``look.<variable>`` (replicate, look, analysis).
    """
    course = simulate(work)
    data = trial_data(work, course)
    failed = (course.status != 0).any(axis=-1).sum(axis=-1)
    made, data = concluded(work.protocol, data, follow_up(work.protocol))
    shape = made["outcome.estimate"].shape
    made["outcome.subjects_failed"] = np.broadcast_to(failed[:, None], shape).copy()
    if work.protocol.costs is not None:
        made["outcome.cost"] = np.broadcast_to(_cost(work.protocol, course, made)[:, None], shape).copy()
    return made | arm_summaries(work.protocol, data) | {"status": status_counts(course.status)}


def _cost(protocol: Protocol, course: Course, made: Mapping[str, Array]) -> Array:
    """Cost of each trial (replicate,); everybody planned is randomised unless the design can stop or change size."""
    assert protocol.costs is not None, "there are prices"
    count = made["outcome.n"][:, 0]
    design = protocol.design
    if design.looks is None and design.reestimation is None and design.escalation is None:
        count = np.full(len(count), protocol.design.n)
    patients = course.patients
    each = np.ones((len(count), protocol.design.n))
    candidates = patients["candidates"].values if "candidates" in patients else each
    return protocol.costs.of(count, candidates, made["outcome.duration"][:, 0])


def simulate(work: Work) -> Course:
    """Draw the patients of a block, allocate them and let them go through the trial."""
    protocol, design, replicates = work.protocol, work.protocol.design, work.replicates
    patients = people(work)
    patients = entry.enrolled(protocol, patients, replicates, work.seed)
    patients, arms = entry.randomised(protocol, patients, replicates, work.seed)
    return Conduct(protocol, patients, noise(protocol, work.seed, replicates, design.n, design.periods)).course(arms)


def people(work: Work) -> xr.Dataset:
    """Draw the patients of a block, at the sites that enrol them where sites differ."""
    protocol, design = work.protocol, work.protocol.design
    drawn = partial(
        draw, protocol, design.n, work.replicates, seed=work.seed, posterior=work.posterior, occasions=design.periods
    )
    patients = drawn()
    if not between_sites(protocol.population):
        return patients
    site = entry.enrolled(protocol, patients, work.replicates, work.seed)["site"].values
    return drawn(sites=site)


def draw(
    protocol: Protocol,
    n: int,
    replicates: range,
    *,
    seed: int,
    posterior: xr.DataTree | None,
    occasions: int,
    sites: Array | None = None,
) -> xr.Dataset:
    """Draw virtual patients: Dataset (replicate, subject[, occasion]); an occasion is a period.

    Where sites differ and `sites` (replicate, subject) does not tell them, every patient is at a site of their own.
    """
    drawn = cohorts.draw(
        protocol.population if protocol.uncertainty else protocol.population.centred(),
        n,
        len(replicates),
        seed,
        posterior=posterior,
        occasions=occasions,
        first=replicates.start,
        sites=sites if sites is not None or not between_sites(protocol.population) else n,
    )
    return drawn.drop_vars("site", errors="ignore")


def trial_data(work: Work, course: Course) -> xr.Dataset:
    """Endpoints of every patient as the analyses want them: Dataset (replicate, subject[, period][, visit_<name>])."""
    data, coords = variables(work.protocol, course)
    arm = (DIMS, course.arms, {"names": list(work.protocol.design.arms)})
    made = xr.Dataset({"arm": arm, **data}, coords={"replicate": np.asarray(work.replicates), **coords})
    made = made.isel(period=0) if work.protocol.design.periods == 1 else made
    held = [*work.protocol.population.covariate_names, *(n for n in entry.ENTERED if n in course.patients)]
    return made.assign({name: course.patients[name] for name in held})


def arm_summaries(protocol: Protocol, data: xr.Dataset) -> dict[str, Array]:
    """Describe endpoints and estimands in every arm: ``arm.<statistic>`` (replicate, endpoint, arm); the last visit.

    An arm that an estimand is not about has no values of it.
    """
    count, width = data.sizes["replicate"], (len(protocol.variables), len(protocol.design.arms))
    made = {f"arm.{name}": np.empty((count, *width)) for name in SUMMARY}
    arm = data["arm"].values.reshape(count, -1)
    for i, name in enumerate(protocol.variables):
        values = _last(data[name]).values.reshape(count, -1)
        for j in range(width[1]):
            for statistic, value in zip(SUMMARY, _summary(np.where(arm == j, values, np.nan)), strict=True):
                made[f"arm.{statistic}"][:, i, j] = value
    return made


def _last(values: xr.DataArray) -> xr.DataArray:
    """An endpoint as it stands, or its last visit."""
    visits = [dim for dim in values.dims if str(dim).startswith("visit_")]
    return values.isel(dict.fromkeys(visits, -1))


def _summary(values: Array) -> tuple[Array, Array, Array, Array]:
    """Summaries over the last axis of what is there (NaN is not)."""
    there = np.isfinite(values)
    n = there.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, values, 0.0).sum(axis=-1) / n
        square = np.where(there, (values - mean[..., None]) ** 2, 0.0).sum(axis=-1)
        sd = np.sqrt(square / (n - 1))
        positive = np.where(there & (values > 0), values, np.nan)
        logs = np.where(np.isfinite(positive), np.log(positive), 0.0).sum(axis=-1) / np.isfinite(positive).sum(axis=-1)
    return n, mean, sd, np.exp(logs)


def status_counts(status: Array) -> Array:
    """Subject-periods by the engine's status: (replicate, code)."""
    codes = np.arange(max(engine.Status) + 1)
    counts: Array = (status.reshape(len(status), -1, 1) == codes).sum(axis=1)
    return counts
