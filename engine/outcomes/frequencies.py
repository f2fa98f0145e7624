"""Counts of events in intervals, from a cumulative mean: seizures, exacerbations, infections."""

from typing import TYPE_CHECKING

import numpy as np

from engine.errors import DataError
from engine.outcomes.addresses import BLOCK, COUNTS, blocks
from engine.outcomes.fields import number

if TYPE_CHECKING:
    import xarray as xr


def event_counts(
    trajectories: "xr.Dataset", *, seed: int, replicate: int = 0, output: str = "cumulative_mean",
    dispersion: float | None = None,
) -> "xr.DataArray":  # fmt: skip
    """Counts of each subject between one sampling time and the next.

    Parameters
    ----------
    trajectories
        As :func:`engine.simulate` gives them, with an output (subject, time) that is the mean number so far.
    seed, replicate
        Address of the random numbers.
    output
        Name of that output.
    dispersion
        None for a Poisson process. Else each subject's rate is multiplied by a gamma number of mean 1 and this
        variance, which holds for all its intervals: counts are negative binomial with variance m + dispersion m^2.

    Returns
    -------
    DataArray (subject, interval) with coordinates ``start`` and ``end``; NaN where the simulation failed.
    """
    import xarray as xr

    if output not in trajectories:
        raise DataError(f"output: {output!r} is no output; there are {', '.join(map(str, trajectories))}")
    if dispersion is not None:
        number(above=0)("dispersion", dispersion)
    mean = trajectories[output].transpose("subject", "time")
    if "time" not in mean.coords:
        raise DataError("trajectories: every subject has sampling times of its own; counts want the same for all")
    steps = np.diff(mean.to_numpy(), axis=1)
    if np.any(steps < -1e-9):
        raise DataError(f"{output}: it decreases somewhere; a cumulative mean cannot")
    counts = _counts(np.maximum(steps, 0.0), dispersion, seed, (COUNTS, replicate))
    time = mean["time"].to_numpy()
    coords = {"start": ("interval", time[:-1]), "end": ("interval", time[1:])}
    subject = {"subject": mean["subject"]} if "subject" in mean.coords else {}
    return xr.DataArray(counts, {**coords, **subject}, ("subject", "interval"), attrs={"units": "1"})


def _counts(steps: np.ndarray, dispersion: float | None, seed: int, stream: tuple[int, ...]) -> np.ndarray:
    counts = np.empty(steps.shape)
    for number_, part, length in blocks(len(steps)):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*stream, number_)))
        frailty = 1.0 if dispersion is None else rng.gamma(1 / dispersion, dispersion, (BLOCK, 1))
        # A uniform number each, turned into a count: how many numbers a count takes must not depend on its mean.
        uniform = rng.random((BLOCK, steps.shape[1]))[:length]
        counts[part] = _poisson(steps[part] * np.broadcast_to(frailty, (BLOCK, 1))[:length], uniform)
    return counts


def _poisson(mean: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Poisson quantiles; NaN where the mean is."""
    from scipy.stats import poisson

    found: np.ndarray = poisson.ppf(uniform, np.where(np.isnan(mean), 0.0, mean))
    return np.where(np.isnan(mean), np.nan, np.maximum(found, 0.0))
