"""Subjects taken from stop to stop in compiled code: refilled lanes, stops left to Python, samples of any kind."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import engine
from engine import Dose, Regimen
from engine.solvers.block_taylor import BlockTaylor
from engine.solvers.machine import LANES
from engine.solvers.reference import Reference
from engine.solvers.rosenbrock import Rosenbrock
from engine.solvers.runge_kutta import RungeKutta

EXACT = Reference(method="DOP853", relative=1e-11, absolute=1e-13, max_steps=10**6)
SOLVERS = [
    BlockTaylor(tolerance=1e-10, floor=1e-6, max_steps=10**5, exact_linear=True),
    RungeKutta(tolerance=1e-10, floor=1e-6, max_steps=10**5, exact_linear=False),
    Rosenbrock(tolerance=1e-8, floor=1e-6, max_steps=10**5),
]
SUBJECTS = 5 * LANES + 3

ROOT = Path(__file__).resolve().parents[2]


def people(typical: dict[str, float]) -> dict[str, np.ndarray]:
    """Subjects who take very different numbers of steps."""
    rng = np.random.default_rng(3)
    return {name: value * np.exp(0.8 * rng.normal(size=SUBJECTS)) for name, value in typical.items()}


def courses() -> list[Regimen]:
    """A course of doses for each: boluses that grow and shrink, infusions, several at once, one dose or many."""
    rng = np.random.default_rng(4)
    found = []
    for number in range(SUBJECTS):
        doses = [
            Dose(float(amount), "depot", at=6.0 * n) for n, amount in enumerate(rng.uniform(1, 200, 1 + number % 7))
        ]
        if number % 3 == 0:
            doses.append(Dose(80, "central", at=6.0, duration=4.5))
        if number % 4 == 0:
            doses.append(Dose(30, "central", at=12.0))
        found.append(Regimen(*doses))
    return found


TIMES = np.asarray([0, 0.2, 6, 6.5, 6.7, 6.9, 10.5, 12, 24, 41, 41.5, 48])


def test_courses_of_all_kinds_agree_with_the_reference(effect: engine.Model, patient: dict[str, float]) -> None:
    given = {name: values[:12] for name, values in people(patient | {"g": 1.4}).items()}
    exact = engine.simulate_arrays(effect, given, courses()[:12], TIMES, solver=EXACT)
    sound = exact.status == engine.Status.ok  # scipy does not get on where the power is singular, here and there
    assert np.count_nonzero(sound) > 9
    for solver in SOLVERS:
        found = engine.simulate_arrays(effect, given, courses()[:12], TIMES, solver=solver)
        assert not found.status.any()
        for name, value in exact.outputs.items():
            size = np.abs(value) + 1e-6 * np.abs(value).max(axis=1, keepdims=True)
            assert np.max((np.abs(found.outputs[name] - value) / size)[sound]) < 1e-7


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: solver.name)
def test_a_lane_and_who_was_in_it_before_do_not_matter(
    solver: engine.solvers.base.Solver, effect: engine.Model, patient: dict[str, float]
) -> None:
    given, doses = people(patient | {"g": 1.4}), courses()
    order = np.random.default_rng(5).permutation(SUBJECTS)
    whole = engine.simulate_arrays(effect, given, doses, TIMES, solver=solver)
    turned = engine.simulate_arrays(
        effect, {name: values[order] for name, values in given.items()}, [doses[n] for n in order], TIMES,
        solver=solver,
    )  # fmt: skip
    alone = engine.simulate_arrays(
        effect, {name: values[7:8] for name, values in given.items()}, doses[7:8], TIMES, solver=solver
    )  # fmt: skip
    for name, value in whole.outputs.items():
        np.testing.assert_array_equal(turned.outputs[name], value[order])
        np.testing.assert_array_equal(alone.outputs[name], value[7:8])


def test_more_samples_do_not_move_the_others(effect: engine.Model, patient: dict[str, float]) -> None:
    given, doses = people(patient | {"g": 1.4}), courses()
    few = engine.simulate_arrays(effect, given, doses, TIMES)
    many = engine.simulate_arrays(effect, given, doses, np.union1d(TIMES, np.linspace(0, 48, 500)))
    place = np.searchsorted(np.union1d(TIMES, np.linspace(0, 48, 500)), TIMES)
    for name, value in few.outputs.items():
        np.testing.assert_array_equal(many.outputs[name][:, place], value)


RACE = """
import sys, threading
import numpy as np
import engine
from engine.solvers.stepping import compiled

sys.setswitchinterval(1e-5)
model = engine.load_model("warfarin_turnover")
people = {name: np.full(16, value) for name, value in model.typical.items()}
doses, times = engine.Regimen(engine.Dose(100, into="depot", every=24, times=3)), np.arange(0, 96, 8.0)
for _ in range(6):
    compiled.stepper.cache_clear()
    found, together = [], threading.Barrier(4)

    def work():
        together.wait()
        found.append(engine.simulate_arrays(model, people, doses, times, solver="block_taylor").outputs["response"])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all(np.array_equal(one, found[0]) for one in found)
"""


def test_threads_that_compile_the_same_at_once_keep_their_code():
    """In a process of its own: code that is freed while it runs ends the process."""
    done = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr
