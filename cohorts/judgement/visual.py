"""Visual predictive checks: percentiles of the data over what the population predicts for new people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cohorts.errors import PopulationError
from cohorts.judgement.montecarlo import quantile_error
from cohorts.judgement.seen import Seen, group, replicates, seen, strata
from cohorts.specification.quantities import Array

Bins = int | Sequence[float] | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a check compares: percentiles as shares, and the probability within each band."""

    quantiles: tuple[float, ...]
    level: float

    @property
    def edges(self) -> tuple[float, float, float]:
        """Shares of the replicates below the lower limit, the middle and the upper limit of a band."""
        tail = (1.0 - self.level) / 2.0
        return tail, 0.5, 1.0 - tail


def vpc(
    tree: xr.DataTree,
    *,
    quantiles: Sequence[float] = (0.05, 0.5, 0.95),
    level: float = 0.9,
    bins: Bins = None,
    stratify: str | None = None,
    corrected: bool = False,
    bound: float = 0.0,
    lloq: float | None = None,
    group: str = "predictive_check",
    output: str = "",
) -> xr.Dataset:
    """Visual predictive check, as it is or corrected for the prediction.

    Percentiles of the data in bins of time, beside the percentiles of as many new people with the covariates, doses
    and sampling times of the data, each replicate with its own draw of the population. Holford 2005 (PAGE 14, abstract
    738). Corrected, each value y with typical prediction p becomes ``bound + (y - bound) (m - bound) / (p - bound)``,
    where m is the median of p in the bin: Bergstrand et al. 2011, doi:10.1208/s12248-011-9255-z, equation 1.

    Values below the limit of quantification count as lower than all others, in the data and in every replicate: a
    percentile among them is not known (NaN), and the share of such values is compared instead.

    Parameters
    ----------
    tree
        Result of `calibrate`.
    quantiles
        Percentiles to compare, as shares.
    level
        Probability within each band.
    bins
        Number of bins of time, equally full; or their edges; by default as many bins as samples a person gave.
    stratify
        Covariate of constant_data to split by; one of many values is split at its median.
    corrected
        Whether to correct for the prediction. A value whose typical prediction is at the bound cannot be corrected and
        stays as it is; ``attrs["uncorrected"]`` counts them.
    bound
        Lower bound of the measurement, from which corrections are proportional.
    lloq
        Limit of quantification, where the data do not carry one.
    group
        Predictive group to compare with: ``predictive_check``, or ``prior_predictive`` for the prior.
    output
        Which output; may be left out when there is only one.

    Returns
    -------
    xr.Dataset
        Dims stratum, bin, quantile. ``observed``, ``lower``, ``median``, ``upper`` and the Monte Carlo errors
        ``lower_mcse``, ``median_mcse``, ``upper_mcse``; ``time`` (mean), ``left``, ``right`` and ``count`` by bin;
        where there is a limit of quantification ``blq_observed``, ``blq_lower``, ``blq_median``, ``blq_upper``; and
        every point as it is compared (NaN if censored): ``point_time``, ``point``, ``point_stratum`` (observation).
        ``attrs["inside"]`` is the share of known observed percentiles within their bands.

    Raises
    ------
    PopulationError
        If the tree lacks what is needed or an argument is out of range.
    """
    asked = _Asked(_shares(quantiles), _share("level", level))
    data = seen(tree, output, lloq)
    simulated = replicates(tree, group, data)
    which, names = strata(tree, stratify, data)
    predicted = _typical(tree, data) if corrected else None
    parts = [_Stratum(data, simulated, predicted, np.flatnonzero(which == i)) for i in range(len(names))]
    made = [part.compared(asked, bins, bound) for part in parts]
    whole = xr.concat([m for m, _ in made], "stratum", join="outer", coords="minimal", compat="override")
    whole = whole.assign_coords(stratum=list(names))
    points = np.empty(len(data.rows))
    for part, (_, values) in zip(parts, made, strict=True):
        points[part.rows] = np.where(data.censored[part.rows], np.nan, values)
    whole = whole.assign(
        point_time=("observation", data.time), point=("observation", points), point_stratum=("observation", which)
    )
    whole.attrs = _about(data, whole, asked, corrected, predicted, bound) | {"group": group, "stratify": stratify or ""}
    return whole


def _shares(quantiles: Sequence[float]) -> tuple[float, ...]:
    return tuple(_share("quantiles", q) for q in quantiles)


def _share(name: str, value: float) -> float:
    if not 0.0 < value < 1.0:
        raise PopulationError(f"{name}: got {value!r}, wanted a number between 0 and 1")
    return float(value)


def _typical(tree: xr.DataTree, data: Seen) -> Array:
    return np.asarray(group(tree, "individual_fit")["pred"].to_numpy()[data.rows])


def bins_of(time: Array, bins: Bins, people: int) -> tuple[NDArray[np.intp], Array]:
    """Bin of each time, counted from 0, and the edges between which the bins lie (bin + 1)."""
    if bins is None or isinstance(bins, int):
        count = bins or max(1, round(len(time) / people))
        inner = np.unique(np.quantile(time, np.linspace(0.0, 1.0, count + 1)[1:-1], method="higher"))
        edges = np.array([time.min(), *inner[inner > time.min()], time.max()])
    else:
        edges = np.asarray(bins, dtype=np.float64)
        if len(edges) < 2 or (np.diff(edges) <= 0.0).any():
            raise PopulationError(f"bins: got edges {edges.tolist()}, wanted at least two, increasing")
        if edges[0] > time.min() or edges[-1] < time.max():
            raise PopulationError(
                f"bins: edges end at {edges[0]:g} and {edges[-1]:g}; times go from {time.min():g} to {time.max():g}"
            )
    label = np.searchsorted(edges[1:-1], time, side="right")
    return label, edges


@dataclass(frozen=True, slots=True, eq=False)
class _Stratum:
    """One stratum: its rows among the data, which are compared with all replicates of them."""

    data: Seen
    simulated: Array
    predicted: Array | None
    rows: NDArray[np.intp]

    def compared(self, asked: _Asked, bins: Bins, bound: float) -> tuple[xr.Dataset, Array]:
        """Percentiles by bin, and every point as it is compared."""
        data, rows = self.data, self.rows
        label, edges = bins_of(data.time[rows], bins, len(np.unique(data.position[rows])))
        factor = self._factors(label, bound)
        seen_values = bound + (data.dv[rows] - bound) * factor
        again = bound + (self.simulated[:, rows] - bound) * factor
        hidden = self.simulated[:, rows] < data.lloq[rows]
        made = []
        for b in np.unique(label):
            mine = label == b
            numbers = _percentiles(seen_values[None, mine], data.censored[rows][None, mine], asked.quantiles)[0]
            drawn = _percentiles(again[:, mine], hidden[:, mine], asked.quantiles)
            row: dict[str, Any] = {"observed": ("quantile", numbers), **_band(drawn, asked)}
            if np.isfinite(data.lloq[rows]).any():
                row |= _below(data.censored[rows][mine], hidden[:, mine], asked)
            when = data.time[rows][mine]
            row |= {"time": when.mean(), "left": edges[b], "right": edges[b + 1], "count": float(mine.sum())}
            made.append(xr.Dataset(row, {"quantile": list(asked.quantiles)}))
        return xr.concat(made, "bin").assign_coords(bin=np.arange(len(made))), seen_values

    def _factors(self, label: NDArray[np.intp], bound: float) -> Array:
        if self.predicted is None:
            return np.ones(len(self.rows))
        above = self.predicted[self.rows] - bound
        middle = np.array([np.median(above[label == b]) for b in np.arange(label.max() + 1)])[label]
        return np.asarray(np.divide(middle, above, out=np.ones_like(above), where=above != 0.0))


def _percentiles(values: Array, hidden: NDArray[np.bool_], quantiles: tuple[float, ...]) -> Array:
    """Percentiles (replicate, quantile) of values (replicate, row); NaN where they fall among hidden ones."""
    n = values.shape[1]
    ranked = np.sort(np.where(hidden, -np.inf, values), axis=1)
    below = hidden.sum(axis=1)
    made = np.empty((len(values), len(quantiles)))
    for i, q in enumerate(quantiles):
        place = q * (n - 1)
        low = int(np.floor(place))
        high = min(low + 1, n - 1)
        known = below <= low
        made[:, i] = np.nan
        left, right = ranked[known, low], ranked[known, high]
        made[known, i] = left + (place - low) * (right - left)
    return made


def _band(drawn: Array, asked: _Asked) -> dict[str, tuple[str, Array]]:
    """Limits of the band of each percentile; unknown where more replicates have none than lie outside the band."""
    made: dict[str, tuple[str, Array]] = {}
    ordered = np.where(np.isnan(drawn), -np.inf, drawn)
    for name, share in zip(("lower", "median", "upper"), asked.edges, strict=True):
        value = _percentiles(ordered.T, np.isinf(ordered.T), (share,))[:, 0]
        error = np.full(value.shape, np.nan)
        whole = np.isfinite(ordered).all(axis=0)
        error[whole] = quantile_error(ordered[:, whole], share)
        made |= {name: ("quantile", value), f"{name}_mcse": ("quantile", error)}
    return made


def _below(censored: NDArray[np.bool_], hidden: NDArray[np.bool_], asked: _Asked) -> dict[str, float]:
    share = hidden.mean(axis=1)
    limits = dict(zip(("lower", "median", "upper"), np.quantile(share, asked.edges), strict=True))
    return {"blq_observed": float(censored.mean()), **{f"blq_{k}": float(v) for k, v in limits.items()}}


def _about(
    data: Seen, made: xr.Dataset, asked: _Asked, corrected: bool, predicted: Array | None, bound: float
) -> dict[str, str | float | int]:
    known = np.isfinite(made["observed"].values)
    inside = (made["observed"] >= made["lower"]) & (made["observed"] <= made["upper"])
    lost = int((predicted == bound).sum()) if predicted is not None else 0
    return {
        **data.about,
        "level": asked.level,
        "corrected": int(corrected),
        "uncorrected": lost,
        "inside": float(inside.values[known].mean()) if known.any() else float("nan"),
    }
