"""Every field of the conduct, the endpoints and the estimands changes an output: what does not has no place."""

import copy
import dataclasses
import importlib
import inspect
import pkgutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml

import trials.conduct
import trials.endpoints
from trials.block import Work, simulate, trial_data
from trials.build import protocol
from trials.conduct.adherence import Adherence
from trials.conduct.causes.base import Cause
from trials.conduct.estimand import Estimand
from trials.conduct.event import IntercurrentEvent
from trials.endpoints.base import Endpoint
from trials.endpoints.criterion import Criterion
from trials.errors import TrialError
from trials.protocol import Measurement, Truth
from trials.truth import TruthWork, true_effects

CONF = Path(__file__).resolve().parents[2] / "conf"
CAUSE, ENDPOINT = "trials.conduct.causes", "trials.endpoints"


def population(model):
    """Patients of a model at its values, with 30 % between them in two parameters."""
    spread = {"cl": 0.3, "relapse": 0.3}
    model = {**model, "parameters": {name: dict(p) for name, p in model["parameters"].items()}}
    model["parameters"]["death_rate"]["value"] = 0.015
    parameters = {
        name: {"unit": p["unit"], "meaning": name, "typical": p["value"], "source": "made up"}
        | ({"between_subject": spread[name]} if name in spread else {})
        for name, p in model["parameters"].items()
    }
    age = {"unit": "year", "meaning": "age", "distribution": {"normal": {"mean": 60, "sd": 10}}, "source": "made up"}
    error = {"kind": "additive", "additive": 0.2, "source": "made up"}
    residual = {"concentration": error, "hazard_death": error}
    return {"name": "made_up", "reference": "none", "covariates": {"age": age}, "parameters": parameters,
            "residual": residual}  # fmt: skip


def endpoint(target, **fields):
    return {"_target_": f"{ENDPOINT}.{target}"} | fields


def cause(target, **fields):
    return {"_target_": f"{CAUSE}.{target}"} | fields


VISIT = {"measure": "c", "unit": "mg/L", "visit": 21}
HAZARD = {"unit": "d", "output": "cumulative_hazard_relapse", "until": 60, "every": 3}
LOW = {"_target_": f"{ENDPOINT}.criterion.Criterion", "below": 0.5, "of": "value"}
HIGH = {"_target_": f"{ENDPOINT}.criterion.Criterion", "above": 1.5}
FALL = {"_target_": f"{ENDPOINT}.criterion.Criterion", "below": -60, "of": "percent", "least": 0.1}


@cache
def config():
    """A trial in which everything happens."""
    model = yaml.safe_load((CONF / "model" / "event_hazards.yaml").read_text(encoding="utf-8"))
    return {
        "model": model,
        "population": population(model),
        "uncertainty": False,
        "adherence": {
            "_target_": "trials.conduct.adherence.Markov",
            "after_taken": 0.9,
            "after_missed": 0.5,
            "holiday": 0.02,
            "holiday_doses": 2,
        },
        "arms": {
            "active": {"regimen": "200 mg into depot every 1 d, 28 times"},
            "binomial": {
                "regimen": "100 mg into depot every 1 d, 28 times",
                "adherence": {"_target_": "trials.conduct.adherence.Binomial", "probability": 0.7, "precision": 3},
            },
            "placebo": {"regimen": "20 mg into depot every 1 d, 28 times", "modify": {"relapse": 20}},
        },
        "design": {"_target_": "trials.designs.parallel.Parallel", "arms": ["active", "binomial", "placebo"], "n": 60},
        "measurements": {
            "c": {
                "output": "concentration",
                "times": [0, 7, 14, 21, 28],
                "lloq": 0.3,
                "blq": "half",
                "window": [1, 2],
                "missed": 0.1,
                "error": "population",
            },
            "d": {"output": "concentration", "times": [0, 7, 14, 21, 28]},
        },
        "endpoints": {
            "at": endpoint("visit.AtVisit", kind="change", baseline=0, **VISIT),
            "all": endpoint(
                "repeated.Repeated", measure="c", unit="mg/L", kind="value", baseline=0, visits=[7, 14, 21]
            ),
            "changes": endpoint("repeated.Repeated", measure="c", unit="mg/L", kind="change", baseline=0),
            "responder": endpoint("responder.Responder", least=1.5, missing="missing", baseline=0, **VISIT),
            "fall": endpoint("responder.Responder", most=1.5, kind="change", baseline=0, **VISIT),
            "ordinal": endpoint("ordinal.Ordinal", cuts=[0.5, 1.5], kind="change", baseline=0, **VISIT),
            "drawn": endpoint("ordinal.Drawn", unit="1", outputs=["survival"], time=60),
            "count": endpoint(
                "count.Count", **{**HAZARD, "unit": "1", "output": "cumulative_hazard_death"}, dispersion=0.5
            ),
            "relapse": endpoint("event.TimeToEvent", **HAZARD),
            "crossing": endpoint("crossing.Crossing", measure="c", unit="d", criterion=FALL),
            "high": endpoint("crossing.Crossing", measure="d", unit="d", criterion=HIGH),
            "first": endpoint("composite.First", unit="d", of=["relapse", "crossing"], through=True),
            "early": endpoint("event.TimeToEvent", **{**HAZARD, "output": "cumulative_hazard_dropout"}),
            "auc": endpoint(
                "course.Course",
                measure="d",
                unit="d*mg/L",
                metric={"_target_": "engine.outcomes.NCA", "parameter": "AUCLST"},
            ),
        },
        "intercurrent": {
            "rescue": {
                "cause": cause("rule.Rule", measure="c", criterion=LOW, start=7),
                "arms": ["placebo", "binomial"],
                "rescue": "50 mg into depot every 1 d, 14 times",
                "modify": {"cl": 0.8},
            },
            "switch": {
                "cause": cause("hazard.Hazard", rate=0.05, shape=1.5, effects={"age": 0.03}, centres={"age": 60}),
                "arms": ["placebo"],
                "switch": "active",
            },
            "stop": {
                "cause": cause("response.LastObserved", rate=0.01, measure="c", slope=0.4, centre=2),
                "stops": True,
            },
            "out": {
                "cause": cause("response.Current", rate=0.005, output="concentration", slope=-0.3, every=1, centre=1),
                "leaves": True,
            },
            "death": {
                "cause": cause("response.ModelHazard", output="cumulative_hazard_death", every=3),
                "leaves": True,
                "stops": True,
            },
        },
        "estimand": {
            "main": {
                "treatment": ["active", "placebo"],
                "variable": "at",
                "summary": "difference",
                "failure": -9,
                "population": {"age": [40, 75]},
                "events": {
                    "rescue": "composite",
                    "switch": "treatment_policy",
                    "stop": "while_on_treatment",
                    "out": "hypothetical",
                    "death": "composite",
                },
            },
        },
        "analyses": {
            "main": {
                "_target_": "trials.analyses.two_sample.TwoSample",
                "endpoint": "main",
                "test": "active",
                "control": "placebo",
            },
        },
        "solver": yaml.safe_load((CONF / "solver" / "auto.yaml").read_text(encoding="utf-8")),
    }


ENDPOINTS = {
    "at": {"visit": 14, "measure": "d", "kind": "value", "baseline": 7, "unit": "g/L"},
    "all": {"kind": "percent", "visits": [7, 14]},
    "changes": {"baseline": 7, "measure": "d", "unit": "g/L"},
    "responder": {"visit": 14, "least": 1.0, "missing": "nonresponder", "measure": "d", "unit": "percent"},
    "fall": {"most": 0.5, "kind": "value", "baseline": 7},
    "ordinal": {"visit": 14, "cuts": [1, 2], "kind": "value", "baseline": 7, "measure": "d", "unit": "points"},
    "drawn": {"outputs": ["cumulative_hazard_dropout"], "time": 30, "unit": "2"},
    "count": {"output": "cumulative_hazard_dropout", "until": 30, "every": 60, "dispersion": None, "unit": "events"},
    "relapse": {"output": "cumulative_hazard_dropout", "until": 30, "every": 40, "unit": "week"},
    "crossing": {"measure": "d", "criterion/below": -30, "criterion/of": "change", "criterion/least": 2.0,
                 "criterion/consecutive": 2, "unit": "week"},
    "high": {"criterion/above": 2.5},
    "first": {"of": ["crossing", "early"], "through": False, "unit": "week"},
    "auc": {"measure": "c", "metric/parameter": "AUCIFO", "unit": "week*mg/L"},
}  # fmt: skip
EVENTS = {
    "rescue": {"cause/measure": "d", "cause/criterion/below": 0.2, "cause/start": 20, "arms": ["placebo"],
               "rescue": "100 mg into depot", "modify": {"cl": 0.5}, "stops": True, "leaves": True, "switch": "active"},
    "switch": {"cause/rate": 0.1, "cause/shape": 1.0, "cause/effects": {"age": -0.03}, "cause/centres": {"age": 50},
               "arms": [], "switch": "binomial"},
    "stop": {"cause/rate": 0.03, "cause/measure": "d", "cause/slope": -0.4, "cause/centre": 0, "stops": False},
    "out": {"cause/rate": 0.02, "cause/output": "hazard_relapse", "cause/slope": 0.3, "cause/every": 14,
            "cause/centre": 3, "leaves": False},
    "death": {"cause/output": "cumulative_hazard_relapse", "cause/every": 60},
}  # fmt: skip
REST = {
    "measurements/c": {"times": [0, 7, 14, 21, 29], "lloq": 0.6, "blq": "missing", "window": [1, 1], "missed": 0.2,
                       "output": "hazard_death", "error": {"proportional": 0.1, "source": "made up"}},
    "adherence": {"after_taken": 0.8, "after_missed": 0.7, "holiday": 0.1, "holiday_doses": 5},
    "arms/binomial": {"adherence/probability": 0.9, "adherence/precision": None},
    "arms/active": {"adherence": None, "modify": {"cl": 2}, "regimen": "300 mg into depot"},
    "estimand/main": {"treatment": ["active", "binomial", "placebo"], "variable": "responder", "failure": 0,
                      "population": {}, "summary": "log-ratio"},
}  # fmt: skip
STRATEGIES = {
    "rescue": ("treatment_policy", "hypothetical"), "stop": ("hypothetical",), "switch": ("hypothetical",),
    "out": ("while_on_treatment",), "death": ("treatment_policy",),
}  # fmt: skip
CHECKED = ("endpoints/auc/unit", "estimand/main/summary")
"""Fields that say what is meant, and are refused where that is not so."""
CHANGES = [
    *((f"endpoints/{name}/{path}", v) for name, paths in ENDPOINTS.items() for path, v in paths.items()),
    *((f"intercurrent/{name}/{path}", v) for name, paths in EVENTS.items() for path, v in paths.items()),
    *((f"{where}/{path}", v) for where, paths in REST.items() for path, v in paths.items()),
    *((f"estimand/main/events/{name}", v) for name, given in STRATEGIES.items() for v in given),
]


def changed(path, value):
    made = copy.deepcopy(config())
    *parents, last = path.split("/")
    place = made
    for key in parents:
        place = place[key]
    place[last] = value
    return made


def held(made, course=None):
    """Everything that analyses see; of a course that is known already, if one is given."""
    work = Work("", made, range(1), 4, None)
    data = trial_data(work, simulate(work) if course is None else course)
    return [(name, data[name].attrs.get("units"), np.asarray(data[name].values).tobytes()) for name in data.variables]


def effects(made):
    return [effect.value for effect in true_effects(TruthWork(made, Truth(2, 30), 4, None))]


@cache
def course_as_it_is():
    return simulate(Work("", protocol(config()), range(1), 4, None))


@cache
def as_it_is():
    return held(protocol(config()), course_as_it_is())


def test_as_it_is_everything_happens():
    made = protocol(config())
    assert np.isfinite(effects(made)).all()
    work = Work("", made, range(3), 4, None)
    course = simulate(work)
    assert {name: bool(np.isfinite(when).any()) for name, when in course.events.items()} == dict.fromkeys(EVENTS, True)
    assert len(as_it_is()) > 20
    alone = simulate(replace(work, protocol=replace(made, intercurrent=())))
    first = np.minimum.reduce(list(course.events.values()))
    before = course.times["c"] <= first[..., None, None]
    assert 0 < before.mean() < 1
    np.testing.assert_array_equal(course.true["c"][before], alone.true["c"][before])


@pytest.mark.parametrize(("path", "value"), CHANGES, ids=[f"{path}={value}" for path, value in CHANGES])
def test_a_field_changes_an_output(path, value):
    if path in CHECKED:
        with pytest.raises(TrialError, match=path.replace("/", ".")):
            protocol(changed(path, value))
        return
    section, field = path.split("/")[0], path.split("/")[-1]
    follows = field not in ("output", "outputs", "until", "every", "time", "of")
    course = course_as_it_is() if section in ("endpoints", "estimand") and follows else None
    assert held(protocol(changed(path, value)), course) != as_it_is()


def test_the_truth_follows_every_strategy():
    """Not only the data: an event that is hypothetical, a failure or an end has another true effect."""
    base = effects(protocol(config()))
    for name, strategy in (("rescue", "treatment_policy"), ("stop", "treatment_policy"), ("switch", "hypothetical"),
                           ("out", "while_on_treatment"), ("death", "hypothetical")):  # fmt: skip
        assert effects(protocol(changed(f"estimand/main/events/{name}", strategy))) != base, name


def kinds(*packages):
    """Every dataclass that a protocol's conduct and endpoints are made of."""
    found = set()
    for package in packages:
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if (
                    kind.__module__.startswith(package.__name__)
                    and issubclass(kind, READ)
                    and dataclasses.is_dataclass(kind)
                ):
                    found.add(kind)
    return found


READ = (Cause, Adherence, Endpoint, Criterion, Estimand, IntercurrentEvent)
SECTIONS = {"intercurrent": IntercurrentEvent, "estimand": Estimand, "measurements": Measurement}


def walked():
    """Class and field of every change."""
    for path, _ in CHANGES:
        parts = path.split("/")
        place, kind, field = config(), None, None
        for depth, key in enumerate(parts):
            if isinstance(place, dict) and "_target_" in place:
                module, _, name = place["_target_"].rpartition(".")
                kind, field = getattr(importlib.import_module(module), name), key
            elif depth == 2 and parts[0] in SECTIONS:
                kind, field = SECTIONS[parts[0]], key
            if kind is not None:
                yield kind, field
            place = place[key] if isinstance(place, dict) and key in place else None


def test_every_field_is_walked():
    wanted = {(kind, field.name) for kind in (*kinds(trials.conduct, trials.endpoints), Measurement)
              for field in dataclasses.fields(kind) if field.name != "name"}  # fmt: skip
    missing = wanted - set(walked())
    assert {(kind.__name__, field) for kind, field in missing} == set()


FILES = [path for group in ("endpoint", "adherence", "cause") for path in sorted((CONF / group).glob("*.yaml"))]


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}-{path.stem}" for path in FILES])
def test_files_of_a_kind_name_all_its_fields(path):
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    module, _, name = spec.pop("_target_").rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    assert set(spec) == {field.name for field in dataclasses.fields(kind)} - {"name"}


def test_every_kind_has_a_file():
    there = {yaml.safe_load(path.read_text(encoding="utf-8"))["_target_"] for path in FILES}
    kinds_ = kinds(trials.conduct, trials.endpoints) - {Criterion, Estimand, IntercurrentEvent}
    assert {f"{kind.__module__}.{kind.__qualname__}" for kind in kinds_} == there


def test_files_compose_to_a_trial():
    made = trials.load(
        "parkinson_delayed_start",
        ["+cause@intercurrent.out.cause=hazard", "intercurrent.out.cause.rate=0.001", "+intercurrent.out.leaves=true",
         "+adherence=binomial"],
    )  # fmt: skip
    assert made.protocol.intercurrent[0].leaves
    assert made.protocol.arms[0].adherence.probability == 0.9
