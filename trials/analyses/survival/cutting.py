"""Calendar time: when the d-th event happens, and what of the times to event is known on a given day.

All times are in one unit. ``enrolled`` is calendar time of randomisation; ``time`` is time since randomisation to event
or censoring; both (replicate, subject), NaN for a subject who is not there.
"""

import numpy as np


def time_of_event(enrolled: np.ndarray, time: np.ndarray, event: np.ndarray, count: int | np.ndarray) -> np.ndarray:
    """Return the calendar time (replicate,) at which the ``count``-th event of each replicate happens.

    ``count`` is one number or (replicate,), at least 1. A replicate with fewer events gets infinity.
    """
    calendar = np.where(event, enrolled + time, np.inf)
    wanted = np.broadcast_to(np.asarray(count, int), calendar.shape[:1]) - 1
    if (wanted < 0).any():
        raise ValueError(f"the count of events is at least 1, got {wanted.min() + 1}")
    enough = wanted < calendar.shape[1]
    places = np.where(enough, wanted, 0)
    ordered = np.partition(calendar, np.unique(places), axis=1)
    return np.where(enough, ordered[np.arange(len(ordered)), places], np.inf)


def cut_at(
    enrolled: np.ndarray, time: np.ndarray, event: np.ndarray, calendar: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return time and event (replicate, subject) as they are known at a calendar time, a number or (replicate,).

    An event at just that time is known. Who is enrolled later has a time of NaN and no event.
    """
    day = np.asarray(calendar, float)
    day = day[:, None] if day.ndim else day
    with np.errstate(invalid="ignore"):
        followed = day - enrolled
        known = enrolled + time <= day
        there = followed >= 0
    return np.where(known, time, np.where(there & np.isfinite(time), followed, np.nan)), event & known
