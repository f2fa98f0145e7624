"""Making twins and teaching them: from records to posteriors, at once or visit by visit."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from cohorts.drawing.cohort import fitted, learned, population_values
from cohorts.drawing.streams import Stream, derived
from cohorts.errors import CalibrationError, PopulationError
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array
from cohorts.twins.pareto import LIMIT, effective, smoothed
from cohorts.twins.particles import Particles, Settings, sample
from cohorts.twins.patient import LEAST, Basis, Graph, Twin, TwinCohort
from cohorts.twins.problem import Index, Problem, problem_of
from cohorts.twins.records import PatientRecord, Predict

UNCERTAINTY = ("mixed", "centred")
ADVICE = "take more particles, or method='nuts', which needs no proposal"


def twin(
    population: Population,
    record: PatientRecord,
    predict: Predict,
    *,
    seed: int,
    posterior: xr.DataTree | None = None,
    uncertainty: str = "mixed",
    method: str = "importance",
    graph: Graph | None = None,
    sampler: dict[str, Any] | None = None,
    allow: Sequence[str] = (),
    number: int = 0,
    **settings: Any,
) -> Twin:
    """The digital twin of a patient: the posterior of their parameters given their own data and a population.

    Parameters
    ----------
    population
        What is believed of patients in general.
    record
        The patient's doses, measurements and covariates; without measurements the twin is what the covariates tell.
    predict
        The equations as a function of arrays; `cohorts.twins.records.Predict` says of which.
    seed
        Non-negative whole number; all random numbers are addressed under it.
    posterior
        Result of `calibrate` for this population; None takes population-level values from their priors, which for a
        literature population are its estimates with standard errors.
    uncertainty
        ``mixed``: population-level values stay uncertain, each particle has its own draw, and the patient's data weigh
        these too. ``centred``: they are set at their medians, as if known.
    method
        ``importance``: weighted draws. ``laplace``: the normal distribution about the mode, an approximation whose
        quality is reported (Pareto k). ``nuts``: Hamiltonian Monte Carlo, which needs `graph`.
    graph
        For ``nuts``: ``graph(record, rows)``, with the rows of `cohorts.requests`, to the equations as
        `Population.build` takes them.
    sampler
        For ``nuts``: ``chains``, ``tune``, ``draws``, ``target_accept``, ``cores``, ``gates``.
    allow
        Checks that may fail: ``pareto_k`` (wanted < 0.7), ``ess`` (wanted >= 400), and the gates of ``nuts``.
    number
        Address of the patient's random numbers under the seed.
    **settings
        Fields of `cohorts.twins.particles.Settings`, such as ``particles`` and ``proposal``.

    Raises
    ------
    PopulationError
        If record and population do not fit together, or an argument is out of range.
    CalibrationError
        If a check fails that is not allowed to, with advice.
    """
    basis = Basis(posterior, uncertainty, Settings(method=method, **settings), seed, graph, sampler)
    if method == "nuts":
        from cohorts.twins.sampling import sampled

        return sampled(population, record, predict, basis, number, allow)
    return judged(_fitted(population, [record], predict, basis, np.array([number]))[0], allow)


def twin_cohort(
    population: Population,
    records: Sequence[PatientRecord],
    predict: Predict,
    *,
    seed: int,
    posterior: xr.DataTree | None = None,
    uncertainty: str = "mixed",
    method: str = "importance",
    first: int = 0,
    **settings: Any,
) -> TwinCohort:
    """Twins of many patients at once, all side by side in compiled equations; `twin` says what the arguments are.

    Nothing is refused for poor weights: ``diagnostics`` of the result says which patients are ``reliable``.

    Parameters
    ----------
    population, predict, seed, posterior, uncertainty, method, **settings
        As for `twin`; not ``nuts``. All patients share the draws of the population-level values.
    records
        One a patient; all with the same covariates.
    first
        Number of the first patient: patient i of the result equals ``twin(..., number=first + i)``.
    """
    if method == "nuts":
        raise PopulationError("method: got 'nuts', wanted 'importance' or 'laplace'; take cohorts.twin, one by one")
    if not records:
        raise PopulationError("records: empty; wanted one patient or more")
    basis = Basis(posterior, uncertainty, Settings(method=method, **settings), seed)
    return _fitted(population, records, predict, basis, np.arange(first, first + len(records)))


def _fitted(
    population: Population, records: Sequence[PatientRecord], predict: Predict, basis: Basis, numbers: Index
) -> TwinCohort:
    problem = problem_of(population, predict, records, values_of(population, basis))
    _check(problem)
    return TwinCohort(problem, sample(problem, basis.settings, basis.seed, numbers), basis, numbers)


def _check(problem: Problem) -> None:
    """Refuse patients whose measurements nobody could have."""
    rows = np.arange(problem.classes.count) * problem.classes.draws
    which = np.repeat(np.arange(len(problem.records)), len(rows))
    typical = np.zeros((len(which), problem.latent.size))
    likely = problem.log_likelihood(which, np.tile(rows, len(problem.records)), typical).reshape(
        len(problem.records), -1
    )
    possible = np.isfinite(likely).any(axis=1)
    if not possible.all():
        who = problem.records[int(np.flatnonzero(~possible)[0])].name
        raise PopulationError(
            f"{who}: the measurements have no likelihood in the typical patient with these covariates; look for one "
            "where the model is exactly 0 and the error is proportional, such as before the first dose"
        )


def values_of(population: Population, basis: Basis) -> dict[str, Array]:
    """Population-level values: first their medians, then, where they stay uncertain, a draw for each particle."""
    if basis.uncertainty not in UNCERTAINTY:
        raise PopulationError(f"uncertainty: got {basis.uncertainty!r}, wanted one of {list(UNCERTAINTY)}")
    centre = {
        c.name: np.array([[q.centre for q in c.quantities]] if c.levels else [c.quantities[0].centre])
        for c in population.coefficients
    }
    if basis.posterior is not None:
        group = fitted(population, basis.posterior)
        known = learned(population, basis.posterior)
        centre |= {n: np.median(group[n].transpose("chain", "draw", ...).to_numpy(), axis=(0, 1))[None] for n in known}
    if basis.uncertainty == "centred" or not any(c.free for c in population.coefficients):
        return centre
    address = derived(basis.seed, Stream.TWIN)
    drawn = population_values(population, address, range(basis.settings.particles), basis.posterior)
    return {n: np.concatenate([v, drawn[n]]) for n, v in centre.items()}


def updated(twin: Twin, later: PatientRecord, *, least: float, allow: Sequence[str]) -> Twin:
    """`Twin.update` says what this does."""
    group, record = twin.group, twin.record.joined(later)
    basis, number = group.basis, int(group.numbers[0])
    problem = problem_of(twin.population, group.problem.predict, [record], group.problem.values)
    moved = dict(record.covariates) != dict(twin.record.covariates)
    if problem.latent == group.problem.latent and basis.settings.method != "laplace" and not moved:
        particles = _reweighted(group, replace(group, problem=problem))
        ess, k = effective(particles.weight)[0], particles.k[0]
        if ess >= max(least * particles.draw.shape[1], LEAST) and k < LIMIT:
            return Twin(TwinCohort(problem, particles, basis, group.numbers, (*group.history, "reweighted")))
    fresh = again(twin.population, record, group.problem.predict, basis, number, allow)
    return Twin(replace(fresh.group, history=(*group.history, "refitted")))


def again(
    population: Population, record: PatientRecord, predict: Predict, basis: Basis, number: int, allow: Sequence[str]
) -> Twin:
    """A twin on the same basis with another record."""
    if basis.settings.method == "nuts":
        from cohorts.twins.sampling import sampled

        return sampled(population, record, predict, basis, number, allow)
    return judged(_fitted(population, [record], predict, basis, np.array([number]))[0], allow)


def updated_cohort(group: TwinCohort, later: Sequence[PatientRecord], *, least: float) -> TwinCohort:
    """`TwinCohort.update` says what this does."""
    if len(later) != len(group):
        raise PopulationError(f"later: got {len(later)} records, wanted {len(group)}, one a patient")
    old, basis = group.problem, group.basis
    records = [one.joined(more) for one, more in zip(old.records, later, strict=True)]
    problem = problem_of(old.latent.population, old.predict, records, old.values)
    if problem.latent != old.latent or basis.settings.method == "laplace":
        whole = _fitted(old.latent.population, records, old.predict, basis, group.numbers)
        return replace(whole, history=(*group.history, "refitted"))
    particles = _reweighted(group, replace(group, problem=problem))
    moved = [dict(a.covariates) != dict(b.covariates) for a, b in zip(records, old.records, strict=True)]
    poor = np.array(moved) | (effective(particles.weight) < least * particles.draw.shape[1]) | ~(particles.k < LIMIT)
    places = np.flatnonzero(poor)
    if len(places):
        part = problem.of(places)
        _check(part)
        fresh = sample(part, basis.settings, basis.seed, group.numbers[places])
        particles = Particles._make(_with(a, b, places) for a, b in zip(particles, fresh, strict=True))
    said = f"reweighted, {len(places)} refitted" if len(places) else "reweighted"
    return TwinCohort(problem, particles, basis, group.numbers, (*group.history, said))


def _with(values: Any, some: Any, places: Index) -> Any:
    made = np.array(values)
    made[places] = some
    return made


def _reweighted(old: TwinCohort, new: TwinCohort) -> Particles:
    """Particles weighed by what the new problem's measurements add to the likelihood."""
    p = old.particles
    which = np.repeat(np.arange(len(p.draw)), p.draw.shape[1])
    x = p.x.reshape(-1, p.x.shape[-1])
    before, after = (g.problem.log_likelihood(which, p.draw.ravel(), x).reshape(p.draw.shape) for g in (old, new))
    gain = np.where(np.isfinite(after), after - np.where(np.isfinite(before), before, 0.0), -np.inf)
    ratio = p.log_ratio + gain
    lost = ~np.isfinite(ratio).any(axis=1)
    ratio = np.where(lost[:, None], p.log_ratio, ratio)
    weight, k = smoothed(ratio)
    return p._replace(log_ratio=ratio, weight=weight, k=np.where(lost, np.inf, k))


def judged(twin: Twin, allow: Sequence[str]) -> Twin:
    """The twin with what failed recorded; one whose weights cannot be trusted is refused.

    Raises
    ------
    CalibrationError
        Naming the failed check and what to do; `allow` may name ``pareto_k`` and ``ess``.
    """
    if unknown := sorted(set(allow) - {"pareto_k", "ess"}):
        raise PopulationError(f"allow: got {unknown}, wanted some of ['ess', 'pareto_k']")
    d = twin.diagnostics
    approximate = d["method"] == "laplace"
    failed: dict[str, str] = {}
    if not d["pareto_k"] < LIMIT and d["method"] != "nuts":
        advice = "the normal distribution about the mode is far from the posterior; take method='importance'"
        failed["pareto_k"] = f"Pareto k is {d['pareto_k']:.2f}, wanted < {LIMIT}: {advice if approximate else ADVICE}"
    if not d["ess"] >= LEAST:
        failed["ess"] = f"effective sample size is {d['ess']:.0f}, wanted >= {LEAST:g}: {ADVICE}"
    fatal = {k: v for k, v in failed.items() if k not in allow}
    if fatal:
        raise CalibrationError(
            f"the twin of {twin.record.name} may not be used. {'; '.join(fatal.values())}. To go on all the same, "
            f"which is recorded: allow={tuple(fatal)!r}",
            twin.posterior,
        )
    return Twin(replace(twin.group, failed=failed))
