"""Every field of the analyses, designs and multiplicity procedures below changes what they give."""

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

CONF = Path(__file__).resolve().parents[2] / "conf"
DIMS = ("replicate", "subject", "period")
TWO = {"name": "other", "endpoint": "other", "test": "three", "control": "three", "alternative": "less", "alpha": 0.3}

ANALYSES = {
    "ancova": TWO | {"margin": 5.0, "covariates": ["stratum"], "log": True, "all_arms": True},
    "two_sample": TWO | {"margin": 5.0, "equal_variance": True, "log": True},
    "equivalence": {name: value for name, value in TWO.items() if name != "alternative"}
    | {"alpha": 0.2, "lower": 1.5, "upper": 2.5, "covariates": ["weight"], "log": True},
    "arm_mean": {"name": "other", "endpoint": "other", "arm": "two", "level": 0.9, "log": True},
    "bayes_normal": {name: value for name, value in TWO.items() if name != "alpha"}
    | {"prior_mean": 10.0, "prior_n": 30.0, "prior_sd": 90.0, "prior_df": 50.0, "threshold": 0.5, "margin": 5.0,
       "level": 0.5, "covariates": ["weight"], "log": True},
    "wilcoxon": TWO | {"margin": 5.0, "continuity": False, "log": True, "exact": True},
    "chi_square": TWO | {"continuity": True},
    "fisher_exact": TWO,
    "risk_difference": TWO | {"margin": 0.2, "method": "miettinen_nurminen"},
    "mantel_haenszel": TWO | {"effect": "odds_ratio", "strata": [], "continuity": True},
    "logistic": TWO | {"covariates": [], "effect": "conditional", "margin": 0.4},
    "poisson": TWO | {"family": "negative_binomial", "covariates": ["weight"], "margin": 0.4},
    "negative_binomial": TWO | {"family": "poisson", "covariates": ["weight"], "margin": 0.4},
    "proportional_odds": TWO | {"covariates": ["weight"], "margin": 0.4},
    "crossover_anova": TWO | {"margin": 3.0, "carryover": True, "log": True},
    "scaled_bioequivalence": {"name": "other", "endpoint": "other", "test": "three", "regulator": "FDA", "lower": 0.98,
                              "reference": {"test": "two", "reference": "one"}, "upper": 1.02, "alpha": 0.3},
    "factorial_effect": TWO | {"factor": {"factor": 2, "test": "a", "control": "b"}, "within": ["a", "b"],
                               "margin": 5.0, "log": True},
    "mcp_mod": {"name": "other", "endpoint": "other", "arms": ["one", "three", "two", "four"],
                "doses": [0, 10, 60, 100], "models": [["linear"]], "delta": 2.0, "alternative": "less", "alpha": 0.3,
                "selection": "average", "share": 0.5},
}  # fmt: skip
BASES = {"equivalence": {"lower": 0.5, "upper": 5.0}}
"""Where the file's own values would hide a change."""
DESIGNS = {
    "parallel": {"arms": ("two", "one"), "n": 36, "allocation": [2, 1], "block": 8},
    "crossover": {"arms": ("two", "one"), "n": 36, "washout": 10, "block": 8,
                  "sequences": [["one", "two", "one"], ["two", "one", "two"]]},
    "williams": {"arms": ("one", "two", "three"), "n": 36, "washout": 10, "block": 8},
    "replicate_crossover": {"arms": ("two", "one"), "n": 36, "washout": 10, "pattern": "TRR/RTR/RRT", "block": 8},
    "factorial": {"arms": ("c+a", "c+b", "d+a", "d+b"), "n": 80, "allocation": [2, 1, 1, 1], "block": 4},
    "dose_ranging": {"arms": ("one", "two", "three", "four"), "n": 80, "control": "two", "control_weight": 2,
                     "block": 20},
    "ascending_dose": {"arms": ("one", "two", "three", "four"), "active": 4, "placebo": 3, "sentinels": False},
}  # fmt: skip
ARMS = ("one", "two", "three")
NAMES = {"mcp_mod": (*ARMS, "four"), "factorial_effect": tuple(f"{one}+{other}" for one in ARMS for other in "ab")}


def load(group, name):
    spec = yaml.safe_load((CONF / group / f"{name}.yaml").read_text(encoding="utf-8"))
    module, _, kind = spec.pop("_target_").rpartition(".")
    return getattr(importlib.import_module(module), kind), spec


def trial_data(measure, layout, arms):
    rng = np.random.default_rng(3)
    orders = {
        "parallel": [[index] for index in range(len(arms))],
        "crossover": [[0, 1, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]],
        "replicate": [[0, 1, 2, 0, 1], [1, 0, 1, 2, 0], [1, 2, 0, 1, 0]],
    }[layout]
    arm = np.array(orders)[rng.permuted(np.tile(np.arange(120) % len(orders), (40, 1)), axis=1)]
    weight = 70 + 10 * rng.standard_normal((40, 120))
    made = xr.Dataset({"arm": (DIMS, arm, {"names": list(arms)}), "weight": (DIMS[:2], weight)})
    made["stratum"] = (DIMS[:2], rng.integers(0, 3, weight.shape))
    for name in ("value", "other"):
        first = 0.2 if layout == "replicate" else 0.5  # scaled limits are felt by a ratio near 1
        line = 0.02 * (weight[..., None] - 70) + np.array([first, 0.2, 0.0, 0.4, 0.1, 0.3])[arm]
        line += 0.6 * rng.standard_normal(arm.shape)
        kinds = {
            "binary": line > 0.2,
            "ordinal": np.digitize(line, [-0.5, 0.2, 0.8]),
            "count": rng.poisson(np.exp(line)),
        }
        made[name] = (DIMS, np.asarray(kinds.get(measure, np.exp(2 + 0.6 * line)), dtype=float))
    return made


def same(one, other):
    return all(
        one[name].attrs == other[name].attrs and np.array_equal(one[name].values, other[name].values, equal_nan=True)
        for name in one.data_vars
        if name in other
    ) and (set(one.data_vars), one.attrs) == (set(other.data_vars), other.attrs)


def given(kind, spec, arms):
    own = {field.name for field in dataclasses.fields(kind)}
    roles = {"name": "it", "endpoint": "value", "test": "one", "control": "two", "reference": "two", "arms": arms,
             "arm": "one"}  # fmt: skip
    return spec | {key: value for key, value in roles.items() if key in own}


@pytest.mark.parametrize("name", ANALYSES)
def test_fields_of_an_analysis(name):
    kind, spec = load("analysis", name)
    spec |= BASES.get(name, {})
    arms = NAMES.get(name, ARMS)
    base = given(kind, spec, list(arms))
    data = trial_data(kind.measure, kind.layout, arms)
    first = kind(**base)(data)
    elsewhere = {"separator"} if name == "factorial_effect" else set()
    assert set(ANALYSES[name]) | elsewhere == {field.name for field in dataclasses.fields(kind)}
    for field, value in ANALYSES[name].items():
        change = value if isinstance(value, dict) else {field: value}
        assert not same(kind(**base | change)(data), first), field


def test_the_separator_of_a_factorial_is_that_of_its_arms():
    kind, spec = load("analysis", "factorial_effect")
    base, data = given(kind, spec, []), trial_data("continuous", "parallel", NAMES["factorial_effect"])
    other = data.copy()
    other["arm"] = data["arm"].assign_attrs(names=[arm.replace("+", " & ") for arm in NAMES["factorial_effect"]])
    assert same(kind(**base | {"separator": " & "})(other), kind(**base)(data))
    design, spec = load("design", "factorial")
    for separator in ("+", " & "):
        arms = tuple(arm.replace("+", separator) for arm in NAMES["factorial_effect"])
        assert design(**spec | {"arms": arms, "separator": separator}).levels == (("one", "two", "three"), ("a", "b"))


@pytest.mark.parametrize("name", DESIGNS)
def test_fields_of_a_design(name):
    kind, spec = load("design", name)
    arms = {"factorial": ("one+a", "one+b", "two+a", "two+b"), "dose_ranging": ARMS, "ascending_dose": ARMS}
    base = spec | {"arms": arms.get(name, ("one", "two"))}
    elsewhere = {"ascending_dose": {"n", "block", "escalation"}, "factorial": {"separator"}}.get(name, set())
    assert set(DESIGNS[name]) | elsewhere == {field.name for field in dataclasses.fields(kind)}

    def seen(design):
        sequence = design.sequence(np.random.default_rng, range(4)).tolist()
        return design.arms, sequence, design.orders, design.starts(5.0), design.ratio

    for field, value in DESIGNS[name].items():
        assert seen(kind(**base | {field: value})) != seen(kind(**base)), field


@pytest.mark.parametrize("name", ["bonferroni", "holm", "fallback", "graphical"])
def test_fields_of_a_procedure(name):
    kind, spec = load("multiplicity", name)
    p = np.random.default_rng(1).beta(0.3, 3, (50, 4))
    changes = {"weights": [0.1, 0.2, 0.3, 0.4]}
    if name == "graphical":
        changes["transitions"] = [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert set(changes) == {field.name for field in dataclasses.fields(kind)}
    for field, value in changes.items():
        assert not np.array_equal(kind(**spec | {field: value})(p), kind(**spec)(p)), field
