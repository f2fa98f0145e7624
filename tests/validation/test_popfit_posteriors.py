"""Posteriors under weak priors beside the maximum likelihood fits of NONMEM and Monolix to the same data.

A posterior mean is no maximum: with weak priors it lies within a standard error of it for typical values, and within
one and a half for standard deviations, whose posteriors are skewed.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

import cohorts
from tests.validation.popfit import case, estimates, population

SAMPLER = {"chains": 4, "tune": 600, "draws": 900, "target_accept": 0.98}
SHORT = {"chains": 2, "tune": 600, "draws": 1000, "target_accept": 0.95, "cores": 1}
LONG = {"chains": 4, "tune": 600, "draws": 1500, "target_accept": 0.9}
BLOCK = {"chains": 2, "tune": 800, "draws": 1600, "cores": 1}
Reference = tuple[float, float]
"""Estimate and standard error."""


class Fit(NamedTuple):
    """What to compare: by our name the reference, on the logarithm where ``logs`` says so."""

    typical: dict[str, Reference]
    logs: bool
    omegas: dict[str, Reference]


def _pair(one: dict[str, float]) -> Reference:
    return one["est"], one["se"]


def _root(one: dict[str, float]) -> Reference:
    """Standard deviation from a variance, its error by the delta method."""
    return float(np.sqrt(one["est"])), one["se"] / (2.0 * float(np.sqrt(one["est"])))


def _nonmem(file: str, source: str, names: tuple[str, ...], *, logs: bool) -> Fit:
    """Typical values are the first thetas, deviations the omegas in the same order."""
    e = estimates(file, source)
    return Fit(
        {f"{name}_pop": _pair(e[f"THETA{i}"]) for i, name in enumerate(names, start=1)},
        logs,
        {f"omega_{name}": _root(e[f"OMEGA({i},{i})"]) for i, name in enumerate(names, start=1)},
    )


def _acop() -> Fit:
    """The absorption rate, the first of the thetas, does not differ between people there."""
    e = estimates("acop", "bbr")
    typical = {f"{name}_pop": _pair(e[f"THETA{i}"]) for i, name in enumerate(("ka", "cl", "v"), start=1)}
    return Fit(typical, False, {f"omega_{n}": _root(e[f"OMEGA({i},{i})"]) for i, n in enumerate(("cl", "v"), start=1)})


FITS: dict[str, Callable[[], Fit]] = {
    "acop": _acop,
    "warfarin": lambda: _nonmem("warfarin_pk", "run000", ("ka", "cl", "v"), logs=True),
    "bauer402": lambda: _nonmem("bauer402", "bauer_2019", ("v1", "cl", "v2", "q"), logs=False),
    "phenobarbital_additive": lambda: _nonmem("phenobarbital", "pheno-nonmem", ("cl", "v"), logs=True),
    "phenobarbital_apgar": lambda: _nonmem("phenobarbital", "pharmpy", ("cl", "v"), logs=False),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FITS)
def test_means_lie_near_the_maximum(name):
    one, reference = case(name), FITS[name]()
    sampler = {"warfarin": SAMPLER, "acop": LONG, "phenobarbital_additive": BLOCK}.get(name, SHORT)
    tree = cohorts.calibrate(one.population, one.data, one.predict, seed=20261121, **sampler)
    draws = tree["posterior"].to_dataset()
    for key, (estimate, se) in reference.typical.items():
        found = np.log(draws[key]) if reference.logs else draws[key]
        assert abs(float(found.mean()) - estimate) < se, key
    for key, (estimate, se) in reference.omegas.items():
        assert abs(float(draws[key].mean()) - estimate) < 1.5 * se, key


THETAS = ("log_cl", "log_v", "weight_cl", "weight_v", "age_cl", "age_v", "sex_cl", "sex_v")
"""Our names of the tutorial's thetas, in its order."""


@pytest.fixture(scope="module")
def stated():
    """The tutorial's model with its priors: normal with variance 1e5 about 0.01, whatever the data say."""
    import pytensor.tensor as pt

    one = case("bauer504")
    given = one.events.covariates
    by = {"weight": np.log(given["WT"].values / 70.0), "age": np.log(given["AGE"].values / 50.0)}
    by["sex"] = given["SEX"].values

    def predict(parameters):
        def of(name):
            return pt.exp(parameters[f"log_{name}"] + sum(parameters[f"{k}_{name}"] * v for k, v in by.items()))

        return one.predict({"cl": of("cl"), "v": of("v")})

    tree = cohorts.calibrate(population("bauer504_stated"), one.data, predict, seed=20261121, **SHORT)
    return cohorts.diagnose(tree)


@pytest.mark.slow
@pytest.mark.parametrize("run", ["nuts", "bayes"])
def test_two_runs_of_nonmem_with_the_same_priors_have_the_same_posterior(stated, run):
    """The thetas, whose priors are NONMEM's; those of the variances, inverse Wishart there, are flat here."""
    reference = estimates("bauer504", run)
    for i, name in enumerate(THETAS, start=1):
        row, (mean, sd) = stated.loc[f"{name}_pop"], _pair(reference[f"THETA{i}"])
        assert abs(row["mean"] - mean) < 0.25 * sd, name
        assert row["sd"] == pytest.approx(sd, rel=0.2), name
