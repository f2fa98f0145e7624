"""Posteriors under weak priors beside the maximum likelihood fits of NONMEM and Monolix to the same data.

A posterior mean is no maximum: with weak priors it lies within a standard error of it for typical values, and within
one and a half for standard deviations, whose posteriors are skewed.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

import cohorts
from tests.validation.popfit import case, estimates

SAMPLER = {"chains": 4, "tune": 600, "draws": 900, "target_accept": 0.98}
SECONDS = {"warfarin": 60.0}
"""Longest a fit may take on two cores, compilation included; judged by the processor's seconds of both."""

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


FITS: dict[str, Callable[[], Fit]] = {
    "warfarin": lambda: _nonmem("warfarin_pk", "run000", ("ka", "cl", "v"), logs=True),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FITS)
def test_means_lie_near_the_maximum(name):
    one, reference = case(name), FITS[name]()
    started = time.process_time()
    tree = cohorts.calibrate(one.population, one.data, one.predict, seed=20261121, **SAMPLER)
    assert time.process_time() - started < 2.0 * SECONDS.get(name, np.inf)
    draws = tree["posterior"].to_dataset()
    for key, (estimate, se) in reference.typical.items():
        found = np.log(draws[key]) if reference.logs else draws[key]
        assert abs(float(found.mean()) - estimate) < se, key
    for key, (estimate, se) in reference.omegas.items():
        assert abs(float(draws[key].mean()) - estimate) < 1.5 * se, key
