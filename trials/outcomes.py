"""Outcomes of all replicates: their table on disk and their digest.

One row of ``outcomes.parquet`` is one analysis of one replicate under one scenario. What belongs to the analysis
(scale, level, whether it decides) or to scenario and analysis (whether the null is true, the true effect) is repeated
on each row, so that the file alone suffices to recompute every operating characteristic.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

DIMS = ("scenario", "replicate", "analysis")
OF_ANALYSIS = ("scale", "level", "decides")
OF_SCENARIO = ("effect", "mcse", "null")


def digest(outcomes: xr.Dataset) -> str:
    """SHA-256 of the numbers themselves: names, labels, shapes and bits, whatever file or library they came through."""
    sha = hashlib.sha256()
    for dim in outcomes.dims:
        sha.update(f"{dim}={list(map(str, outcomes[dim].values))};".encode())
    for name in sorted(map(str, outcomes.data_vars)):
        values = np.asarray(outcomes[name].values, dtype="<f8")
        sha.update(f"{name}:{outcomes[name].dims}{values.shape};".encode())
        sha.update(np.where(np.isnan(values), np.nan, values).tobytes())
    return sha.hexdigest()


def write(outcomes: xr.Dataset, truth: xr.Dataset, path: Path) -> None:
    """Write outcomes and true effects as a table of one row a scenario, replicate and analysis."""
    shape = tuple(outcomes.sizes[dim] for dim in DIMS)
    grids = np.meshgrid(*(outcomes[dim].values for dim in DIMS), indexing="ij")
    columns = {dim: grid.ravel() for dim, grid in zip(DIMS, grids, strict=True)}
    columns |= {f"true_{name}": _spread(truth[name].values[:, None, :], shape) for name in OF_SCENARIO}
    columns |= {name: _spread(outcomes[name].values[None, None, :], shape) for name in OF_ANALYSIS}
    columns |= {str(name): outcomes[name].transpose(*DIMS).values.ravel() for name in outcomes.data_vars}
    pd.DataFrame(columns).to_parquet(path, index=False)


def read(path: Path) -> tuple[xr.Dataset, xr.Dataset]:
    """Read back, bit for bit, what was written.

    Returns
    -------
    Outcomes (scenario, replicate, analysis) and truth (scenario, analysis), as in :class:`trials.protocol.Result`.
    """
    table = pd.read_parquet(path)
    labels = {dim: table[dim].unique() for dim in DIMS}
    coords = {dim: values if dim == "replicate" else values.astype(str) for dim, values in labels.items()}
    shape = tuple(len(values) for values in labels.values())
    cube = {str(name): table[name].to_numpy().reshape(shape) for name in table.columns if name not in DIMS}
    truth = {name: (DIMS[::2], cube.pop(f"true_{name}")[:, 0, :]) for name in OF_SCENARIO}
    extra = {name: (DIMS[2:], cube.pop(name)[0, 0, :]) for name in OF_ANALYSIS}
    extra["scale"] = (DIMS[2:], extra["scale"][1].astype(str))
    outcomes = xr.Dataset({name: (DIMS, values) for name, values in cube.items()}, coords=coords | extra)
    return outcomes, xr.Dataset(truth, coords={dim: coords[dim] for dim in DIMS[::2]})


def _spread(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(values, shape).ravel()
