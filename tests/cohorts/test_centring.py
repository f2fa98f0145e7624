"""Which parameters a fit samples centred: the rule and the override, on data that tell much of each person."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cohorts import calibrate, diagnose, load_population, requests

HERE = Path(__file__).resolve().parents[1]


def parameter(unit, median, sd, weight, **more):
    effect = {"kind": "allometric", "reference": weight, "exponent": 1}
    return {"unit": unit, "meaning": "x", "typical": {"lognormal": {"median": median, "cv": 0.7}}, "source": "x",
            "effects": {"weight": effect}, "between_subject": {"halfnormal": {"sd": sd}}, **more}  # fmt: skip


def written(weight, parameters, error):
    covariates = {"weight": {"unit": "kg", "meaning": "x", "distribution": {"lognormal": {"median": weight, "cv": 0.2}},
                             "column": "WT", "source": "x"}}  # fmt: skip
    return {"name": "x", "reference": "x", "covariates": covariates, "parameters": parameters,
            "residual": {"concentration": {"kind": error, "source": "x", **({"additive": {"halfnormal": {"sd": 1}}}
                                           if error == "combined1" else {})}}}  # fmt: skip


RICH = written(
    70,
    {
        "ka": {**parameter("1/h", 1.5, 1.0, 70), "effects": {}},
        "cl": parameter("L/h", 2.8, 0.5, 70),
        "v": parameter("L", 32, 0.5, 70),
    },
    "combined1",
)


def rich():
    """Theophylline: 10 samples a person after one dose."""
    frame = pd.read_csv(HERE.parent / "conf" / "data" / "theophylline.csv", na_values=["."])
    keep = (frame["TIME"] > 0) | (frame["AMT"].fillna(0) > 0)
    return frame[keep].assign(CMT=1), "one_compartment_oral"


SETS = {"rich": (RICH, rich)}


def fitted(name, how, **sampler):
    """A fit with all parameters sampled in one way."""
    import engine
    from engine.gradients.graph import prediction

    text, read = SETS[name]
    parameters = {n: {**p, "parameterisation": how} for n, p in text["parameters"].items()}
    population = load_population({**text, "parameters": parameters})
    frame, model = read()
    events, model = engine.read_nonmem(frame), engine.load_model(model)
    others = {p.name: 1.0 if p.name == "f" else 0.0 for p in model.parameters}
    equations = prediction(model, events, requests(population, events), subjects=events.ids.tolist())
    return calibrate(population, events, lambda p: equations(others | dict(p)), seed=1, **sampler)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "centred"), [("rich", {"cl", "ka", "v"})])
def test_the_choice_is_never_the_worse_one(name, centred):
    """Effective draws a gradient: by the rule no fewer than with the worse of the two ways, and the same posterior."""
    rates, tables = {}, {}
    for how in ("auto", "centred", "non-centred"):
        tree = fitted(name, how, tune=400, draws=600, chains=2, cores=1, allow=("rhat", "ess", "divergences", "ebfmi"))
        tables[how] = diagnose(tree)
        rates[how] = tables[how][["ess_bulk", "ess_tail"]].min().min() / int(tree["sample_stats"]["n_steps"].sum())
        if how == "auto":
            assert set(json.loads(tree.attrs["centred"])) == centred
    assert rates["auto"] > 0.8 * min(rates["centred"], rates["non-centred"]), rates
    for how in ("centred", "non-centred"):
        apart = (tables["auto"]["mean"] - tables[how]["mean"]).abs()
        assert (apart < 0.35 * tables["auto"]["sd"]).all(), apart / tables["auto"]["sd"]
    assert np.isfinite(list(rates.values())).all()
