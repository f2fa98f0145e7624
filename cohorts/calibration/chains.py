"""Chains of a fit: nutpie on the compiled model, from places near the data, centred where that is easier to follow."""

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr

from cohorts.calibration.data import IndividualData
from cohorts.calibration.deviations import Orders, about_classes, can_be_centred, factor_of, innovations
from cohorts.calibration.diagnosis import divergences
from cohorts.calibration.people import told_apart, within
from cohorts.calibration.rows import Measurements
from cohorts.calibration.starts import Starts, medians, starts
from cohorts.drawing.streams import Stream, generator
from cohorts.errors import CalibrationError
from cohorts.specification.individuals import correlated, factor
from cohorts.specification.parameters import Correlation
from cohorts.specification.population import Population

Predict = Callable[[Mapping[str, Any]], Any]
Progress = Callable[[str, int, int], None]


DEPTH = 8
"""Trees of a trajectory are doubled at most this often. Before the mass matrix is known they are several times deeper
than ever later, and what they cost tells the adaptation nothing: of the gradients of a solved model of 60 people 80 %
were spent in tuning, most of them in the first 25 iterations, of 460 steps each. A posterior that is sampled well needs
some 15 steps."""

ADAPTATION: dict[str, Any] = {"adaptation": "low_rank", "mass_matrix_eigval_cutoff": 1.5, "maxdepth": DEPTH}
"""Mass matrix: with many samples a person, a typical value and all deviations from it move together, which a diagonal
one cannot follow (measured on 60 people: least effective sample size 1726 of 8000 draws, 563 with a diagonal one). The
cutoff lets it follow two correlated SDs of a residual error too: least effective sample sizes of 4000 draws of
theophylline, three seeds, 782 to 952, and 267 to 1104 with the sampler's own cutoff of 2."""

LOOK = {"chains": 2, "tune": 200, "draws": 100}
"""Short run that looks how much the data tell of each person, non-centred."""

ACCEPT, CAREFUL = 0.9, 0.98
"""Mean acceptance probability that steps are adapted to, first and where some transition diverged: smaller steps cost
up to twice as much and are seldom needed."""

FULLY, NOT = 0.25, 0.75
"""A parameter is sampled centred where the data leave, on average over the people, no more than the first of these
shares of the variance of their standard deviations from the typical value, non-centred from the other share on, and in
part between them. Where data tell more of a person than the population does the deviations follow the data, and a
non-centred sampler would have to move them with the typical value and the SD; with less information it is the other way
round, and where they tell about half neither extreme is followed well. In a correlated block it is what is a
parameter's own beyond those drawn before it that counts. Papaspiliopoulos, Roberts & Skold 2007,
doi:10.1214/088342307000000014; Betancourt & Girolami 2015, arXiv:1312.0906. Measured, least effective draws: warfarin's
absorption, of 3600 with two seeds, 318 and 587 non-centred, 991 and 873 with weights of 0.17 and 0.13; 59 newborns with
phenobarbital, of 2000, 174 and 630 with a weight of 0.5."""

STRONG = 0.5
"""Correlation from which on the order of a block counts: then the parameter that the data tell most of is drawn first.
Were it last, what is its own beyond the others would be the difference of two numbers that move together (same data,
effective draws of 4000: 157 to 312 in the other order, 851 in this one)."""


@dataclass(frozen=True, slots=True)
class Fit:
    """One calibration: what is fitted to what."""

    population: Population
    data: IndividualData
    measured: tuple[Measurements, ...]
    predict: Predict
    output: str
    seed: int
    progress: Progress

    @property
    def occasions(self) -> int | None:
        """Number of occasions told apart; None for none."""
        return told_apart(self.population, self.data)

    @property
    def number(self) -> int:
        """Seed of the sampler."""
        return int(generator(self.seed, Stream.SAMPLER).integers(2**31))


def prepare(fit: Fit) -> tuple[Starts, float]:
    """The compiled model of a fit with places to begin, and the seconds that compiling took."""
    started = time.perf_counter()
    compiled = _compiled(fit, {})
    return starts(fit.population, compiled, _weights(fit.population), fit.seed), time.perf_counter() - started


def _compiled(fit: Fit, orders: Orders) -> Any:
    import nutpie

    from cohorts.calibration.building import build

    fit.progress("compiling the population model", 0, 1)
    model = build(
        fit.population,
        fit.data,
        occasions=None,
        predict=fit.predict,
        output=fit.output,
        weights=_weights(fit.population),
        orders=orders,
    )
    made = nutpie.compile_pymc_model(model, initial_points=medians(fit.population, model), jitter_rvs=set())
    fit.progress("compiling the population model", 1, 1)
    return made


def sample(fit: Fit, options: Mapping[str, Any], most: float) -> tuple[xr.DataTree, dict[str, Any]]:
    """Draws, and how they were made; once more with smaller steps where more than `most` transitions diverge."""
    begun, compiling = prepare(fit)
    built, busy = time.perf_counter(), time.process_time()
    begun, centred = _chosen(fit, begun, options["cores"])
    ready = begun.beginning(centred, 1)
    tree = _run(fit, ready, options, "sampling the posterior")
    made: dict[str, Any] = {"centred": json.dumps({n: round(w, 3) for n, w in sorted(centred.items()) if w})}
    if (count := divergences(tree)) > most:
        made |= {"target_accept": CAREFUL, "diverged_before": count}
        tree = _run(fit, ready, {**options, "target_accept": CAREFUL}, "sampling with smaller steps")
    made |= {"seconds_compile": compiling, "seconds_sample": time.perf_counter() - built}
    return tree, {**made, "seconds_cpu": time.process_time() - busy}


def _run(fit: Fit, ready: Any, options: Mapping[str, Any], what: str) -> xr.DataTree:
    import nutpie

    tree: xr.DataTree = nutpie.sample(
        ready,
        seed=fit.number,
        progress_bar=False,
        save_warmup=False,
        progress_callback=_told(fit, what),
        **ADAPTATION,
        **options,
    )
    if not all(bool(np.isfinite(v).all()) for v in tree["sample_stats"].to_dataset()[["energy"]].values()):
        raise CalibrationError("the sampler was stopped before all draws were made", tree)
    return tree


def _weights(population: Population) -> dict[str, float]:
    """Parameters that may be sampled centred, and where they begin: as they must be, or non-centred."""
    able = [p for p in population.parameters if p.parameterisation != "non-centred" and can_be_centred(p)]
    return {p.name: float(p.parameterisation == "centred") for p in able}


def _chosen(fit: Fit, begun: Starts, cores: int | None) -> tuple[Starts, dict[str, float]]:
    """How far to sample each parameter centred: what must be is, others by what the data tell of people.

    Where correlated deviations are better drawn in another order the model is compiled anew.
    """
    import nutpie

    weights = _weights(fit.population)
    open_ = [name for name, weight in weights.items() if weight == 0.0]
    if not open_:
        return begun, weights
    look = nutpie.sample(
        begun.beginning(weights, 0),
        seed=int(generator(fit.seed, Stream.SAMPLER, 1).integers(2**31)),
        progress_bar=False,
        save_warmup=False,
        progress_callback=_told(fit, "looking how much the data tell of each person"),
        cores=cores,
        **ADAPTATION,
        **LOOK,
    )
    orders, left = _seen(fit.population, look["posterior"].to_dataset(), weights)
    if orders:
        begun = replace(begun, compiled=_compiled(fit, orders))
    # Else one person may have a mode in each class of a mixture (0.46 left: 8 effective draws, non-centred 231).
    depends = about_classes(fit.population)
    reach = {name: float(left[name] <= FULLY) if name in depends else _weight(left[name]) for name in open_}
    return begun, weights | reach


def _seen(population: Population, look: xr.Dataset, able: Collection[str]) -> tuple[Orders, dict[str, float]]:
    """Orders of blocks that should not be drawn in their own, and the variance that data leave of each deviation."""
    z = {p.name: _own(population, look, p.name) for p in population.parameters if p.between_subject}
    values = {c.name: look[c.name] if c.name in look else c.quantities[0].values[0] for c in population.coefficients}
    classes = next((look[f"p_{m.name}"] for m in population.mixtures), None)
    whole = correlated(population.correlations, values, z, np)
    left = {name: _variance(d, classes) for name, d in whole.items()}
    orders: dict[tuple[str, ...], tuple[str, ...]] = {}
    for block in population.correlations:
        of = tuple(sorted(block.of, key=left.__getitem__))
        if of == block.of or not set(of) <= set(able) or not _strong(block, values):
            of = block.of
        else:
            orders[block.of] = of
        z |= innovations(of, factor_of(block, values, of, np), whole)
    return orders, {name: _variance(d, classes) for name, d in z.items()}


def _own(population: Population, look: xr.Dataset, name: str) -> xr.DataArray:
    """People's deviations in a look, by class where they depend on it."""
    by_class = (within(name, m) for m in population.mixtures)
    return look[next((n for n in by_class if n in look), f"z_{name}")]


def _weight(left: float) -> float:
    """From 1, where no more than `FULLY` is left, to 0, where `NOT` is or more."""
    return float(np.interp(left, [FULLY, NOT], [1.0, 0.0]))


def _variance(z: xr.DataArray, classes: xr.DataArray | None) -> float:
    """Variance over the draws, on average over people: where they have classes, of those of one class."""
    if classes is None:
        return float(z.var(("chain", "draw")).mean())
    share = classes.clip(min=np.finfo(np.float64).tiny)
    middle = (share * z).sum(("chain", "draw")) / share.sum(("chain", "draw"))
    return float((share * (z - middle) ** 2).mean() * classes.sizes[classes.dims[-1]])


def _strong(block: Correlation, values: Mapping[str, Any]) -> bool:
    """Whether some two parameters of a block go together so much that the order counts."""
    rows = factor(block, values, np)
    pairs = [sum(a * b for a, b in zip(one, other, strict=False)) for one, other in combinations(rows, 2)]
    return any(abs(float(np.mean(r))) > STRONG for r in pairs)


def _told(fit: Fit, what: str) -> Callable[[Any], None]:
    def told(chains: Any) -> None:
        fit.progress(what, sum(c.finished_draws for c in chains), sum(c.total_draws for c in chains))

    return told
