"""The day of every look in every simulated trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from trials.analyses.survival.cutting import time_of_event
from trials.checks import refuse

if TYPE_CHECKING:
    from trials.monitoring.looks import Looks

type Array = np.ndarray
type Information = Callable[[Array], Array]
"""Statistical information (replicate,) in the data known on a day (replicate,)."""


def days(looks: Looks, data: xr.Dataset, endpoint: str, complete: float, information: Information) -> Array:
    """Return the day up to which data are known at each look: (replicate, look), infinite for a look never due.

    The last look of a trial that does not reach what it waits for is on the day on which everything is known.

    Parameters
    ----------
    looks
        The plan.
    data
        The whole data of the trial, to its end.
    endpoint
        Endpoint that is counted.
    complete
        Time since randomisation after which everything about a subject is known.
    information
        Asked for ``by: information`` only.
    """
    enrolled = data["enrolled"].values
    end = last_day(data, endpoint, complete)
    wanted = np.asarray(looks.at)
    if looks.by == "calendar":
        found = np.broadcast_to(wanted, (len(enrolled), wanted.size)).copy()
    elif looks.by == "events":
        found = _of_events(data, endpoint, wanted.astype(int))
    elif looks.by == "follow_up":
        found = _of_subjects(data, endpoint, complete, wanted.astype(int))
    else:
        assert looks.maximum is not None, "held by Looks"
        found = _of_information(known_from(data, endpoint, complete), information, wanted * looks.maximum)
    found[:, -1] = np.minimum(found[:, -1], end)
    found[:, :-1] = np.where(found[:, :-1] < found[:, -1:], found[:, :-1], np.inf)
    return found


def last_day(data: xr.Dataset, endpoint: str, complete: float) -> Array:
    """Return the day (replicate,) on which an endpoint is known of everybody."""
    if f"{endpoint}_event" in data:
        ends = data["enrolled"].values + data[endpoint].values
        return np.asarray(np.where(np.isnan(ends), 0.0, ends).max(axis=1))
    return np.asarray(known_from(data, endpoint, complete).max(axis=1))


def known_from(data: xr.Dataset, endpoint: str, complete: float) -> Array:
    """Return the day (replicate, subject) from which an endpoint is known; of a repeated one, its last visit."""
    visits = f"visit_{endpoint}"
    after = data[visits].values[-1] if visits in data[endpoint].dims else data[endpoint].attrs.get("at", complete)
    known: Array = data["enrolled"].values + float(after)
    return known


def _of_events(data: xr.Dataset, endpoint: str, wanted: Array) -> Array:
    if f"{endpoint}_event" not in data:
        raise refuse("design.endpoint", endpoint, "a time to event, for design.by 'events'")
    enrolled, time, event = (data[name].values for name in ("enrolled", endpoint, f"{endpoint}_event"))
    return np.stack([time_of_event(enrolled, time, event, int(count)) for count in wanted], axis=-1)


def _of_subjects(data: xr.Dataset, endpoint: str, complete: float, wanted: Array) -> Array:
    known: Array = np.sort(known_from(data, endpoint, complete), axis=1)[:, wanted - 1]
    return known


def _of_information(known: Array, information: Information, wanted: Array) -> Array:
    """Bisect for the subject with whose endpoint the information is first enough."""
    ordered = np.sort(known, axis=1)
    rows, last = np.arange(len(ordered)), ordered.shape[1] - 1
    found = np.full((len(ordered), wanted.size), np.inf)
    for look, enough in enumerate(wanted):
        low, high = np.full(len(ordered), -1), np.full(len(ordered), last + 1)
        while (high - low > 1).any():
            middle = np.where(high - low > 1, (low + high) // 2, np.minimum(high, last))
            there = information(ordered[rows, middle]) >= enough
            moving = high - low > 1
            high, low = np.where(moving & there, middle, high), np.where(moving & ~there, middle, low)
        found[:, look] = np.where(high <= last, ordered[rows, np.minimum(high, last)], np.inf)
    return found
