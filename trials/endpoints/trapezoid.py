"""Area under the concentration curve by trapezoids, many profiles at once."""

from typing import NamedTuple

import numpy as np

METHODS = ("linear", "linear-up log-down")
"""Linear everywhere; or linear where the concentration rises and logarithmic where it falls."""


class Area(NamedTuple):
    """Area to the last quantifiable concentration, that concentration and its time, each (profile,)."""

    value: np.ndarray
    last: np.ndarray
    time: np.ndarray


def area(times: np.ndarray, values: np.ndarray, method: str) -> Area:
    """Return the area under each profile from time 0.

    Parameters
    ----------
    times
        (time, profile or 1), from 0 on.
    values
        Quantified concentrations (time, profile); a missing one is stepped over. Without one at time 0 it is 0 there,
        as after an extravascular dose.
    method
        One of `METHODS`. A logarithmic step from a to b has the area (a - b) dt / ln(a/b).

    Notes
    -----
    A profile with no quantifiable concentration has area 0, one with no value at all NaN.
    """
    shape = values.shape[1:]
    total, concentration, clock = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for time, value in zip(times, values, strict=True):
        known = ~np.isnan(value)
        step = (time - clock) * _height(concentration, np.where(known, value, concentration), method)
        total += np.where(known, step, 0.0)
        concentration = np.where(known, value, concentration)
        clock = np.where(known, time, clock)
    absent = np.isnan(values).all(axis=0)
    return Area(np.where(absent, np.nan, total), concentration, clock)


def _height(before: np.ndarray, after: np.ndarray, method: str) -> np.ndarray:
    """Return the mean concentration between two samples: arithmetic, or logarithmic where it falls to above zero."""
    mean: np.ndarray = (before + after) / 2
    if method == "linear":
        return mean
    falls = (after < before) & (after > 0)
    drop = np.where(falls, before - after, 1.0)
    # log1p keeps all digits of ln(before/after) when the two are nearly equal
    return np.where(falls, drop / np.log1p(drop / np.where(falls, after, 1.0)), mean)
