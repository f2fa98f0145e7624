"""Who is stiff: foreseen from the equations where a subject starts, found on the way, and counted in the result."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import engine
from engine import Dose, Regimen
from engine.configuration import build
from engine.models.algebras.arrays import ARRAYS
from engine.models.expression import evaluate
from engine.models.structure import jacobian
from engine.solvers import stiffness
from engine.solvers.auto import EachSubject
from engine.solvers.block_taylor import BlockTaylor

TIMES = np.linspace(0, 480, 13)
REGIMEN = Regimen(Dose(15, "central", every=240, times=2))


@pytest.fixture(scope="module")
def tmdd() -> engine.Model:
    return engine.load_model("tmdd_full")


def _people(model: engine.Model, kon: np.ndarray) -> dict[str, np.ndarray]:
    return {name: np.full(len(kon), value) for name, value in model.typical.items()} | {"kon": kon}


def _each() -> EachSubject:
    found = build("solver", "auto").nonlinear
    assert isinstance(found, EachSubject)
    return found


def _foreseen(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    seen: list[np.ndarray] = []
    steps = stiffness.steps

    def kept(*arguments: object) -> np.ndarray:
        seen.append(steps(*arguments))
        return seen[-1]

    monkeypatch.setattr(stiffness, "steps", kept)
    return seen


def test_steps_are_the_fastest_eigenvalue_over_the_way_between_doses(
    tmdd: engine.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    kon = np.asarray([0.01, 0.091, 3.0])
    seen = _foreseen(monkeypatch)
    people = _people(tmdd, kon)
    engine.simulate_arrays(tmdd, people, REGIMEN, TIMES)
    for subject, steps in enumerate(seen[0]):
        own = {name: values[subject] for name, values in people.items()}
        states = {"central": 15.0, "peripheral": 0.0, "target": own["ksyn"] / own["kdeg"], "complex": 0.0}
        matrix = [[float(evaluate(one, own | states | {"t": 0.0}, ARRAYS)) for one in row] for row in jacobian(tmdd)]
        assert steps == pytest.approx(-min(np.linalg.eigvals(matrix).real) * 240 / 6, rel=1e-3)


def test_who_is_foreseen_is_not_tried(tmdd: engine.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    people = _people(tmdd, np.linspace(1, 30, 9))
    each = _each()
    expected = engine.simulate_arrays(tmdd, people, REGIMEN, TIMES, solver=each.stiff)

    def refuse(*_: object) -> None:
        raise AssertionError("the series were tried")

    monkeypatch.setattr(BlockTaylor, "method", refuse)
    found = engine.simulate_arrays(tmdd, people, REGIMEN, TIMES)
    assert found.reason.endswith("9 of 9 subjects are stiff and were solved by rosenbrock")
    for name, values in expected.outputs.items():
        np.testing.assert_array_equal(found.outputs[name], values)


def test_a_subject_is_the_same_beside_calm_and_stiff_ones(tmdd: engine.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Foreseen, found on the way, and calm ones in one block, in any order, and each alone."""
    people = _people(tmdd, np.geomspace(1e-5, 30, 12))
    monkeypatch.setattr(stiffness, "_REACH", 60.0)  # so that some are stiff and not foreseen
    seen = _foreseen(monkeypatch)
    whole = engine.simulate_arrays(tmdd, people, REGIMEN, TIMES)
    foreseen, stiff = int(np.sum(seen[0] > _each().probe)), int(whole.reason.split(";")[1].split()[0])
    assert 0 < foreseen < stiff < 12
    order = np.random.default_rng(3).permutation(12)
    turned = engine.simulate_arrays(tmdd, {n: v[order] for n, v in people.items()}, REGIMEN, TIMES)
    for name, values in whole.outputs.items():
        np.testing.assert_array_equal(turned.outputs[name], values[order])
        for subject in (0, 6, 11):
            own = {n: v[[subject]] for n, v in people.items()}
            alone = engine.simulate_arrays(tmdd, own, REGIMEN, TIMES)
            np.testing.assert_array_equal(alone.outputs[name][0], values[subject])


# ---- counts
def test_stiff_subjects_are_counted_where_covariates_change(tmdd: engine.Model) -> None:
    time, first = np.tile([0.0, 100.0, 200.0, 300.0], 3), np.repeat([3.0, 1e-4, 3.0], 4)
    dosed = time == 0
    frame = pd.DataFrame(
        {"ID": np.repeat([1, 2, 3], 4), "TIME": time, "AMT": 15.0 * dosed, "CMT": 1, "EVID": 1 * dosed, "DV": 0.0}
    )
    table = engine.read_nonmem(frame.assign(kon=first * np.where(time > 150, 2.0, 1.0)))
    rest = {name: value for name, value in tmdd.typical.items() if name != "kon"}
    found = engine.simulate_arrays(tmdd, rest, table)
    assert found.reason.endswith("; 2 of 3 subjects are stiff and were solved by rosenbrock")


@dataclass(frozen=True, slots=True)
class Same(engine.Policy):
    """The same dose for ever."""

    into: str = "central"
    every: float = 240.0
    until: float = 480.0
    visits: tuple[float, ...] = (240.0,)
    observes: tuple[str, ...] = ("target",)

    def initial(self, covariates: object) -> np.ndarray:  # noqa: ARG002
        return np.asarray(15.0)

    def decide(self, visit: int, seen: object, given: np.ndarray) -> np.ndarray:  # noqa: ARG002
        return given[:, visit]


def test_stiff_subjects_are_counted_under_a_policy(tmdd: engine.Model) -> None:
    found = engine.simulation.simulate_policy(tmdd, _people(tmdd, np.asarray([0.091, 1e-4, 3.0])), Same(), TIMES)
    assert found.arrays.reason.endswith("; 2 of 3 subjects are stiff and were solved by rosenbrock")
