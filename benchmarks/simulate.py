"""Trajectories of virtual patients in one process, by each solver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

import cohorts
import engine
from benchmarks.measure import measure, record
from engine import Regimen


@dataclass(frozen=True, slots=True)
class Case:
    """Subjects of one model under one regimen; parameters from a population, or log-normal around the typical ones."""

    model: str
    population: str | None
    regimen: str
    times: tuple[float, ...]
    subjects: int
    solver: str
    runs: int = 5


BIOEQUIVALENCE = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 24.0, 36.0)
VISITS = tuple(float(day * 24) for day in range(0, 85, 7))
HOURS = tuple(float(hour) for hour in range(0, 4 * 169, 4))
TURNOVER, TWELVE_WEEKS = "100 mg into depot every 24 h, 28 times", "5 mg into depot every 24 h, 84 times"
CASES = (
    Case("theophylline_oral", "theophylline_adults", "320 mg into depot", BIOEQUIVALENCE, 480_000, "closed_form"),
    Case("two_compartment_oral", None, TWELVE_WEEKS, VISITS, 10_000, "closed_form"),
    Case("warfarin_turnover", None, TURNOVER, HOURS, 10_000, "block_taylor"),
    Case("warfarin_inr", "warfarin_adults", TWELVE_WEEKS, VISITS, 10_000, "block_taylor"),
    Case("warfarin_inr", "warfarin_adults", TWELVE_WEEKS, VISITS, 1, "reference"),
)


def parameters(case: Case) -> Mapping[str, np.ndarray]:
    """Parameters of the subjects, (subject) by name."""
    model = engine.load_model(case.model)
    if case.population is not None:
        cohort = cohorts.draw(cohorts.load_population(case.population), case.subjects, 1, 1).isel(replicate=0)
        return {name: cohort[name].values for name in model.parameter_names}
    rng = np.random.default_rng(1)
    return {name: value * np.exp(0.2 * rng.standard_normal(case.subjects)) for name, value in model.typical.items()}


def main() -> None:
    """Simulate each case and record patients per second."""
    rows = {}
    for case in CASES:
        model, regimen = engine.load_model(case.model), Regimen.parse(case.regimen)
        work = partial(
            engine.simulate_arrays, model, parameters(case), regimen, np.array(case.times), solver=case.solver
        )
        timing = measure(work, runs=case.runs, warm=True)
        label = f"{case.model} ({case.solver}), {case.subjects:,} subjects, {len(case.times)} samples"
        failed = int((work().status != 0).sum())
        rows[label] = timing | {"subjects_per_s": case.subjects / timing["median_s"], "failed": failed}
    record("simulate", rows)


if __name__ == "__main__":
    main()
