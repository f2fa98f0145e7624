"""Where each trial stops: the monitored statistic of every look against a boundary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import special

type Array = np.ndarray

OF_LOOKS = ("day", "decided", "enrolled", "information", "due", "analysed")
"""Variables of a look that are no outcome of an analysis."""


@dataclass(frozen=True, slots=True, eq=False)
class Stop:
    """At which look (from 0) each trial stops, and why; each (replicate,)."""

    look: Array
    efficacy: Array
    futility: Array


def statistic(found: xr.Dataset, monitored: str, alternative: str) -> Array:
    """Return the monitored statistic (replicate, look) on the scale of the standard normal distribution.

    It is the normal quantile of the one-sided p value, so that a t statistic is compared at its own level; of a
    two-sided analysis that of half the p value, which is positive in both directions; of a Bayesian one, which has no p
    value, that of the posterior probability. NaN where the analysis failed or the look was never due.
    """
    p = found["p"].sel(analysis=monitored).values
    sides = 2.0 if alternative == "two-sided" else 1.0
    if np.isfinite(p).any():
        return np.asarray(-special.ndtri(p / sides))
    return np.asarray(special.ndtri(found["probability"].sel(analysis=monitored).values))


def stopped(statistics: Array, due: Array, efficacy: Array, futility: Array) -> Stop:
    """Return where each trial stops.

    Parameters
    ----------
    statistics
        Monitored statistic (replicate, look); NaN decides nothing.
    due
        Which looks were held (replicate, look); the last always is.
    efficacy, futility
        Critical values (look,) or (replicate, look): a trial succeeds at or above the one and is given up at or below
        the other; infinite where it cannot.
    """
    with np.errstate(invalid="ignore"):
        wins = due & (statistics >= efficacy) & ~np.isnan(statistics)
        loses = due & (statistics <= futility) & ~wins
    loses[:, -1] = False
    ends = wins | loses
    ends[:, -1] = True
    look = ends.argmax(axis=1)
    rows = np.arange(len(look))
    return Stop(look, wins[rows, look], loses[rows, look])


def outcomes(found: xr.Dataset, stop: Stop, monitored: str, own: Mapping[str, Array]) -> dict[str, Array]:
    """Return the outcomes (replicate, analysis) of the look at which each trial stops, by name.

    Besides those of the analyses: ``look`` (from 1), ``efficacy``, ``futility``, ``stop_<k>`` (whether it stopped at
    look k), ``duration`` (to the decision), ``information``, ``analysed``; ``n`` is the number randomised by the
    decision. The decision of the monitored analysis is that of the boundary, and ``own`` (replicate,) is of it alone.
    """
    rows = np.arange(len(stop.look))
    # Variables, which have no coordinates to be turned with them.
    made = {str(name): one.variable.transpose("replicate", "look", "analysis").values[rows, stop.look]
            for name, one in found.data_vars.items()}  # fmt: skip
    shape = made["estimate"].shape

    def wide(values: Array) -> Array:
        return np.broadcast_to(values[:, None], shape).copy()

    at = found["analysis"].values.tolist().index(monitored)
    made["decision"][:, at] = stop.efficacy
    made["n"] = made["enrolled"].astype(made["n"].dtype)
    made["duration"] = made["decided"]
    made |= {
        "look": wide(stop.look + 1.0),
        "efficacy": wide(stop.efficacy * 1.0),
        "futility": wide(stop.futility * 1.0),
    }
    for name, values in own.items():
        made[name] = np.full(shape, np.nan)
        made[name][:, at] = values
    made |= {f"stop_{k + 1}": wide((stop.look == k) * 1.0) for k in range(found.sizes["look"])}
    return {name: values for name, values in made.items() if name not in ("day", "decided", "enrolled", "due")}
