"""Simulating: names, units, order at one time, what is refused before any work, what a failure leaves."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import engine
from engine import Dose, Regimen

BOLUS = Regimen(Dose(100, into="central"))
TIMES = [0.0, 1.0, 2.0]


def cohort(person: dict[str, float], count: int, **units: str) -> xr.Dataset:
    rng = np.random.default_rng(3)
    values = {name: value * np.exp(0.2 * rng.normal(size=count)) for name, value in person.items()}
    data = {name: ("subject", value, {"units": units[name]} if name in units else {}) for name, value in values.items()}
    return xr.Dataset(data, coords={"subject": np.arange(count) + 100}).assign(age=("subject", np.full(count, 40)))


def test_one_subject_is_the_formula(oral: engine.Model, person: dict[str, float]) -> None:
    out = engine.simulate(oral, person, BOLUS, TIMES)
    expected = 100 / 25 * np.exp(-3.2 / 25 * np.asarray(TIMES))
    np.testing.assert_allclose(out["cp"].to_numpy()[0], expected, rtol=1e-14)
    assert out["cp"].dims == ("subject", "time")
    assert out["cp"].attrs["units"] == "mg/L"
    assert out["time"].attrs["units"] == "h"
    assert out["status"].to_numpy().tolist() == [engine.Status.ok]
    assert out.attrs["solver"] == "closed_form"
    assert "linear" in out.attrs["solver_reason"]
    assert out.attrs["model_digest"] == oral.digest


def test_subjects_keep_their_names(oral: engine.Model, person: dict[str, float]) -> None:
    people = cohort(person, 3, ka="1/h", cl="L/hour")
    out = engine.simulate(oral, people, BOLUS, TIMES)
    assert out["subject"].to_numpy().tolist() == [100, 101, 102]
    one = engine.simulate(oral, {name: float(people[name][1]) for name in person}, BOLUS, TIMES)
    np.testing.assert_array_equal(one["cp"][0], out["cp"][1])


def test_sample_at_a_dose_is_after_it_unless_asked(oral: engine.Model, person: dict[str, float]) -> None:
    regimen = Regimen(Dose(100, into="central", every=12, times=2))
    after = engine.simulate(oral, person, regimen, [0, 12])["cp"].to_numpy()[0]
    before = engine.simulate(oral, person, regimen, [0, 12], before_dose=True)["cp"].to_numpy()[0]
    np.testing.assert_allclose(after - before, 4.0, rtol=1e-14)
    assert before[0] == 0


def test_records_of_a_table_keep_their_order(oral: engine.Model, person: dict[str, float]) -> None:
    frame = pd.DataFrame({"ID": 1, "TIME": 0.0, "AMT": [0, 100, 0, 0, 0], "EVID": [0, 1, 0, 3, 0], "CMT": 2})
    found = engine.simulate(oral, person, engine.read_nonmem(frame))
    assert found["total"].to_numpy().tolist() == [[0.0, 100.0, 0.0]]
    assert found["time"].to_numpy().tolist() == [0, 0, 0]


def test_each_subject_may_have_its_own_times(oral: engine.Model, person: dict[str, float]) -> None:
    out = engine.simulate(oral, cohort(person, 2), BOLUS, [[0.0, 1.0], [2.0, np.nan]])
    assert out["sample_time"].dims == ("subject", "time")
    assert np.isnan(out["cp"].to_numpy()).tolist() == [[False, False], [False, True]]
    assert out["status"].to_numpy().tolist() == [0, 0]


def test_each_subject_may_have_its_own_regimen(oral: engine.Model, person: dict[str, float]) -> None:
    people = cohort(person, 4)
    given = [Regimen(Dose(amount, into="depot")) for amount in (100, 50, 100, 0)]
    out = engine.simulate(oral, people, given, TIMES)
    for number, regimen in enumerate(given):
        alone = engine.simulate(oral, people.isel(subject=[number]), regimen, TIMES)
        np.testing.assert_array_equal(alone["cp"][0], out["cp"][number])


def test_table_for_many_and_parameters_for_all(oral: engine.Model, person: dict[str, float]) -> None:
    table = engine.EventTable.from_amounts([[10], [20]], [0], "central", ids=["x", "y"])
    out = engine.simulate(oral, person, table, [0, 1])
    assert out["subject"].to_numpy().tolist() == ["x", "y"]
    np.testing.assert_allclose(out["total"][:, 0], [10, 20])


def test_lag_longer_than_the_interval(oral: engine.Model, person: dict[str, float]) -> None:
    late = engine.simulate(oral, person | {"lag": 30.0}, Regimen(Dose(10, "central", every=12, times=3)), [29, 31, 60])
    early = engine.simulate(oral, person, Regimen(Dose(10, "central", every=12, times=3)), [1, 30])
    np.testing.assert_allclose(late["cp"].to_numpy()[0], [0, *early["cp"].to_numpy()[0]], rtol=1e-12)


@pytest.mark.parametrize("dose", [{}, {"duration": 3.0}, {"duration": 17.0}, {"rate": 10.0}])
@pytest.mark.parametrize("lag", [0.0, 5.0, 12.0, 29.0])
def test_steady_state_is_what_many_doses_lead_to(
    oral: engine.Model, person: dict[str, float], dose: dict[str, float], lag: float
) -> None:
    times = np.asarray([0, 1, 4, 11.5, 13, 24, 40])
    parameters, many = person | {"lag": lag}, 40
    steady = Regimen(Dose(100, "depot", every=12, times=3, steady_state=True, **dose))
    doses = Regimen(Dose(100, "depot", every=12, times=3 + many, **dose))
    found = engine.simulate(oral, parameters, steady, times, before_dose=True)["cp"]
    expected = engine.simulate(oral, parameters, doses, times + 12 * many, before_dose=True)["cp"]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_no_steady_state_without_elimination(oral: engine.Model, person: dict[str, float]) -> None:
    people = cohort(person, 2)
    people["cl"][1] = 0.0
    out = engine.simulate(oral, people, Regimen(Dose(1, "depot", every=12, steady_state=True)), TIMES)
    assert out["status"].to_numpy().tolist() == [engine.Status.ok, engine.Status.no_steady_state]
    assert np.isnan(out["cp"].to_numpy()).all(axis=1).tolist() == [False, True]


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("cl", np.nan, engine.Status.bad_parameter),
        ("v", np.inf, engine.Status.bad_parameter),
        ("lag", -1.0, engine.Status.bad_dosing),
        ("f", -0.1, engine.Status.bad_dosing),
        ("v", 0.0, engine.Status.diverged),
    ],
)
def test_one_bad_subject_hurts_nobody_else(
    oral: engine.Model, person: dict[str, float], name: str, value: float, status: engine.Status
) -> None:
    people = cohort(person, 3)
    sound = engine.simulate(oral, people, BOLUS, TIMES)
    people[name][1] = value
    out = engine.simulate(oral, people, BOLUS, TIMES)
    assert out["status"].to_numpy().tolist() == [0, status, 0]
    assert np.isnan(out["cp"][1]).all()
    np.testing.assert_array_equal(out["cp"][[0, 2]], sound["cp"][[0, 2]])
    assert status.message.endswith(".")


def test_model_times_the_infusion(oral: engine.Model, person: dict[str, float]) -> None:
    by_model = engine.simulate(oral, person, Regimen(Dose(100, "central", duration="model")), TIMES)
    np.testing.assert_array_equal(
        by_model["cp"], engine.simulate(oral, person, Regimen(Dose(100, "central", duration=2)), TIMES)["cp"]
    )
    by_rate = engine.simulate(oral, person, Regimen(Dose(100, "central", rate="model")), TIMES)
    np.testing.assert_array_equal(
        by_rate["cp"], engine.simulate(oral, person, Regimen(Dose(100, "central", rate=10)), TIMES)["cp"]
    )


def test_bioavailability_shortens_a_dose_by_rate_and_thins_one_by_duration(
    oral: engine.Model, person: dict[str, float]
) -> None:
    half = person | {"f": 0.5, "cl": 0.0}
    by_rate = engine.simulate(oral, half, Regimen(Dose(100, "central", rate=10)), [2, 5, 9])["total"]
    by_duration = engine.simulate(oral, half, Regimen(Dose(100, "central", duration=10)), [2, 5, 10])["total"]
    np.testing.assert_allclose(by_rate, [[20, 50, 50]], rtol=1e-14)
    np.testing.assert_allclose(by_duration, [[10, 25, 50]], rtol=1e-14)


def test_refusals_name_the_field(oral: engine.Model, person: dict[str, float]) -> None:
    lacking = {name: value for name, value in person.items() if name != "cl"}
    cases = [
        (engine.DataError, "cl missing; model oral wants", (lacking, BOLUS, TIMES), {}),
        (engine.DataError, "'age' is not one of model oral", (person | {"age": 4}, BOLUS, TIMES), {}),
        (engine.DataError, "cl missing", (cohort(lacking, 2), BOLUS, TIMES), {}),
        (engine.DataError, "cl is in mL/h; .* wants L/h: .*0.001", (cohort(person, 2, cl="mL/h"), BOLUS, TIMES), {}),
        (engine.DataError, "cl is 'fast'", (person | {"cl": "fast"}, BOLUS, TIMES), {}),
        (engine.DataError, "ka has dims", (cohort(person, 2).expand_dims(replicate=2), BOLUS, TIMES), {}),
        (engine.DataError, "has no subjects; one or more", (cohort(person, 0), BOLUS, TIMES), {}),
        (engine.DataError, "times: None", (person, BOLUS, None), {}),
        (engine.DataError, "times: -1 is before the simulation begins, at 0", (person, BOLUS, [-1.0]), {}),
        (engine.DataError, "times: finite numbers", (person, BOLUS, [np.inf]), {}),
        (engine.DataError, "regimens has 3 subjects; the", (cohort(person, 2), [BOLUS] * 3, TIMES), {}),
        (engine.DataError, "times has 3 subjects", (cohort(person, 2), BOLUS, [TIMES] * 3), {}),
        (engine.DosingError, "dosing: 'daily'", (person, "daily", TIMES), {}),
        (engine.DosingError, "no state 'gut'; it has depot, central", (person, Regimen(Dose(1, "gut")), TIMES), {}),
        (engine.SolverError, "no solver 'fast'; there are auto", (person, BOLUS, TIMES), {"solver": "fast"}),
        (engine.SolverError, "is no solver", (person, BOLUS, TIMES), {"solver": 3}),
        (engine.DosingError, "observe and covariates are for a policy", (person, BOLUS, TIMES), {"observe": max}),
    ]  # fmt: skip
    for error, message, arguments, options in cases:
        with pytest.raises(error, match=message):
            engine.simulate(oral, *arguments, **options)


def test_infusion_the_model_does_not_time_is_refused(effect: engine.Model, patient: dict[str, float]) -> None:
    with pytest.raises(engine.DosingError, match=r"leaves its duration to the model \(RATE -2\), but model effect"):
        engine.simulate(effect, patient, Regimen(Dose(1, "depot", duration="model")), TIMES)


def test_doses_in_other_units_are_converted(oral: engine.Model, person: dict[str, float]) -> None:
    words = Regimen.parse("0.1 g into central every 0.5 day, 2 times")
    plain = Regimen(Dose(100, "central", every=12, times=2))
    np.testing.assert_allclose(
        engine.simulate(oral, person, words, [13])["cp"], engine.simulate(oral, person, plain, [13])["cp"], rtol=1e-14
    )
    with pytest.raises(engine.DosingError, match="amount is in IU, which does not convert to mg"):
        engine.simulate(oral, person, Regimen.parse("5 IU into central"), [1])


def test_importing_the_engine_is_light() -> None:
    import subprocess
    import sys

    heavy = ["heyoka", "pymc", "pytensor", "sympy", "matplotlib", "dask", "distributed", "pandas", "xarray", "scipy"]
    code = f"import sys, engine; engine.simulate; engine.Regimen; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
