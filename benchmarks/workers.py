"""Two local processes beside one: how much sooner a long simulation is done.

Wall times: on a machine with two idle cores two workers should take half as long as one.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import engine
import trials
from benchmarks.measure import record, summary
from engine import Dose, Regimen, executors
from engine.outcomes import nca


@dataclass(frozen=True, slots=True)
class Job:
    """Subjects of a model of the library, log-normal around the typical one, under daily doses."""

    model: str
    subjects: int
    days: int
    every: float
    reduced: bool
    """Whether trajectories are reduced to AUC and Cmax where they are made, instead of coming back."""

    def run(self, workers: executors.Executor) -> Any:
        """Simulate every subject with these workers."""
        model = engine.load_model(self.model)
        people = engine.Source(partial(drawn, model), subjects=self.subjects)
        regimen = Regimen(Dose(100, into="depot", every=24, times=self.days))
        times = np.arange(0, 24 * self.days + self.every, self.every)
        if not self.reduced:
            everyone = drawn(model, range(self.subjects))
            return engine.simulate_arrays(model, everyone, regimen, times, executor=workers)
        output = model.output_names[0]
        metrics = {"auc": (output, nca.NCA("AUCLST")), "cmax": (output, nca.NCA("CMAX"))}
        return engine.stream(model, people, regimen, times, metrics=metrics, executor=workers)


@dataclass(frozen=True, slots=True)
class TrialJob:
    """A shipped trial whose population is from the literature."""

    name: str
    replicates: int

    def run(self, workers: executors.Executor) -> Any:
        """Simulate and analyse every replicate of every scenario with these workers."""
        trial = trials.load(self.name, overrides=["runs=null"])
        return trials.run(trial, replicates=self.replicates, seed=1, executor=workers)


def drawn(model: engine.Model, subjects: range) -> dict[str, np.ndarray]:
    """Draw a piece of the people where they are simulated, as trials do."""
    rng = np.random.default_rng([1, subjects.start])
    return {name: value * np.exp(0.2 * rng.standard_normal(len(subjects))) for name, value in model.typical.items()}


JOBS: dict[str, Job | TrialJob] = {
    "two_compartment_oral, 400,000 subjects, 169 samples, reduced to AUC and Cmax": Job(
        "two_compartment_oral", 400_000, 7, 1.0, True
    ),
    "warfarin_turnover, 100,000 subjects, 169 samples, trajectories": Job("warfarin_turnover", 100_000, 28, 4.0, False),
    "warfarin_titration, 4 scenarios x 100 trials": TrialJob("warfarin_titration", 100),
    "lung_cancer_survival, 500 trials a scenario": TrialJob("lung_cancer_survival", 500),
}


def main(runs: int = 3) -> None:
    """Time every job with one worker and with two in turn; the workers are started before."""
    rows = {}
    for label, job in JOBS.items():
        with executors.Dask(workers=1).open() as one, executors.Dask(workers=2).open() as two:
            for workers in (one, two):  # what they import and compile is not timed
                job.run(workers)
            alone, together = [], []
            for _ in range(runs):
                alone.append(_seconds(partial(job.run, one)))
                together.append(_seconds(partial(job.run, two)))
        one_s = statistics.median(alone)
        rows[label] = summary(together) | {"one_worker_s": one_s, "gain": one_s / statistics.median(together)}
    record("workers", rows)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
