"""Data of several endpoints, occasions and sites: from a CSV file to what a population is fitted to."""

import hashlib

import numpy as np
import pytest

import cohorts
import engine
from trials.data import read_source
from trials.errors import TrialError

CSV = """PID,TIME,AMT,EVID,DV,WHAT,OCC,LOW,LIMIT,CENTRE
1,0,100,1,.,0,3,0,.,a
1,2,.,0,5.5,1,3,0,0.1,a
1,2,.,0,88,2,3,0,.,a
1,30,100,1,.,0,7,0,.,a
1,40,.,0,0.05,1,7,1,0.1,a
2,0,100,1,.,0,3,0,.,b
2,3,.,0,1,3,3,0,.,b
"""
COLUMNS = {"subject": "PID", "time": "TIME", "amount": "AMT", "event": "EVID", "value": "DV", "endpoint": "WHAT",
           "occasion": "OCC", "blq": "LOW", "lloq": "LIMIT", "site": "CENTRE"}  # fmt: skip


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "several.csv"
    path.write_text(CSV, encoding="utf-8")
    return {
        "name": "several", "title": "made up", "file": str(path), "sha256": hashlib.sha256(CSV.encode()).hexdigest(),
        "columns": COLUMNS, "into": "depot", "outputs": {1: "concentration", 2: "response", 3: "bleeding"},
        "units": {"time": "h", "amount": "mg", "value": {"concentration": "mg/L", "response": "percent"}},
    }  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return engine.load_model("warfarin_turnover")


def test_individuals(spec, model):
    source = read_source(spec, model, ())
    data = source.individuals(source.events(model))
    assert data.observations["output"].values.tolist() == ["concentration", "response", "concentration", "bleeding"]
    assert data.occasion.tolist() == [0, 0, 1, 0]
    assert data.below.tolist() == [False, False, True, False]
    assert data.observations["lloq"].values[2] == 0.1
    assert data.places("site")[0] == ["a", "b"]


def test_requests_go_to_the_equations(spec, model):
    """Each row of the table of requests is an output of the model at its time, for its subject."""
    from engine.gradients.graph import prediction

    written = {
        "name": "x", "reference": "x",
        "parameters": {"ka": {"unit": "1/h", "meaning": "x", "typical": 1, "source": "x"}},
        "residual": {n: {"kind": "lognormal", "lognormal": 0.1, "blq": "M3", "source": "x"}
                     for n in ("concentration", "response")},
        "outcomes": {"bleeding": {"kind": "event", "hazard": "concentration", "cumulative_hazard": "response"}},
    }  # fmt: skip
    population = cohorts.load_population(written)
    source = read_source(spec, model, ())
    events = source.events(model)
    rows = cohorts.requests(population, source.individuals(events))
    assert rows["output"].values.tolist() == ["concentration", "response", "concentration", "concentration", "response"]
    values = {p.name: np.full(2, p.value) for p in model.parameters}
    found = np.asarray(prediction(model, events, rows, subjects=events.ids.tolist())(values).eval())
    solved = engine.simulate(model, {n: v[0] for n, v in values.items()}, events, [2.0, 3.0, 40.0])
    first = solved.isel(subject=0)
    expected = [
        float(first[o].sel(time=t)) for o, t in (("concentration", 2.0), ("response", 2.0), ("concentration", 40.0))
    ]
    second = solved.isel(subject=1).sel(time=3.0)
    np.testing.assert_allclose(found, [*expected, second["concentration"], second["response"]], rtol=1e-5)


WRONG = [
    ({"output": "concentration"}, "data.outputs: wants either"),
    ({"outputs": {}}, "data.outputs: wants both a column"),
    ({"outputs": {1: "concentration", 2: "response"}}, "data.outputs: endpoint 3 of several.csv is not described"),
    ({"units": {"time": "h", "amount": "mg", "value": {"concentration": "mg/L"}}}, "data.units.value.response: miss"),
    ({"units": {"time": "h", "amount": "mg", "value": {"concentration": "kg/L", "response": "percent"}}},
     "data.units.value.concentration: got 'kg/L', model warfarin_turnover wants"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), WRONG)
def test_what_is_wrong_is_named(spec, model, change, words):
    def read():
        source = read_source({**spec, **change}, model, ())
        return source.individuals(source.events(model))

    with pytest.raises(TrialError, match=words):
        read()
