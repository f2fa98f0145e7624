"""What is remembered of an object: once for each of its arguments, and no longer than the object lives."""

import gc
from dataclasses import dataclass

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from pytensor.gradient import grad

import engine
from engine import Dose, Regimen
from engine.remembering import remembered
from engine.solvers.stepping import itinerary

TIMES = np.array([1.0, 5.0, 9.0])


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Course:
    length: int


def test_each_object_and_argument_once_and_no_longer_than_it_lives() -> None:
    asked: list[tuple[int, int]] = []

    @remembered
    def steps(course: Course, each: int) -> int:
        asked.append((course.length, each))
        return course.length // each

    first, second = Course(6), Course(6)
    assert [steps(one, each) for one in (first, second, first) for each in (2, 3, 2)] == [3, 2, 3] * 3
    assert asked == [(6, 2), (6, 3)] * 2
    # Each of these may lie where the one before it lay.
    assert [steps(Course(length), 1) for length in range(100)] == list(range(100))


def test_two_timelines_at_one_place_in_memory_are_told_apart() -> None:
    """Regimens one after the other in the same process: none is given what was found for another."""
    model = engine.load_model("michaelis_menten_oral")
    people = {name: np.full(5, value) for name, value in model.typical.items()}
    found = []
    for hour in (0.0, 2.0, 4.0, 0.0, 2.0, 4.0):
        dosing = Regimen(Dose(100.0, "depot", at=hour), Dose(100.0, "depot", at=hour + 3.0))
        found.append(engine.simulate_arrays(model, people, dosing, TIMES).outputs["concentration"])
        gc.collect()
    for first, second in zip(found[:3], found[3:], strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(found[0], found[1])


def test_nothing_that_stays_the_same_is_laid_out_again_for_a_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit whose doses do not move has one itinerary, whatever the parameters, and each person an own gradient."""
    model = engine.load_model("michaelis_menten_oral")
    rows = xr.Dataset({"subject": ("observation", np.repeat([1, 2], 3)), "time": ("observation", np.tile(TIMES, 2))})
    table = {"subject": np.array([1, 2]), "time": np.zeros(2), "amt": np.array([100.0, 200.0]), "cmt": np.ones(2)}
    doses = xr.Dataset({name: ("dose", values) for name, values in table.items()})
    equations = engine.prediction(model, doses, rows, "concentration", subjects=[1, 2])
    vmax = pt.vector("vmax")
    slope = pytensor.function([vmax], grad(equations({**model.typical, "vmax": vmax}).sum(), vmax), mode="FAST_RUN")
    first = slope(np.array([20.0, 30.0]))
    laid: list[object] = []
    monkeypatch.setattr(itinerary, "_stops", lambda timeline: laid.append(timeline))
    second = slope(np.array([25.0, 30.0]))
    assert not laid
    assert first[0] != second[0]
    assert first[1] == second[1]
