"""Drawing virtual patients: population parameters once a replicate, covariates and parameters once a patient."""

from __future__ import annotations

from typing import Any

import cohorts
from benchmarks.measure import measure, record
from tests.cohorts.test_draw_models import WRITTEN

MODELLED = "six correlated covariates and four parameters"
CASES: tuple[tuple[str, Any, int, int], ...] = (
    ("theophylline_adults", "theophylline_adults", 200, 10_000),
    ("warfarin_adults", "warfarin_adults", 1_000, 1_000),
    (MODELLED, WRITTEN, 1_000_000, 1),
    (MODELLED, WRITTEN, 1_000, 1_000),
)


def main() -> None:
    """Draw each cohort five times."""
    rows = {}
    for name, written, n, replicates in CASES:
        population = cohorts.load_population(written)
        timing = measure(lambda: cohorts.draw(population, n, replicates, 1), runs=5, warm=True)  # noqa: B023
        rate = {"patients_per_s": n * replicates / timing["median_s"]}
        rows[f"{name}, {replicates:,} replicates of {n:,} patients"] = timing | rate
    record("draw", rows)


if __name__ == "__main__":
    main()
