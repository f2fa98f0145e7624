"""Twelve models against trajectories on which two independent integrators agree to 5e-12."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine

CASES = {
    case["id"]: case
    for case in json.loads((Path(__file__).parents[1] / "reference" / "oracle_trajectories.json").read_text())["cases"]
}
_IDR = {"depot": "-ka * depot", "central": "ka * depot - cl / v * central"}
_DRUG = "imax * (central / v)**h / (ic50**h + (central / v)**h)"


def _response(kin: str, kout: str) -> dict[str, Any]:
    rates = {**_IDR, "r": f"kout * r0 * ({kin}) - kout * ({kout}) * r"}
    return {"states": {"depot": 0, "central": 0, "r": "r0"}, "rates": rates, "outputs": {"Cc": "central / v", "R": "r"}}


_QSS = "(0.5 * (ctot - rtot - kss + sqrt((ctot - rtot - kss)**2 + 4 * kss * ctot)))"
MODELS: dict[str, dict[str, Any]] = {
    "two_cmt_oral_F_lag_multiple": {
        "states": {"depot": 0, "central": 0, "side": 0},
        "rates": {
            "depot": "-ka * depot",
            "central": "ka * depot - (cl + q) / v1 * central + q / v2 * side",
            "side": "q / v1 * central - q / v2 * side",
        },
        "outputs": {"Cc": "central / v1"},
    },
    "three_cmt_infusion_plus_bolus": {
        "states": {"central": 0, "two": 0, "three": 0},
        "rates": {
            "central": "-(cl + q2 + q3) / v1 * central + q2 / v2 * two + q3 / v3 * three",
            "two": "q2 / v1 * central - q2 / v2 * two",
            "three": "q3 / v1 * central - q3 / v3 * three",
        },
        "outputs": {"Cc": "central / v1", "A3": "three"},
    },
    "mm_elimination_multiple": {
        "states": {"depot": 0, "central": 0},
        "rates": {
            "depot": "-ka * depot",
            "central": "ka * depot - vmax * (central / v) / (km + central / v) - cl * central / v",
        },
        "outputs": {"Cc": "central / v"},
    },
    "idr_type1": _response(f"1 - {_DRUG}", "1"),
    "idr_type2": _response("1", f"1 - {_DRUG}"),
    "idr_type3": _response(f"1 + {_DRUG}", "1"),
    "idr_type4": _response("1", f"1 + {_DRUG}"),
    "effect_compartment": {
        "states": {"depot": 0, "central": 0, "ce": 0},
        "rates": {**_IDR, "ce": "ke0 * (central / v - ce)"},
        "outputs": {"Cc": "central / v", "Ce": "ce"},
    },
    "tmdd_qss_sc": {
        "states": {"depot": 0, "total": 0, "side": 0, "rtot": "ksyn / kdeg"},
        "let": {"ctot": "total / v1", "c": _QSS},
        "rates": {
            "depot": "-ka * depot",
            "total": "ka * depot - (cl + q) * c - rtot * kint * c / (kss + c) * v1 + q / v2 * side",
            "side": "q * c - q / v2 * side",
            "rtot": "ksyn - kdeg * rtot - (kint - kdeg) * rtot * c / (kss + c)",
        },
        "outputs": {"Ctot": "ctot", "Rtot": "rtot"},
    },
    "friberg_myelosuppression": {
        "states": {"central": 0, **dict.fromkeys(("prol", "t1", "t2", "t3", "circ"), "circ0")},
        "let": {"ktr": "4 / mtt", "kill": "slope * central / v"},
        "rates": {
            "central": "-cl / v * central",
            "prol": "ktr * prol * ((1 - kill) * (circ0 / circ)**gamma - 1)",
            "t1": "ktr * (prol - t1)", "t2": "ktr * (t1 - t2)", "t3": "ktr * (t2 - t3)", "circ": "ktr * (t3 - circ)",
        },
        "outputs": {"ANC": "circ"},
    },
    "simeoni_tgi": {
        "states": {"central": 0, "x1": "w0", "x2": 0, "x3": 0, "x4": 0},
        "let": {"c": "central / v", "w": "x1 + x2 + x3 + x4"},
        "rates": {
            "central": "-cl / v * central",
            "x1": "l0 * x1 / (1 + (l0 / l1 * w)**20)**(1 / 20) - k2 * c * x1",
            "x2": "k2 * c * x1 - k1 * x2", "x3": "k1 * (x2 - x3)", "x4": "k1 * (x3 - x4)",
        },
        "outputs": {"w": "w"},
        "more": {"w0": 0.05},
    },
    "savic_transit_single": {
        "states": {"depot": 0, "central": 0},
        "rates": {
            "depot": "dose * f * ktr * (ktr * t)**n * exp(-ktr * t) / factorial - ka * depot",
            "central": "ka * depot - cl / v * central",
        },
        "outputs": {"Cc": "central / v"},
        "more": {"factorial": math.gamma(5.3)},
    },
}  # fmt: skip
_PER_HOUR = {
    "ka", "cl", "q", "q2", "q3", "vmax", "kout", "ke0", "kint", "kdeg", "ksyn", "l0", "l1", "k1", "k2", "ktr",
}  # fmt: skip
WITHIN = 1e-7
"""Relative error of every solver as it is configured."""
SOLVERS = ("taylor", "auto", "block_taylor", "runge_kutta", "rosenbrock")
LINEAR = ("two_cmt_oral_F_lag_multiple", "three_cmt_infusion_plus_bolus", "effect_compartment")


def _model(case: dict[str, Any]) -> tuple[engine.Model, dict[str, float]]:
    """Model in which only time has a unit."""
    text, parameters = MODELS[case["id"]], case["params"] | MODELS[case["id"]].get("more", {})
    states = {
        name: {"unit": "1"} if initial == 0 else {"unit": "1", "initial": initial}
        for name, initial in text["states"].items()
    }
    model = engine.load_model(
        {
            "name": case["id"],
            "reference": "oracle_trajectories.json",
            "time": "h",
            "parameters": {name: {"unit": _unit(name), "meaning": name} for name in parameters},
            "states": states,
            "let": text.get("let", {}),
            "derivatives": text["rates"],
            "outputs": {name: {"value": value, "unit": "1"} for name, value in text["outputs"].items()},
        }
    )
    return model, parameters


def _unit(parameter: str) -> str:
    return "1/h" if parameter in _PER_HOUR else "h" if parameter == "mtt" else "1"


def _regimen(case: dict[str, Any], model: engine.Model) -> engine.Regimen:
    return engine.Regimen(
        *(
            engine.Dose(dose["amt"], model.state_names[dose["cmt"]], at=dose["t"], duration=dose["dur"] or None)
            for dose in case["explicit_inputs"]
        )
    )


def _check(name: str, solver: str, tolerance: float) -> None:
    case = CASES[name]
    model, parameters = _model(case)
    found = engine.simulate_arrays(model, parameters, _regimen(case, model), case["times"], solver=solver)
    assert found.status[0] == engine.Status.ok
    for output, expected in case["outputs"].items():
        np.testing.assert_allclose(found.outputs[output][0], expected, rtol=tolerance, err_msg=output)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_trajectory(name: str, solver: str) -> None:
    _check(name, solver, WITHIN)


@pytest.mark.parametrize("name", LINEAR)
def test_linear_trajectory_in_closed_form(name: str) -> None:
    _check(name, "closed_form", 1e-8)


@pytest.mark.parametrize("name", ["idr_type1", "three_cmt_infusion_plus_bolus"])
def test_trajectory_by_the_reference_solver(name: str) -> None:
    _check(name, "reference", WITHIN)


def test_every_case_has_its_model() -> None:
    assert set(MODELS) == set(CASES)
