"""MMRM of 2 x 150 patients at six visits with dropout: 1,000 replicates, analysed by every method."""

from __future__ import annotations

import time

import numpy as np
import xarray as xr

from benchmarks.measure import record, summary
from trials.analyses.mmrm import Mmrm

REPLICATES = 1000


def simulate(replicates: int, seed: int) -> xr.Dataset:
    """Simulate trials: SD 8 + 0.5 j, correlation 0.8^|i-j|, effect -3 j/6, a fifth leaves from a visit of 2 to 6 on."""
    rng = np.random.default_rng(seed)
    arm = np.tile(np.repeat([0, 1], 150), (replicates, 1))
    deviation = 8 + 0.5 * np.arange(7)
    correlation = 0.8 ** np.abs(np.subtract.outer(np.arange(7), np.arange(7)))
    root = np.linalg.cholesky(correlation * np.outer(deviation, deviation))
    values = 50 + rng.standard_normal((*arm.shape, 7)) @ root.T
    base = values[..., 0]
    change = values[..., 1:] - base[..., None] - 3 * np.arange(1, 7) / 6 * arm[..., None]
    leaves, first = rng.random(arm.shape) < 0.2, rng.integers(1, 6, arm.shape)
    change[leaves[..., None] & (np.arange(6) >= first[..., None])] = np.nan
    dims = ("replicate", "subject")
    made = {
        "arm": (dims, arm, {"names": ["control", "test"]}),
        "base": (dims, base),
        "chg": ((*dims, "visit_chg"), change),
    }
    return xr.Dataset(made, coords={"visit_chg": np.arange(1.0, 7.0)})


def main() -> None:
    """Record processor seconds per 1,000 replicates on one core, and the power."""
    data = simulate(REPLICATES, seed=1)
    rows = {}
    for df in ("satterthwaite", "kenward_roger", "kenward_roger_linear"):
        analysis = Mmrm("it", "chg", "test", "control", baseline="base", df=df)
        analysis(data.isel(replicate=slice(2)))
        times = []
        for _ in range(3):
            start = time.process_time()
            found = analysis(data)
            times.append(time.process_time() - start)
        power = float(found["decision"].mean())
        mcse = float(np.sqrt(power * (1 - power) / REPLICATES))
        rows[f"{df}, {REPLICATES:,} replicates"] = summary(times) | {"power": power, "power_mcse": mcse}
        rows[f"{df}, {REPLICATES:,} replicates"] |= {"failed": int(found["failed"].sum())}
    record("mmrm", rows)


if __name__ == "__main__":
    main()
