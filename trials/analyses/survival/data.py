"""Times to event as data: how they lie in trial data, and how virtual patients bring them to a true effect."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from trials.checks import refuse

EVENTS = np.dtype([("time", float), ("event", bool)])
"""One time to event a subject: time since randomisation, and whether the event happened then (or the subject was
censored)."""


class Survival(NamedTuple):
    """Time since randomisation to event or censoring, whether it is an event, and arm index: (replicate, subject).

    A subject with a time of NaN was never at risk and has no event.
    """

    time: np.ndarray
    event: np.ndarray
    arm: np.ndarray


def survival(data: xr.Dataset, endpoint: str) -> Survival:
    """Return a time-to-event endpoint of trial data: the variables ``<endpoint>``, ``<endpoint>_event`` and ``arm``.

    Raises
    ------
    TrialError
        When a variable is absent or has other dims than (replicate, subject), or a time is negative.
    """
    dims = ("replicate", "subject")
    arrays = []
    for name in (endpoint, f"{endpoint}_event", "arm"):
        if name not in data.variables:
            have = ", ".join(str(variable) for variable in data.variables)
            raise refuse("analysis.endpoint", endpoint, f"a time to event, data with {name!r}; the data have {have}")
        variable = data[name]
        if set(variable.dims) != set(dims):
            raise refuse("analysis.endpoint", (name, *variable.dims), f"{name!r} with dims {dims}: a parallel design")
        arrays.append(variable.transpose(*dims).values)
    time, event, arm = arrays
    time = time.astype(float)
    if (time < 0).any():
        raise refuse("analysis.endpoint", endpoint, f"times of at least 0, not {np.nanmin(time):g}")
    return Survival(time, event.astype(bool) & np.isfinite(time), arm)


def events(time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Join times and whether they are events, any shape, into one structured array of that shape (`EVENTS`)."""
    joined = np.empty(np.shape(time), EVENTS)
    joined["time"], joined["event"] = time, event
    return joined


def separate(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return times and whether they are events from a structured array; of plain numbers, each is an event."""
    values = np.asarray(values)
    if values.dtype.names is None:
        return values.astype(float), np.isfinite(values)
    return values["time"], values["event"] & np.isfinite(values["time"])
