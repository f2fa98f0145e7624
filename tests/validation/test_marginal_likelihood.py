"""-2 log-likelihood at the estimates of NONMEM and Monolix, against an independent implementation.

The references integrate over the random effects with a standard error of 0.02 to 0.03; ours adds about 0.1.
"""

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

import cohorts
from cohorts.specification.quantities import Quantity
from tests.validation.popfit import FOLDER, case, estimates

REFERENCE = json.loads((FOLDER / "marginal_likelihood.json").read_text(encoding="utf-8"))["values"]
TOLERANCE = 0.3


def found(file, source):
    return {name: one["est"] for name, one in estimates(file, source).items()}


def omegas(e, *names):
    return {f"omega_{name}": float(np.sqrt(e[f"OMEGA({i},{i})"])) for i, name in enumerate(names, start=1)}


def rho(e):
    return e["OMEGA(2,1)"] / np.sqrt(e["OMEGA(1,1)"] * e["OMEGA(2,2)"])


def theophylline():
    e = found("theophylline", "monolix2rx")
    return {
        "ka_pop": e["ka_pop"], "cl_pop": 70 * e["Cl_pop"], "v_pop": 70 * e["V_pop"], "omega_ka": e["omega_ka"],
        "omega_cl": e["omega_Cl"], "omega_v": e["omega_V"], "sigma_additive_concentration": e["a"],
        "sigma_proportional_concentration": e["b"],
    }  # fmt: skip


def phenobarbital_apgar():
    e = found("phenobarbital", "pharmpy")
    return {
        "cl_pop": e["THETA1"], "v_pop": e["THETA2"], "beta_v_apgar": {"low": e["THETA3"]}, **omegas(e, "cl", "v"),
        "sigma_proportional_concentration": float(np.sqrt(e["SIGMA(1,1)"])),
    }  # fmt: skip


def phenobarbital_additive():
    e = found("phenobarbital", "pheno-nonmem")
    return {
        "cl_pop": float(np.exp(e["THETA1"])), "v_pop": float(np.exp(e["THETA2"])), **omegas(e, "cl", "v"),
        "rho_cl_v": rho(e), "sigma_additive_concentration": e["THETA3"],
    }  # fmt: skip


def phenobarbital_classes():
    e = found("phenobarbital", "inst/cov/pb")
    effect = {name: float(np.exp(e[f"beta_V_tAPGAR_{name.title()}"])) for name in ("high", "low")}
    return {
        "k_pop": e["k_pop"], "v_pop": e["V_pop"], "beta_v_apgar": effect, "omega_k": e["omega_k"],
        "omega_v": e["omega_V"], "sigma_proportional_concentration": e["b"],
    }  # fmt: skip


def warfarin():
    e = found("warfarin_pk", "run000")
    typical = {f"{name}_pop": float(np.exp(e[f"THETA{i}"])) for i, name in enumerate(("ka", "cl", "v"), start=1)}
    sigmas = {"sigma_proportional_concentration": e["THETA4"], "sigma_additive_concentration": e["THETA5"]}
    return {**typical, **omegas(e, "ka", "cl", "v"), **sigmas}


def warfarin_lag():
    e = found("warfarin_pk", "inst/cov/w1")
    names = {"ka": "ka", "cl": "Cl", "v": "V", "tlag": "Tlag"}
    values = {f"{ours}_pop": e[f"{theirs}_pop"] for ours, theirs in names.items()}
    values |= {f"omega_{ours}": e[f"omega_{theirs}"] for ours, theirs in names.items()}
    return {**values, "sigma_additive_concentration": e["a"], "sigma_proportional_concentration": e["b"]}


def acop():
    e = found("acop", "bbr")
    typical = {f"{name}_pop": e[f"THETA{i}"] for i, name in enumerate(("ka", "cl", "v"), start=1)}
    sigmas = {"sigma_proportional_concentration": e["THETA4"], "sigma_additive_concentration": e["THETA5"]}
    return {**typical, **omegas(e, "cl", "v"), **sigmas}


def bauer402():
    e = found("bauer402", "bauer_2019")
    names = ("v1", "cl", "v2", "q")
    typical = {f"{name}_pop": e[f"THETA{i}"] for i, name in enumerate(names, start=1)}
    return {**typical, **omegas(e, *names), "sigma_proportional_concentration": float(np.sqrt(e["SIGMA(1,1)"]))}


def bauer504(run):
    e = found("bauer504", run)
    typical = {"cl_pop": float(np.exp(e["THETA1"])), "v_pop": float(np.exp(e["THETA2"]))}
    effects = {"cl_weight": "THETA3", "v_weight": "THETA4", "cl_age": "THETA5", "v_age": "THETA6"}
    return {
        **typical,
        **{f"beta_{name}": e[theta] for name, theta in effects.items()},
        "beta_cl_sex": {"1": float(np.exp(e["THETA7"]))},
        "beta_v_sex": {"1": float(np.exp(e["THETA8"]))},
        **omegas(e, "cl", "v"),
        "rho_cl_v": rho(e),
        "sigma_proportional_concentration": float(np.sqrt(e["SIGMA(1,1)"])),
    }


FITS = {
    "theophylline_monolix_tp": ("theophylline_adults", theophylline),
    "pheno_pharmpy_FOCEI": ("phenobarbital_apgar", phenobarbital_apgar),
    "pheno_add_NONMEM": ("phenobarbital_additive", phenobarbital_additive),
    "pheno_monolix_pb": ("phenobarbital_classes", phenobarbital_classes),
    "warfarin_run000": ("warfarin", warfarin),
    "warfarin_monolix_w1": ("warfarin_lag", warfarin_lag),
    "acop": ("acop", acop),
    "bauer402": ("bauer402", bauer402),
    "bauer504_foce": ("bauer504", lambda: bauer504("foce")),
    "bauer504_saem_imp": ("bauer504", lambda: bauer504("saem")),
}
SAMPLES = {"warfarin_monolix_w1": 20_000}
"""More where a lag gives people's densities edges and several peaks."""
QUICK = {"theophylline_monolix_tp", "pheno_pharmpy_FOCEI"}


def slow(name):
    return name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)


def signed(population):
    """The slope of acop's error is estimated below zero: its SD falls with the concentration, and stays positive."""
    own = population.residual()
    free = Quantity("normal", (0.0, 0.1), "weakly informative, of either sign")
    return replace(population, residuals=(replace(own, sigmas=(own.sigmas[0], free)),))


@pytest.mark.parametrize("name", [slow(name) for name in FITS])
def test_likelihood_at_recorded_estimates(name):
    which, values = FITS[name]
    one = case(which)
    population = signed(one.population) if which == "acop" else one.population
    samples = SAMPLES.get(name, 6000)
    result = cohorts.marginal_likelihood(population, one.data, one.predict, values(), seed=1, samples=samples)
    reference = REFERENCE[name]
    assert result.sizes["subject"] == reference["n_sub"]
    assert result.attrs["observations"] == reference["n_obs"]
    assert result.attrs["se"] < 0.15
    assert abs(result.attrs["minus2ll"] - reference["minus2LL_IS"]) < TOLERANCE
    assert float(result["ess"].min()) > 600


def test_every_recorded_likelihood_is_tested():
    assert set(FITS) == set(REFERENCE)
    assert all(isinstance(values(), Mapping) for _, values in FITS.values())
