"""A twin by Hamiltonian Monte Carlo: the population's own model of one patient, sampled by NUTS."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from cohorts.calibration.diagnosis import ADVICE, Gates
from cohorts.calibration.rows import requests
from cohorts.drawing.cohort import fitted, learned
from cohorts.drawing.streams import Stream, generator
from cohorts.errors import CalibrationError, PopulationError
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array
from cohorts.twins.mode import climb, covariance
from cohorts.twins.particles import DRAWS, Particles
from cohorts.twins.patient import Basis, Twin, TwinCohort
from cohorts.twins.problem import Problem, problem_of
from cohorts.twins.records import PatientRecord, Predict

OPTIONS: dict[str, Any] = {"chains": 4, "tune": 1000, "draws": 1000, "target_accept": 0.9, "cores": None}


def sampled(
    population: Population, record: PatientRecord, predict: Predict, basis: Basis, number: int, allow: Sequence[str]
) -> Twin:
    """Twin of one patient by NUTS (nutpie); `cohorts.twin` says what the arguments are.

    Raises
    ------
    PopulationError
        If there is no graph of the equations, or an uncertain posterior of the population has no density.
    CalibrationError
        If R-hat, effective sample size or divergences fail and are not allowed to.
    """
    _possible(population, record, basis)
    options = {**OPTIONS, **(basis.sampler or {})}
    gates = options.pop("gates", None) or Gates()
    tree = _sample(population, record, basis, number, options)
    if unknown := sorted(set(allow) - {*ADVICE, "pareto_k", "ess"}):
        raise PopulationError(f"allow: got {unknown}, wanted some of {sorted(ADVICE)}")
    failed = gates.failures(tree)
    if fatal := {k: v for k, v in failed.items() if k not in allow}:
        reasons = "; ".join(f"{v}: {ADVICE[k]}" for k, v in fatal.items())
        raise CalibrationError(
            f"the twin of {record.name} may not be used. {reasons}. To go on all the same, which is recorded: "
            f"allow={tuple(fatal)!r}",
            tree,
        )
    made = _twin(population, record, predict, basis, number, tree)
    return Twin(replace(made.group, failed=failed))


def _possible(population: Population, record: PatientRecord, basis: Basis) -> None:
    if basis.graph is None:
        raise PopulationError("graph: missing; method 'nuts' needs the equations as a graph")
    if not len(record.observations["time"]):
        raise PopulationError(f"{record.name}: has no measurements; take method='importance'")
    if basis.posterior is not None and basis.uncertainty == "mixed":
        raise PopulationError(
            "uncertainty: got 'mixed' with a posterior, whose draws have no density for method 'nuts'; take 'centred', "
            "or method='importance'"
        )
    if record.changing:
        raise PopulationError(
            f"{record.name}: covariates: {record.changing} change with time, which a fit does not know; take "
            "method='importance'"
        )
    if population.mixtures:
        raise PopulationError(
            f"mixture.{population.mixtures[0].name}: chains seldom pass from one class of a patient to another, so "
            "that they may miss one; take method='importance', which looks at each"
        )
    for p in population.parameters:
        if any(name.startswith("tau_") for name in p.spreads):
            raise PopulationError(f"{p.name}: differs between sites or studies; take method='importance'")


def _sample(
    population: Population, record: PatientRecord, basis: Basis, number: int, options: dict[str, Any]
) -> xr.DataTree:
    import nutpie
    import pymc as pm

    graph = basis.graph
    assert graph is not None  # `_possible` has refused it
    changing = any(p.between_occasion for p in population.parameters)
    occasions = 1 + int(record.observations["occasion"].max()) if changing else None
    people = population.centred() if basis.uncertainty == "centred" and basis.posterior is None else population
    rows = requests(people, record.data)
    model = people.build(record.data, predict=graph(record, rows), occasions=occasions)
    if basis.posterior is not None:
        group = fitted(population, basis.posterior)
        known = {name: group[name] for name in learned(population, basis.posterior)}
        at = {n: np.median(v.transpose("chain", "draw", ...).to_numpy(), axis=(0, 1)) for n, v in known.items()}
        model = pm.do(model, {n: v for n, v in at.items() if n in model.named_vars})
    seed = int(generator(basis.seed, Stream.TWIN, number, DRAWS).integers(2**31))
    compiled = nutpie.compile_pymc_model(model)
    sampled_tree: xr.DataTree = nutpie.sample(compiled, seed=seed, progress_bar=False, save_warmup=False, **options)
    return sampled_tree


def _twin(
    population: Population, record: PatientRecord, predict: Predict, basis: Basis, number: int, tree: xr.DataTree
) -> Twin:
    from cohorts.twins.learning import values_of

    group = tree["posterior"].to_dataset()
    centred = Basis(basis.posterior, "centred", basis.settings, basis.seed)
    values = values_of(population, centred)
    drawn = [c.name for c in population.coefficients if basis.uncertainty == "mixed" and c.free and c.name in group]
    count = group.sizes["chain"] * group.sizes["draw"]
    if drawn:
        flat = {n: np.repeat(v, count, axis=0) for n, v in values.items()} | {n: _flat(group[n]) for n in drawn}
        values = {n: np.concatenate([values[n], flat[n]]) for n in values}
    problem = problem_of(population, predict, [record], values)
    x = np.stack([_unknown(group, name) for name in problem.latent.names], axis=1)
    rows = 1 + np.arange(count) if drawn else np.zeros(count, dtype=np.intp)
    particles = _equal(problem, x, rows, _independent(group, x))
    return Twin(TwinCohort(problem, particles, basis, np.array([number], dtype=np.intp)))


def _unknown(group: xr.Dataset, name: str) -> Array:
    """Draws of an unknown: ``z_<p>``, or ``k_<p>[o]`` of one occasion."""
    plain, _, rest = name.partition("[")
    values = group[plain].isel(subject=0)
    return _flat(values.isel(occasion=int(rest[:-1])) if rest else values)


def _flat(values: xr.DataArray) -> Array:
    found = values.transpose("chain", "draw", ...).to_numpy()
    return np.asarray(found.reshape(-1, *found.shape[2:]), dtype=np.float64)


def _independent(group: xr.Dataset, x: Array) -> float:
    """Least bulk effective sample size of the unknowns."""
    import arviz as az

    shape = (group.sizes["chain"], group.sizes["draw"])
    return float(min(az.ess(x[:, i].reshape(shape), method="bulk") for i in range(x.shape[1])))


def _equal(problem: Problem, x: Array, rows: Any, ess: float) -> Particles:
    """Equally weighted draws, thinned to about as many as are independent, so that Monte Carlo errors are right."""
    step = max(1, int(np.floor(len(x) / max(ess, 1.0))))
    x, rows = x[::step], rows[::step]
    weight = np.full((1, len(x)), 1.0 / len(x))
    one = np.zeros(1, dtype=np.intp)
    best = climb(problem, one, one, x.mean(axis=0)[None])
    spread, regular = covariance(problem, one, one, best)
    nothing, unknown = np.zeros(weight.shape), np.full(1, -np.inf)
    return Particles(x[None], rows[None], nothing, weight, unknown, best.x, one, spread, regular & best.found)
