"""Calibration to data of individual people by NUTS with the defaults, compilation included.

Theophylline and warfarin have closed forms: CPU seconds. The third population has equations that are not linear, solved
for every gradient, for several chains in other processes: seconds of the clock, on all cores. The fourth row is the
setup that Stan and PyMC were timed on: 4 chains of 500 and 500 draws of theophylline.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

import cohorts
import engine
from benchmarks.measure import RESULTS, record
from tests.validation.popfit import case

GATES = ("rhat", "ess", "divergences", "ebfmi")
TIMES = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 24.0, 36.0])
TRUTH = {"ka": (1.0, 0.4), "vmax": (20.0, 0.25), "km": (4.0, 0.0), "v": (60.0, 0.2)}
"""Typical value and SD of the logarithm between people."""
ERROR = 0.1


def _parameter(unit: str, median: float, *, varies: bool = True) -> dict[str, Any]:
    spread = {"between_subject": {"halfnormal": {"sd": 0.5}}} if varies else {}
    typical = {"lognormal": {"median": median, "cv": 0.7}}
    return {"unit": unit, "meaning": "made up", "typical": typical, "source": "made up, for this benchmark"} | spread


SATURABLE = {
    "name": "saturable",
    "reference": "made up, for this benchmark",
    "parameters": {
        "ka": _parameter("1/h", 1.0),
        "vmax": _parameter("mg/h", 20.0),
        "km": _parameter("mg/L", 3.0, varies=False),
        "v": _parameter("L", 50.0),
    },
    "residual": {"concentration": {"kind": "proportional", "source": "made up, for this benchmark"}},
}


class Study(NamedTuple):
    """A population, its data and its equations."""

    population: cohorts.Population
    data: cohorts.IndividualData
    predict: Callable[[Mapping[str, Any]], Any]


def saturable(people: int = 60, seed: int = 1) -> Study:
    """People whose oral drug is eliminated by Michaelis and Menten's law: 300 or 600 mg once, eight samples each."""
    from engine.gradients.graph import prediction

    model, rng, ids = engine.load_model("michaelis_menten_oral"), np.random.default_rng(seed), np.arange(people)
    own = {name: middle * np.exp(sd * rng.standard_normal(people)) for name, (middle, sd) in TRUTH.items()}
    given = xr.Dataset({name: ("subject", values) for name, values in (own | {"f": np.ones(people)}).items()})
    amounts = np.where(ids % 2, 300.0, 600.0)
    regimens = [engine.Regimen(engine.Dose(float(amount), into="depot")) for amount in amounts]
    true = engine.simulate(model, given, regimens, TIMES)["concentration"].values
    seen = true * (1.0 + ERROR * rng.standard_normal(true.shape))
    columns = {"subject": np.repeat(ids, len(TIMES)), "time": np.tile(TIMES, people), "dv": seen.ravel()}
    rows = xr.Dataset({name: ("observation", values) for name, values in columns.items()})
    doses = {"subject": ids, "time": np.zeros(people), "amt": amounts, "cmt": np.array(["depot"] * people)}
    table = xr.Dataset({name: ("dose", values) for name, values in doses.items()})
    equations = prediction(model, table, rows, "concentration", subjects=ids.tolist())
    data = cohorts.IndividualData(rows, xr.Dataset(coords={"subject": ids}))
    return Study(cohorts.load_population(SATURABLE), data, lambda values: equations({**values, "f": 1.0}))


def recorded(name: str) -> Study:
    """Data and equations of a fit recorded in the tests."""
    one = case(name)
    return Study(one.population, one.data, one.predict)


SOLVED = "Michaelis-Menten oral, solved, 60 subjects, 480 concentrations (wall)"
ROWS: dict[str, tuple[Callable[[], Study], dict[str, Any]]] = {
    "theophylline, 12 subjects, 120 concentrations (CPU)": (lambda: recorded("theophylline_adults"), {}),
    "warfarin PK, 32 subjects, 251 concentrations (CPU)": (lambda: recorded("warfarin"), {}),
    SOLVED: (saturable, {}),
    "theophylline, 4 x (500 + 500), target_accept 0.8 (CPU)": (
        lambda: recorded("theophylline_adults"),
        {"tune": 500, "draws": 500, "target_accept": 0.8},
    ),
}


def row(make: Callable[[], Study], options: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    """One fit: seconds in all, of sampling, and effective draws a second of it; of the clock if `whole`, else CPU."""
    study, wall, clock = make(), time.perf_counter(), time.perf_counter if whole else time.process_time
    begun = clock()
    tree = cohorts.calibrate(*study, seed=1, allow=GATES, **options)
    spent, about = clock() - begun, tree.attrs
    sampling = float(about["seconds_sample" if whole else "seconds_cpu"])
    table = cohorts.diagnose(tree)
    bulk = float(table["ess_bulk"].min())
    return {
        "median_s": spent, "min_s": spent, "max_s": spent, "runs": 1, "times_s": [spent],
        "wall_s": round(time.perf_counter() - wall, 1), "compile_s": round(float(about["seconds_compile"]), 1),
        "sample_s": round(sampling, 1), "worst_rhat": round(float(about["rhat_max"]), 4),
        "least_ess": round(float(about["ess_min"])), "divergences": int(about["divergences"]),
        "ess_a_second": round(bulk / sampling),
        "mean_ess_a_second": round(statistics.fmean(table["ess_bulk"]) / sampling),
        "steps_a_draw": round(float(tree["sample_stats"]["n_steps"].mean()), 1),
        "target_accept": float(about["target_accept"]), "failed_gates": ", ".join(json.loads(about["failed"])),
    }  # fmt: skip


def main() -> None:
    """Fit, and record; rows that are not asked for stay as they were recorded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", action="append", choices=sorted(ROWS), default=None)
    chosen, kept = parser.parse_args().row or list(ROWS), RESULTS / "fit.json"
    before = json.loads(Path(kept).read_text(encoding="utf-8"))["rows"] if kept.is_file() else {}
    found = {name: row(*ROWS[name], whole=name == SOLVED) for name in chosen}
    record("fit", {name: found.get(name) or before[name] for name in ROWS if name in found or name in before})


if __name__ == "__main__":
    main()
