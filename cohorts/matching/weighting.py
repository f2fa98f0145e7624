"""Weights under which a cohort has the baseline table of a published trial, as even as can be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import linprog, minimize

from cohorts.drawing.streams import Stream, generator
from cohorts.errors import CalibrationError, PopulationError
from cohorts.matching.targets import Target, read_targets
from cohorts.specification.quantities import Array

LEAST = 0.05
"""Smallest effective share of a cohort that is accepted unless another is asked for."""
_BLOCKS = 40
_MET = 1e-6
"""Largest moment left over, in SDs of the moment among the patients."""


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """A cohort and the weights that match it to a table.

    Attributes
    ----------
    cohort
        As it was drawn.
    weights
        DataArray (replicate, subject) or (subject); mean 1.
    table
        Dataset (target): ``wanted``; ``before`` with its Monte Carlo error ``before_se``; ``after``, which the weights
        make equal to what is wanted (a quantile: the value in the cohort next to it).
    """

    cohort: xr.Dataset
    weights: xr.DataArray
    table: xr.Dataset

    @property
    def effective(self) -> float:
        """Effective sample size, (sum w)^2 / sum w^2 (Kish 1965, Survey Sampling)."""
        w = self.weights.to_numpy().ravel()
        return float(w.sum() ** 2 / np.sum(w**2))

    def resample(self, n: int, *, seed: int) -> xr.Dataset:
        """Draw patients by their weights.

        Parameters
        ----------
        n
            How many; by systematic resampling, so that a patient of weight w stands in it w n / size times, give or
            take one.
        seed
            Decides who.

        Returns
        -------
        Dataset (subject) with ``origin_replicate`` and ``origin_subject``, saying who in the cohort each one is.
        """
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise PopulationError(f"n: got {n!r}, wanted a whole number >= 1")
        dims = tuple(str(d) for d in self.weights.dims)
        share = np.cumsum(self.weights.to_numpy().ravel())
        rng = generator(seed, Stream.MATCHING, n)
        rows = np.searchsorted(share / share[-1], (np.arange(n) + rng.random()) / n)
        return _patients(self.cohort, dims, rng.permutation(rows))


def match_baseline(
    cohort: xr.Dataset, targets: Mapping[str, Any] | tuple[Target, ...], *, least: float = LEAST
) -> Matched:
    """Weight a cohort so that it has a published baseline table.

    The weights are those nearest to even ones, in the sense of Kullback and Leibler, that meet every target:
    exponential tilting, as in entropy balancing (Hainmueller 2012, doi:10.1093/pan/mpr025) and matching-adjusted
    indirect comparison (Signorovitch et al. 2010, doi:10.2165/11538370-000000000-00000).

    Parameters
    ----------
    cohort
        Dataset of `draw`; all its patients are one population.
    targets
        Numbers of the table, as `cohorts.matching.targets.read_targets` has them.
    least
        Smallest effective sample size that is accepted, as a share of the cohort.

    Raises
    ------
    PopulationError
        If a target cannot be read, or is about what the cohort does not have.
    CalibrationError
        If no weights meet the targets, naming the one that is out of reach, or too few patients would count.
    """
    read = targets if isinstance(targets, tuple) else read_targets(targets)
    columns = [target.column(cohort) for target in read]
    moments = np.column_stack([t.moment(c) for t, c in zip(read, columns, strict=True)])
    weights = _tilted(moments, read)
    dims = tuple(d for d in ("replicate", "subject") if d in cohort.dims)
    shaped = xr.DataArray(
        weights.reshape([cohort.sizes[d] for d in dims]) * len(weights), dims=dims, name="weight", attrs={"units": "1"}
    )
    made = Matched(cohort, shaped, _table(read, columns, weights))
    if made.effective < least * len(weights):
        raise CalibrationError(
            f"targets: met, but by {made.effective:.0f} of {len(weights)} patients in effect, wanted "
            f"{least * len(weights):.0f}; draw a population that is nearer to the table, or accept a smaller `least`"
        )
    return made


def _tilted(moments: Array, targets: tuple[Target, ...]) -> Array:
    """Weights, summing to 1, whose moments are 0: the dual of entropy balancing is smooth and convex."""
    scale = moments.std(axis=0)
    for target, spread in zip(targets, scale, strict=True):
        if spread == 0.0:
            raise CalibrationError(f"targets: {target.label}: out of reach, all patients are alike in it")
    h = moments / scale

    def dual(multipliers: Array) -> tuple[float, Array]:
        weights, log_total = _exponential(h @ multipliers)
        return log_total, h.T @ weights

    def curvature(multipliers: Array) -> Array:
        weights, _ = _exponential(h @ multipliers)
        mean = h.T @ weights
        return np.asarray((h * weights[:, None]).T @ h - np.outer(mean, mean) + 1e-12 * np.eye(len(mean)))

    start = np.zeros(h.shape[1])
    found = minimize(dual, start, jac=True, hess=curvature, method="trust-exact", options={"gtol": _MET / 100})
    weights, _ = _exponential(h @ found.x)
    if np.abs(h.T @ weights).max() > _MET:
        raise CalibrationError(f"targets: {_unreachable(h, targets)}")
    return weights


def _exponential(x: Array) -> tuple[Array, float]:
    top = x.max()
    weights = np.exp(x - top)
    total = weights.sum()
    return weights / total, float(np.log(total) + top)


def _unreachable(h: Array, targets: tuple[Target, ...]) -> str:
    """Which target no weights can meet, the others before it being met."""
    for count in range(1, len(targets) + 1):
        some = np.vstack([h[:, :count].T, np.ones(len(h))])
        wanted = np.append(np.zeros(count), 1.0)
        if linprog(np.zeros(len(h)), A_eq=some, b_eq=wanted, method="highs").status == 2:
            before = "" if count == 1 else " together with those before it"
            return (
                f"{targets[count - 1].label} = {targets[count - 1].wanted:g}: no weights of these patients give it"
                f"{before}; draw more of them, or a wider population"
            )
    return "met only by giving nearly all weight to a few patients; draw more of them, or a wider population"


def _table(targets: tuple[Target, ...], columns: list[Array], weights: Array) -> xr.Dataset:
    even = np.full(len(weights), 1.0 / len(weights))
    rows = {
        "wanted": [t.wanted for t in targets],
        "before": [t.achieved(c, even) for t, c in zip(targets, columns, strict=True)],
        "before_se": [_error(t, c) for t, c in zip(targets, columns, strict=True)],
        "after": [t.achieved(c, weights) for t, c in zip(targets, columns, strict=True)],
    }
    coords = {"target": [t.label for t in targets], "source": ("target", [t.source for t in targets])}
    return xr.Dataset({name: ("target", values) for name, values in rows.items()}, coords)


def _error(target: Target, column: Array) -> float:
    """Standard error of a statistic of the cohort as drawn, by leaving out a block of patients at a time."""
    left = []
    for block in range(_BLOCKS):
        kept = np.delete(column, np.s_[block::_BLOCKS])
        left.append(target.achieved(kept, np.full(len(kept), 1.0 / len(kept))))
    return float(np.sqrt((_BLOCKS - 1) * np.var(left)))


def _patients(cohort: xr.Dataset, dims: tuple[str, ...], rows: NDArray[np.intp]) -> xr.Dataset:
    stacked = cohort.drop_dims([str(d) for d in cohort.dims if str(d).endswith("_level")])
    flat = stacked.stack(patient=dims).isel(patient=rows)
    origin = {f"origin_{d}": ("subject", flat[d].to_numpy()) for d in dims}
    plain = flat.drop_vars(["patient", *dims]).rename(patient="subject")
    return plain.assign_coords(subject=np.arange(len(rows))).assign_coords(origin)
