"""Inference on the monitored effect that allows for the looks before, beside the naive one of the analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from trials.boundaries.estimating import FARTHEST, Observed, stagewise
from trials.monitoring.plan import sides
from trials.monitoring.stopping import Stop, statistic
from trials.operating import ADJUSTED

if TYPE_CHECKING:
    from trials.analyses.base import Analysis
    from trials.monitoring.looks import Looks

type Array = np.ndarray


def adjusted(plan: Looks, analysis: Analysis, found: xr.Dataset, stop: Stop) -> dict[str, Array]:
    """Return what the monitored analysis would say if it knew that the trial could have stopped before.

    By the stage-wise ordering (`trials.boundaries.final_analysis`): ``estimate_adjusted`` is median-unbiased,
    ``lower_adjusted`` to ``upper_adjusted`` is the interval with the level of the analysis, ``p_adjusted`` the p-value.
    Drifts become effects through the analysis' own standard error at the stop, whose square is taken for one over the
    information; at a first look the estimate is the naive one. Empty for an analysis without p-values.

    Parameters
    ----------
    plan
        The looks.
    analysis
        The monitored one.
    found
        What all looks found, (replicate, look, analysis), with ``information``.
    stop
        Where the trials stopped.

    Returns
    -------
    Arrays (replicate,) by name; NaN where the analysis failed or has no estimate.
    """
    if not analysis.has_p:
        return {}
    alternative = sides(analysis)
    rows = np.arange(len(stop.look))
    estimate, se = (found[name].sel(analysis=plan.monitored).values[rows, stop.look] for name in ("estimate", "se"))
    z = np.clip(statistic(found, plan.monitored, alternative)[rows, stop.look], -FARTHEST, FARTHEST)
    direction = -1.0 if alternative == "less" else 1.0
    if alternative == "two-sided":
        z = z * np.where(estimate < float(getattr(analysis, "margin", 0.0)), -1.0, 1.0)
    bounds, row = _distinct(plan.bounds(found["information"].values[..., 0]))
    rate = bounds.information[row, stop.look]
    there = np.flatnonzero(np.isfinite(z) & np.isfinite(rate))
    made = {name: np.full(len(rows), np.nan) for name in ADJUSTED}
    inference = stagewise(bounds, row[there], stop.look[there], z[there], level=analysis.level)
    root = np.sqrt(rate[there])
    middle, *limits = (
        estimate[there] + direction * (drift * root - z[there]) * se[there]
        for drift in (inference.estimate, inference.lower, inference.upper)
    )
    made["estimate_adjusted"][there] = middle
    made["lower_adjusted"][there], made["upper_adjusted"][there] = limits[:: int(direction)]
    made["p_adjusted"][there] = inference.p
    return made


def _distinct(bounds: Observed) -> tuple[Observed, Array]:
    """Return distinct boundaries, and which of them each trial had."""
    table = np.nan_to_num(np.concatenate(bounds[:3], axis=1), nan=-2e300, posinf=1e300, neginf=-1e300)
    _, first, row = np.unique(table, axis=0, return_index=True, return_inverse=True)
    return bounds.of(first), row.reshape(-1)
