"""What a fitted population predicts, beside what was seen."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from cohorts.errors import PopulationError
from cohorts.judgement.seen import nature
from cohorts.specification.quantities import Array


def predictive_check(
    posterior: xr.DataTree,
    *,
    quantiles: Sequence[float] = (0.05, 0.5, 0.95),
    level: float = 0.9,
    bins: int | None = None,
) -> xr.Dataset:
    """Visual predictive check: percentiles of the data over what the population predicts for new people.

    The predictions are those `calibrate` stored: as many new people with the covariates, doses and sampling times of
    the data, each replicate with its own draw of the population. Holford 2005 (PAGE 14, abstract 738); Bergstrand et
    al. 2011, doi:10.1208/s12248-011-9255-z.

    Parameters
    ----------
    posterior
        Result of `calibrate`.
    quantiles
        Percentiles to compare, as shares.
    level
        Probability within each band.
    bins
        Number of bins of time, equally full; by default the samples a person gave, on average.

    Returns
    -------
    xr.Dataset
        Dims (bin, quantile): ``observed``, ``lower``, ``median``, ``upper``; ``time`` (mean) and ``count`` by bin.
        ``attrs["inside"]`` is the share of observed percentiles within their bands.
    """
    for name in ("predictive_check", "observed_data"):
        if name not in posterior.children:
            raise PopulationError(f"posterior: got groups {sorted(posterior.children)}, wanted one named {name}")
    output = str(posterior.attrs["output"])
    simulated, observed = (posterior[g].to_dataset()[output].to_numpy() for g in ("predictive_check", "observed_data"))
    constant = posterior["constant_data"].to_dataset()
    time, people = constant["time"].to_numpy(), len(np.unique(constant["position"]))
    label = _bins(time, bins or max(1, round(len(time) / people)))
    made = _bands(time, label, observed, simulated, np.asarray(quantiles, dtype=np.float64), level)
    inside = (made["observed"] >= made["lower"]) & (made["observed"] <= made["upper"])
    made.attrs = {"output": output, "level": level, "inside": float(inside.mean()), **nature(posterior)}
    return made


def _bins(time: Array, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    edges = np.unique(np.quantile(time, np.linspace(0.0, 1.0, count + 1)[1:-1], method="higher"))
    return np.searchsorted(edges, time, side="right")


def _bands(time: Array, label: Any, observed: Array, simulated: Array, q: Array, level: float) -> xr.Dataset:
    rows = [np.flatnonzero(label == b) for b in np.unique(label)]
    predicted = np.stack([np.quantile(simulated[:, r], q, axis=1) for r in rows])
    tail = (1.0 - level) / 2.0
    low, mid, high = np.quantile(predicted, [tail, 0.5, 1.0 - tail], axis=2)
    seen = np.stack([np.quantile(observed[r], q) for r in rows])
    dims = ("bin", "quantile")
    return xr.Dataset(
        {"observed": (dims, seen), "lower": (dims, low), "median": (dims, mid), "upper": (dims, high)},
        {
            "quantile": q,
            "time": ("bin", np.array([time[r].mean() for r in rows])),
            "count": ("bin", np.array([len(r) for r in rows])),
        },
    )
