"""Courses in the form the kernels want: time first, a cache-sized chunk of courses beside each other."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError

CHUNK = 4096
"""Courses in a chunk: a dozen samples of them, and the temporaries, stay in a core's cache."""

type Floats = NDArray[np.float64]
type Kernel = Callable[[Floats, Floats], Floats]
"""Times (time, course or 1) and values (time, course) to one number a course."""


def each(kernel: Kernel, values: Floats, times: Floats) -> Floats:
    """Give what a kernel makes of every course (...), from values (..., time) and times (time,) or (..., time).

    Raises
    ------
    DataError
        When times do not fit the values or do not increase.
    """
    values = np.asarray(values, float)
    found = [kernel(clock, part) for _, clock, part in chunks(values, times)]
    return np.concatenate(found).reshape(values.shape[:-1]) if found else np.empty(values.shape[:-1])


def chunks(values: Floats, times: Floats) -> Iterator[tuple[slice, Floats, Floats]]:
    """Some courses after the others: which, their times (time, course or 1) and values (time, course)."""
    values, times = np.asarray(values, float), np.asarray(times, float)
    samples = values.shape[-1]
    if times.shape != (samples,) and times.shape != values.shape:
        raise DataError(f"times: got shape {times.shape}, wanted ({samples},) or that of the values, {values.shape}")
    if not samples or not np.all(np.diff(times, axis=-1) > 0):
        raise DataError("times: got times that do not increase, or none; increasing times are wanted")
    rows = values.reshape(-1, samples)
    clocks = np.broadcast_to(times, (1, samples)) if times.ndim == 1 else times.reshape(-1, samples)
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        clock = clocks.T if times.ndim == 1 else np.ascontiguousarray(clocks[part].T)
        yield part, clock, np.ascontiguousarray(rows[part].T)


def quantified(values: Floats, lloq: float) -> Floats:
    """Concentrations (time, course) after the rule for what is below the limit of quantification.

    Before the first quantifiable concentration it is 0, afterwards it is missing (NaN). Zero and negative values, as an
    additive assay error gives, are below any limit. Missing values stay missing.
    """
    known = (values >= lloq) & (values > 0)
    started = np.logical_or.accumulate(known, axis=0)
    below = np.where(started, np.nan, 0.0)
    return np.where(known | np.isnan(values), values, below)
