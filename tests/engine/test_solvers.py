"""Every file in conf/solver is a solver: built from its file, and right on a model it takes."""

import numpy as np
import pytest

import engine
from engine.configuration import build, folder
from engine.solvers.base import Solver

NAMES = sorted(path.stem for path in folder("solver").glob("*.yaml"))
REGIMEN = engine.Regimen(engine.Dose(100, "depot", every=12, times=2), engine.Dose(50, "central", at=3.0, duration=4.0))
TIMES = [1.0, 5.0, 13.0, 40.0]


@pytest.mark.parametrize("name", NAMES)
def test_a_configured_solver_solves(name: str, oral: engine.Model, person: dict[str, float]) -> None:
    solver = build("solver", name)
    assert isinstance(solver, Solver)
    assert hash(solver) == hash(build("solver", name))
    found = engine.simulate(oral, person, REGIMEN, TIMES, solver=name)
    np.testing.assert_allclose(
        found["cp"], engine.simulate(oral, person, REGIMEN, TIMES, solver="closed_form")["cp"], rtol=1e-8
    )


@pytest.mark.parametrize("name", NAMES)
def test_an_object_is_as_good_as_its_name(name: str, oral: engine.Model, person: dict[str, float]) -> None:
    named = engine.simulate(oral, person, REGIMEN, TIMES, solver=name)
    given = engine.simulate(oral, person, REGIMEN, TIMES, solver=build("solver", name))
    assert given.identical(named)


def test_auto_says_what_and_why(oral: engine.Model, effect: engine.Model) -> None:
    chosen, reason = build("solver", "auto").choose(oral)
    assert (chosen.name, reason) == ("closed_form", "oral is linear with coefficients constant in time")
    chosen, reason = build("solver", "auto").choose(effect)
    assert (chosen.name, reason) == ("block_taylor", "the equations of effect are not linear, and smooth")


def test_tolerances_stand_in_the_files_and_nowhere_else() -> None:
    from engine.solvers.reference import Reference
    from engine.solvers.taylor import Taylor

    for kind in (Taylor, Reference):
        with pytest.raises(TypeError, match="missing"):
            kind()  # type: ignore[call-arg]


def test_only_the_engines_own_is_built_by_name() -> None:
    from engine.configuration import _make

    with pytest.raises(engine.SolverError, match="only what the engine itself has"):
        _make({"_target_": "os.system", "command": "true"})


@pytest.mark.parametrize("name", ["auto", "reference", "taylor"])
def test_a_start_that_is_not_finite_is_a_status(name: str) -> None:
    parameters = {"k": {"unit": "1/h", "meaning": "rate"}, "s": {"unit": "1", "meaning": "scale"}}
    text = {"name": "start", "reference": "none", "time": "h", "parameters": parameters, "derivatives": {"a": "-k * a"}}
    text |= {"states": {"a": {"unit": "1", "initial": "1 / s"}}, "outputs": {"a": {"value": "a", "unit": "1"}}}
    scales = {"k": np.ones(2), "s": np.array([0.0, 1.0])}
    found = engine.simulate_arrays(engine.load_model(text), scales, engine.Regimen(), [0.0, 1.0], solver=name)
    assert list(found.status) == [engine.Status.diverged, engine.Status.ok]
