"""A subject's numbers depend on that subject alone, to the last bit: not on company, order, block size or executor."""

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

import engine
from engine import Dose, Regimen, block, executors
from engine.errors import SolverError
from engine.solvers.base import Problem, Solver, Trajectory

TIMES = np.asarray([0, 0.3, 2, 12, 13, 30, 47.5])
REGIMEN = Regimen(Dose(100, "depot", every=12, times=3), Dose(40, "central", at=5.0, duration=2.5))


def _people(typical: Mapping[str, float], count: int, lag: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(11)
    people = {name: value * np.exp(0.3 * rng.normal(size=count)) for name, value in typical.items()}
    people["lag"] = {"none": np.zeros(count), "own": rng.random(count) * 20, "some": (np.arange(count) % 4 == 1) * 3.0}[
        lag
    ]
    return people


@pytest.fixture(params=["closed_form", "taylor"])
def case(request: pytest.FixtureRequest, oral: engine.Model, person: object, effect: engine.Model, patient: object):
    return (oral, person) if request.param == "closed_form" else (effect, patient)


def _outputs(model: engine.Model, people: Mapping[str, np.ndarray], dosing: object, **options: object) -> np.ndarray:
    found = engine.simulate_arrays(model, people, dosing, TIMES, **options)
    assert not found.status.any()
    return np.stack(list(found.outputs.values()))


@pytest.mark.parametrize("lag", ["none", "own", "some"])
def test_alone_or_in_a_crowd(case: tuple[engine.Model, Mapping[str, float]], lag: str) -> None:
    model, typical = case
    people = _people(typical, 70, lag)
    crowd = _outputs(model, people, REGIMEN)
    for subject in (0, 1, 17, 69):
        alone = {name: values[subject : subject + 1] for name, values in people.items()}
        np.testing.assert_array_equal(_outputs(model, alone, REGIMEN)[:, 0], crowd[:, subject])


@pytest.mark.parametrize("lag", ["none", "own"])
def test_in_any_order_and_any_company(case: tuple[engine.Model, Mapping[str, float]], lag: str) -> None:
    model, typical = case
    people = _people(typical, 50, lag)
    crowd = _outputs(model, people, REGIMEN)
    order = np.random.default_rng(0).permutation(50)[:33]
    some = _outputs(model, {name: values[order] for name, values in people.items()}, REGIMEN)
    np.testing.assert_array_equal(some, crowd[:, order])


def test_others_doses_change_nothing(case: tuple[engine.Model, Mapping[str, float]]) -> None:
    """Company with infusions, other states dosed, more doses: other code paths for the block, the same bits."""
    model, typical = case
    people = _people(typical, 20, "none")
    oral = Regimen(Dose(100, "depot", every=12, times=3))
    other = Regimen(Dose(1e4, "central", at=1.0, rate=77.0), Dose(5, "depot", every=1.7, times=20))
    mixed = _outputs(model, people, [other if n % 3 == 1 else oral for n in range(20)])
    plain = _outputs(model, people, oral)
    same = np.arange(20) % 3 != 1
    np.testing.assert_array_equal(mixed[:, same], plain[:, same])
    company = {name: values[~same] for name, values in people.items()}
    np.testing.assert_array_equal(mixed[:, ~same], _outputs(model, company, other))


def test_subjects_of_few_regimens_stand_together_and_come_back_in_order(
    oral: engine.Model, person: Mapping[str, float]
) -> None:
    """Enough subjects of each regimen for blocks of one regimen; each subject as under its regimen alone."""
    people = _people(person, 900, "none")
    regimens = [Regimen(Dose(100 * n, "depot", every=6 * n, times=4)) for n in (1, 2, 3)]
    given = np.random.default_rng(5).integers(0, 3, 900)
    mixed = _outputs(oral, people, [regimens[n] for n in given])
    for n, regimen in enumerate(regimens):
        np.testing.assert_array_equal(mixed[:, given == n], _outputs(oral, people, regimen)[:, given == n])
    apart = _outputs(oral, people, [Regimen(*regimens[n].doses) for n in given])
    np.testing.assert_array_equal(apart, mixed)


@pytest.mark.parametrize("output", ["central / v", "central ** n / v + k * t", "v * exp(-central)", "v", "2 * k * t"])
@pytest.mark.parametrize("times", [[0.0, 1.0, 7.0], [3.0]], ids=["several", "one"])
def test_outputs_of_any_kind(make_model: Callable[..., engine.Model], output: str, times: list[float]) -> None:
    """Whatever outputs are computed from: one state of two, powers of a parameter, the time, no state at all."""
    unit = {"v": "1", "n": "1", "k": "1/h", "a": "1/h"}
    flows = {"depot": "-a * depot", "central": "a * depot - k * central"}
    model = make_model(unit, {"depot": "1", "central": "1"}, flows, {"out": (output, "1"), "used": ("v * n", "1")})
    rng = np.random.default_rng(3)
    people = {name: rng.uniform(0.5, 1.5, 70) for name in unit} | {"n": np.where(np.arange(70) % 2, 2.0, 1.3)}
    crowd = engine.simulate_arrays(model, people, Regimen(Dose(10, "depot")), times).outputs["out"]
    for subject in (0, 1, 69):
        alone = {name: values[subject : subject + 1] for name, values in people.items()}
        found = engine.simulate_arrays(model, alone, Regimen(Dose(10, "depot")), times).outputs["out"]
        np.testing.assert_array_equal(found[0], crowd[subject])
    v, n, k, a = (people[name][:, None] for name in unit)
    t = np.asarray(times)
    central = 10 * a / (a - k) * (np.exp(-k * t) - np.exp(-a * t))
    expected = {"exp": np.exp, "central": central, "v": v, "n": n, "k": k, "t": t}
    np.testing.assert_allclose(crowd, np.broadcast_to(eval(output, expected), crowd.shape), rtol=1e-12)


@pytest.mark.parametrize("size", [1, 7, 64, 4096])
def test_any_block_size(
    case: tuple[engine.Model, Mapping[str, float]], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, typical = case
    people = _people(typical, 65, "some")
    whole = _outputs(model, people, REGIMEN)
    monkeypatch.setattr(block, "SIZE", size)
    np.testing.assert_array_equal(_outputs(model, people, REGIMEN), whole)


@pytest.mark.parametrize(
    "executor",
    [executors.Threads(3), executors.Dask(workers=1), executors.Dask(workers=2), executors.Dask(workers=3)],
    ids=str,
)
def test_any_executor(
    oral: engine.Model,
    person: dict[str, float],
    effect: engine.Model,
    patient: dict[str, float],
    executor: executors.Executor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(block, "SIZE", 512)
    with executor.open() as workers:
        for model, typical in ((oral, person), (effect, patient)):
            people = _people(typical, 3 * block.SIZE + 5, "own")
            np.testing.assert_array_equal(
                _outputs(model, people, REGIMEN, executor=workers), _outputs(model, people, REGIMEN)
            )


def _kill_once(item: tuple[block.Block, str]) -> block.Outputs:
    mark = Path(item[1])
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return block.simulate(item[0])


def test_after_a_worker_is_killed(effect: engine.Model, patient: dict[str, float], tmp_path: Path) -> None:
    from engine import simulation

    people = _people(patient, 1024, "own")
    whole = _outputs(effect, people, REGIMEN)
    ready = simulation.arrange(effect, people, REGIMEN, TIMES, solver="auto")
    parts = np.split(np.arange(len(ready.row)), 2)
    blocks = simulation._blocks(ready.whole, ready.row, parts)
    items = [(one, str(tmp_path / "killed")) for one in blocks]
    found = list(executors.Dask(workers=2).map(_kill_once, items))
    assert (tmp_path / "killed").exists()
    for part, one in zip(parts, found, strict=True):
        np.testing.assert_array_equal(np.stack(list(one.values.values())), whole[:, part])


def test_a_solver_of_ones_own_is_taken(oral: engine.Model, person: dict[str, float]) -> None:
    class Nothing(Solver):
        name = "nothing"

        def choose(self, model: engine.Model) -> tuple[Solver, str]:
            return self, f"asked for {model.name}"

        def solve(self, problem: Problem) -> Trajectory:
            raise SolverError(f"nothing of {problem.model.name} can be solved")

    with pytest.raises(SolverError, match="nothing of oral can be solved"):
        engine.simulate(oral, person, REGIMEN, TIMES, solver=Nothing())
