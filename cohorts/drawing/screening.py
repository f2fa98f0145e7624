"""Covariates of virtual patients: drawn from their models, of those who meet the eligibility criteria."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohorts.covariates.base import draw_all, width
from cohorts.covariates.eligibility import PROBE, Counts, enrol, require_acceptance
from cohorts.drawing.streams import BLOCK, Stream, generator, generators
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array

LEAST = 2.0**-54
"""Least probability that is inverted: the generator may give 0, where a distribution may have no end."""


@dataclass(frozen=True, slots=True, eq=False)
class Screened:
    """Covariates of those who enrol, and what screening them took.

    Attributes
    ----------
    values
        Covariates by name, each (replicate, subject).
    counts
        Candidates ``screened``, (replicate), and those who ``failed`` by the first criterion they failed and
        ``failed_any`` by each, (replicate, criterion); empty without criteria.
    candidates
        How many were screened for each patient, the patient included, (replicate, subject); None without criteria.
    """

    values: dict[str, NDArray[Any]]
    counts: Mapping[str, Counts] = field(default_factory=dict)
    candidates: Counts | None = None


def blocks(n: int) -> list[tuple[int, slice]]:
    """Blocks of subjects that share a generator: their number and where they stand.

    A block that is cut short draws the first rows of what the whole block would draw, so a patient does not depend on
    how many follow.
    """
    return [(start // BLOCK, slice(start, min(start + BLOCK, n))) for start in range(0, n, BLOCK)]


def screen(population: Population, n: int, seed: int, numbers: range) -> Screened:
    """Covariates of `n` patients in each replicate of `numbers`, all of whom meet the population's criteria.

    Raises
    ------
    PopulationError
        If next to nobody meets the criteria.
    """
    if not population.eligibility:
        return Screened(_unscreened(population, n, seed, numbers))
    _probe(population, seed)
    groups = [(r, block) for r in numbers for block, _ in blocks(n)]
    wanted = [subjects.stop - subjects.start for _ in numbers for _, subjects in blocks(n)]

    def batch(attempt: int, open_: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
        u = np.stack([_candidates(population, seed, *groups[int(g)], attempt) for g in open_])
        return draw_all(population.covariates, u)

    found = enrol(population.eligibility, batch, wanted, BLOCK)
    shape = (len(numbers), -1)
    values = {name: v.reshape(*shape)[:, :n] for name, v in found.values.items()}
    parts = {"screened": found.screened[:, None], "failed": found.first_failed, "failed_any": found.any_failed}
    sums = {name: v.reshape(len(numbers), -1, v.shape[-1]).sum(axis=1) for name, v in parts.items()}
    candidates = np.diff(found.position, axis=1, prepend=0).reshape(*shape)[:, :n]
    return Screened(values, sums | {"screened": sums["screened"][:, 0]}, candidates)


def _unscreened(population: Population, n: int, seed: int, numbers: range) -> dict[str, NDArray[Any]]:
    count = sum(width(entry) for entry in population.covariates)
    u = np.empty((len(numbers), n, count))
    for block, subjects in blocks(n) if count else []:
        for row, rng in enumerate(generators(seed, Stream.COVARIATES, numbers, block)):
            rng.random(out=u[row, subjects])
    return draw_all(population.covariates, np.maximum(u, LEAST, out=u))


def _candidates(population: Population, seed: int, replicate: int, block: int, attempt: int) -> Array:
    """Uniform numbers of a batch of candidates; the first batch is the block as it would be without criteria."""
    address = (Stream.SCREENING, replicate, block, attempt) if attempt else (Stream.COVARIATES, replicate, block)
    u = generator(seed, *address).random((BLOCK, sum(width(entry) for entry in population.covariates)))
    return np.maximum(u, LEAST)


def _probe(population: Population, seed: int) -> None:
    count = sum(width(entry) for entry in population.covariates)
    u = np.maximum(generator(seed, Stream.SCREENING).random((PROBE, count)), LEAST)
    require_acceptance(population.eligibility, draw_all(population.covariates, u))
