"""Multiplicity procedures against statsmodels and against closed testing by every intersection."""

import dataclasses
import importlib
import itertools
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml
from scipy import stats
from statsmodels.stats.multitest import multipletests

from trials.errors import TrialError
from trials.multiplicity import Family, adjust, familywise, score
from trials.multiplicity.base import Procedure
from trials.multiplicity.bonferroni import Bonferroni
from trials.multiplicity.fallback import Fallback
from trials.multiplicity.fixed_sequence import FixedSequence
from trials.multiplicity.graphical import Graphical
from trials.multiplicity.hochberg import Hochberg
from trials.multiplicity.holm import Holm
from trials.multiplicity.hommel import Hommel
from trials.rules.scoring import stored

CONF = sorted((Path(__file__).resolve().parents[2] / "conf" / "multiplicity").glob("*.yaml"))
PARALLEL = Graphical((0.5, 0.5, 0, 0), ((0, 0.5, 0.5, 0), (0.5, 0, 0, 0.5), (0, 1, 0, 0), (1, 0, 0, 0)))


def values(count, replicates=60, seed=0):
    """p-values small and large, with ties, a zero and a one."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.4, 3.0, (replicates, count)).round(4)
    p[0], p[1, 0] = 0.02, 0.0
    p[2, -1] = 1.0
    return p


def made(path):
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    module, _, name = spec.pop("_target_").rpartition(".")
    return getattr(importlib.import_module(module), name)(**spec)


@pytest.mark.parametrize("path", CONF, ids=lambda path: path.stem)
def test_procedure(path):
    procedure = made(path)
    assert isinstance(procedure, Procedure)
    assert pickle.loads(pickle.dumps(procedure)) == procedure
    again = type(procedure)(**json.loads(json.dumps(dataclasses.asdict(procedure))))
    assert again == procedure
    assert hash(again) == hash(procedure)
    p = values(4)
    before = p.copy()
    adjusted = procedure(p)
    np.testing.assert_array_equal(p, before)
    assert adjusted.shape == p.shape
    assert (adjusted >= p - 1e-15).all()
    assert (adjusted <= 1).all()
    np.testing.assert_array_equal(procedure(p[7]), adjusted[7])
    np.testing.assert_array_equal(procedure(p.reshape(3, 20, 4)), adjusted.reshape(3, 20, 4))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
@pytest.mark.parametrize(
    ("procedure", "method"),
    [(Bonferroni(), "bonferroni"), (Hochberg(), "simes-hochberg"), (Hommel(), "hommel")],
)
def test_it_is_that_of_statsmodels(procedure, method, count):
    p = values(count)
    found = procedure(p)
    for row in range(len(p)):
        np.testing.assert_allclose(found[row], multipletests(p[row], method=method)[1], rtol=1e-12, atol=1e-15)


def closed(p, test):
    """Adjusted p-values by closed testing: the largest p of all intersections with a hypothesis in them."""
    count = len(p)
    subsets = [subset for size in range(1, count + 1) for subset in itertools.combinations(range(count), size)]
    each = {subset: test(p, subset) for subset in subsets}
    return np.array([max(value for subset, value in each.items() if index in subset) for index in range(count)])


def weighted(weights, transitions):
    """Weighted Bonferroni test of an intersection, weights by algorithm 1 of Bretz et al. (2011)."""

    def test(p, subset):
        w, g = np.array(weights, float), np.array(transitions, float)
        left = set(range(len(w)))
        for j in sorted(left - set(subset)):
            new_w, new_g = np.zeros_like(w), np.zeros_like(g)
            left.discard(j)
            for k in left:
                new_w[k] = w[k] + w[j] * g[j, k]
                for m in left - {k}:
                    loop = g[k, j] * g[j, k]
                    new_g[k, m] = (g[k, m] + g[k, j] * g[j, m]) / (1 - loop) if loop < 1 else 0.0
            w, g = new_w, new_g
        ratios = [p[k] / w[k] if w[k] > 0 else np.inf for k in subset]
        return min(1.0, *ratios) if ratios else 1.0

    return test


def simes(p, subset):
    ordered = np.sort(p[list(subset)])
    return min(1.0, (len(subset) * ordered / np.arange(1, len(subset) + 1)).min())


GRAPHS = {
    "parallel gatekeeping": (PARALLEL, PARALLEL.weights, PARALLEL.transitions),
    "holm": (Holm((0.5, 0.2, 0.3)), (0.5, 0.2, 0.3), ((0, 0.4, 0.6), (0.625, 0, 0.375), (5 / 7, 2 / 7, 0))),
    "fixed sequence": (FixedSequence(), (1, 0, 0), ((0, 1, 0), (0, 0, 1), (0, 0, 0))),
    "fallback": (Fallback((0.5, 0.3, 0.2)), (0.5, 0.3, 0.2), ((0, 1, 0), (0, 0, 1), (0, 0, 0))),
    "part of alpha": (Graphical((0.3, 0.3), ((0, 0.5), (0.5, 0))), (0.3, 0.3), ((0, 0.5), (0.5, 0))),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_is_closed_testing_with_its_weights(name):
    procedure, weights, transitions = GRAPHS[name]
    p = values(len(weights), replicates=40)
    found = procedure(p)
    for row in range(len(p)):
        np.testing.assert_allclose(found[row], closed(p[row], weighted(weights, transitions)), rtol=1e-9, atol=1e-12)


def bonferroni(p, subset):
    return min(1.0, len(subset) * p[list(subset)].min())


@pytest.mark.parametrize(("procedure", "test"), [(Hommel(), simes), (Holm(), bonferroni)])
def test_it_is_closed_testing(procedure, test):
    p = values(5, replicates=30)
    for row, adjusted in enumerate(procedure(p)):
        np.testing.assert_allclose(adjusted, closed(p[row], test), rtol=1e-12)


def test_equal_weights_are_no_weights():
    p = values(4)
    for kind in (Bonferroni, Holm, Fallback):
        np.testing.assert_allclose(kind((0.25,) * 4)(p), kind()(p), rtol=1e-12)


def outcomes(p, names, scenarios=("null", "mixed")):
    dims = ("scenario", "replicate", "analysis")
    coords = {"scenario": list(scenarios), "analysis": list(names), "decides": ("analysis", [True] * len(names))}
    return xr.Dataset({"p": (dims, p)}, coords=coords)


def test_decisions_on_stored_outcomes():
    p = np.array([[[0.01, 0.03, np.nan], [0.04, 0.02, 0.2]], [[0.5, 0.001, 0.02], [0.6, 0.7, 0.8]]])
    stored = outcomes(p, "abc")
    found = adjust(stored, FixedSequence(), alpha=0.05, hypotheses=["b", "a"])
    assert found["decision"].dims == ("scenario", "replicate", "hypothesis")
    assert found["hypothesis"].values.tolist() == ["b", "a"]
    assert found["decision"].values.tolist() == [[[True, True], [True, True]], [[True, False], [False, False]]]
    every = adjust(stored, Bonferroni(), alpha=0.05)
    assert every["p_adjusted"].sel(hypothesis="c").values.tolist() == [
        [1.0, pytest.approx(0.6)],
        [pytest.approx(0.06), 1.0],
    ]
    assert np.isnan(every["p"].values[0, 0, 2])
    described = stored.assign_coords(decides=("analysis", [True, False, True]))
    assert adjust(described, Holm(), alpha=0.05)["hypothesis"].values.tolist() == ["a", "c"]


def test_what_a_procedure_achieves():
    decided = np.zeros((2, 8, 3), dtype=bool)
    decided[0, :2, 0] = decided[0, 1:3, 1] = True
    decided[1, :6, 0] = decided[1, :4, 1] = decided[1, 7, 2] = True
    dims = ("scenario", "replicate", "hypothesis")
    coords = {"scenario": ["null", "mixed"], "hypothesis": list("abc")}
    null = xr.DataArray([[True] * 3, [False, False, True]], dims=("scenario", "analysis"),
                        coords={"scenario": ["null", "mixed"], "analysis": list("abc")})  # fmt: skip
    found = familywise(xr.Dataset({"decision": (dims, decided)}, coords=coords), null)
    assert found["null"]["familywise_error"] == {
        "value": 3 / 8,
        "mcse": pytest.approx(np.sqrt(15 / 64 / 8)),
        "replicates": 8,
    }
    assert "disjunctive_power" not in found["null"]
    mixed = {name: estimate["value"] for name, estimate in found["mixed"].items()}
    assert mixed == {"familywise_error": 1 / 8, "disjunctive_power": 6 / 8, "conjunctive_power": 4 / 8,
                     "rejected": 10 / 8, "power: a": 6 / 8, "power: b": 4 / 8, "type_1_error: c": 1 / 8}  # fmt: skip
    alone = familywise(xr.Dataset({"decision": (dims[1:], decided[1])}, coords={"hypothesis": list("abc")}),
                       null.isel(scenario=1, drop=True))  # fmt: skip
    assert alone["only"] == found["mixed"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Bonferroni((0.9, 0.2)), r"multiplicity\.weights: got \(0\.9, 0\.2\), wanted numbers that add up to 1"),
        (lambda: Holm((-0.1, 0.2)), r"multiplicity\.weights: got -0\.1"),
        (lambda: Holm("half"), r"multiplicity\.weights: got 'half', wanted a list of numbers"),
        (lambda: Holm((0.5, 0.5))(values(3)), r"multiplicity\.weights: got \(0\.5, 0\.5\), wanted 3 entries"),
        (lambda: PARALLEL(values(3)), r"multiplicity\.weights: got .*, wanted 3 entries"),
        (lambda: Graphical((1, 0), ((0, 1),)), r"multiplicity\.transitions: got .*, wanted a square list of rows"),
        (lambda: Graphical((1, 0), ((0.5, 0.5), (0, 0))), r"multiplicity\.transitions: got .*, wanted rows that add"),
        (lambda: Graphical((1,), ((0, 1), (1, 0))), r"multiplicity\.weights: got \(1\.0,\), wanted one share for each"),
        (lambda: adjust(outcomes(values(3)[None], "abc", ["x"]), Holm(), alpha=1.5), r"alpha: got 1\.5"),
        (lambda: adjust(outcomes(values(3)[None], "abc", ["x"]), Holm(), alpha=0.05, hypotheses=["d"]),
         r"hypotheses: got 'd', wanted analyses of the outcomes: a, b, c"),
        (lambda: adjust(outcomes(values(3)[None] * np.nan, "abc", ["x"]), Holm(), alpha=0.05),
         r"hypotheses: got 'a', wanted an analysis with p-values"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(make, words):
    with pytest.raises(TrialError, match=words):
        make()


@pytest.mark.parametrize(
    "procedure", [Bonferroni(), Holm(), Hochberg(), Hommel(), FixedSequence(), Fallback(), PARALLEL], ids=repr
)
def test_the_familywise_error_is_kept(procedure):
    """Four one-sided tests with correlation 0.4, all null, 20,000 replicates; one null of four likewise."""
    rng = np.random.default_rng(3)
    z = np.sqrt(0.4) * rng.standard_normal((20_000, 1)) + np.sqrt(0.6) * rng.standard_normal((20_000, 4))
    error = 3 * np.sqrt(0.05 * 0.95 / 20_000)
    for shift in ((0, 0, 0, 0), (3, 0, 4, 4), (0, 3, 2, 0)):
        true = np.array(shift) == 0
        rejected = (procedure(stats.norm.sf(z + shift)) <= 0.05)[:, true].any(axis=1).mean()
        assert rejected <= 0.05 + error
    if isinstance(procedure, FixedSequence):
        whole = (procedure(stats.norm.sf(z)) <= 0.05).any(axis=1).mean()
        assert whole == pytest.approx(0.05, abs=error)


def test_families_are_scored_on_a_result_and_on_its_folder(run_folder):
    holm = yaml.safe_load((CONF[0].parent / "holm.yaml").read_text(encoding="utf-8"))
    families = {
        "both": {"procedure": holm, "alpha": 0.05, "hypotheses": ["cmax", "auc"]},
        "one": Family(FixedSequence(), 0.05, ("auc",)),
    }
    found = score(run_folder, families)
    outcomes, truth = stored(run_folder)
    decided = adjust(outcomes, Holm(), alpha=0.05, hypotheses=["cmax", "auc"])
    want = familywise(decided, truth["null"])
    assert {scenario: row["both"] for scenario, row in found.items()} == want
    assert found["gmr_125"]["both"].keys() == {"familywise_error", "type_1_error: cmax", "type_1_error: auc"}
    p = outcomes["p"].sel(analysis="auc", scenario="gmr_100")
    assert found["gmr_100"]["one"]["disjunctive_power"]["value"] == pytest.approx((p <= 0.05).mean().item())


@pytest.mark.parametrize(
    ("families", "words"),
    [
        ({}, "families: got none"),
        ({"a": {"alpha": 0.05}}, r"families\.a: got .*, wanted a mapping of procedure, alpha"),
        (
            {"a": {"alpha": 0.05, "procedure": "holm"}},
            r"families\.a\.procedure: got 'holm', wanted a multiplicity procedure",
        ),
        ({"a": {"alpha": 2, "procedure": Holm()}}, r"families\.a\.alpha: got 2"),
    ],
)
def test_a_family_that_is_none_is_named(run_folder, families, words):
    with pytest.raises(TrialError, match=words):
        score(run_folder, families)
