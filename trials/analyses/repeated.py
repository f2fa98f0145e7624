"""Repeated endpoints as arrays: the visits of trial data, and which of them is compared."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from trials.checks import refuse


class Visits(NamedTuple):
    """Values (replicate, subject, visit), NaN where missing; planned times (visit,); arm index (replicate, subject)."""

    values: np.ndarray
    times: np.ndarray
    arm: np.ndarray


def dim(endpoint: str) -> str:
    """Return the name of the dim, and coordinate, of a repeated endpoint's visits."""
    return f"visit_{endpoint}"


def visits(data: xr.Dataset, endpoint: str) -> Visits:
    """Return a repeated endpoint of trial data.

    Raises
    ------
    TrialError
        When a variable is absent or has other dims than (replicate, subject, visit_<endpoint>), or the visits no times.
    """
    dims = ("replicate", "subject", dim(endpoint))
    have = ", ".join(map(str, data.variables))
    if endpoint not in data.variables or "arm" not in data.variables:
        raise refuse("analysis.endpoint", endpoint, f"a repeated endpoint beside 'arm'; the data have {have}")
    if set(data[endpoint].dims) != set(dims) or dims[2] not in data.coords:
        wanted = f"a repeated endpoint with dims {dims} and planned times as coordinate {dims[2]!r}"
        raise refuse("analysis.endpoint", (endpoint, *data[endpoint].dims), wanted)
    if set(data["arm"].dims) != set(dims[:2]):
        raise refuse("analysis.endpoint", ("arm", *data["arm"].dims), f"'arm' with dims {dims[:2]}: a parallel design")
    values = data[endpoint].transpose(*dims).values.astype(float)
    return Visits(values, data[dims[2]].values.astype(float), data["arm"].transpose(*dims[:2]).values)


def place(times: np.ndarray, visit: float | None) -> int:
    """Return the index of a visit by its planned time; the last for None.

    Raises
    ------
    TrialError
        When no visit is planned then.
    """
    if visit is None:
        return len(times) - 1
    at = np.flatnonzero(np.isclose(times, visit, rtol=1e-9, atol=1e-12))
    if at.size != 1:
        raise refuse("analysis.visit", visit, f"one of the planned visits {', '.join(f'{time:g}' for time in times)}")
    return int(at[0])


def at_visit(values: Mapping[str, np.ndarray], endpoint: str, visit: float | None) -> dict[str, np.ndarray]:
    """Return the true values of each arm at a visit.

    A DataArray with the endpoint's dim of visits gives those at the visit; anything else is at the visit already.
    """
    found = {}
    for arm, each in values.items():
        if isinstance(each, xr.DataArray) and dim(endpoint) in each.dims:
            found[arm] = each.isel({dim(endpoint): place(each[dim(endpoint)].values, visit)}).values
        else:
            found[arm] = np.asarray(each, float)
    return found
