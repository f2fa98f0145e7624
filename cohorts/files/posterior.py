"""Posteriors on disk: the whole tree as netCDF or Zarr, the draws of the population's values as a table."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from cohorts.errors import PopulationError


def write_posterior(posterior: xr.DataTree, path: str | Path) -> Path:
    """Write all groups of a posterior to ``.nc`` or ``.zarr``; nothing is overwritten.

    Raises
    ------
    PopulationError
        If the path exists or ends otherwise.
    """
    target = _free(path, {".nc", ".zarr"})
    if target.suffix == ".nc":
        posterior.to_netcdf(target, engine="h5netcdf")
    else:
        posterior.to_zarr(target, mode="w-", zarr_format=3, consolidated=False)
    return target


def read_posterior(path: str | Path) -> xr.DataTree:
    """Read what `write_posterior` wrote.

    Raises
    ------
    PopulationError
        If there is no such file.
    """
    source = Path(path)
    if not source.exists():
        raise PopulationError(f"path: there is no {str(source)!r}")
    options: dict[str, Any] = (
        {"engine": "h5netcdf"} if source.suffix == ".nc" else {"engine": "zarr", "consolidated": False, "chunks": None}
    )
    with xr.open_datatree(source, **options) as tree:
        return tree.load()


def write_draws(posterior: xr.DataTree, path: str | Path) -> Path:
    """Write the draws of the population's values to ``.parquet``: ``chain``, ``draw``, and a column a number.

    What differs between people is left out; a value with levels has a column for each, such as ``beta_cl_sex[male]``.

    Raises
    ------
    PopulationError
        If the path exists or ends otherwise.
    """
    target = _free(path, {".parquet"})
    group = posterior["posterior"].to_dataset()
    people = {"subject", "occasion", "observation"}
    index = np.indices((group.sizes["chain"], group.sizes["draw"]))
    columns: dict[str, Any] = {
        "chain": group["chain"].to_numpy()[index[0].ravel()],
        "draw": group["draw"].to_numpy()[index[1].ravel()],
    }
    for name, values in group.data_vars.items():
        inner = [d for d in values.dims if d not in {"chain", "draw"}]
        if not people & set(map(str, inner)):
            columns |= _columns(str(name), values.transpose("chain", "draw", ...), inner)
    pd.DataFrame(columns).to_parquet(target, index=False)
    return target


def _columns(name: str, values: xr.DataArray, inner: list[Any]) -> dict[str, Any]:
    if not inner:
        return {name: values.to_numpy().ravel()}
    shape = [values.sizes[d] for d in inner]
    flat = values.to_numpy().reshape(values.sizes["chain"] * values.sizes["draw"], -1)
    places = np.indices(shape).reshape(len(shape), -1).T
    labels = [",".join(str(values[d].to_numpy()[i]) for d, i in zip(inner, place, strict=True)) for place in places]
    return {f"{name}[{label}]": flat[:, i] for i, label in enumerate(labels)}


def _free(path: str | Path, suffixes: set[str]) -> Path:
    target = Path(path)
    if target.suffix not in suffixes:
        raise PopulationError(f"path: got {target.name!r}, wanted one that ends in {' or '.join(sorted(suffixes))}")
    if target.exists():
        raise PopulationError(f"path: {str(target)!r} exists; give another, or remove it first")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target
