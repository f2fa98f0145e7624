"""Calibration of the theophylline population to its data by NUTS, compilation included: 4 chains of 3,000 draws."""

from __future__ import annotations

import cohorts
import trials
from benchmarks.measure import measure, record
from trials.calibration import Evidence, gather


def main() -> None:
    """Fit three times and record the time and the worst diagnostic of the last fit."""
    trial = trials.load("theophylline_bioequivalence", overrides=["runs=null"])
    fits: list[Evidence] = []
    timing = measure(lambda: fits.append(gather(trial, 1, None, lambda *_: None)), runs=3, warm=True)
    posterior = fits[-1].posterior
    assert posterior is not None
    table = cohorts.diagnose(posterior)
    worst = {"worst_rhat": float(table["rhat"].max()), "least_ess": float(table[["ess_bulk", "ess_tail"]].min().min())}
    record("fit", {"theophylline, 12 subjects, 120 concentrations": timing | worst})


if __name__ == "__main__":
    main()
