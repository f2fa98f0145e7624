"""Bioequivalence: exact power against published numbers, and simulated crossovers against the exact power."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from trials.analyses.crossover_anova import AverageBioequivalence
from trials.designs.crossover import Crossover
from trials.operating import characteristics
from trials.power import bioequivalence, sample_size

CASES = json.loads((Path(__file__).resolve().parents[1] / "reference" / "tost_power.json").read_text(encoding="utf-8"))
ARMS = ("test", "reference")
BE = AverageBioequivalence("auc", "auc", *ARMS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_published_power_and_sample_size(case):
    given, want = case["inputs"], case["outputs"]
    if "n" in given:
        assert float(bioequivalence(given["CV"], given["n"], given["theta0"])) == pytest.approx(
            want["power"], abs=2e-10
        )
    else:
        found = sample_size(given["CV"], given["theta0"], target=given["targetpower"])
        assert found.n == want["Sample size"]
        assert found.power == pytest.approx(want["Achieved power"], abs=2e-10)


def simulate(*, n, cv, ratio, replicates, seed):
    """Outcomes of lognormal crossovers with subject and period effects: everything the analysis assumes."""
    rng = np.random.default_rng(seed)
    orders = Crossover(ARMS, n, 168).orders
    sequence = rng.permuted(np.tile(np.arange(n) % 2, (replicates, 1)), axis=1)
    arm = np.asarray(orders)[sequence]
    logs = (
        4 + 0.4 * rng.standard_normal((replicates, n, 1)) + np.array([0.0, 0.15]) + np.where(arm == 0, np.log(ratio), 0)
    )
    logs += np.sqrt(np.log1p(cv**2)) * rng.standard_normal(arm.shape)
    dims = ("replicate", "subject", "period")
    return BE(xr.Dataset({"auc": (dims, np.exp(logs)), "arm": (dims, arm, {"names": list(ARMS)})}))


def summary(outcomes, ratio):
    """Characteristics of one scenario with an exactly known truth."""
    made = outcomes.expand_dims(scenario=["only"]).expand_dims(analysis=["auc"], axis=-1)
    made = made.assign_coords(decides=("analysis", [True]))
    effect = {"effect": np.log(ratio), "mcse": 0.0, "null": BE.null(np.log(ratio))}
    truth = xr.Dataset({name: (("scenario", "analysis"), [[value]]) for name, value in effect.items()})
    return characteristics(made, truth.assign_coords(scenario=["only"], analysis=["auc"]))["only"]["auc"]


@pytest.mark.parametrize("ratio", [1.25, 0.80])
def test_type_i_error_at_the_limits(ratio):
    found = summary(simulate(n=24, cv=0.2, ratio=ratio, replicates=100_000, seed=1), ratio)
    error = found["type_1_error"]
    assert error["replicates"] == 100_000
    assert error["value"] == pytest.approx(0.05, abs=3 * error["mcse"])
    assert error["mcse"] == pytest.approx(np.sqrt(0.05 * 0.95 / 100_000), rel=0.02)


@pytest.mark.parametrize(
    ("n", "cv", "ratio"), [(24, 0.20, 0.95), (24, 0.30, 1.0), (23, 0.25, 1.05), (12, 0.30, 1.25), (40, 0.30, 0.95)]
)
def test_power_bias_and_coverage(n, cv, ratio):
    found = summary(simulate(n=n, cv=cv, ratio=ratio, replicates=40_000, seed=n), ratio)
    power = found["type_1_error" if ratio == 1.25 else "power"]
    assert power["value"] == pytest.approx(float(bioequivalence(cv, n, ratio)), abs=3 * power["mcse"])
    assert found["bias"]["value"] == pytest.approx(0, abs=3 * found["bias"]["mcse"])
    assert found["coverage"]["value"] == pytest.approx(0.90, abs=3 * found["coverage"]["mcse"])
    assert found["relative_error_se"]["value"] == pytest.approx(0, abs=3 * found["relative_error_se"]["mcse"])
    half = np.array([n // 2, n - n // 2])
    exact = np.sqrt(np.log1p(cv**2) / 2 * (1 / half).sum())
    assert found["empirical_se"]["value"] == pytest.approx(exact, abs=3 * found["empirical_se"]["mcse"])
    assert found["failed"]["value"] == 0
