"""Twins of many patients at once: their posteriors, and what one more visit makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np

import cohorts
import engine
from benchmarks.measure import measure, record
from cohorts import PatientRecord
from trials import twins

PATIENTS = 1000
CASES: dict[str, dict[str, Any]] = {
    "MAP and Laplace, one start": {"method": "laplace", "particles": 100, "starts": 0},
    "MAP and Laplace, two starts": {"method": "laplace", "particles": 100},
    "importance sampling, 400 particles": {"particles": 400},
}


def records(model: engine.Model) -> tuple[list[PatientRecord], list[PatientRecord]]:
    """Two visits, and a third, of people on an infusion every 12 h."""
    rng = np.random.default_rng(1)
    values = {name: at * np.exp(spread * rng.standard_normal(PATIENTS)) for name, (at, spread) in PARAMETERS.items()}
    times, doses = np.array([1.5, 11.5, 23.5]), {"time": [0.0, 12.0], "amt": [500.0] * 2, "rate": [500.0] * 2}
    regimen = engine.Regimen(engine.Dose(500, into="central", every=12, times=2, duration=1))
    true = engine.simulate_arrays(model, values, regimen, times, before_dose=True).outputs["concentration"]
    seen = true * (1.0 + 0.1 * rng.standard_normal(true.shape))
    early = [PatientRecord({"time": times[:2], "dv": y[:2]}, doses, {}, f"p{i}") for i, y in enumerate(seen)]
    later = [PatientRecord({"time": times[2:], "dv": y[2:]}, None, {}, f"p{i}") for i, y in enumerate(seen)]
    return early, later


PARAMETERS = {"cl": (3.0, 0.3), "v1": (30.0, 0.25), "q": (4.0, 0.0), "v2": (40.0, 0.3)}


def population() -> cohorts.Population:
    """Two compartments; three parameters differ between people."""
    units = {"cl": "L/h", "v1": "L", "q": "L/h", "v2": "L"}
    parameters = {
        name: {"unit": units[name], "meaning": name, "typical": at, "source": "made up",
               **({"between_subject": spread} if spread else {})}
        for name, (at, spread) in PARAMETERS.items()
    }  # fmt: skip
    residual = {"concentration": {"kind": "proportional", "proportional": 0.1, "source": "made up"}}
    return cohorts.load_population(
        {"name": "people", "reference": "made up", "parameters": parameters, "residual": residual}
    )


def main() -> None:
    """Fit each case five times, and update it."""
    model, people, rows = engine.load_model("two_compartment_iv"), population(), {}
    early, later = records(model)
    for name, how in CASES.items():
        fitted = twins.twin_cohort(model, people, early, seed=1, **how)
        for what, work in {
            "fitted to two visits": lambda: twins.twin_cohort(model, people, early, seed=1, **how),  # noqa: B023
            "updated with a third": lambda: fitted.update(later),  # noqa: B023
        }.items():
            timing = measure(work, runs=5, warm=True)
            rows[f"{name}: {PATIENTS:,} patients {what}"] = timing | {"patients_per_s": PATIENTS / timing["median_s"]}
    record("twins", rows)


if __name__ == "__main__":
    main()
