"""Whole trials under all their scenarios on two worker processes, with the memory they take."""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import engine
import trials
from benchmarks.measure import measure, record
from trials.calibration import gather

WORKERS = 2


def fitted(folder: Path) -> str:
    """Fit the theophylline population once; path of its posterior."""
    trial = trials.load("theophylline_bioequivalence", overrides=["runs=null"])
    path = folder / "posterior.nc"
    gather(trial, 1, None, lambda *_: None).save(path)
    return str(path)


def time_trial(name: str, replicates: int, overrides: Sequence[str], runs: int) -> dict[str, Any]:
    """Run a trial in memory several times."""
    trial = trials.load(name, overrides=["runs=null", *overrides])
    work = partial(trials.run, trial, replicates=replicates, seed=1, executor=engine.executors.Dask(workers=WORKERS))
    timing = measure(work, runs=runs, warm=False)
    units = sum(scenario.protocol.design.n for scenario in trial.scenarios) * replicates
    return timing | {"patients_per_s": units / timing["median_s"]}


def peak() -> dict[str, float]:
    """Largest memory so far, in GB: of this process, and of the largest worker."""
    scale = 1e9 if sys.platform == "darwin" else 1e6
    who = {"peak_gb": resource.RUSAGE_SELF, "peak_worker_gb": resource.RUSAGE_CHILDREN}
    return {name: resource.getrusage(one).ru_maxrss / scale for name, one in who.items()}


def main() -> None:
    """Time both trials; the titration trial whole only when asked with ``--whole``, for it takes many minutes."""
    rows = {}
    with TemporaryDirectory() as folder:
        posterior = [f"calibration.posterior={fitted(Path(folder))}"]
        cases: tuple[tuple[str, int, list[str], int], ...] = (
            ("theophylline_bioequivalence", 1_000, posterior, 3),
            ("theophylline_bioequivalence", 10_000, posterior, 1),
            ("warfarin_titration", 50, [], 1),
            *((("warfarin_titration", 1_000, [], 1),) if "--whole" in sys.argv else ()),
        )
        for name, replicates, overrides, runs in cases:
            row = time_trial(name, replicates, overrides, runs)
            rows[f"{name}, {replicates:,} replicates a scenario"] = row | peak()
    record("trial", rows)


if __name__ == "__main__":
    main()
