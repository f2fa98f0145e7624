"""Profiles in the form the kernels want: time first, a cache-sized chunk of profiles beside each other."""

from collections.abc import Callable

import numpy as np

from trials.errors import TrialError

CHUNK = 4096
"""Profiles in a chunk: a dozen samples of them, and the temporaries, stay in a core's cache."""

type Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Times (time, profile or 1) and values (time, profile) to one number a profile."""


def each(kernel: Kernel, values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return what a kernel makes of every profile (...), from values (..., time) and times (time,) or (..., time).

    Raises
    ------
    TrialError
        When times do not fit the values, are negative or do not increase.
    """
    values, times = np.asarray(values, float), np.asarray(times, float)
    samples = values.shape[-1]
    if times.shape != (samples,) and times.shape != values.shape:
        raise TrialError(f"times: got shape {times.shape}, wanted ({samples},) or that of the values, {values.shape}")
    if not (times[..., 0] >= 0).all() or not (np.diff(times, axis=-1) > 0).all():
        raise TrialError(
            "times: got times that are negative or do not increase, wanted time since the start of the period"
        )
    rows = values.reshape(-1, samples)
    clocks = np.broadcast_to(times, (1, samples)) if times.ndim == 1 else times.reshape(-1, samples)
    out = np.empty(len(rows))
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        clock = clocks.T if times.ndim == 1 else np.ascontiguousarray(clocks[part].T)
        out[part] = kernel(clock, np.ascontiguousarray(rows[part].T))
    return out.reshape(values.shape[:-1])


def quantified(values: np.ndarray, lloq: float) -> np.ndarray:
    """Return concentrations (time, profile) after the rule for what is below the limit of quantification.

    Before the first quantifiable concentration it is 0, afterwards it is missing (NaN). Zero and negative values, as an
    additive assay error gives, are below any limit. Missing values stay missing.
    """
    known = (values >= lloq) & (values > 0)
    started = np.logical_or.accumulate(known, axis=0)
    below = np.where(started, np.nan, 0.0)
    return np.where(known | np.isnan(values), values, below)
