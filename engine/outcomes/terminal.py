"""Terminal slope of a concentration profile by the best adjusted R-squared, many courses at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]

POINTS = 3
"""Fewest points of a regression."""
SLACK = 1e-4
"""Adjusted R-squared this close to the best counts as equal; the regression with more points is taken."""


class Slope(NamedTuple):
    """What the regression of the terminal phase gives, each (course,)."""

    rate: Floats
    """Terminal rate constant."""
    last: Floats
    """Fitted logarithm of the last concentration."""
    adjusted: Floats
    """Adjusted R-squared."""
    points: Floats
    first_time: Floats
    last_time: Floats


def terminal_slope(times: Floats, values: Floats, *, peak: bool = False) -> Slope:
    """Terminal rate of each course.

    Logarithms of the last three, four, ... quantifiable concentrations after the maximum are regressed on time. Of the
    regressions that fall, the one with the best adjusted R-squared is taken, or one with more points within 1e-4 of it:
    the convention of the field's reference software.

    Parameters
    ----------
    times
        (time, course or 1).
    values
        Quantified concentrations (time, course), NaN where missing.
    peak
        Whether the maximum itself may be used: after an intravenous bolus.

    Returns
    -------
    Slope; NaN where no regression falls.
    """
    clock = np.broadcast_to(times, values.shape)
    used = (values > 0) & (np.arange(len(values))[:, None] + peak > _peak(values))
    fits = _regressions(clock, np.log(np.where(used, values, 1.0)), used)
    score = np.where((fits.points >= POINTS) & (fits.rate > 0) & used, fits.score, -np.inf)
    best = score.max(axis=0)
    start = (score >= best - SLACK).argmax(axis=0)[None]
    end = np.where(used, clock, -np.inf).max(axis=0)[None]
    columns = (*fits, clock, np.broadcast_to(end, clock.shape))
    found = [np.where(np.isfinite(best), np.take_along_axis(column, start, axis=0)[0], np.nan) for column in columns]
    return Slope(*found)


def _peak(values: Floats) -> NDArray[np.int64]:
    """Index of the first maximum of each course."""
    return np.argmax(np.where(np.isnan(values), -np.inf, values), axis=0)


class _Fits(NamedTuple):
    """Regressions from each sample to the last one, each (time, course)."""

    rate: Floats
    last: Floats
    score: Floats
    points: Floats


def _regressions(times: Floats, logs: Floats, used: NDArray[np.bool_]) -> _Fits:
    """Regress logarithms on time over the used samples from each one on, by sums accumulated from the end."""
    end = np.where(used, times, -np.inf).max(axis=0)
    end = np.where(np.isfinite(end), end, 0.0)
    anchor = np.take_along_axis(logs, (used * np.arange(1, len(logs) + 1)[:, None]).argmax(axis=0)[None], axis=0)
    x, y = np.where(used, times - end, 0.0), np.where(used, logs - anchor, 0.0)
    n, sx, sy, sxx, sxy, syy = (
        np.cumsum(column[::-1], axis=0)[::-1] for column in (used.astype(float), x, y, x * x, x * y, y * y)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        vx, vy, vxy = sxx - sx * sx / n, syy - sy * sy / n, sxy - sx * sy / n
        slope = vxy / vx
        score = 1 - (1 - vxy * vxy / (vx * vy)) * (n - 1) / (n - 2)
        last = anchor + sy / n - slope * sx / n
    return _Fits(-slope, last, np.where(np.isfinite(score), score, -np.inf), n)
