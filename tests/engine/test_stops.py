"""Floors of the states: found when a step needs them, and anew where a dose is larger than any before."""

import numpy as np
import pytest

import engine
from engine import Dose, Regimen
from engine.solvers.stepping import stops


def test_floors_follow_the_largest_dose_and_are_found_no_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    model, found = engine.load_model("michaelis_menten_oral"), stops.sizes
    people = {name: np.full(3, value) for name, value in model.typical.items()}
    regimens = [
        Regimen(Dose(10.0, "depot"), Dose(1000.0, "depot", at=12.0), Dose(500.0, "depot", at=24.0)),
        Regimen(Dose(10.0, "depot"), Dose(9.0, "depot", at=12.0), Dose(10.0, "depot", at=24.0)),
        Regimen(Dose(10.0, "depot", at=1.0)),  # on its way before its first dose
    ]
    doses: list[list[float]] = []

    def sizes(*given: object) -> np.ndarray:
        doses.append(np.asarray(given[3]).tolist())
        return found(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(stops, "sizes", sizes)
    engine.simulate_arrays(model, people, regimens, np.array([6.0, 30.0]))
    assert doses == [[16.0, 16.0, 0.0], [1024.0, 16.0]]
