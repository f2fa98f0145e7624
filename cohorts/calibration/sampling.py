"""A population fitted to individual data by Hamiltonian Monte Carlo, with what is needed to judge the fit."""

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

from cohorts.calibration.data import IndividualData, covariate_values, individual_data
from cohorts.calibration.diagnosis import ADVICE, Gates, diagnose, divergences
from cohorts.drawing.cohort import stamp
from cohorts.drawing.streams import Stream, generator
from cohorts.errors import CalibrationError, PopulationError
from cohorts.judgement.predictive import Predictor, measured, new_people, predictor
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array
from cohorts.specification.residuals import ERRORS, Residual

Predict = Callable[[Mapping[str, Any]], Any]
Progress = Callable[[str, int, int], None]

CHECKED = 500
"""Draws that the predictive groups hold."""


ADAPTATION = "low_rank"
"""Mass matrix: with many samples a person, a typical value and all deviations from it move together, which a diagonal
one cannot follow (measured on 60 people: least effective sample size 1726 of 8000 draws, 563 with a diagonal one)."""


@dataclass(frozen=True, slots=True)
class _Fit:
    """One calibration: what is fitted to what."""

    population: Population
    data: IndividualData
    residual: Residual
    predict: Predict
    seed: int
    progress: Progress

    @property
    def number(self) -> int:
        """Seed of the sampler."""
        return int(generator(self.seed, Stream.SAMPLER).integers(2**31))


def calibrate(
    population: Population,
    data: Any,
    predict: Predict,
    *,
    seed: int,
    output: str = "",
    chains: int = 4,
    tune: int = 1500,
    draws: int = 2500,
    target_accept: float = 0.98,
    cores: int | None = None,
    gates: Gates | None = None,
    allow: Collection[str] = (),
    progress: Progress | None = None,
) -> xr.DataTree:
    """Posterior of a population given measurements of individual people, by NUTS (nutpie).

    Parameters
    ----------
    population
        The specification; its uncertain numbers are the priors.
    data
        `IndividualData`, or anything with Datasets ``observations`` (subject, time, dv) and ``covariates`` (subject).
    predict
        The equations: individual parameters, PyTensor variables (subject) by name and in the order of the data's
        subjects, to the model's value at every observation, (observation).
    seed
        Non-negative whole number.
    output
        Which output the data measure; may be left out when only one has a residual error.
    chains, tune, draws, target_accept, cores
        As the sampler has them.
    gates
        What the fit must pass; by default R-hat < 1.01, effective sample sizes > 400, no divergence.
    allow
        Names of gates (``rhat``, ``ess``, ``divergences``) that may fail; recorded in the result.
    progress
        Called as ``progress(what, done, total)``; nothing is printed in any case.

    Returns
    -------
    xr.DataTree
        Groups posterior (chain, draw), sample_stats, log_likelihood, posterior_predictive (the same people measured
        anew), predictive_check (new people with the same covariates and design), prior, prior_predictive,
        observed_data, constant_data; attributes say what was fitted to what, with which versions, and how it went.
        The predictive groups hold fewer draws than the posterior.

    Raises
    ------
    PopulationError
        If data or population do not fit together; found before any work.
    CalibrationError
        If a gate fails that is not allowed to.
    """
    _known(allow)
    _one_occasion(population)
    fit = _Fit(population, individual_data(data), population.residual(output), predict, seed, progress or _silent)
    new_people(population, fit.data, seed=seed, replicates=CHECKED, posterior=None)
    options = {"chains": chains, "tune": tune, "draws": draws, "target_accept": target_accept, "cores": cores}
    sampled, seconds = _sample(fit, options)
    tree = _complete(fit, sampled)
    _judge(tree, fit, gates or Gates(), allow, {**options, **seconds})
    return tree


def _silent(what: str, done: int, total: int) -> None:
    """Nobody watches."""


def _known(allow: Collection[str]) -> None:
    if unknown := sorted(set(allow) - set(ADVICE)):
        raise PopulationError(f"allow: got {unknown}, wanted some of {sorted(ADVICE)}")


def _one_occasion(population: Population) -> None:
    """An SD between people estimated from one occasion holds that between occasions too; it must be declared so."""
    for p in population.parameters:
        if p.between_subject and p.between_subject.free and p.between_occasion and not p.total:
            raise PopulationError(
                f"parameters.{p.name}.between_subject: data of one occasion cannot tell it from between_occasion; "
                f"write total: true to say that it holds both, or leave between_occasion out"
            )


def _sample(fit: _Fit, options: Mapping[str, Any]) -> tuple[xr.DataTree, dict[str, float]]:
    import nutpie

    started = time.perf_counter()
    fit.progress("compiling the population model", 0, 1)
    model = fit.population.build(fit.data, predict=fit.predict, output=fit.residual.output)
    begin = {c.name: c.quantities[0].centre for c in fit.population.coefficients if _starts(c.name, model)}
    compiled = nutpie.compile_pymc_model(model, initial_points=begin)
    fit.progress("compiling the population model", 1, 1)
    built = time.perf_counter()

    def told(chains: Any) -> None:
        done, total = sum(c.finished_draws for c in chains), sum(c.total_draws for c in chains)
        fit.progress("sampling the posterior", done, total)

    tree = nutpie.sample(
        compiled,
        seed=fit.number,
        adaptation=ADAPTATION,
        progress_bar=False,
        save_warmup=False,
        progress_callback=told,
        **options,
    )
    finished = time.perf_counter()
    return tree, {"seconds_compile": built - started, "seconds_sample": finished - built}


def _starts(name: str, model: Any) -> bool:
    """Whether chains can start at the prior median of a coefficient: it is a random variable itself."""
    return any(v.name == name for v in model.free_RVs) and model[name].ndim == 0


def _complete(fit: _Fit, sampled: xr.DataTree) -> xr.DataTree:
    posterior = _described(fit.population, sampled["posterior"].to_dataset())
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": sampled["sample_stats"].to_dataset()})
    tree.attrs = {"fitted_digest": fit.population.fitted_digest, "population": fit.population.name}
    names = fit.population.parameter_names
    function = predictor(fit.predict, names, len(fit.data.subjects))
    fit.progress("predicting", 0, 1)
    for name, group in {**_same_people(fit, posterior, function), **_new(fit, tree, function), **_given(fit)}.items():
        tree[name] = xr.DataTree(group)
    fit.progress("predicting", 1, 1)
    return tree


def _described(population: Population, group: xr.Dataset) -> xr.Dataset:
    units = {p.name: p.unit for p in population.parameters} | {c.name: c.unit for c in population.coefficients}
    for name in group.data_vars:
        group[name].attrs["units"] = units.get(str(name), "1")
    return group


def _same_people(fit: _Fit, posterior: xr.Dataset, function: Predictor) -> dict[str, xr.Dataset]:
    """The people of the data measured anew, and how likely what was measured is."""
    count = max(1, posterior.sizes["draw"] * posterior.sizes["chain"] // CHECKED)
    thin = posterior.isel(draw=slice(None, None, count))
    shape = (thin.sizes["chain"], thin.sizes["draw"], -1)
    flat = {str(n): thin[n].transpose("chain", "draw", ...).values for n in thin.data_vars}
    flat = {n: v.reshape(shape[0] * shape[1], *v.shape[2:]) for n, v in flat.items()}
    predicted = function({name: flat[name] for name in fit.population.parameter_names})
    sigmas = _sigmas(fit, flat, len(predicted))
    seen = measured(fit.residual, predicted, sigmas, fit.seed, 0)
    likely = _log_likelihood(fit, predicted, sigmas)
    coords = {"chain": thin["chain"], "draw": thin["draw"]}
    made = {"posterior_predictive": seen, "log_likelihood": likely}
    dims = ("chain", "draw", "observation")
    return {k: xr.Dataset({fit.residual.output: (dims, v.reshape(shape))}, coords) for k, v in made.items()}


def _sigmas(fit: _Fit, values: Mapping[str, Array], count: int) -> dict[str, Array]:
    fixed = {c.name: c.quantities[0].centre for c in fit.population.coefficients if not c.levels and not c.free}
    return {n: values[n] if n in values else np.full(count, fixed[n]) for n in fit.residual.names.values()}


def _log_likelihood(fit: _Fit, predicted: Array, sigmas: Mapping[str, Array]) -> Array:
    seen = np.asarray(fit.data.observations["dv"].values, dtype=np.float64)
    sd = fit.residual.spread(predicted, {k: v[:, None] for k, v in sigmas.items()}, np)
    log = ERRORS[fit.residual.kind].log
    apart = np.log(seen) - np.log(predicted) if log else seen - predicted
    likely = -0.5 * (apart / sd) ** 2 - np.log(sd) - 0.5 * np.log(2.0 * np.pi)
    return np.asarray(likely - np.log(seen) if log else likely)


def _new(fit: _Fit, tree: xr.DataTree, function: Predictor) -> dict[str, xr.Dataset]:
    """New people, once with the population the data taught and once with the prior one."""
    made: dict[str, xr.Dataset] = {}
    for number, (known, name) in enumerate([(tree, "predictive_check"), (None, "prior_predictive")], start=1):
        people, values = new_people(fit.population, fit.data, seed=fit.seed, replicates=CHECKED, posterior=known)
        seen = measured(fit.residual, function(people), values, fit.seed, number)
        made[name] = _prior_shaped(xr.Dataset({fit.residual.output: (("draw", "observation"), seen)}), known is None)
        if known is None:
            made["prior"] = _prior_shaped(_prior(fit.population, people, values), shaped=True)
    return made


def _prior_shaped(group: xr.Dataset, shaped: bool) -> xr.Dataset:
    """ArviZ wants a chain; predictions of new people are replicates."""
    return group.expand_dims(chain=[0]) if shaped else group.rename(draw="replicate")


def _prior(population: Population, people: Mapping[str, Array], values: Mapping[str, Array]) -> xr.Dataset:
    top = {c.name: (("draw", *c.dims), values[c.name]) for c in population.coefficients if c.free and c.fitted}
    levels = {c.dims[0]: list(c.levels) for c in population.coefficients if c.levels and c.free}
    return xr.Dataset({**top, **{k: (("draw", "subject"), v) for k, v in people.items()}}, levels)


def _given(fit: _Fit) -> dict[str, xr.Dataset]:
    seen = np.asarray(fit.data.observations["dv"].values, dtype=np.float64)
    when = np.asarray(fit.data.observations["time"].values, dtype=np.float64)
    covariates = {k: ("subject", v) for k, v in covariate_values(fit.population, fit.data).items()}
    people = {"subject": fit.data.subjects}
    constant = {"time": ("observation", when), "position": ("observation", fit.data.position), **covariates}
    return {
        "observed_data": xr.Dataset({fit.residual.output: ("observation", seen)}),
        "constant_data": xr.Dataset(constant, people),
    }


def _judge(tree: xr.DataTree, fit: _Fit, gates: Gates, allow: Collection[str], run: Mapping[str, Any]) -> None:
    """Stamp the tree and refuse it if a gate fails that may not."""
    failed = gates.failures(tree)
    table = diagnose(tree, individuals=True)
    tree.attrs |= {
        **stamp(fit.population, fit.seed),
        "data_digest": fit.data.digest,
        "output": fit.residual.output,
        "rhat_max": float(table["rhat"].max()),
        "ess_min": float(table[["ess_bulk", "ess_tail"]].min().min()),
        "divergences": divergences(tree),
        "gates": json.dumps({"rhat": gates.rhat, "ess": gates.ess, "divergences": gates.divergences}),
        "failed": json.dumps(failed),
        "allowed": json.dumps(sorted(allow)),
        "versions": json.dumps({p: version(p) for p in ("pymc", "pytensor", "nutpie", "arviz", "numpy")}),
        **{k: v for k, v in run.items() if v is not None},
    }
    fatal = {k: v for k, v in failed.items() if k not in allow}
    if fatal:
        reasons = "; ".join(f"{v}: {ADVICE[k]}" for k, v in fatal.items())
        words = tuple(sorted(fatal))
        raise CalibrationError(
            f"the fit of {fit.population.name} may not be used. {reasons}. To go on all the same, which is recorded: "
            f"allow={words!r}",
            tree,
        )
