"""Results of all replicates as a data set: nothing is lost, and the operating characteristics follow from it."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import trials
from tests.trials.small import SMALL, UNFITTED
from trials.evidence.adam.reporting import dangling, reporting_event_of_replicates
from trials.evidence.adam.simulated import named, outcomes, replicates, short
from trials.evidence.study import open_study
from trials.evidence.transport import xpt
from trials.operating import characteristics

REFERENCE = Path(__file__).resolve().parents[2] / "reference" / "evidence"
WHEN = "2026-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    words = [*(w for w in SMALL if w != "runs=null"), *UNFITTED, f"runs={folder}", "power_curve=null"]
    return open_study(trials.run(trials.load("theophylline_bioequivalence", words)).folder)


def test_every_outcome_is_there_bit_for_bit(study):
    results, _ = replicates(study)
    found, truth = outcomes(results)
    for name in study.outcomes.data_vars:
        np.testing.assert_array_equal(found[name].values.astype(float), study.outcomes[name].values.astype(float))
    for name in study.truth.data_vars:
        np.testing.assert_array_equal(truth[name].values, study.truth[name].values)
    assert len(results.frame) == 4 * 6 * 2


def test_operating_characteristics_follow_from_it(study, tmp_path):
    results, told = replicates(study)
    xpt.write(results, tmp_path / "adsim.xpt", WHEN)
    found = characteristics(*outcomes(replace(results, frame=xpt.read(tmp_path / "adsim.xpt").frame)))
    assert json.loads(json.dumps(found)) == study.characteristics
    count = sum(len(names) for analyses in study.characteristics.values() for names in analyses.values())
    assert len(told.frame) == count
    one = told.frame.set_index(["SCENARIO", "ANALYSIS", "CHARACT"]).loc[("gmr_125", "auc", "type_1_error")]
    want = study.characteristics["gmr_125"]["auc"]["type_1_error"]
    assert (one["AVAL"], one["MCSE"], one["NREP"]) == (want["value"], want["mcse"], want["replicates"])


def test_order_of_scenarios_and_analyses_is_that_of_the_trial(study):
    places = {"analysis": [1, 0], "scenario": [2, 0, 3, 1]}
    odd = replace(study)
    object.__setattr__(odd, "_results", (study.outcomes.isel(places), study.truth.isel(places)))
    found, truth = outcomes(replicates(odd)[0])
    assert found["analysis"].values.tolist() == ["cmax", "auc"]
    np.testing.assert_array_equal(found["estimate"], odd.outcomes["estimate"])
    np.testing.assert_array_equal(truth["effect"], odd.truth["effect"])


def test_infinite_limits_and_tiny_p_values_survive_the_transport_file(study, tmp_path):
    made = study.outcomes.copy(deep=True)
    made["lower"][0, 0, 0], made["upper"][0, 0, 0], made["p"][0, 0, 0] = -np.inf, np.inf, 1e-200
    odd = replace(study)
    object.__setattr__(odd, "_results", (made, study.truth))
    results, _ = replicates(odd)
    xpt.write(results, tmp_path / "adsim.xpt", WHEN)
    found, _ = outcomes(results)
    assert np.isneginf(found["lower"][0, 0, 0])
    assert np.isposinf(found["upper"][0, 0, 0])
    assert found["p"][0, 0, 0] == 0
    assert (results.frame["INFINITE"] != "").sum() == 1


def test_names_fit_and_differ():
    names = named(["estimate", "cv_within", "cv_within_test", "2nd", "scenario"])
    assert [number.name for number in names.values()] == ["ESTIMATE", "CVWITHIN", "CVWITHI2", "X2ND", "SCENARI2"]
    assert short("é", []) == "X"


def test_analysis_results_standard_holds_every_characteristic(study):
    """Valid by the official schema; every value, with its error, is that of the run."""
    event = reporting_event_of_replicates(study, "TT-TB-00000000")
    schema = json.loads((REFERENCE / "ars_ldm_1_0.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(event, schema)
    assert not list(dangling(event))
    steps = {one["id"]: one["name"] for one in event["methods"][0]["operations"]}
    for analysis in event["analyses"]:
        name, scenario = analysis["name"].split(" in ")
        told = {steps[one["operationId"]]: float(one["rawValue"]) for one in analysis["results"]}
        found = study.characteristics[scenario][name]
        kept = {key: one for key, one in found.items() if one["value"] is not None}
        assert told == {f"{key} {part}": value for key, one in kept.items() for part, value in one.items()}
    event["analyses"][0]["methodId"] = "M_NONE"
    assert any("M_NONE" in one for one in dangling(event))
