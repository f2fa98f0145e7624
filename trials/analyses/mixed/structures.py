"""Covariance structures of repeated measures: V and its derivatives by their parameters, for all replicates at once.

Every structure but the unstructured one is a pattern of correlations times standard deviations, with the parameters
``log s`` (one, or one a visit) followed by x with correlation ``x / sqrt(1 + x^2)``, which are those of the R package
mmrm: the Kenward-Roger adjustment with second derivatives depends on the choice. The unstructured V is fitted by its
own elements, which are as good as any other parameters but for that adjustment.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

type Array = np.ndarray


class Shape(NamedTuple):
    """V (replicate, visit, visit) and its derivatives along vech directions.

    ``first`` is (replicate, direction, parameter), ``second`` (replicate, direction, parameter, parameter).
    """

    covariance: Array
    first: Array
    second: Array


@dataclass(frozen=True, slots=True)
class Structure:
    """A covariance structure.

    Attributes
    ----------
    heterogeneous
        Whether each visit has a standard deviation of its own.
    lag
        Matrix (visit, visit) of the number of the correlation between two visits, 1 and up, for a number of visits;
        None for no structure at all.
    power
        Whether the correlation between two visits is the first to the power of that number.
    """

    heterogeneous: bool
    lag: Callable[[int], Array] | None
    power: bool = False

    def parameters(self, visits: int) -> int:
        """Return the number of parameters."""
        if self.lag is None:
            return visits * (visits + 1) // 2
        correlations = int(self.lag(visits).max())
        return (visits if self.heterogeneous else 1) + (min(1, correlations) if self.power else correlations)

    def start(self, covariance: Array) -> Array:
        """Return parameters (replicate, parameter) near a covariance (replicate, visit, visit)."""
        if self.lag is None:
            return vech(covariance)
        deviation = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        correlation = covariance / deviation[:, :, None] / deviation[:, None, :]
        lag = self.lag(covariance.shape[1])
        count = self.parameters(len(lag)) - (len(lag) if self.heterogeneous else 1)
        mean = [correlation[:, lag == number].mean(axis=1) for number in range(1, count + 1)]
        rho = np.clip(np.stack(mean, axis=1), -0.95, 0.95) if mean else np.empty((len(covariance), 0))
        logs = np.log(deviation)
        logs = logs if self.heterogeneous else logs.mean(axis=1, keepdims=True)
        return np.concatenate([logs, rho / np.sqrt(1 - rho**2)], axis=1)

    def __call__(self, parameters: Array, visits: int) -> Shape:
        """Return V and its derivatives at parameters (replicate, parameter)."""
        if self.lag is None:
            size = parameters.shape[1]
            first = np.broadcast_to(np.eye(size), (len(parameters), size, size))
            return Shape(symmetric(parameters, visits), first, np.broadcast_to(0.0, (*first.shape, size)))
        return self._patterned(parameters, visits)

    def _patterned(self, parameters: Array, visits: int) -> Shape:
        """Return V = exp(log s_a + log s_b) c(x) along the directions (a, b), a <= b."""
        assert self.lag is not None, "a structure without a pattern has other parameters"
        a, b = np.triu_indices(visits)
        scales = visits if self.heterogeneous else 1
        logs, x = parameters[:, :scales], parameters[:, scales:]
        weight = np.zeros((len(a), scales))
        for end in (a, b):
            weight[np.arange(len(a)), end if self.heterogeneous else 0] += 1.0
        size = np.exp((logs[:, None, :] * weight).sum(axis=2))
        value, slope, curve = self._correlations(x, self.lag(visits)[a, b])
        first = np.concatenate([weight[None] * value[..., None], slope], axis=2)
        second = np.zeros((*first.shape, first.shape[2]))
        second[:, :, :scales, :scales] = weight[:, :, None] * weight[:, None, :] * value[..., None, None]
        second[:, :, :scales, scales:] = weight[:, :, None] * slope[:, :, None, :]
        second[:, :, scales:, :scales] = np.swapaxes(second[:, :, :scales, scales:], 2, 3)
        second[:, :, scales:, scales:] = curve
        return Shape(symmetric(size * value, visits), size[..., None] * first, size[..., None, None] * second)

    def _correlations(self, x: Array, number: Array) -> tuple[Array, Array, Array]:
        """Return correlations (replicate, direction), and first and second derivatives by x."""
        rho, d1, d2 = x / np.sqrt(1 + x**2), (1 + x**2) ** -1.5, -3 * x * (1 + x**2) ** -2.5
        count = x.shape[1]
        value = np.ones((len(x), len(number)))
        slope, curve = np.zeros((*value.shape, count)), np.zeros((*value.shape, count, count))
        for k in range(count):
            at = number >= 1 if self.power else number == k + 1
            e = number[at].astype(float) if self.power else np.ones(at.sum())
            r = rho[:, k, None]
            value[:, at] = r**e
            by = e * r ** (e - 1)
            slope[:, at, k] = by * d1[:, k, None]
            bend = np.where(e > 1, e * (e - 1) * r ** np.maximum(e - 2, 0), 0.0)
            curve[:, at, k, k] = bend * d1[:, k, None] ** 2 + by * d2[:, k, None]
        return value, slope, curve


def vech(matrix: Array) -> Array:
    """Return the elements (..., direction) of symmetric matrices, first row first."""
    a, b = np.triu_indices(matrix.shape[-1])
    found: Array = matrix[..., a, b]
    return found


def symmetric(elements: Array, visits: int) -> Array:
    """Return the symmetric matrices (..., visit, visit) with these elements."""
    a, b = np.triu_indices(visits)
    found = np.empty((*elements.shape[:-1], visits, visits))
    found[..., a, b] = found[..., b, a] = elements
    return found


def _lags(visits: int) -> Array:
    return np.abs(np.subtract.outer(np.arange(visits), np.arange(visits)))


def _equal(visits: int) -> Array:
    return 1 - np.eye(visits, dtype=int)


STRUCTURES = {
    "unstructured": Structure(True, None),
    "ar1": Structure(False, _lags, power=True),
    "heterogeneous_ar1": Structure(True, _lags, power=True),
    "compound_symmetry": Structure(False, _equal),
    "heterogeneous_compound_symmetry": Structure(True, _equal),
    "toeplitz": Structure(False, _lags),
    "heterogeneous_toeplitz": Structure(True, _lags),
}
"""Structures by the name an analysis gives them."""


def cholesky_bend(covariance: Array, spread: Array) -> Array:
    """Return the sum over pairs of parameters of their covariance times the second derivative of an unstructured V.

    The parameters are the logarithms of the standard deviations ``d`` and the elements below the diagonal of the unit
    triangle l of ``V = (d l)(d l)'``, as in the R package mmrm.

    Parameters
    ----------
    covariance
        V (replicate, visit, visit).
    spread
        Covariance of the elements of V (replicate, direction, direction).
    """
    visits = covariance.shape[1]
    lower = np.linalg.cholesky(covariance)
    d = np.diagonal(lower, axis1=1, axis2=2)
    rows, columns = np.tril_indices(visits, -1)
    size = visits + len(rows)
    turned = np.zeros((len(covariance), size, visits, visits))
    for j in range(visits):
        turned[:, j, j] = lower[:, j]
    for k, (j, c) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        turned[:, visits + k, j, c] = d[:, j]
    product = turned @ np.swapaxes(lower, 1, 2)[:, None]
    first = np.swapaxes(vech(product + np.swapaxes(product, 2, 3)), 1, 2)
    back = np.linalg.inv(first)
    w = back @ spread @ np.swapaxes(back, 1, 2)
    flat = turned.reshape(len(covariance), size, -1)
    square = np.swapaxes(flat, 1, 2) @ w @ flat
    square = square.reshape(-1, visits, visits, visits, visits)
    bend = np.zeros_like(covariance)
    for j in range(visits):
        bend[:, j] = lower[:, j] * w[:, j, j, None]
    for k, (j, c) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        bend[:, j, c] += 2 * d[:, j] * w[:, j, visits + k]
    other = bend @ np.swapaxes(lower, 1, 2)
    found: Array = 2 * np.einsum("racbc->rab", square) + other + np.swapaxes(other, 1, 2)
    return found
