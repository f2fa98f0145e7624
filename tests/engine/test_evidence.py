"""Example and checks of a model: what is read, what is refused, and how a check is measured."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import engine
from engine.checking import measured
from engine.models.evidence import Evidence
from engine.models.loading import load_evidence, load_model

KE = 0.25


def text(**more) -> dict:
    """One compartment, 1 L, ke 0.25 1/h; 8 mg, then 8 mg at 4 h."""
    return {
        "name": "tiny",
        "reference": "made up for a test",
        "time": "h",
        "parameters": {"ke": {"unit": "1/h", "meaning": "elimination", "value": KE}},
        "states": {"central": {"unit": "mg"}},
        "derivatives": {"central": "-ke * central"},
        "outputs": {"left": {"value": "central", "unit": "mg"}},
        "example": {"dosing": "8 mg into central every 4 h, 2 times", "times": {"until": 12, "every": "5e-1"}},
        **more,
    }


def check(**fields) -> dict:
    return text(checks=[{"output": "left", "value": 1, "tolerance": 0.1, "source": "formula", **fields}])


def test_they_are_no_part_of_the_model():
    bare = {key: value for key, value in text().items() if key != "example"}
    assert load_evidence(bare) == Evidence()
    assert load_model(bare) == load_model(check(measure="max"))
    assert "example" not in json.dumps(load_model(text()).to_dict())


def test_a_check_takes_what_it_does_not_say_from_the_example():
    found = load_evidence(check(measure="max", parameters={"ke": 0.5}))
    (one,) = found.checks
    assert one.dosing == found.example.dosing == engine.Regimen.parse("8 mg into central every 4 h, 2 times")
    assert (one.since, one.until, one.parameters) == (0, 12, {"ke": 0.5})
    np.testing.assert_array_equal(found.example.times, np.arange(25) / 2)


def test_the_last_time_of_an_example_is_its_end():
    found = load_evidence(text(example={"dosing": "nothing", "times": {"until": 1, "every": 0.3}}))
    np.testing.assert_allclose(found.example.times, [0, 0.3, 0.6, 0.9, 1.0])


LEFT = 8 * math.exp(-KE * 4)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"measure": "at", "at": 4}, LEFT + 8),
        ({"measure": "max"}, LEFT + 8),
        ({"measure": "time_of_max"}, 4),
        ({"measure": "min", "until": 3}, 8 * math.exp(-KE * 3)),
        ({"measure": "time_of_min", "until": 3}, 3),
        ({"measure": "time_of_max", "from": 5}, 5),
        ({"measure": "auc"}, (8 - LEFT) / KE + (LEFT + 8) * (1 - math.exp(-KE * 8)) / KE),
        ({"measure": "auc", "from": 4}, (LEFT + 8) * (1 - math.exp(-KE * 8)) / KE),
        ({"measure": "auc", "dosing": "nothing"}, 0),
        ({"measure": "at", "at": 8, "parameters": {"ke": 0}}, 16),
    ],
)
@pytest.mark.parametrize("solver", ["auto", "taylor"])
def test_measures(fields, wanted, solver):
    source = check(**fields)
    found = measured(load_model(source), load_evidence(source).checks[0], solver)
    assert found == pytest.approx(wanted, rel=1e-7, abs=1e-12)


def test_a_failed_simulation_is_an_error_with_its_sentence():
    source = check(measure="max", parameters={"ke": -1000})
    with pytest.raises(engine.SolverError, match="model tiny: 8 mg into central"):
        measured(load_model(source), load_evidence(source).checks[0])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (check(measure="mean"), r"checks\.1: measure 'mean' is none of at, max, min"),
        (check(measure="at"), r"checks\.1: at missing"),
        (check(measure="at", at=-1), "a time at of 0 or more"),
        (check(measure="at", at=1, until=3), "neither from nor until"),
        (check(measure="auc", at=1), "and no at"),
        (check(measure="auc", until=0), "wants 0 <= from < until"),
        (check(measure="max", output="cp"), r"checks\.1: output 'cp' is none of left"),
        (check(measure="max", tolerance=0), "a tolerance above 0"),
        (check(measure="max", value="x"), r"checks\.1\.value: a finite number is wanted, got 'x'"),
        (check(measure="max", unit="mg"), "unknown key 'unit'; known are dosing"),
        (check(measure="max", parameters={"cl": 1}), r"parameters: 'cl' is no parameter; there are ke"),
        (check(measure="max", parameters=[1]), "a mapping of names is wanted"),
        (check(measure="max", dosing="8 into"), r"checks\.1\.dosing: .*8 into"),
        (text(checks="none"), "a list of checks is wanted, got 'none'"),
        (text(checks=["none"]), r"checks\.1: a mapping is wanted"),
        (text(checks=[{"measure": "max"}]), "output, value, tolerance, source missing"),
        (check(measure="max") | {"example": None}, "without an example each check wants its own"),
        (text(example={"dosing": "nothing"}), "example: times missing"),
        (text(example={"dosing": 8, "times": {"until": 1, "every": 1}}), "example.dosing: regimen: text is wanted"),
        (text(example={"dosing": "nothing", "times": {"until": 1, "every": 2}}), "0 < every <= until is wanted"),
        (text(moves=3), "moves: text is wanted, got 3"),
        (text(exampel=3), "unknown key 'exampel', did you mean 'example'"),
    ],
)
def test_what_makes_no_sense_is_refused(source, message):
    with pytest.raises(engine.ModelError, match=message):
        load_model(source)


def test_a_message_names_the_line_of_the_check(tmp_path: Path):
    path = tmp_path / "tiny.yaml"
    path.write_text(json.dumps(check(measure="max"), indent=1).replace('"formula"', '"formula", "mean": 1'))
    with pytest.raises(engine.ModelError, match=r"tiny.yaml line \d\d, checks.1: unknown key 'mean'"):
        load_model(path)
