"""MCP-Mod against DoseFinding on the data of Bretz, Pinheiro & Branson (2005), and its type I error."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from trials.analyses.dose_response.contrasts import largest, optimal
from trials.analyses.dose_response.fitting import fit
from trials.analyses.dose_response.shapes import standard
from trials.analyses.mcp_mod import MCPMod, _Curve, _first, _found_doses

FOLDER = Path(__file__).resolve().parents[1] / "reference"
CASES = {case["id"]: case for case in json.loads((FOLDER / "dose_finding.json").read_text("utf-8"))}
DOSES = (0.0, 0.05, 0.2, 0.6, 1.0)
ARMS = tuple(f"d{dose:g}" for dose in DOSES)
MODELS = (("linear",), ("emax", 0.2), ("quadratic", -0.17), ("exponential", 0.28))
DIMS = ("replicate", "subject")


def biom():
    with (FOLDER / "biom.csv").open(encoding="utf-8") as file:
        rows = [(float(row["dose"]), float(row["resp"])) for row in csv.DictReader(file)]
    arm = [[DOSES.index(dose) for dose, _ in rows]]
    return xr.Dataset({"resp": (DIMS, [[value for _, value in rows]]), "arm": (DIMS, arm, {"names": list(ARMS)})})


def analysis(**change):
    return MCPMod(
        **{"name": "it", "endpoint": "resp", "arms": ARMS, "doses": DOSES, "models": MODELS, "delta": 0.3} | change
    )


def test_contrasts():
    found = [optimal(standard(name, guess, np.array(DOSES)), np.full((1, 5), 20))[0] for name, *guess in MODELS]
    np.testing.assert_allclose(np.transpose(found), CASES["mcpmod_biom"]["outputs"]["contMat"], atol=1e-9)


def test_multiple_contrast_test():
    want = CASES["mcpmod_biom"]["outputs"]
    found = analysis()(biom())
    labels = ["linear", "emax_0.2", "quadratic_-0.17", "exponential_0.28"]
    np.testing.assert_allclose([found[f"t_{name}"].item() for name in labels], want["tStat"], rtol=1e-9)
    # DoseFinding integrates p to an error of 1e-3; scipy's multivariate t with two million points gives what we find
    p = [found[f"p_{name}"].item() for name in labels]
    np.testing.assert_allclose(p, want["pVals"], atol=1e-3)
    np.testing.assert_allclose(p, [0.00369022, 0.00082996, 0.00292587, 0.02580512], atol=1e-4)
    assert found["statistic"].item() == pytest.approx(max(want["tStat"]))
    assert found["p"].item() == min(p)
    assert found["df"].item() == 95
    contrast = np.stack(
        [optimal(standard(name, guess, np.array(DOSES)), np.full((1, 5), 20)) for name, *guess in MODELS], 1
    )
    tail = largest(np.array([[want["critVal"]]]), contrast, np.full((1, 5), 20), np.array([95]))
    assert tail.item() == pytest.approx(0.025, abs=1e-4)


NAMES = {"linear": 0, "emax": 1, "sigEmax": 2, "exponential": 1, "quadratic": 0, "linlog": 0}


@pytest.mark.parametrize("name", NAMES)
def test_fits(name):
    want = CASES[f"fitMod_biom_{name}"]["outputs"]
    means, _, _ = analysis()._means(biom())
    found = fit(name, means)
    np.testing.assert_allclose(found.parameters[0], list(want["coefs"].values()), rtol=2e-6)
    assert found.aic.item() == pytest.approx(want["AIC"], abs=1e-7)
    assert found.squares.item() == pytest.approx(want["RSS"], rel=1e-9)
    np.testing.assert_allclose(np.sqrt(np.diagonal(found.covariance[0])), want["se"], rtol=2e-5)
    target, effective = _found_doses([found], np.ones((1, 1)), 0.3, 0.9)
    assert target.item() == pytest.approx(want["TD_.3"], rel=1e-5)
    assert effective.item() == pytest.approx(want["ED90"], rel=1e-5)


def test_the_curve_with_the_lowest_aic_is_taken_among_the_significant():
    models = (*MODELS, ("sigEmax", 0.2, 2), ("linlog",))
    aic = {name: CASES[f"fitMod_biom_{name}"]["outputs"]["AIC"] for name in NAMES}
    found = analysis(models=models)(biom())
    order = [model[0] for model in models]
    assert order[int(found["selected"].item())] == min(aic, key=aic.get) == "linlog"
    assert found["target_dose"].item() == pytest.approx(CASES["fitMod_biom_linlog"]["outputs"]["TD_.3"], rel=1e-6)
    average = analysis(models=models, selection="average")(biom())
    significant = [name for name, *_ in models if name != "exponential" or average["p_exponential_0.28"] < 0.025]
    weight = np.exp([-aic[name] / 2 + 110 for name in significant])
    weight /= weight.sum()
    means, _, _ = analysis()._means(biom())
    fits = [fit(name, means) for name in significant]
    assert average["estimate"].item() == pytest.approx(
        sum(w * one.effect(np.array([[1.0]])).item() for w, one in zip(weight, fits, strict=True)), rel=1e-9
    )
    curve = _Curve(fits, weight[None])
    path = curve(np.linspace(0, 1, 401)[None])
    target = _first(curve, np.linspace(0, 1, 401), path, np.array([0.3]))
    assert average["target_dose"].item() == pytest.approx(target.item())
    assert curve(target[:, None]).item() == pytest.approx(0.3, abs=1e-9)


def simulated(means, replicates, seed, n=30):
    rng = np.random.default_rng(seed)
    arm = np.broadcast_to(np.arange(n * 5) % 5, (replicates, n * 5))
    values = np.asarray(means)[arm] + 1.5 * rng.standard_normal(arm.shape)
    return xr.Dataset({"resp": (DIMS, values), "arm": (DIMS, arm, {"names": list(ARMS)})})


@pytest.mark.slow
def test_type_i_error():
    found = analysis()(simulated(np.zeros(5), 20_000, 4))["decision"].mean().item()
    assert found == pytest.approx(0.025, abs=3 * np.sqrt(0.025 * 0.975 / 20_000))


@pytest.mark.slow
def test_a_true_curve_is_found_without_bias_and_its_interval_covers():
    dose = np.array(DOSES)
    means = 0.2 + 1.2 * dose / (0.2 + dose)
    found = analysis(models=(("emax", 0.2),), delta=0.5)(simulated(means, 5_000, 9, n=150))
    true = 1.2 / 1.2
    error = found["estimate"].std().item() / np.sqrt(5_000)
    assert found["estimate"].mean().item() == pytest.approx(true, abs=3 * error + 0.01)
    covered = ((found["lower"] <= true) & (found["upper"] >= true)).mean().item()
    assert covered == pytest.approx(0.95, abs=0.015)
    target = 0.5 * 0.2 / 0.7
    assert np.nanmedian(found["target_dose"]) == pytest.approx(target, rel=0.05)
