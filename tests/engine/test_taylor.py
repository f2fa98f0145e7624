"""The Taylor solver: accuracy, places without a series, sizes of states, failures of single subjects."""

from collections.abc import Callable

import numpy as np
import pytest

import engine
from engine import Dose, Regimen
from engine.solvers.reference import Reference
from engine.solvers.taylor import Taylor

EXACT = Reference(method="DOP853", relative=1e-12, absolute=1e-14, max_steps=10**6)
TIMES = np.asarray([0, 1e-4, 0.01, 0.5, 1, 3, 8, 12, 12.5, 24, 30, 49])


def _people(patient: dict[str, float], count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {name: value * np.exp(0.2 * rng.normal(size=count)) for name, value in patient.items()}


def test_a_start_without_a_taylor_series(effect: engine.Model, patient: dict[str, float]) -> None:
    regimen = Regimen(Dose(100, "depot", every=12, times=3))
    found = engine.simulate_arrays(effect, patient, regimen, TIMES, solver="taylor")
    exact = engine.simulate_arrays(effect, patient, regimen, TIMES, solver=EXACT)
    for output in ("cp", "response"):
        np.testing.assert_allclose(found.outputs[output], exact.outputs[output], rtol=5e-10)
    assert found.reason == "the equations of effect are smooth"


def test_waiting_where_there_is_no_taylor_series(effect: engine.Model, patient: dict[str, float]) -> None:
    """Concentration 0 until the late first dose; lanes that wait stand beside lanes that move."""
    people = _people(patient, 9)
    people["lag"] = np.where(np.arange(9) % 3 == 0, 0.0, 5.0 + np.arange(9) / 8)
    regimen = Regimen(Dose(100, "depot", every=12, times=2))
    found = engine.simulate_arrays(effect, people, regimen, TIMES, solver="taylor")
    exact = engine.simulate_arrays(effect, people, regimen, TIMES, solver=EXACT)
    assert not found.status.any()
    np.testing.assert_allclose(found.outputs["response"], exact.outputs["response"], rtol=5e-10)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1e3, 1e9])
def test_accuracy_does_not_depend_on_the_unit_of_the_dose(
    effect: engine.Model, patient: dict[str, float], scale: float
) -> None:
    """Beside 10^9 of drug a response between 0 and 1 keeps its digits."""
    regimen = Regimen(Dose(100, "depot", every=12, times=2))
    plain = engine.simulate_arrays(effect, patient, regimen, TIMES, solver="taylor").outputs["response"]
    scaled = engine.simulate_arrays(
        effect, patient | {"c50": 1.5 * scale}, regimen.scaled(scale), TIMES, solver="taylor"
    ).outputs["response"]
    np.testing.assert_allclose(scaled, plain, rtol=1e-9)


def test_error_follows_the_tolerance(effect: engine.Model, patient: dict[str, float]) -> None:
    regimen = Regimen(Dose(100, "depot"))
    exact = engine.simulate_arrays(effect, patient, regimen, TIMES, solver=EXACT).outputs["response"]
    errors = []
    for tolerance in (1e-4, 1e-7, 1e-10):
        solver = Taylor(tolerance=tolerance, max_steps=1000)
        found = engine.simulate_arrays(effect, patient, regimen, TIMES, solver=solver).outputs["response"]
        errors.append(np.max(np.abs(found - exact)))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-9


def test_infusions_resets_and_tables_agree_with_the_reference(effect: engine.Model, patient: dict[str, float]) -> None:
    import pandas as pd

    frame = pd.DataFrame(
        [
            (1, 0.0, 100, 1, 1, 0, 0, 0), (1, 2.0, 60, 1, 2, 20, 0, 0), (1, 4.0, 0, 0, 1, 0, 0, 0),
            (1, 9.0, 0, 3, 1, 0, 0, 0), (1, 9.0, 0, 0, 1, 0, 0, 0), (1, 10.0, 50, 4, 1, 0, 2, 6),
            (1, 30.0, 0, 0, 1, 0, 0, 0), (2, 0.0, 10, 1, 2, 0, 0, 0), (2, 1.0, 0, 0, 1, 0, 0, 0),
        ],
        columns=["ID", "TIME", "AMT", "EVID", "CMT", "RATE", "ADDL", "II"],
    )  # fmt: skip
    table = engine.read_nonmem(frame)
    found = engine.simulate_arrays(effect, patient, table, solver="taylor")
    exact = engine.simulate_arrays(effect, patient, table, solver=EXACT)
    np.testing.assert_allclose(found.outputs["response"], exact.outputs["response"], rtol=1e-9)
    np.testing.assert_allclose(found.outputs["cp"], exact.outputs["cp"], rtol=1e-9)


@pytest.mark.parametrize("dose", [{}, {"duration": 3.0}, {"duration": 30.0}])
def test_steady_state_of_equations_that_are_not_linear(dose: dict[str, float]) -> None:
    model = engine.load_model("michaelis_menten_oral")
    parameters = model.typical
    steady = Regimen(Dose(100, model.state_names[-1], every=24, steady_state=True, **dose))
    many = Regimen(Dose(100, model.state_names[-1], every=24, times=200, **dose))
    times = np.asarray([0.0, 5, 20])
    found = engine.simulate_arrays(model, parameters, steady, times, solver="taylor")
    exact = engine.simulate_arrays(model, parameters, many, times + 24 * 199, solver="taylor")
    for output, values in found.outputs.items():
        np.testing.assert_allclose(values, exact.outputs[output], rtol=1e-7)


def test_more_than_can_be_eliminated_has_no_steady_state() -> None:
    model = engine.load_model("michaelis_menten_oral")
    flood = Regimen(Dose(1e6, model.state_names[-1], every=24, steady_state=True))
    people = {name: np.full(3, value) for name, value in model.typical.items()}
    table = engine.simulate_arrays(model, people, [flood, Regimen(Dose(1, model.state_names[-1])), flood], [1.0])
    assert table.status.tolist() == [engine.Status.no_steady_state, 0, engine.Status.no_steady_state]


def test_a_subject_that_blows_up_hurts_nobody_else(make_model: Callable[..., engine.Model]) -> None:
    model = make_model(
        {"k": "1/h"}, {"x": {"unit": "1", "initial": "1"}}, {"x": "k * x * x"}, {"x": ("x", "1")}, name="blow_up"
    )
    k = np.linspace(0.01, 0.407, 40)
    times = np.asarray([1.0, 2.0, 5.0])
    found = engine.simulate_arrays(model, {"k": k}, Regimen(), times, solver="taylor")
    sound = k * 5 < 1
    assert set(found.status[~sound].tolist()) <= {engine.Status.diverged, engine.Status.too_many_steps}
    assert (found.status[sound] == engine.Status.ok).all()
    np.testing.assert_allclose(found.outputs["x"][sound], 1 / (1 - k[sound, None] * times), rtol=1e-9)
    assert np.isnan(found.outputs["x"][~sound]).all()


def test_running_out_of_steps_is_a_status(effect: engine.Model, patient: dict[str, float]) -> None:
    people = {name: np.full(20, value) for name, value in patient.items()}
    people["kout"] = np.where(np.arange(20) == 7, 5000.0, 0.2)
    solver = Taylor(tolerance=1e-10, max_steps=2000)
    found = engine.simulate_arrays(effect, people, Regimen(Dose(100, "depot")), [100.0], solver=solver)
    assert found.status.tolist() == [engine.Status.too_many_steps if n == 7 else 0 for n in range(20)]
    assert "max_steps" in engine.Status.too_many_steps.message


def test_a_pack_in_which_all_fail(make_model: Callable[..., engine.Model]) -> None:
    model = make_model({"k": "1/h"}, {"x": {"unit": "1", "initial": "-1"}}, {"x": "-k * sqrt(x)"}, {"x": ("x", "1")})
    found = engine.simulate_arrays(model, {"k": np.ones(3)}, Regimen(), [1.0], solver="taylor")
    assert found.status.tolist() == [engine.Status.diverged] * 3


def test_equations_that_switch_are_left_to_another_solver(make_model: Callable[..., engine.Model]) -> None:
    model = make_model(
        {"k": "1/h", "c": "1"},
        {"x": {"unit": "1", "initial": "1"}},
        {"x": "-k * x if x > c else 0 * k"},
        {"x": ("x", "1")},
    )
    with pytest.raises(engine.SolverError, match=r"switch where x > c changes.*use solver 'auto'"):
        engine.simulate(model, {"k": 1.0, "c": 0.5}, Regimen(), [1.0], solver="taylor")
    out = engine.simulate(model, {"k": 1.0, "c": 0.5}, Regimen(), [0.5, 3.0])
    assert out.attrs["solver"] == "block_taylor"
    assert "switch where x > c" in out.attrs["solver_reason"]
    np.testing.assert_allclose(out["x"][0], [np.exp(-0.5), 0.5], rtol=1e-9)


@pytest.mark.parametrize("fields", [{"tolerance": 0.0, "max_steps": 10}, {"tolerance": 1e-8, "max_steps": 0}])
def test_tolerances_that_mean_nothing_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(engine.SolverError, match="taylor: "):
        Taylor(**fields)  # type: ignore[arg-type]
