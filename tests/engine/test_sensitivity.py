"""Derivatives of outputs by parameters: against differences of simulations and against formulas."""

import contextlib
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import engine
from engine.dosing.nonmem import read_nonmem
from engine.errors import DataError, ModelError
from engine.gradients.continuity import check
from engine.models.loading import library, load_model
from engine.models.structure import switches
from engine.sensitivity import sensitivity_arrays
from engine.status import Status

TIMES = np.array([0.13, 0.9, 2.2, 3.7, 6.1, 9.3, 13.4, 19.8, 25.3, 37.7, 49.1])


STEPS = np.array([1, -1, 0.5, -0.5, 0.25, -0.25])


def copies(dosing, count):
    """The same doses for many subjects."""
    if not isinstance(dosing, engine.EventTable):
        return dosing
    each = ("time", "evid", "amt", "cmt", "addl", "ii", "ss", "rate", "mdv", "dv")
    wide = {name: np.tile(getattr(dosing, name), count) for name in each}
    return replace(dosing, ids=np.arange(count), subject=np.repeat(np.arange(count), len(dosing.time)), **wide)


def differences(model, parameters, dosing, times, wrt, **options):
    """Derivatives by central differences at three distances, extrapolated to distance 0, and their uncertainty."""
    step = np.array([2e-3 * (abs(parameters[q]) or 0.05) for q in wrt])
    count = len(wrt) * len(STEPS)
    moved = {name: np.full(count, float(value)) for name, value in parameters.items()}
    for n, q in enumerate(wrt):
        moved[q][n * len(STEPS) : (n + 1) * len(STEPS)] += STEPS * step[n]
    outputs = engine.simulate_arrays(model, moved, copies(dosing, count), times, **options).outputs
    found = {}
    for name, values in outputs.items():
        above, below = (values.reshape(len(wrt), 3, 2, -1)[:, :, side] for side in (0, 1))
        slope = (above - below) / (2 * step[:, None, None] * STEPS[None, ::2, None])
        rough, fine = ((4 * slope[:, n + 1] - slope[:, n]) / 3 for n in (0, 1))
        found[name] = (16 * fine - rough) / 15, np.nanmax(np.abs(fine - rough), axis=1)
    return found


def agree(model, parameters, dosing, times=TIMES, wrt=None, rtol=1e-5, **options):
    """Derivatives are those of differences, as far as the digits of the simulations that are subtracted allow."""
    found = sensitivity_arrays(model, parameters, dosing, times, wrt=wrt, **options)
    plain = engine.simulate_arrays(model, parameters, dosing, times, **options)
    assert np.all(found.status == Status.ok)
    wanted = differences(model, parameters, dosing, times, found.wrt, **options)
    for name, values in plain.outputs.items():
        largest = np.max(np.abs(values))
        np.testing.assert_allclose(found.outputs[name], values, rtol=1e-7, atol=1e-7 * largest)
        for number, q in enumerate(found.wrt):
            slope, uncertain = wanted[name][0][number], wanted[name][1][number]
            scale, size = np.max(np.abs(slope)), largest / (abs(parameters[q]) or 0.05)
            assert uncertain <= 1e-2 * scale + 1e-6 * size, f"{name} by {q} cannot be judged"
            allowed = rtol * scale + 3 * uncertain + 3e-7 * size + 1e-300
            np.testing.assert_allclose(
                found.slopes[name][0, :, number], slope, rtol=0, atol=allowed, err_msg=f"{name} by {q}"
            )
    return found


# ------------------------------------------------------------------------------------------------------ the library


LARGE = 60


def costly(model):
    """Many derivatives, or equations that switch, whose solver is slow."""
    return bool(switches(model)) or len(model.states) * len(model.parameters) > LARGE


SLOW = [pytest.param(name, marks=pytest.mark.slow) if costly(load_model(name)) else name for name in library()]


def can_be_asked(model):
    """Parameters that do not say when the rates jump."""
    found = []
    for name in model.parameter_names:
        with contextlib.suppress(ModelError):
            check(model, (name,))
            found.append(name)
    return found


@pytest.mark.parametrize("name", SLOW)
def test_derivatives_of_every_model_agree_with_differences(name):
    model = load_model(name)
    parameters = {name: value if value else 0.3 for name, value in model.typical.items()}
    # No dose and no sample at a time of the model's own, where the derivative has two sides.
    dosing = engine.Regimen(engine.Dose(10, into=model.state_names[0], every=11.7, times=3))
    agree(model, parameters, dosing, 1.003 * TIMES, wrt=can_be_asked(model))


# ------------------------------------------------------------------------------------------------- every kind of dose


@pytest.fixture(scope="module")
def saturable(make_model):
    """Absorption and elimination saturate: what a bolus changes the rates by depends on the states."""
    given = {"lag": "lag", "bioavailability": "f", "duration": "d", "rate": "r"}
    return make_model(
        {"vmax": "mg/h", "km": "mg", "ka": "mg/h", "ks": "mg", "lag": "h", "f": "1", "d": "h", "r": "mg/h", "v": "L"},
        {"gut": {"unit": "mg", **given}, "body": {"unit": "mg", "initial": "km / 4", **given}},
        {"gut": "-ka * gut / (ks + gut)", "body": "ka * gut / (ks + gut) - vmax * body / (km + body)"},
        {"c": ("body / v", "mg/L"), "all": ("gut + body", "mg")},
        name="saturable",
    )


SATURABLE = {"vmax": 21.0, "km": 30.0, "ka": 35.0, "ks": 12.0, "lag": 0.35, "f": 0.8, "d": 2.5, "r": 30.0, "v": 20.0}


KINDS = {
    "bolus": [(0.0, 1, 100.0, 0, 1)],
    "several boluses": [(0.0, 1, 100.0, 0, 1), (5.0, 1, 60.0, 0, 2), (5.0, 1, 40.0, 0, 1), (17.0, 1, 80.0, 0, 2)],
    "infusion": [(0.0, 1, 100.0, 25.0, 2), (1.0, 1, 30.0, 3.0, 1)],
    "modelled duration": [(0.0, 1, 100.0, -2, 2), (11.0, 1, 50.0, -2, 1)],
    "modelled rate": [(0.0, 1, 100.0, -1, 1), (7.0, 1, 60.0, -1, 2)],
    "reset": [(0.0, 1, 100.0, -1, 2), (4.0, 3, 0.0, 0, 1), (4.0, 1, 60.0, 0, 2), (12.0, 4, 50.0, -2, 1)],
}


def events(kind):
    rows = [(1, time, evid, amt, rate, cmt, np.nan) for time, evid, amt, rate, cmt in KINDS[kind]]
    return read_nonmem(pd.DataFrame(rows, columns=["ID", "TIME", "EVID", "AMT", "RATE", "CMT", "DV"]))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_dose_in_a_linear_model(oral, person, kind):
    agree(oral, {**person, "lag": 0.35, "f": 0.8}, events(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_dose_in_a_model_that_is_not_linear(saturable, kind):
    agree(saturable, SATURABLE, events(kind))


STEADY = {
    "bolus": (50.0, 0, 12.0),
    "infusion": (50.0, 20.0, 12.0),
    "long infusion": (150.0, 9.0, 12.0),
    "modelled duration": (60.0, -2, 8.0),
    "modelled rate": (60.0, -1, 8.0),
    "endless": (0.0, 6.0, 0.0),
}


def steady(kind, cmt, ss=1):
    amount, rate, interval = STEADY[kind]
    rows = [(1, 0.0, 1, 30.0, 0, cmt, 0, 0, np.nan), (1, 5.0, 1, amount, rate, cmt, ss, interval, np.nan)]
    return read_nonmem(pd.DataFrame(rows, columns=["ID", "TIME", "EVID", "AMT", "RATE", "CMT", "SS", "II", "DV"]))


@pytest.mark.parametrize("lag", [0.35, 5.2, 13.3])
@pytest.mark.parametrize("kind", STEADY)
def test_steady_states_of_a_linear_model(oral, person, kind, lag):
    agree(oral, {**person, "lag": lag, "f": 0.8}, steady(kind, 1))
    agree(oral, {**person, "lag": lag, "f": 0.8}, steady(kind, 2, ss=2))


@pytest.mark.parametrize("lag", [0.35, 13.3])
@pytest.mark.parametrize("kind", STEADY)
def test_steady_states_of_a_model_that_is_not_linear(saturable, kind, lag):
    agree(saturable, {**SATURABLE, "lag": lag}, steady(kind, 1))
    agree(saturable, {**SATURABLE, "lag": lag}, steady(kind, 2))
    agree(saturable, {**SATURABLE, "lag": lag}, steady(kind, 2, ss=2))


# ----------------------------------------------------------------------------------------------------- other subjects


def test_rates_that_jump_are_refused_and_rates_that_bend_are_not(make_model):
    def model(rate):
        names = {"k": "mg/h", "h": "mg", "late": "h"}
        used = {name: unit for name, unit in names.items() if re.search(rf"\b{name}\b", rate)}
        return make_model(used, {"x": "mg"}, {"x": rate}, {"x": ("x", "mg")}, name="switching")

    def values(one):
        return {name: {"k": 9.0, "h": 20.0, "late": 3.0}[name] for name in one.parameter_names}

    dosing = engine.Regimen(engine.Dose(100, into="x"))
    for rate in ("-max(x - h, 0) * k / h", "where(x > h, -k * (x - h) / h, 0)"):
        agree(model(rate), values(model(rate)), dosing, solver="reference")
    jumps = model("where(x > h, -k, 0)")
    with pytest.raises(ModelError, match="the rate of x jumps where x > h changes, at a time that depends on h, x"):
        sensitivity_arrays(jumps, values(jumps), dosing, TIMES)
    curved = model("where(t * t < late * late, -k, 0)")
    with pytest.raises(ModelError, match=r"jumps where t \* t < late \* late changes, at a time that depends on late"):
        sensitivity_arrays(curved, values(curved), dosing, TIMES)
    agree(curved, values(curved), dosing, wrt=["k"], solver="reference")


SWITCHED = [
    "where(t < late, -k, 0)", "where(t >= late, -k * x / h, 0) - max(2 * t - late, 0) * k / late / 9",
    "where(late <= t and t < late + long, -k * x / h, k / 8)", "where(h / k - late < t / 2, -k, k) * x / (h + x)",
    "where(t < late, -k, 0) + where(t < late, 0, k) * x / h",
]  # fmt: skip


@pytest.mark.parametrize("solver", ["auto", "reference"])
@pytest.mark.parametrize("rate", SWITCHED)
def test_times_of_parameters_at_which_rates_jump(make_model, rate, solver):
    """Beside doses, with a second state behind the one whose rate jumps."""
    units = {"k": "mg/h", "h": "mg", "late": "h", "long": "h"}
    used = {name: unit for name, unit in units.items() if re.search(rf"\b{name}\b", rate) or name in "kh"}
    outputs = {"x": ("x", "mg"), "y": ("y", "mg")}
    model = make_model(used, {"x": "mg", "y": "mg"}, {"x": rate, "y": "x * k / h - y * k / h / 2"}, outputs)
    values = {"k": 3.0, "h": 20.0, "late": 3.1, "long": 9.7}
    dosing = engine.Regimen(engine.Dose(100, into="x", every=8, times=3))
    agree(model, {name: values[name] for name in used}, dosing, solver=solver)


def test_a_jump_by_hand(make_model):
    """x falls at rate k until the time late: x = x0 - k min(t, late)."""
    model = make_model({"k": "mg/h", "late": "h"}, {"x": "mg"}, {"x": "where(t < late, -k, 0)"}, {"x": ("x", "mg")})
    found = sensitivity_arrays(
        model, {"k": [2.0, 3.0], "late": [3.0, 30.0]}, engine.Regimen(engine.Dose(100, into="x")), TIMES
    )
    late = np.array([3.0, 30.0])[:, None]
    np.testing.assert_allclose(found.slopes["x"][:, :, 0], -np.minimum(TIMES, late), rtol=1e-12)
    np.testing.assert_allclose(found.slopes["x"][:, :, 1], np.where(late < TIMES, [[-2.0], [-3.0]], 0.0), rtol=1e-12)


# ----------------------------------------------------------------------------------------------------- named arrays


def test_derivatives_have_names_units_and_a_place_for_each_subject(oral, person):
    people = xr.Dataset({name: ("subject", [value, value]) for name, value in person.items()}, {"subject": ["a", "b"]})
    people["v"][1] = np.nan
    dosing = engine.Regimen(engine.Dose(100, into="depot"))
    out = engine.sensitivities(oral, people, dosing, TIMES, wrt=["ka", "v"])
    assert out["d_cp"].dims == ("subject", "time", "parameter")
    assert out["parameter"].values.tolist() == ["ka", "v"]
    assert out["parameter_units"].values.tolist() == ["1/h", "L"]
    assert out["d_cp"].attrs["units"] == "mg/L / parameter"
    assert out["status"].values.tolist() == [Status.ok, Status.bad_parameter]
    assert np.isnan(out["d_cp"].sel(subject="b")).all()
    ka, k, v = person["ka"], person["cl"] / person["v"], person["v"]

    def bateman(ka, v):
        k = person["cl"] / v
        return 100 * ka / (v * (ka - k)) * (np.exp(-k * TIMES) - np.exp(-ka * TIMES))

    early, late = np.exp(-ka * TIMES), np.exp(-k * TIMES)
    by_ka = 100 / v * (-k / (ka - k) ** 2 * (late - early) + ka / (ka - k) * TIMES * early)
    np.testing.assert_allclose(out["cp"].sel(subject="a"), bateman(ka, v), rtol=1e-11)
    np.testing.assert_allclose(out["d_cp"].sel(subject="a", parameter="ka"), by_ka, rtol=1e-9)


def test_what_cannot_be_differentiated_is_said(oral, person):
    dosing = engine.Regimen(engine.Dose(100, into="depot"))
    with pytest.raises(DataError, match="wrt: 'kel' is not a parameter of model oral"):
        sensitivity_arrays(oral, person, dosing, TIMES, wrt=["kel"])
    with pytest.raises(DataError, match="wrt: 'ka' is not a parameter of model oral; a list of names is wanted"):
        sensitivity_arrays(oral, person, dosing, TIMES, wrt="ka")
