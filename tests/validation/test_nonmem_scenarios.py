"""Twenty-nine dosing scenarios and individual predictions by NONMEM 7.5."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import engine

REFERENCE = Path(__file__).parents[1] / "reference"
SCENARIOS = pd.read_csv(REFERENCE / "nmtests_dosing_events.csv")
KEY = pd.read_csv(REFERENCE / "nmtests_dosing_key.csv").set_index("ID")["descr"]
ROUNDING = 1e-4
"""The references have five significant digits."""


def _model(parameters: dict[str, str], states: dict[str, object], derivatives: dict[str, str], cp: str) -> engine.Model:
    return engine.load_model(
        {
            "name": "nonmem",
            "reference": "NONMEM 7.5 ADVAN2 and ADVAN3",
            "time": "h",
            "parameters": {name: {"unit": unit, "meaning": name} for name, unit in parameters.items()},
            "states": states,
            "derivatives": derivatives,
            "outputs": {"cp": {"value": cp, "unit": "mg/L"}},
        }
    )


@pytest.fixture(scope="module")
def advan2() -> engine.Model:
    given = {"unit": "mg", "lag": "lagt", "bioavailability": "bioav", "duration": "dur2", "rate": "rat2"}
    units = {"ka": "1/h", "cl": "L/h", "v": "L", "lagt": "h", "bioav": "1", "dur2": "h", "rat2": "mg/h"}
    rates = {"depot": "-ka * depot", "central": "ka * depot - cl / v * central"}
    return _model(units, {"depot": {"unit": "mg"}, "central": given}, rates, "central / v")


@pytest.mark.parametrize("solver", ["closed_form", "taylor", "block_taylor"])
@pytest.mark.parametrize("scenario", KEY.index, ids=lambda number: f"{number} {KEY[number]}")
def test_dosing_scenario(advan2: engine.Model, scenario: int, solver: str) -> None:
    records = SCENARIOS[SCENARIOS["id"] == scenario]
    first = records[records["evid"] > 0].iloc[0]
    parameters = {"ka": 1.5, "cl": 1.1, "v": 20.0} | {
        name: float(first[name]) for name in ("lagt", "bioav", "dur2", "rat2")
    }
    events = engine.read_nonmem(records.drop(columns=["lagt", "bioav"]))
    found = engine.simulate(advan2, parameters, events, solver=solver)["cp"].to_numpy()[0]
    expected = records.loc[records["evid"] == 0, "cp_nonmem"].to_numpy() / 1000
    np.testing.assert_allclose(found, expected, rtol=ROUNDING, atol=1e-12)
    assert expected.max() > 0


def test_two_compartment_individual_predictions() -> None:
    parameters = {"cl": "L/h", "v1": "L", "q": "L/h", "v2": "L"}
    rates = {"central": "-(cl + q) / v1 * central + q / v2 * side", "side": "q / v1 * central - q / v2 * side"}
    model = _model(parameters, {"central": {"unit": "mg"}, "side": {"unit": "mg"}}, rates, "central / v1")
    data = pd.read_csv(REFERENCE / "twocmt_bolus_individual_ipred.csv")
    for _, own in data.groupby("ID"):
        dose, times = float(own["AMT"].iloc[0]), own["TIME"].to_numpy()
        person = {name: float(own[name.upper()].iloc[0]) for name in parameters}
        found = engine.simulate_arrays(model, person, engine.Regimen(engine.Dose(dose, into="central")), times)
        np.testing.assert_allclose(found.outputs["cp"][0], own["IPRED_nonmem"], rtol=1e-5)


def test_warfarin_individual_predictions(advan2: engine.Model) -> None:
    data = pd.read_csv(REFERENCE / "onecmt_oral_warfarin_individual_ipred.csv")
    checked = 0
    for _, own in data.groupby("ID"):
        row = own.iloc[0]
        person = {"ka": row["KA"], "cl": row["CL"], "v": row["VC"], "lagt": 0.0, "bioav": 1.0, "dur2": 1.0, "rat2": 1.0}
        events = engine.read_nonmem(own[["ID", "TIME", "AMT", "EVID"]])
        found = engine.simulate_arrays(advan2, person, events).outputs["cp"][0]
        expected = own.loc[own["EVID"] == 0, "IPRED_nonmem"].to_numpy()
        np.testing.assert_allclose(found, expected, rtol=1.5e-4, atol=1e-12)
        checked += len(expected)
    assert checked > 200
