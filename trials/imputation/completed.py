"""Completed data sets of one visit under the analysis of covariance, for any shift of what was imputed."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from trials.imputation.posterior import Array, Incomplete
from trials.imputation.rubin import Pooled, pool


class Completed(NamedTuple):
    """Analyses of the completed data sets as functions of a shift of some imputed values.

    The estimate is linear and the residual sum of squares quadratic in the shift, so further shifts cost nothing.

    Attributes
    ----------
    estimate, gain
        Estimate (replicate, imputation) without shift and its change (replicate,) a unit of shift.
    squares
        Residual sum of squares without shift, and the coefficients of shift and squared shift: each (replicate,
        imputation).
    scale
        Variance of the estimate a unit of residual variance (replicate,).
    df
        Residual degrees of freedom (replicate,).
    """

    estimate: Array
    gain: Array
    squares: tuple[Array, Array, Array]
    scale: Array
    df: Array

    def pooled(self, delta: float | Array) -> Pooled:
        """Return what Rubin's rules make of the data sets with a shift, a number or (replicate,)."""
        shift = np.broadcast_to(np.asarray(delta, float), self.gain.shape)[:, None]
        plain, linear, square = self.squares
        left = plain + shift * linear + shift**2 * square
        variance = left / np.maximum(self.df, 1)[:, None] * self.scale[:, None]
        return pool(self.estimate + shift * self.gain[:, None], np.maximum(variance, 0.0), self.df)


def complete(values: Array, data: Incomplete, shifted: Array, good: Array) -> Completed:
    """Analyse completed data sets by least squares: the effect of the last column of the design.

    Parameters
    ----------
    values
        Values at the visit (replicate, subject, imputation).
    data
        Whose columns are the design, and whose subjects are used.
    shifted
        Whose values a shift is added to (replicate, subject).
    good
        Replicates to analyse; the numbers of others mean nothing.
    """
    z = np.where(data.used[..., None] & good[:, None, None], data.z, 0.0)
    turned = np.swapaxes(z, 1, 2)
    gram = turned @ z
    absent = np.diagonal(gram, axis1=1, axis2=2) == 0
    padded = gram + absent[:, None, :] * np.eye(z.shape[2])
    y = np.where(data.used[..., None] & good[:, None, None], values, 0.0)
    both = np.concatenate([y, (shifted & good[:, None])[..., None]], axis=2)
    slopes = np.linalg.solve(padded, turned @ both)
    rest = both - z @ slopes
    moved = rest[..., -1:]
    scale = np.linalg.inv(padded)[:, -1, -1]
    plain = (rest[..., :-1] ** 2).sum(axis=1)
    linear = 2 * (rest[..., :-1] * moved).sum(axis=1)
    square = np.broadcast_to((moved**2).sum(axis=1), plain.shape)
    df = np.where(good, data.used.sum(axis=1) - (~absent).sum(axis=1), 0)
    return Completed(slopes[:, -1, :-1], slopes[:, -1, -1], (plain, linear, square), scale, df.astype(float))


def tipping_point(decided: Callable[[Array], Array], start: Array, step: Array) -> Array:
    """Return the first shift from ``start`` in the direction of ``step`` at which nothing is decided any more.

    Infinite when no shift up to 2^30 steps tips the decision, NaN when there is none to tip; all (replicate,).
    """
    decides = decided(start)
    low, high = start, start + step
    for _ in range(30):
        going = decided(high)
        low, high = np.where(going, high, low), np.where(going, start + 2 * (high - start), high)
    lost = decided(high)
    for _ in range(60):
        middle = (low + high) / 2
        still = decided(middle)
        low, high = np.where(still, middle, low), np.where(still, high, middle)
    found = np.where(lost, np.copysign(np.inf, step), high)
    return np.where(decides, found, np.nan)
