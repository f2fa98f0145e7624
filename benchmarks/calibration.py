"""Simulation-based calibration of a closed-form population: 1,000 fits, and what each costs.

Each simulation is kept in a file as it is done, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import cohorts
import trials
from benchmarks.measure import record, summary
from cohorts.judgement.refits import Sampler

SHORT = Sampler(chains=1, tune=300, sampled=250)
"""One chain is enough where a thousand fits are judged together."""
SOURCE = {"source": "assumption: narrow enough to draw data from"}
Study = tuple[cohorts.Population, Any, Callable[[Mapping[str, Any]], Any]]


def _near(median: float, cv: float) -> dict[str, Any]:
    return {"lognormal": {"median": median, "cv": cv}, **SOURCE}


BOLUS = {
    "name": "bolus",
    "reference": "made up, for this benchmark",
    "parameters": {
        "cl": {"unit": "L/h", "meaning": "clearance", "typical": _near(3.0, 0.3), "between_subject": _near(0.3, 0.3)},
        "v": {"unit": "L", "meaning": "volume", "typical": _near(30.0, 0.3), "between_subject": _near(0.2, 0.3)},
    },
    "correlations": [{"of": ["cl", "v"], "lkj": 2, **SOURCE}],
    "residual": {"concentration": {"kind": "lognormal", "lognormal": _near(0.15, 0.3), **SOURCE}},
}
PRIORS = {"ka": ((1.5, 0.3), (0.5, 0.3)), "cl": ((2.8, 0.2), (0.25, 0.3)), "v": ((32.0, 0.15), (0.15, 0.3))}
"""Of theophylline, typical value and SD between people: about the estimates from the data."""
ERRORS = {"additive": (0.3, 0.3), "proportional": (0.1, 0.3)}


def bolus() -> Study:
    """Twelve people, one intravenous dose of 100 mg, five samples each."""
    times, people, dose = np.array([0.5, 2.0, 6.0, 12.0, 24.0]), 12, 100.0
    ids = np.arange(people)
    columns = {
        "subject": np.repeat(ids, times.size),
        "time": np.tile(times, people),
        "dv": np.ones(people * times.size),
    }
    rows = xr.Dataset({name: ("observation", values) for name, values in columns.items()})
    data = cohorts.IndividualData(rows, xr.Dataset(coords={"subject": ids}))

    def predict(parameters: Mapping[str, Any]) -> Any:
        import pytensor.tensor as pt

        cl, v = (parameters[name][data.position] for name in ("cl", "v"))
        return dose / v * pt.exp(-cl / v * columns["time"])

    return cohorts.load_population(BOLUS), data, predict


def theophylline() -> Study:
    """The twelve people of the theophylline data, with the engine's equations."""
    from engine.gradients.graph import prediction

    trial = trials.load("theophylline_bioequivalence", overrides=["runs=null"])
    protocol, calibration = trial.protocol, trial.calibration
    assert calibration is not None, "the trial is calibrated to the theophylline data"
    events, output = calibration.source.events(protocol.model), calibration.source.output
    predict = prediction(protocol.model, events.doses, events.observations, output, subjects=events.ids.tolist())
    written = protocol.population.to_dict()
    for name, (typical, spread) in PRIORS.items():
        written["parameters"][name]["typical"] = _near(*typical)
        written["parameters"][name]["between_subject"] = {**_near(*spread), "total": True}
    for kind, prior in ERRORS.items():
        written["residual"]["concentration"][kind] = _near(*prior)
    return cohorts.load_population(written), events, predict


STUDIES = {"bolus": bolus, "theophylline": theophylline}


def _told(what: str, done: int, total: int) -> None:
    if done % 50 == 0 or done == total:
        print(f"{what}: {done} of {total}", flush=True)


def row(name: str, made: xr.Dataset) -> dict[str, dict[str, Any]]:
    """What is recorded of a study: CPU seconds of a fit, how the fits went, and the p values of uniform ranks."""
    times = {**summary(made["seconds"].values.tolist()), "times_s": []}
    found: dict[str, Any] = {
        "cpu_s": round(float(made["seconds"].sum()), 1),
        "p_least_bonferroni": round(float(made.attrs["p_least"]), 4),
        "short_fits": int(made.attrs["short"]),
        "fits_with_divergences": int((made["divergences"] > 0).sum()),
        "worst_rhat": round(float(made["rhat"].max()), 3),
    }
    for parameter in made["parameter"].values:
        own = made.sel(parameter=parameter)
        found |= {f"{test} {parameter}": round(float(own[test]), 4) for test in ("p_chi_square", "p_ecdf")}
    return {f"one of {made.sizes['simulation']} fits to simulated data, {name} (CPU)": times | found}


def main() -> None:
    """Run the study and record it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", choices=sorted(STUDIES), default="bolus")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--store", type=Path, default=None, help="file that keeps each simulation")
    chosen = parser.parse_args()
    population, data, predict = STUDIES[chosen.study]()
    store = chosen.store or Path("runs") / f"sbc_{chosen.study}.jsonl"
    made = cohorts.simulation_based_calibration(
        population, data, predict, n=chosen.n, seed=1, sampler=SHORT, store=store, progress=_told
    )
    record("calibration", row(chosen.study, made))


if __name__ == "__main__":
    main()
