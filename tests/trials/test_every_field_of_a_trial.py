"""Every field of a trial, its protocol and its scenarios changes what a run leaves: numbers, or the page of them."""

import copy
import dataclasses
import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import xarray as xr

import trials
from tests.trials.small import crossover
from trials import report, store
from trials.build import build
from trials.costs import Costs
from trials.multiplicity.families import Family
from trials.precision import Precision
from trials.protocol import Arm, Measurement, PowerCurve, Protocol, Published, Scenario, Store, Trial, Truth
from trials.table import published_table

PRICES = {"unit": "EUR", "fixed": 1000, "patient": 10, "screened": 1, "time": 0.5}
HAZARD = {"leaves": True, "cause": {"_target_": "trials.conduct.causes.hazard.Hazard", "rate": 0.002}}
HOLM = {"_target_": "trials.multiplicity.holm.Holm"}
CHANGES = {
    Protocol: {
        "model/derivatives/central": "ka * depot - 1.2 * cl * cp",
        "population/parameters/cl/typical": 9.0,
        "arms/test/regimen": "200 mg into depot",
        "design/n": 20,
        "measurements/concentration/times": [0, 1, 2, 4, 8, 24],
        "endpoints/auc/metric/parameter": "AUCIFO",
        "analyses/auc/alpha": 0.2,
        "solver": {"_target_": "engine.solvers.taylor.Taylor", "tolerance": 1e-3, "max_steps": 1000},
        "uncertainty": False,
        "enrolment": {"_target_": "trials.enrolment.accrual.Accrual", "rates": [0.1]},
        "randomisation": {"_target_": "trials.randomisation.stratified.StratifiedBlocks",
                          "factors": [{"variable": "weight", "cuts": [70]}]},
        "intercurrent": {"leaves": HAZARD},
        "estimand": {"one": {"treatment": ["test", "reference"], "variable": "auc", "summary": "log-ratio",
                             "events": {}}},
        "costs": PRICES | {"patient": 20},
    },
    Arm: {
        "arms/test/regimen": "200 mg into depot",
        "arms/test/modify": {"f": 0.5},
        "arms/test/adherence": {"_target_": "trials.conduct.adherence.Binomial", "probability": 0.5, "precision": None},
    },
    Costs: {f"costs/{name}": value for name, value in {"unit": "CHF", "fixed": 1.0, "patient": 1.0, "screened": 3.0,
                                                       "time": 3.0}.items()},
    Scenario: {
        "scenarios/gmr_095/description": "Another state of the world.",
        "scenarios/gmr_095/null_holds": True,
        "scenarios/gmr_095/set": {"arms.test.modify.f": 0.9},
    },
    Published: {
        "published/0/trial": "OTHER", "published/0/quantity": "another", "published/0/value": 7.5,
        "published/0/unit": "mg", "published/0/source": "Somebody", "published/0/scenario": "gmr_100",
        "published/0/arm": "reference", "published/0/endpoint": "cmax", "published/1/analysis": "cmax",
        "published/0/lower": 0.1, "published/0/upper": 500.0, "published/0/level": 0.5, "published/0/n": 99,
        "published/0/remark": "By the way.",
    },
    PowerCurve: {
        "power_curve/parameter": "arms.reference.modify.f", "power_curve/values": [0.8, 1.2],
        "power_curve/replicates": 3, "power_curve/label": "ratio of fractions",
    },
    Truth: {"truth/draws": 5, "truth/patients": 9, "truth/measured": True},
    Family: {
        "multiplicity/both/procedure": {"_target_": "trials.multiplicity.fixed_sequence.FixedSequence"},
        "multiplicity/both/alpha": 0.9, "multiplicity/both/hypotheses": ["cmax"],
    },
    Trial: {
        "name": "another", "title": "Another title", "question": "Another question?", "limits": "Many.",
        "rules": {"one": {"analysis": "auc", "variable": "estimate", "above": 9}},
        "seed": 9, "replicates": 4,
    },
}  # fmt: skip
WALKED = [(kind, path, value) for kind, table in CHANGES.items() for path, value in table.items()]
ELSEWHERE = {
    Measurement: "test_every_field.py",
    Precision: "test_precision.py",
    Store: "test_the_store_holds_as_many_as_asked_for",
}
NOT_FIELDS = {
    (Arm, "name"): "its key in the configuration, which other parts refer to",
    (Arm, "policy"): "walked by test_policies.py; a crossover has none",
    (Scenario, "name"): "its key",
    (Scenario, "protocol"): "what is set",
    (Family, "name"): "its key",
    (Trial, "protocol"): "walked itself",
    (Trial, "scenarios"): "walked themselves",
    (Trial, "published"): "walked itself",
    (Trial, "power_curve"): "walked itself",
    (Trial, "truth"): "walked itself",
    (Trial, "store"): "walked itself",
    (Trial, "precision"): "walked itself",
    (Trial, "families"): "walked themselves",
    (Trial, "calibration"): "test_calibration.py; it takes a fit",
    (Trial, "config_json"): "the whole configuration",
    (Protocol, "estimands"): "called estimand in the configuration",
    (PowerCurve, "protocols"): "what the values are set in",
    (Scenario, "null"): "called null_holds in the configuration",
    (Scenario, "settings"): "called set in the configuration",
}  # fmt: skip
"""Fields of the classes that the configuration calls otherwise, or holds in another place."""
FIXED = {
    "seed": 0, "replicates": 0, "finished": "", "random_numbers": "", "executor": "", "machine": {}, "seconds": {},
    "digests": {"config": "0" * 64}, "versions": {}, "git": {},
}  # fmt: skip


@cache
def base():
    made = copy.deepcopy(crossover("replicates=3", "truth.draws=4").config)
    row = {"trial": "T", "quantity": "mean", "value": 100.0, "unit": "h*mg/L", "source": "S", "scenario": "gmr_095",
           "lower": 90.0, "upper": 110.0, "level": 0.95, "n": 12, "remark": "R."}  # fmt: skip
    made["published"] = [row | {"arm": "test", "endpoint": "auc"}, row | {"analysis": "auc"}]
    made["rules"] = {"one": {"analysis": "cmax"}}
    made["costs"] = PRICES
    made["multiplicity"] = {"both": {"procedure": HOLM, "alpha": 0.05, "hypotheses": ["auc", "cmax"]}}
    made["scenarios"] = {name: made["scenarios"][name] for name in ("gmr_095", "gmr_100")}
    return made


def changed(path, value):
    config = copy.deepcopy(base())
    *parents, last = path.split("/")
    place = config
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    place[last] = value
    return config


def bits(data):
    return [(str(name), np.asarray(one.values).tobytes()) for name, one in data.variables.items()]


def left(config):
    """What a run leaves, but for digests and clocks: every number of it, and its page."""
    result = trials.run(build(config))
    counted = {"failures": result.manifest["failures"]}
    page = report.render(replace(result, manifest=FIXED | counted), {})
    parts = [result.outcomes, result.arms, result.truth, result.example, result.power_curve]
    numbers = [bits(part) for part in parts if isinstance(part, xr.Dataset)]
    about = result.power_curve.attrs if result.power_curve is not None else {}
    return page, published_table(result), json.dumps(trials.characteristics(result)), numbers, about, result.trial.name


@cache
def as_it_is():
    return left(base())


@pytest.mark.parametrize(("kind", "path", "value"), WALKED, ids=[f"{k.__name__}-{p}" for k, p, _ in WALKED])
def test_a_field_changes_what_a_run_leaves(kind, path, value):  # noqa: ARG001
    assert left(changed(path, value)) != as_it_is()


def test_the_same_configuration_leaves_the_same():
    assert left(copy.deepcopy(base())) == as_it_is()


@pytest.mark.parametrize("kind", [*CHANGES, *ELSEWHERE], ids=lambda kind: kind.__name__)
def test_no_field_is_left_out(kind):
    if kind in ELSEWHERE:
        return
    depth = {Protocol: 0, Trial: 0, Truth: 1, PowerCurve: 1, Costs: 1}.get(kind, 2)
    done = {path.split("/")[depth] for path in CHANGES[kind]}
    names = {field.name for field in dataclasses.fields(kind)}
    assert names - done - {name for other, name in NOT_FIELDS if other is kind} == set()


def test_the_store_holds_as_many_as_asked_for():
    made = build(base())
    for count in (1, 2):
        assert store.cohort(made, count, 1, None).sizes["replicate"] == count
        assert store.trajectories(made, count, 1, None).sizes["replicate"] == count
    assert {field.name for field in dataclasses.fields(Store)} == {"cohort", "trajectories"}
