"""Chains of a fit: nutpie on the compiled model, from places near the data, centred where that is easier to follow."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from cohorts.calibration.data import IndividualData
from cohorts.calibration.deviations import can_be_centred
from cohorts.calibration.diagnosis import divergences
from cohorts.calibration.people import told_apart
from cohorts.calibration.rows import Measurements
from cohorts.calibration.starts import Starts, medians, starts
from cohorts.drawing.streams import Stream, generator
from cohorts.errors import CalibrationError
from cohorts.specification.population import Population

Predict = Callable[[Mapping[str, Any]], Any]
Progress = Callable[[str, int, int], None]


ADAPTATION: dict[str, Any] = {"adaptation": "low_rank", "mass_matrix_eigval_cutoff": 1.5}
"""Mass matrix: with many samples a person, a typical value and all deviations from it move together, which a diagonal
one cannot follow (measured on 60 people: least effective sample size 1726 of 8000 draws, 563 with a diagonal one). The
cutoff lets it follow two correlated SDs of a residual error too: least effective sample sizes of 4000 draws of
theophylline, three seeds, 782 to 952, and 267 to 1104 with the sampler's own cutoff of 2."""

LOOK = {"chains": 2, "tune": 200, "draws": 100}
"""Short run that looks how much the data tell of each person, non-centred."""

ACCEPT, CAREFUL = 0.9, 0.98
"""Mean acceptance probability that steps are adapted to, first and where some transition diverged: smaller steps cost
up to twice as much and are seldom needed."""

INFORMED = 0.5
"""A parameter is sampled centred where the data leave, on average over the people, less than this share of the variance
of their standard deviations from the typical value: where they tell more of a person than the population does. There
the deviations follow the data, and a non-centred sampler would have to move them with the typical value and the SD;
with less information it is the other way round. Papaspiliopoulos, Roberts & Skold 2007,
doi:10.1214/088342307000000014; Betancourt & Girolami 2015, arXiv:1312.0906."""


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
    import nutpie

    from cohorts.calibration.building import build

    started = time.perf_counter()
    fit.progress("compiling the population model", 0, 1)
    weights = _weights(fit.population)
    model = build(fit.population, fit.data, occasions=None, predict=fit.predict, output=fit.output, weights=weights)
    compiled = nutpie.compile_pymc_model(model, initial_points=medians(fit.population, model), jitter_rvs=set())
    fit.progress("compiling the population model", 1, 1)
    return starts(fit.population, compiled, weights, fit.seed), time.perf_counter() - started


def sample(fit: Fit, options: Mapping[str, Any], most: float) -> tuple[xr.DataTree, dict[str, Any]]:
    """Draws, and how they were made; once more with smaller steps where more than `most` transitions diverge."""
    begun, compiling = prepare(fit)
    built, busy = time.perf_counter(), time.process_time()
    centred = _chosen(fit, begun, options["cores"])
    ready = begun.beginning({name: float(name in centred) for name in begun.weights}, 1)
    tree = _run(fit, ready, options, "sampling the posterior")
    made: dict[str, Any] = {"centred": json.dumps(sorted(centred))}
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
    able = [p for p in population.parameters if p.parameterisation != "non-centred" and can_be_centred(population, p)]
    return {p.name: float(p.parameterisation == "centred") for p in able}


def _chosen(fit: Fit, begun: Starts, cores: int | None) -> set[str]:
    """Parameters to sample centred: those that say so, and those of which the data tell enough (`INFORMED`)."""
    import nutpie

    open_ = [n for n, weight in _weights(fit.population).items() if weight == 0.0]
    told = {p.name for p in fit.population.parameters if p.parameterisation == "centred"}
    if not open_:
        return told
    look = nutpie.sample(
        begun.beginning(_weights(fit.population), 0),
        seed=int(generator(fit.seed, Stream.SAMPLER, 1).integers(2**31)),
        progress_bar=False,
        save_warmup=False,
        progress_callback=_told(fit, "looking how much the data tell of each person"),
        cores=cores,
        **ADAPTATION,
        **LOOK,
    )
    spread = {n: float(look["posterior"][f"z_{n}"].var(("chain", "draw")).mean()) for n in open_}
    return told | {name for name, variance in spread.items() if variance < INFORMED}


def _told(fit: Fit, what: str) -> Callable[[Any], None]:
    def told(chains: Any) -> None:
        fit.progress(what, sum(c.finished_draws for c in chains), sum(c.total_draws for c in chains))

    return told
