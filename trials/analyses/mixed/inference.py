"""Inference on one contrast of the coefficients of a fitted model for repeated measures: standard error and df."""

from typing import NamedTuple

import numpy as np

from trials.analyses.mixed import kernel
from trials.analyses.mixed.fit import Fit
from trials.analyses.mixed.kernel import Array
from trials.analyses.mixed.structures import Structure, cholesky_bend, vech


class Contrast(NamedTuple):
    """A contrast: estimate, standard error, degrees of freedom and whether the data determine it, each (replicate,)."""

    estimate: Array
    se: Array
    df: Array
    estimable: Array


def contrast(fit: Fit, structure: Structure, weights: Array, method: str) -> Contrast:
    """Return the contrast ``weights @ coefficients``.

    For one contrast c with variance v = c'Phi c the degrees of freedom of Satterthwaite, ``2 v^2 / (g'Ag)`` with g the
    gradient of v and A the covariance of the variance parameters, are also those of Kenward & Roger (1997,
    doi:10.2307/2533558), whose method adjusts the standard error besides: with the second derivatives of V by the
    parameters (``kenward_roger``; they depend on the parameters chosen), or without (``kenward_roger_linear``, as in
    Kenward & Roger 2009, doi:10.1016/j.csda.2008.12.013, for structures that are linear in their parameters). A is the
    inverse of the observed information, as in PROC MIXED and the R package mmrm. ``residual`` has the degrees of
    freedom of the observations less coefficients, as in R's gls.

    Parameters
    ----------
    fit
        Fitted model.
    structure
        Of its covariance.
    weights
        Weights (coefficient,).
    method
        One of those of `trials.analyses.mmrm`.
    """
    replicates = len(fit.phi)
    estimable = _estimable(fit, weights)
    ok = fit.converged & estimable
    vectors = np.where(ok[:, None], fit.phi @ weights, 0.0)
    variance = np.where(ok, (vectors * weights).sum(axis=1), 1.0)
    estimate = (fit.coefficients * weights).sum(axis=1)
    rows = (fit.statistics.size * fit.statistics.seen.sum(axis=2)).sum(axis=1)
    if method == "residual":
        return Contrast(estimate, np.sqrt(variance), (rows - fit.keep.sum(axis=1)).astype(float), estimable)
    covariance = np.where(ok[:, None, None], fit.covariance, np.eye(fit.covariance.shape[1]))
    slope, curve = kernel.along(fit.statistics, covariance, fit.phi, vectors)
    turned = np.swapaxes(fit.first, 1, 2)
    gradient = (turned @ slope[..., None])[..., 0]
    eye = np.eye(fit.information.shape[1])
    spread = np.linalg.inv(np.where(ok[:, None, None], fit.information, eye))
    wobble = np.einsum("ri,rij,rj->r", gradient, spread, gradient)
    df = np.where(wobble > 0, 2 * variance**2 / np.where(wobble > 0, wobble, 1.0), 0.0)
    if method != "satterthwaite":
        variance = variance + 2 * np.einsum("rij,rij->r", spread, turned @ curve @ fit.first)
    if method == "kenward_roger":
        bend = _bend(fit, structure, spread, covariance)
        variance = variance - 0.5 * np.einsum("rd,rd->r", slope, bend)
    se = np.sqrt(np.where(variance > 0, variance, np.nan))
    return Contrast(estimate, se.reshape(replicates), df, estimable)


def _bend(fit: Fit, structure: Structure, spread: Array, covariance: Array) -> Array:
    """Return the sum over pairs of parameters of covariance times second derivative of V: (replicate, direction)."""
    if structure.lag is not None:
        bend: Array = np.einsum("rij,rdij->rd", spread, fit.second)
        return bend
    return vech(cholesky_bend(covariance, spread))


def _estimable(fit: Fit, weights: Array) -> Array:
    """Return whether the contrast is a combination of rows of the design (replicate,).

    With G the inverse of X'X over the coefficients kept, that is so when ``c'G X'X = c'``.
    """
    keep = fit.keep[:, :, None] & fit.keep[:, None, :]
    scale = np.sqrt(np.where(fit.keep, np.diagonal(fit.gram, axis1=1, axis2=2), 1.0))
    products = fit.gram / scale[:, :, None] / scale[:, None, :]
    padded = np.where(keep, products, np.eye(products.shape[1]))
    solved = np.linalg.solve(padded, np.where(fit.keep, weights / scale, 0.0)[..., None])[..., 0]
    back = (products @ np.where(fit.keep, solved, 0.0)[..., None])[..., 0]
    close: Array = np.abs(back - weights / scale).max(axis=1) < 1e-6 * np.abs(weights / scale).max(axis=1)
    return close
