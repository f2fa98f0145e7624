"""A population that uses every kind of thing a population can have."""

import copy

import pytest

from cohorts import load_population

WRITTEN = {
    "name": "made_up",
    "reference": "nobody, for the tests",
    "covariates": {
        "sex": {
            "meaning": "sex at birth",
            "levels": {"female": 0.4, "male": 0.6},
            "column": "SEX",
            "source": "made up",
        },
        "weight": {
            "unit": "kg",
            "meaning": "body weight",
            "given": "sex",
            "distributions": {
                "female": {"normal": {"mean": 65, "sd": 10}, "lower": 45, "upper": 100},
                "male": {"normal": {"mean": 80, "sd": 12}, "lower": 50, "upper": 120},
            },
            "column": "WT",
            "source": "made up",
        },
        "age": {
            "unit": "year",
            "meaning": "age",
            "distribution": {"gamma": {"shape": 16, "rate": 0.4}, "upper": 90},
            "source": "made up",
        },
    },
    "parameters": {
        "cl": {
            "unit": "L/h",
            "meaning": "clearance",
            "typical": {"lognormal": {"median": 3, "cv": 0.1}},
            "effects": {
                "weight": {"kind": "power", "reference": 70, "coefficient": {"normal": {"mean": 0.75, "sd": 0.1}}},
                "sex": {"kind": "fraction", "levels": {"female": 0, "male": {"normal": {"mean": 0.3, "sd": 0.05}}}},
                "age": {"kind": "linear", "reference": 40, "coefficient": -0.005},
            },
            "between_subject": {"halfnormal": {"sd": 0.3}, "total": True},
            "between_occasion": {"value": 0.1, "source": "assumption"},
            "source": "made up",
        },
        "v": {
            "unit": "L",
            "meaning": "volume",
            "typical": {"lognormal": {"median": 30, "cv": 0.1}},
            "effects": {"age": {"kind": "exponential", "reference": 40, "coefficient": 0.01}},
            "between_subject": 0.2,
            "source": "made up",
        },
        "f": {
            "unit": "1",
            "meaning": "fraction absorbed",
            "scale": "logit",
            "typical": {"beta": {"alpha": 40, "beta": 10}},
            "between_subject": 0.5,
            "between_occasion": {"uniform": {"low": 0.2, "high": 0.4}},
            "source": "made up",
        },
        "shift": {
            "unit": "mg/L",
            "meaning": "something that may be negative",
            "scale": "normal",
            "typical": {"normal": {"mean": -1, "sd": 0.2}},
            "between_subject": {"gamma": {"shape": 20, "rate": 20}},
            "source": "made up",
        },
        "ka": {"unit": "1/h", "meaning": "absorption", "typical": 1.5, "source": "made up"},
    },
    "correlations": [{"of": ["cl", "v", "f"], "lkj": 2, "source": "made up"}],
    "residual": {
        "concentration": {
            "kind": "combined1",
            "additive": {"halfnormal": {"sd": 0.5}},
            "proportional": 0.1,
            "source": "made up",
        },
        "effect": {"kind": "lognormal", "lognormal": 0.2, "source": "made up"},
    },
}


@pytest.fixture
def written():
    return copy.deepcopy(WRITTEN)


@pytest.fixture(scope="session")
def population():
    return load_population(WRITTEN)
