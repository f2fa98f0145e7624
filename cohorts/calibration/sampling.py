"""A population fitted to data of individual people, with what is needed to judge the fit."""

import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cohorts.calibration.chains import ACCEPT, Fit, Predict, Progress, sample
from cohorts.calibration.data import covariate_values, individual_data
from cohorts.calibration.diagnosis import ADVICE, Gates, diagnose, divergences, ebfmi
from cohorts.calibration.linearised import covariates_of, individual_fit
from cohorts.calibration.paths import laplace, pathfinder
from cohorts.calibration.people import (
    Predictor,
    changing,
    fixed_values,
    new_people,
    of_classes,
    predictor,
    same_people,
    simulated,
    within,
)
from cohorts.calibration.prior_density import log_prior
from cohorts.calibration.rows import Measurements, measurements, units_of
from cohorts.drawing.cohort import stamp
from cohorts.drawing.streams import Stream, generator
from cohorts.errors import CalibrationError, PopulationError
from cohorts.specification.population import Population
from cohorts.specification.quantities import Array

CHECKED = 500
"""Draws that the predictive groups hold."""

APPROXIMATIONS: dict[str, Callable[[Fit, int, int], tuple[xr.DataTree, dict[str, Any]]]] = {
    "laplace": laplace,
    "pathfinder": pathfinder,
}
"""Methods that are none of chains: a fit, chains and draws to draws and how they were made."""


def calibrate(
    population: Population,
    data: Any,
    predict: Predict,
    *,
    seed: int,
    method: str = "nuts",
    output: str = "",
    chains: int = 4,
    tune: int = 1000,
    draws: int = 1000,
    target_accept: float | None = None,
    cores: int | None = None,
    gates: Gates | None = None,
    allow: Collection[str] = (),
    progress: Progress | None = None,
) -> xr.DataTree:
    """Posterior of a population given measurements of individual people.

    By NUTS (nutpie), or for a first look by a declared approximation. Chains and searches begin at different places
    about the mode of the population-level values with all people typical (`cohorts.calibration.starts`), which depend
    on the seed alone.

    Parameters
    ----------
    population
        The specification; its uncertain numbers are the priors.
    data
        `IndividualData`, or anything with Datasets ``observations`` and ``covariates`` as it has them.
    predict
        The equations: individual parameters, PyTensor variables (subject) by name and in the order of the data's
        subjects, to the model's value at every row of `cohorts.requests`, (row). Where occasions are told apart, a
        parameter that differs between them is (subject, occasion). Pictures show its mapping ``units``, if any.
    seed
        Non-negative whole number.
    method
        ``nuts``; ``laplace``, what differs between people integrated out about each person's mode (`approximate` says
        how; many solutions of the equations, so best with closed forms); or ``pathfinder``, normal distributions along
        quasi-Newton searches (a thousandth of the gradients of NUTS; with uncertain SDs between people a posterior is
        seldom normal enough for it, and Laplace's method is the one to take). Both are weighted towards the posterior,
        and attributes ``approximation`` and ``pareto_k`` say what they are and how near they came. Their draws are
        independent: the chains are for the tools that want some; `tune`, `target_accept` and `cores` do not matter.
    output
        Which output the data measure, where they do not say; may be left out when the population has only one.
    chains, tune, draws, cores
        As the sampler has them.
    target_accept
        Mean acceptance probability that steps are adapted to. By default 0.9, and where more transitions diverge than
        the gates let through all is sampled once more with 0.98; attributes ``target_accept`` and ``diverged_before``
        tell which was kept, and how many diverged before.
    gates
        What the fit must pass; by default R-hat < 1.01, effective sample sizes of bulk and tails > 400, no divergence,
        E-BFMI >= 0.3. Of an approximation Pareto k < 0.7, and nothing else.
    allow
        Names of gates (``rhat``, ``ess``, ``divergences``, ``ebfmi``, ``pareto_k``) that may fail; recorded in the
        result.
    progress
        Called as ``progress(what, done, total)``; nothing is printed in any case.

    Returns
    -------
    xr.DataTree
        Groups posterior (chain, draw), sample_stats, log_likelihood, posterior_predictive (the same people measured
        anew), predictive_check (new people with the same covariates and design), prior, prior_predictive,
        observed_data, constant_data, log_prior (of each population-level value), individual_fit (predictions, residual
        spread and random effects at the posterior means); attributes say what was fitted to what, with which versions,
        and how it went. The predictive groups hold fewer draws than the posterior. Variables of measured things have
        dim observation; with several endpoints one is named after its output and has dim ``observation_<output>``,
        whose coordinate counts among all observations. Events are in log_likelihood and observed_data alone. With a
        mixture the class of each person is drawn from its probability given the data, ``p_<mixture>``, and the person's
        parameters are those of that class.

    Raises
    ------
    PopulationError
        If data or population do not fit together; found before any work.
    CalibrationError
        If a gate fails that is not allowed to.
    """
    _known(method, allow)
    whole = individual_data(data)
    fit = Fit(population, whole, measurements(population, whole, output), predict, output, seed, progress or _silent)
    _one_occasion(fit)
    new_people(population, fit.data, seed=seed, replicates=CHECKED, posterior=None)
    most = math.inf if target_accept is not None or "divergences" in allow else (gates or Gates()).divergences
    options: dict[str, Any] = {"chains": chains, "draws": draws}
    if method == "nuts":
        options |= {"tune": tune, "cores": cores, "target_accept": target_accept or ACCEPT}
        sampled, run = sample(fit, options, most)
    else:
        sampled, run = APPROXIMATIONS[method](fit, chains, draws)
    tree = _complete(fit, sampled)
    tree.attrs |= {k: v for k, v in {"method": method, **options, **run}.items() if v is not None}
    _judge(tree, fit, gates or Gates(), allow)
    return tree


def _silent(what: str, done: int, total: int) -> None:
    """Nobody watches."""


def _known(method: str, allow: Collection[str]) -> None:
    if method != "nuts" and method not in APPROXIMATIONS:
        raise PopulationError(f"method: got {method!r}, wanted one of {['nuts', *APPROXIMATIONS]}")
    if unknown := sorted(set(allow) - set(ADVICE)):
        raise PopulationError(f"allow: got {unknown}, wanted some of {sorted(ADVICE)}")


def _one_occasion(fit: Fit) -> None:
    """An SD between people estimated from one occasion holds that between occasions too; it must be declared so."""
    for p in fit.population.parameters if fit.occasions is None else ():
        if p.between_subject and p.between_subject.free and p.between_occasion and not p.total:
            raise PopulationError(
                f"parameters.{p.name}.between_subject: data of one occasion cannot tell it from between_occasion; "
                f"write total: true to say that it holds both, or leave between_occasion out"
            )


def _complete(fit: Fit, sampled: xr.DataTree) -> xr.DataTree:
    posterior = _described(fit.population, _classified(fit, sampled["posterior"].to_dataset()))
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": sampled["sample_stats"].to_dataset()})
    digest = fit.population.digest_of_fit(occasions=fit.occasions is not None)
    tree.attrs = {"fitted_digest": digest, "population": fit.population.name, "occasions": fit.occasions or 0}
    names = fit.population.parameter_names
    function = predictor(
        fit.predict, names, len(fit.data.subjects), occasions=fit.occasions, changing=changing(fit.population)
    )
    fit.progress("predicting", 0, 1)
    for name, group in {**_same_people(fit, posterior, function), **_new(fit, tree, function), **_given(fit)}.items():
        tree[name] = xr.DataTree(group)
    tree["log_prior"] = xr.DataTree(log_prior(fit.population, fit.data, posterior))
    tree["individual_fit"] = xr.DataTree(individual_fit(fit.population, fit.data, fit.measured, function, posterior))
    fit.progress("predicting", 1, 1)
    return tree


def _classified(fit: Fit, group: xr.Dataset) -> xr.Dataset:
    """With a mixture: the class of each person in each draw, and the parameters of that class."""
    if not fit.population.mixtures:
        return group
    chains, draws = group.sizes["chain"], group.sizes["draw"]
    flat = _flat(group)
    classes: dict[str, NDArray[Any]] = {}
    for i, m in enumerate(fit.population.mixtures):
        u = generator(fit.seed, Stream.CLASSES, i).random((chains * draws, len(fit.data.subjects), 1))
        classes[m.name] = (u >= np.cumsum(flat[f"p_{m.name}"], axis=-1)[..., :-1]).sum(axis=-1)
    z = of_classes(fit.population, flat, classes)
    made = z | same_people(fit.population, fit.data, flat | z, classes)
    dims = ("chain", "draw", "subject", "occasion")
    new = {n: (dims[: v.ndim + 1], v.reshape(chains, draws, *v.shape[1:])) for n, v in (made | classes).items()}
    every = [within(p.name, m) for m in fit.population.mixtures for p in fit.population.parameters]
    return group.drop_vars(every, errors="ignore").assign(new)


def _flat(group: xr.Dataset) -> dict[str, Array]:
    """Variables with chains and draws in one dimension, (draw, ...)."""
    plain = {str(n): group[n].transpose("chain", "draw", ...).values for n in group.data_vars}
    return {n: v.reshape(v.shape[0] * v.shape[1], *v.shape[2:]) for n, v in plain.items()}


def _described(population: Population, group: xr.Dataset) -> xr.Dataset:
    units = {p.name: p.unit for p in population.parameters} | {c.name: c.unit for c in population.coefficients}
    parameters, classes = set(population.parameter_names), {m.name for m in population.mixtures}
    units |= {f"shares_{name}": "1" for name in classes}
    for name in map(str, group.data_vars):
        role = "population" if name in units else "deviation"
        role = "parameter" if name in parameters else "class" if name in classes else role
        group[name].attrs |= {"units": units.get(name, "1"), "role": role}
    return group


def _same_people(fit: Fit, posterior: xr.Dataset, function: Predictor) -> dict[str, xr.Dataset]:
    """The people of the data measured anew, and how likely what was measured is."""
    count = max(1, posterior.sizes["draw"] * posterior.sizes["chain"] // CHECKED)
    thin = posterior.isel(draw=slice(None, None, count))
    shape = (thin.sizes["chain"], thin.sizes["draw"], -1)
    flat = _flat(thin)
    predicted = function({name: flat[name] for name in fit.population.parameter_names})
    values = {**fixed_values(fit.population, len(predicted)), **flat}
    likely = {one.output: _log_likelihood(one, predicted, values) for one in fit.measured}
    seen = simulated(fit.measured, predicted, values, fit.seed, 0)
    dims, coords = ("chain", "draw"), {"chain": thin["chain"], "draw": thin["draw"]}
    made = {"posterior_predictive": seen, "log_likelihood": likely}
    return {
        k: _group(fit, {n: v.reshape(shape) for n, v in g.items()}, dims).assign_coords(coords) for k, g in made.items()
    }


def _group(fit: Fit, values: Mapping[str, Array], dims: tuple[str, ...]) -> xr.Dataset:
    """Variables by output, the last dimension that of its observations."""
    rows = {one.output: one for one in fit.measured}
    coords = {rows[n].dim: rows[n].index for n in values if not rows[n].whole}
    return xr.Dataset({n: ((*dims, rows[n].dim), v) for n, v in values.items()}, coords)


def _log_likelihood(one: Measurements, predicted: Array, values: Mapping[str, Array]) -> Array:
    own = {name: np.reshape(values[name], (-1, 1)) for name in one.endpoint.names.values()}
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # what is impossible has likelihood 0
        return np.asarray(one.log_likelihood(predicted, own, np))


def _new(fit: Fit, tree: xr.DataTree, function: Predictor) -> dict[str, xr.Dataset]:
    """New people, once with the population the data taught and once with the prior one."""
    made: dict[str, xr.Dataset] = {}
    for number, (known, name) in enumerate([(tree, "predictive_check"), (None, "prior_predictive")], start=1):
        people, values = new_people(fit.population, fit.data, seed=fit.seed, replicates=CHECKED, posterior=known)
        seen = simulated(fit.measured, function(people), values, fit.seed, number)
        made[name] = _prior_shaped(_group(fit, seen, ("draw",)), known is None)
        if known is None:
            made["prior"] = _prior_shaped(_prior(fit, people, values), shaped=True)
    return made


def _prior_shaped(group: xr.Dataset, shaped: bool) -> xr.Dataset:
    """ArviZ wants a chain; predictions of new people are replicates."""
    return group.expand_dims(chain=[0]) if shaped else group.rename(draw="replicate")


def _prior(fit: Fit, people: Mapping[str, Array], values: Mapping[str, Array]) -> xr.Dataset:
    free = [c for c in fit.population.coefficients if c.free and (c.fitted or fit.occasions is not None)]
    top = {c.name: (("draw", *c.dims), values[c.name]) for c in free}
    levels = {c.dims[0]: list(c.levels) for c in fit.population.coefficients if c.levels and c.free}
    dims = ("draw", "subject", "occasion")
    return xr.Dataset({**top, **{k: (dims[: v.ndim], v) for k, v in people.items()}}, levels)


def _given(fit: Fit) -> dict[str, xr.Dataset]:
    data = fit.data
    seen = {one.output: np.where(one.below, np.nan, one.dv) for one in fit.measured}
    when = np.asarray(data.observations["time"].values, dtype=np.float64)
    covariates = {k: ("subject", v) for k, v in covariate_values(fit.population, data).items()}
    constant = {"time": ("observation", when), "position": ("observation", data.position), **covariates}
    if fit.occasions is not None:
        constant["occasion_of"] = ("observation", data.occasion)
    if data.below.any():
        constant["below"] = ("observation", data.below)
        constant["lloq"] = ("observation", np.asarray(data.observations["lloq"].values, dtype=np.float64))
    used = {v.column for v in fit.population.variables if v.name in covariates}
    constant |= covariates_of(data, {*constant, *used})
    given = xr.Dataset(constant, {"subject": data.subjects})
    for v in fit.population.variables:
        if v.name in covariates:
            given[v.name].attrs = {k: x for k, x in v.attributes().items() if k in ("units", "long_name", "levels")}
    units, observed = units_of(data, fit.measured, fit.predict), _group(fit, seen, ())
    for name, column in (*observed.data_vars.items(), ("time", given["time"])):
        column.attrs["units"] = units.get(str(name), "")
    return {"observed_data": observed, "constant_data": given}


def _judge(tree: xr.DataTree, fit: Fit, gates: Gates, allow: Collection[str]) -> None:
    """Stamp the tree and refuse it if a gate fails that may not."""
    failed = gates.failures(tree)
    tree.attrs |= {
        **stamp(fit.population, fit.seed),
        "data_digest": fit.data.digest,
        "output": fit.measured[0].output,
        "outputs": json.dumps([one.output for one in fit.measured]),
        **({} if "approximation" in tree.attrs else _of_chains(tree)),
        "gates": json.dumps(asdict(gates)),
        "failed": json.dumps(failed),
        "allowed": json.dumps(sorted(allow)),
        "versions": json.dumps({p: version(p) for p in ("pymc", "pytensor", "nutpie", "arviz", "numpy")}),
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


def _of_chains(tree: xr.DataTree) -> dict[str, Any]:
    """The worst that the diagnostics of chains show."""
    table = diagnose(tree, individuals=True)
    return {
        "rhat_max": float(table["rhat"].max()),
        "ess_min": float(table[["ess_bulk", "ess_tail"]].min().min()),
        "divergences": divergences(tree),
        "ebfmi_min": float(ebfmi(tree).min()),
    }
