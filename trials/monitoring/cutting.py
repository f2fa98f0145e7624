"""The trial's data as they are known on a day of the calendar."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import xarray as xr

from trials.analyses.survival.cutting import cut_at

type Array = np.ndarray

COMPANIONS = ("_event", "_exposure", "_below")
"""Ends of the names of variables that stand beside an endpoint and are known with it."""


class Day(NamedTuple):
    """A day of each replicate, and how long everybody had been in the trial by then."""

    day: Array
    """Calendar time (replicate,)."""
    enrolled: Array
    """Calendar time of randomisation (replicate, subject)."""
    complete: float
    """Time since randomisation after which everything about a subject is known."""

    @property
    def there(self) -> Array:
        """Who is randomised by that day, bool (replicate, subject)."""
        found: Array = self.enrolled <= self.day[:, None]
        return found

    def after(self, time: float | Array) -> Array:
        """Whether a time since randomisation, one number or (replicate, subject), has come: bool likewise."""
        found: Array = self.enrolled + time <= self.day[:, None]
        return found


def known(data: xr.Dataset, endpoints: Collection[str], day: Array, complete: float) -> xr.Dataset:
    """Cut the data of a parallel trial to what is known on a day.

    Parameters
    ----------
    data
        Dataset (replicate, subject[, visit_<endpoint>]) with ``enrolled`` and ``arm``.
    endpoints
        Names of the endpoints.
    day
        Calendar time (replicate,).
    complete
        Time since randomisation at which an endpoint that does not say when it is known (``attrs["at"]``) is.

    Returns
    -------
    The same variables. Of who is randomised later nothing is known: arm and other whole numbers are -1, the rest NaN.
    A visit is known when it was planned, a time to event up to the day, a count when its time at risk is over.
    """
    now = Day(np.asarray(day, float), data["enrolled"].values, complete)
    made: dict[str, tuple[tuple[str, ...], Array, dict[str, object]]] = {}
    for name, variable in data.data_vars.items():
        owner = _owner(str(name), endpoints)
        values = _entry(str(name), variable, now) if owner is None else _endpoint(str(name), owner, data, now)
        made[str(name)] = (tuple(map(str, variable.dims)), values, variable.attrs)
    return xr.Dataset(made, coords=data.coords, attrs=data.attrs)


def _owner(name: str, endpoints: Collection[str]) -> str | None:
    """The endpoint that a variable belongs to."""
    stems = [name, *(name.removesuffix(end) for end in COMPANIONS if name.endswith(end))]
    return next((stem for stem in stems if stem in endpoints), None)


def _entry(name: str, variable: xr.DataArray, now: Day) -> Array:
    """A variable that is known from randomisation on, or the time of something that has happened or not."""
    values, there = variable.values, now.there
    if variable.dims[:2] != ("replicate", "subject"):
        return np.asarray(values)
    if name == "discontinued" or name.startswith("ice_"):
        values = np.where(now.after(values), values, np.inf)
    if name == "arm" or "names" in variable.attrs:
        return np.where(there, values, -1)
    return np.where(there, values, np.nan)


def _endpoint(name: str, owner: str, data: xr.Dataset, now: Day) -> Array:
    """An endpoint, or what stands beside it."""
    values = data[name].values
    if f"{owner}_event" in data:
        time, event = cut_at(now.enrolled, data[owner].values, data[f"{owner}_event"].values, now.day)
        return np.asarray(time if name == owner else event)
    seen = _seen(owner, data, now)
    if values.dtype == bool:
        return np.asarray(values & seen)
    return np.where(seen, values, np.nan)


def _seen(owner: str, data: xr.Dataset, now: Day) -> Array:
    """Whether an endpoint is known, bool (replicate, subject[, visit])."""
    visits = f"visit_{owner}"
    if visits in data[owner].dims:
        planned = data[visits].values
        found: Array = now.enrolled[..., None] + planned <= now.day[:, None, None]
        return found
    if f"{owner}_exposure" in data:
        return now.after(data[f"{owner}_exposure"].values)
    return now.after(float(data[owner].attrs.get("at", now.complete)))


def kept(data: xr.Dataset, who: Array) -> xr.Dataset:
    """Leave out of the data of a parallel trial who is not kept, bool (replicate, subject), as if never randomised."""
    made = {}
    for name, variable in data.data_vars.items():
        if variable.dims[:2] != ("replicate", "subject"):
            made[name] = variable
            continue
        where = who.reshape(who.shape + (1,) * (variable.ndim - 2))
        if variable.dtype == bool:
            made[name] = variable.copy(data=variable.values & where)
        else:
            none = -1 if name == "arm" or "names" in variable.attrs else np.nan
            made[name] = variable.copy(data=np.where(where, variable.values, none))
    return xr.Dataset(made, coords=data.coords, attrs=data.attrs)
