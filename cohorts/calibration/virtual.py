"""The fixed set of virtual patients on which published summaries are evaluated, and what a target asks of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import qmc

from cohorts.calibration.people import sharing
from cohorts.calibration.targets import SummaryTarget
from cohorts.covariates.base import Variable
from cohorts.drawing.cohort import draw
from cohorts.drawing.streams import Stream, derived, generator
from cohorts.errors import PopulationError
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array


@dataclass(frozen=True, slots=True, eq=False)
class Virtual:
    """The fixed patients: covariates and standard normal deviations, and noise of measurements, each (patient)."""

    count: int
    covariates: Mapping[str, NDArray[Any]]
    z: Mapping[str, Array]
    noise: Array
    subgroups: Mapping[str, NDArray[np.bool_]]


def virtual_patients(population: Population, targets: tuple[SummaryTarget, ...], seed: int, count: int) -> Virtual:
    """Draw them; PopulationError where a target asks for what the population does not have."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 32:
        raise PopulationError(f"patients: got {count!r}, wanted a whole number >= 32")
    if population.mixtures:
        raise PopulationError(f"mixture.{population.mixtures[0].name}: summaries cannot be fitted with mixtures")
    _known(population, targets)
    people = draw(population.centred(), count, 1, derived(seed, Stream.SUMMARIES), sites=1).isel(replicate=0)
    covariates = {v.name: people[v.name].to_numpy() for v in population.variables}
    varying = [p.name for p in population.parameters if p.between_subject]
    columns = _normal_scores(seed, count, len(varying) + 1)
    variables = {v.name: v for v in population.variables}
    subgroups = {one.name: _subgroup(one, variables, covariates, count) for one in targets}
    z = {name: columns[:, i] for i, name in enumerate(varying)}
    return Virtual(count, covariates, z, columns[:, -1], subgroups)


def _normal_scores(seed: int, count: int, size: int) -> Array:
    """Scrambled Sobol points as standard normal numbers, (patient, dimension); means 0 and SDs 1."""
    sobol = qmc.Sobol(size, rng=generator(seed, Stream.SUMMARIES))
    points = sobol.random_base2(int(np.ceil(np.log2(count))))[:count]
    made = special.ndtri(np.clip(points, 1e-12, 1.0 - 1e-12))
    return np.asarray((made - made.mean(axis=0)) / made.std(axis=0))


def _known(population: Population, targets: tuple[SummaryTarget, ...]) -> None:
    for one in targets:
        if one.parameter and one.parameter not in population.parameter_names:
            names = list(population.parameter_names)
            raise PopulationError(f"targets.{one.name}.of.parameter: got {one.parameter!r}, wanted one of {names}")
        if one.measured:
            if not one.output:
                raise PopulationError(f"targets.{one.name}.measured: {one.parameter} is not measured, wanted an output")
            if population.residual(one.output).student is not None:
                raise PopulationError(f"targets.{one.name}.measured: errors of Student's t are not simulated here")
        if one.study and not sharing(population, "study"):
            raise PopulationError(
                f"targets.{one.name}.study: got {one.study!r}, but no parameter of {population.name} has between_study"
            )


def _subgroup(
    one: SummaryTarget, variables: Mapping[str, Variable], covariates: Mapping[str, NDArray[Any]], count: int
) -> NDArray[np.bool_]:
    where = f"targets.{one.name}.where"
    if not one.covariate:
        return np.ones(count, dtype=np.bool_)
    if one.covariate not in variables:
        raise PopulationError(f"{where}.covariate: got {one.covariate!r}, wanted one of {list(variables)}")
    values, levels = covariates[one.covariate], variables[one.covariate].levels
    if bool(levels) != bool(one.level) or (levels and one.level not in levels):
        wanted = f"one of {list(levels)}" if levels else "none"
        raise PopulationError(f"{where}.level: got {one.level!r}, wanted {wanted}")
    chosen = values == levels.index(one.level) if levels else (values >= one.low) & (values <= one.high)
    if chosen.sum() < 32:
        raise PopulationError(
            f"{where}: only {chosen.sum()} of {count} virtual patients; wanted 32, take more patients"
        )
    return np.asarray(chosen)
