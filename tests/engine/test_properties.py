"""Laws that hold for every dose and every subject: superposition, mass balance, dose splitting, shift of time."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine
from engine import Dose, Regimen

TIMES = np.asarray([0.0, 0.7, 3.0, 11.9, 24.0, 36.5, 80.0])
quick = settings(max_examples=40, deadline=None, database=None, derandomize=True)

parameters = st.fixed_dictionaries({
    "ka": st.floats(0.01, 20), "cl": st.floats(0.0, 50), "v": st.floats(0.5, 500), "lag": st.floats(0, 30),
    "f": st.floats(1e-3, 1), "d": st.floats(0.1, 10), "r": st.floats(0.1, 10),
})  # fmt: skip


@st.composite
def doses(draw: st.DrawFn) -> Dose:
    amount, into = draw(st.floats(0.01, 1000)), draw(st.sampled_from(["depot", "central"]))
    speed = draw(st.sampled_from(["bolus", "rate", "duration", "model"]))
    fields = {
        "bolus": {},
        "rate": {"rate": draw(st.floats(0.5, 500))},
        "duration": {"duration": draw(st.floats(0.05, 40))},
        "model": {"rate": "model"},
    }[speed]
    times = draw(st.integers(1, 4))
    return Dose(amount, into, at=draw(st.floats(0, 20)), every=draw(st.floats(0.5, 30)), times=times, **fields)


def _total(model: engine.Model, person: dict[str, float], *given_: Dose, times: np.ndarray = TIMES) -> np.ndarray:
    found = engine.simulate_arrays(model, person, Regimen(*given_), times)
    assert found.status[0] == engine.Status.ok
    return np.concatenate([found.outputs["cp"][0] * person["v"], found.outputs["total"][0]])


@quick
@given(person=parameters, first=doses(), second=doses())
def test_superposition(oral: engine.Model, person: dict[str, float], first: Dose, second: Dose) -> None:
    both = _total(oral, person, first, second)
    apart = _total(oral, person, first) + _total(oral, person, second)
    np.testing.assert_allclose(both, apart, rtol=1e-10, atol=1e-12 * max(both.max(), 1e-300))


@quick
@given(person=parameters, dose=doses(), parts=st.integers(2, 5))
def test_a_dose_in_parts_is_the_dose(oral: engine.Model, person: dict[str, float], dose: Dose, parts: int) -> None:
    from dataclasses import replace

    rate = dose.rate / parts if isinstance(dose.rate, float) else dose.rate
    if dose.rate == "model":  # the model's rate does not divide
        return
    part = replace(dose, amount=dose.amount / parts, rate=rate)
    whole = _total(oral, person, dose)
    np.testing.assert_allclose(_total(oral, person, *[part] * parts), whole, rtol=1e-10, atol=1e-12 * whole.max())


@quick
@given(person=parameters, dose=doses(), shift=st.floats(0, 100))
def test_time_has_no_origin(oral: engine.Model, person: dict[str, float], dose: Dose, shift: float) -> None:
    from dataclasses import replace

    now = _total(oral, person, dose, times=TIMES + 0.01)
    later = _total(oral, person, replace(dose, at=dose.at + shift), times=TIMES + 0.01 + shift)
    # Where rounding puts a sample on the other side of an arrival it may see it or not; elsewhere they agree.
    close = np.isclose(later, now, rtol=1e-8, atol=1e-10 * now.max())
    assert close.mean() >= 0.8


@quick
@given(person=parameters, dose=doses())
def test_what_is_given_is_what_is_there(oral: engine.Model, person: dict[str, float], dose: Dose) -> None:
    """Without elimination, everything that arrived stays."""
    end = np.asarray([5000.0])
    total = _total(oral, person | {"cl": 0.0}, dose, times=end)[-1]
    np.testing.assert_allclose(total, person["f"] * dose.amount * dose.times, rtol=1e-9)


@quick
@given(person=parameters, dose=doses())
def test_amounts_are_never_negative_and_scale_with_the_dose(
    oral: engine.Model, person: dict[str, float], dose: Dose
) -> None:
    amounts = _total(oral, person, dose)
    assert (amounts >= 0).all()
    if dose.rate != "model":
        tripled = _total(oral, person, *Regimen(dose).scaled(3.0).doses)
        np.testing.assert_allclose(tripled, 3 * amounts, rtol=1e-12)


@settings(quick, max_examples=8)
@given(dose=st.floats(1, 500), g=st.floats(0.3, 3), lag=st.floats(0, 3))
def test_taylor_is_the_closed_form_for_what_is_linear(
    effect: engine.Model,
    patient: dict[str, float],
    oral: engine.Model,
    person: dict[str, float],
    dose: float,
    g: float,
    lag: float,
) -> None:
    regimen = Regimen(Dose(dose, "depot", every=8, times=3), Dose(dose, "central", at=2, duration=3))
    shared = {name: value for name, value in patient.items() if name in person} | {"lag": lag}
    linear = engine.simulate_arrays(oral, person | shared | {"f": 1.0}, regimen.scaled(1.0), TIMES)
    whole = engine.simulate_arrays(effect, patient | {"g": g, "lag": lag}, regimen, TIMES)
    assert whole.solver == "block_taylor"
    if lag == 0:
        np.testing.assert_allclose(whole.outputs["cp"], linear.outputs["cp"], rtol=1e-8)
    assert ((whole.outputs["response"] > 0) & (whole.outputs["response"] <= 1 + 1e-12)).all()


def test_area_under_the_curve_is_dose_over_clearance(make_model: Callable[..., engine.Model]) -> None:
    """Mass balance of a model with an effect of the concentration: what left is clearance times area."""
    model = make_model(
        {"ka": "1/h", "cl": "L/h", "v": "L", "km": "mg/L", "vmax": "mg/h"},
        {"depot": "mg", "central": "mg", "auc": "mg*h/L", "out": "mg"},
        {
            "depot": "-ka * depot",
            "central": "ka * depot - cl * central / v - vmax * (central / v) / (km + central / v)",
            "auc": "central / v",
            "out": "vmax * (central / v) / (km + central / v)",
        },
        {"auc": ("auc", "mg*h/L"), "out": ("out", "mg"), "left": ("depot + central", "mg")},
    )
    person = {"ka": 1.0, "cl": 2.0, "v": 20.0, "km": 1.0, "vmax": 5.0}
    found = engine.simulate_arrays(model, person, Regimen(Dose(100, "depot", every=5, times=4)), [3.0, 20.0, 60.0])
    given_ = np.asarray([100, 400, 400])
    balance = 2.0 * found.outputs["auc"][0] + found.outputs["out"][0] + found.outputs["left"][0]
    np.testing.assert_allclose(balance, given_, rtol=1e-9)


def test_the_laws_can_fail(oral: engine.Model, person: dict[str, float]) -> None:
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(
            _total(oral, person, Dose(1, "depot")), _total(oral, person, Dose(1.001, "depot")), rtol=1e-4
        )
