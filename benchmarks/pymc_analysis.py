"""A full PyMC model in each replicate: 2 x 100 patients, normal or Student's t residuals, ten sites or none."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import xarray as xr

from benchmarks.measure import record, summary
from trials.analyses.bayes_model import BayesModel

REPLICATES = 100


def simulate(replicates: int, seed: int) -> xr.Dataset:
    """Simulate trials: effect 3, slope 4 of a standard normal covariate, SD 2 between ten sites, 8 within."""
    rng = np.random.default_rng(seed)
    arm = np.tile(np.repeat([0, 1], 100), (replicates, 1))
    x, site = rng.standard_normal(arm.shape), rng.integers(0, 10, arm.shape)
    shift = np.take_along_axis(2 * rng.standard_normal((replicates, 10)), site, axis=1)
    dims = ("replicate", "subject")
    made = {
        "y": (dims, 20 + 3 * arm + 4 * x + shift + 8 * rng.standard_normal(arm.shape)),
        "arm": (dims, arm, {"names": ["control", "test"]}),
        "x": (dims, x),
        "site": (dims, site, {"names": [f"site {index}" for index in range(10)]}),
    }
    return xr.Dataset(made)


def main() -> None:
    """Record processor seconds per 1,000 replicates on one core; the first call compiles."""
    data = simulate(REPLICATES, seed=1)
    plain = BayesModel(
        "it", "y", "test", "control", effect_sd=20, intercept_mean=20, intercept_sd=20, residual_sd=20, slope_sd=20,
        site_sd=5, threshold=0.975, covariates=("x",),
    )  # fmt: skip
    kinds = {
        "normal": plain,
        "Student's t": replace(plain, robust=True),
        "normal, ten sites": replace(plain, site="site"),
    }
    rows = {}
    for label, analysis in kinds.items():
        start = time.process_time()
        analysis(data.isel(replicate=[0]))
        first, start = time.process_time() - start, time.process_time()
        found = analysis(data)
        seconds = (time.process_time() - start) * 1000 / REPLICATES
        power = float(found["decision"].mean())
        rows[f"{label}, per 1,000 replicates"] = summary([seconds]) | {
            "first_call_s": first,
            "power": power,
            "power_mcse": float(np.sqrt(power * (1 - power) / REPLICATES)),
            "failed": int(found["failed"].sum()),
            "least_ess": float(found["ess"].min()),
            "worst_rhat": float(found["rhat"].max()),
        }
    record("pymc_analysis", rows)


if __name__ == "__main__":
    main()
