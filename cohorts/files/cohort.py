"""Cohorts as files that others read: Zarr and netCDF keep everything in one, Parquet and CSV are tables of patients."""

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from cohorts.errors import PopulationError
from cohorts.quality.gate import Quality

NOTICE = "SIMULATED DATA: virtual subjects"
_FORMAT = "trialtwin cohort 1"


class _Kind(NamedTuple):
    """One row: how a suffix is written and read."""

    write: Callable[[xr.Dataset, Path], None]
    read: Callable[[Path], xr.Dataset]


def write_cohort(
    cohort: xr.Dataset, path: str | Path, *, quality: Quality | None = None, allow: Collection[str] = ()
) -> Path:
    """Write a cohort; nothing is overwritten.

    Parameters
    ----------
    cohort
        Dataset of `draw`, or of ``Matched.resample``.
    path
        Ends in ``.zarr``, ``.nc``, ``.parquet`` or ``.csv``. The last two hold one row a patient (and occasion), levels
        by name, and put the values of the population of each replicate and all attributes into files beside it.
    quality
        What `assess` found. A cohort that fails is not written.
    allow
        Gates (``fidelity``, ``privacy``) that may fail; recorded in the file with what failed.

    Raises
    ------
    PopulationError
        If a gate fails that may not, the path exists, or its suffix is none of these.
    """
    target = Path(path)
    kind = _kind(target)
    if taken := [p for p in (target, _beside(target), _values(target)) if p.exists()]:
        raise PopulationError(f"path: {str(taken[0])!r} exists; give another, or remove it first")
    if unknown := sorted(set(allow) - {"fidelity", "privacy"}):
        raise PopulationError(f"allow: got {unknown}, wanted some of ['fidelity', 'privacy']")
    failed = {} if quality is None else quality.failures
    if refused := [f"{gate}: {why}" for gate, why in failed.items() if gate not in allow]:
        raise PopulationError(f"cohort: does not pass its gates: {'; '.join(refused)}; mend it, or allow it by name")
    judged = {"judged": "no" if quality is None else json.dumps(quality.to_dict()), "allowed": " ".join(sorted(allow))}
    target.parent.mkdir(parents=True, exist_ok=True)
    kind.write(cohort.assign_attrs({"notice": NOTICE, "format": _FORMAT, **judged}), target)
    return target


def read_cohort(path: str | Path) -> xr.Dataset:
    """Read a cohort that `write_cohort` wrote: equal to what was written, with its judgement among the attributes.

    Raises
    ------
    PopulationError
        If there is no such file, or it is not one of these.
    """
    source = Path(path)
    if not source.exists():
        raise PopulationError(f"path: there is no {str(source)!r}")
    found = _kind(source).read(source)
    if found.attrs.get("format") != _FORMAT:
        raise PopulationError(f"path: {str(source)!r} is no cohort: its format is {found.attrs.get('format')!r}")
    return found


def _kind(path: Path) -> _Kind:
    if path.suffix not in _KINDS:
        raise PopulationError(f"path: got {path.suffix!r} at the end of {path.name!r}, wanted one of {sorted(_KINDS)}")
    return _KINDS[path.suffix]


def _beside(path: Path) -> Path:
    """File with the attributes of a table."""
    return path.with_name(f"{path.name}.json")


def _values(path: Path) -> Path:
    """File with what a table has one of a replicate."""
    return path.with_name(f"{path.stem}.population{path.suffix}")


def _write_zarr(cohort: xr.Dataset, path: Path) -> None:
    cohort.to_zarr(path, mode="w-", zarr_format=3, consolidated=False)


def _read_zarr(path: Path) -> xr.Dataset:
    whole: xr.Dataset = xr.open_zarr(path, chunks=None, consolidated=False).load()
    return whole


def _write_netcdf(cohort: xr.Dataset, path: Path) -> None:
    cohort.to_netcdf(path, engine="h5netcdf")


def _read_netcdf(path: Path) -> xr.Dataset:
    with xr.open_dataset(path, engine="h5netcdf") as found:
        whole: xr.Dataset = found.load()
    return whole


def _write_table(cohort: xr.Dataset, path: Path, save: Callable[[pd.DataFrame, Path], None]) -> None:
    patients = [str(n) for n, v in cohort.data_vars.items() if "subject" in v.dims]
    others = [str(n) for n in cohort.data_vars if str(n) not in patients]
    save(_frame(cohort[patients]), path)
    if others:
        save(_frame(cohort[others]), _values(path))
    _beside(path).write_text(json.dumps(_about(cohort), indent=1) + "\n", encoding="utf-8")


def _read_table(path: Path, load: Callable[[Path], pd.DataFrame]) -> xr.Dataset:
    if not _beside(path).is_file():
        raise PopulationError(f"path: {path.name} lacks {_beside(path).name}, which says what its columns are")
    about = json.loads(_beside(path).read_text(encoding="utf-8"))
    frames = [load(p) for p in (path, _values(path)) if p.is_file()]
    coords = {name: (tuple(c["dims"]), c["values"]) for name, c in about["coordinates"].items()}
    made = xr.Dataset(coords=coords, attrs=about["attributes"])
    for name, variable in about["variables"].items():
        values = _column(next(f[name] for f in frames if name in f), variable)
        frame = next(f for f in frames if name in f)
        made[name] = _shaped(values, frame, variable, made)
    return made


def _frame(cohort: xr.Dataset) -> pd.DataFrame:
    """One row for each place in the dimensions that any of the variables has."""
    first = ("replicate", "subject", "occasion")
    dims = [d for d in first if d in cohort.dims] + sorted(str(d) for d in cohort.dims if d not in first)
    names = {str(n): v.attrs.get("levels") for n, v in cohort.data_vars.items()}
    frame = cohort.drop_vars([c for c in cohort.coords if c not in dims]).to_dataframe(dim_order=dims).reset_index()
    for name, levels in names.items():
        if levels is not None:
            frame[name] = np.asarray([str(v) for v in levels])[frame[name].to_numpy(dtype=np.intp)]
    return frame


def _about(cohort: xr.Dataset) -> dict[str, Any]:
    return {
        "attributes": _plain(cohort.attrs),
        "coordinates": {
            str(n): {"dims": list(map(str, c.dims)), "values": c.values.tolist()} for n, c in cohort.coords.items()
        },
        "variables": {
            str(n): {"dims": list(map(str, v.dims)), "dtype": str(v.dtype), "attributes": _plain(v.attrs)}
            for n, v in cohort.data_vars.items()
        },
    }


def _plain(attributes: dict[Any, Any]) -> dict[str, Any]:
    return {str(k): v.tolist() if isinstance(v, np.ndarray | np.generic) else v for k, v in attributes.items()}


def _column(column: "pd.Series[Any]", variable: dict[str, Any]) -> Any:
    levels = variable["attributes"].get("levels")
    if levels is None:
        return column.to_numpy()
    place = {str(level): code for code, level in enumerate(levels)}
    return np.array([place[str(v)] for v in column], dtype=variable["dtype"])


def _shaped(values: Any, frame: pd.DataFrame, variable: dict[str, Any], made: xr.Dataset) -> xr.DataArray:
    """Values of one variable out of the rows of its table, which are ordered by their dimensions."""
    dims = [str(d) for d in frame.columns if d in made.coords and d in made.dims]
    whole = xr.DataArray(values.reshape([made.sizes[d] for d in dims]), dims=dims)
    for dim in dims:
        if dim not in variable["dims"]:
            whole = whole.isel({dim: 0}, drop=True)
    kept = whole.transpose(*variable["dims"]).astype(variable["dtype"])
    return kept.assign_attrs(variable["attributes"])


_KINDS = {
    ".zarr": _Kind(_write_zarr, _read_zarr),
    ".nc": _Kind(_write_netcdf, _read_netcdf),
    ".parquet": _Kind(
        lambda cohort, path: _write_table(cohort, path, lambda f, p: f.to_parquet(p, index=False)),
        lambda path: _read_table(path, pd.read_parquet),
    ),
    ".csv": _Kind(
        lambda cohort, path: _write_table(cohort, path, lambda f, p: f.to_csv(p, index=False)),
        lambda path: _read_table(path, lambda p: pd.read_csv(p, keep_default_na=False)),
    ),
}
