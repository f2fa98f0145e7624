"""Small models given as mappings, for tests of dosing and solvers."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

import engine

_HERE = "made up for a test"


def build(
    parameters: Mapping[str, str],
    states: Mapping[str, Any],
    derivatives: Mapping[str, str],
    outputs: Mapping[str, Any],
    **more: Any,
) -> engine.Model:
    """Model from units of parameters; a state or output that is text is its unit, an output's value its name."""
    return engine.load_model(
        {
            "name": more.pop("name", "test"),
            "reference": _HERE,
            "time": "h",
            "parameters": {name: {"unit": unit, "meaning": name} for name, unit in parameters.items()},
            "states": {name: {"unit": state} if isinstance(state, str) else state for name, state in states.items()},
            "derivatives": dict(derivatives),
            "outputs": {name: dict(zip(("value", "unit"), output, strict=True)) for name, output in outputs.items()},
            **more,
        }
    )


@pytest.fixture(scope="session")
def make_model() -> Callable[..., engine.Model]:
    return build


@pytest.fixture(scope="session")
def oral() -> engine.Model:
    """One compartment, oral, with lag and bioavailability into both states and infusions the model may time."""
    given = {"lag": "lag", "bioavailability": "f", "duration": "d", "rate": "r"}
    return build(
        {"ka": "1/h", "cl": "L/h", "v": "L", "lag": "h", "f": "1", "d": "h", "r": "mg/h"},
        {"depot": {"unit": "mg", **given}, "central": {"unit": "mg", **given}},
        {"depot": "-ka * depot", "central": "ka * depot - cl / v * central"},
        {"cp": ("central / v", "mg/L"), "total": ("depot + central", "mg")},
        name="oral",
    )


@pytest.fixture(scope="session")
def person() -> dict[str, float]:
    return {"ka": 1.1, "cl": 3.2, "v": 25.0, "lag": 0.0, "f": 1.0, "d": 2.0, "r": 10.0}


@pytest.fixture(scope="session")
def effect() -> engine.Model:
    """Oral drug that holds back a response by a power of its concentration, which is singular at 0."""
    return build(
        {"ka": "1/h", "cl": "L/h", "v": "L", "lag": "h", "c50": "mg/L", "g": "1", "kout": "1/h"},
        {"depot": {"unit": "mg", "lag": "lag"}, "central": "mg", "response": {"unit": "1", "initial": "1"}},
        {
            "depot": "-ka * depot",
            "central": "ka * depot - cl / v * central",
            "response": "kout * (1 / (1 + (central / v / c50)**g) - response)",
        },
        {"cp": ("central / v", "mg/L"), "response": ("response", "1")},
        name="effect",
    )


@pytest.fixture(scope="session")
def patient() -> dict[str, float]:
    return {"ka": 1.1, "cl": 3.2, "v": 25.0, "lag": 0.0, "c50": 1.5, "g": 0.424, "kout": 0.2}
