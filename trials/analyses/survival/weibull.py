"""Weibull regression of censored times: maximum likelihood of many replicates at once by Newton's method.

``log T = columns b + W / shape`` with W of the standard extreme value distribution of minima; Kalbfleisch & Prentice
(2002), section 3.6. In ``b shape`` and ``shape`` the log-likelihood is concave (Burridge 1981,
doi:10.1111/j.2517-6161.1981.tb01148.x), so the maximum is found there and turned into b afterwards.
"""

from typing import NamedTuple

import numpy as np

STEPS = 60
CONVERGED = 1e-12
"""Twice the log-likelihood still to be gained, below which the maximum is found."""


class Fit(NamedTuple):
    """Coefficients b (replicate, column), their covariance, shape, log-likelihood and whether there is a maximum."""

    estimate: np.ndarray
    covariance: np.ndarray
    shape: np.ndarray
    log_likelihood: np.ndarray
    found: np.ndarray


class _Data(NamedTuple):
    """Columns and minus log T (replicate, subject, column + 1), and 1 for an event, 1 for who is used."""

    matrix: np.ndarray
    event: np.ndarray
    used: np.ndarray


def fit(time: np.ndarray, event: np.ndarray, used: np.ndarray, columns: np.ndarray) -> Fit:
    """Fit the subjects used, from arrays (replicate, subject) and columns (replicate, subject, column).

    The first column is 1. Columns that are 0 throughout have a coefficient of 0. Times are positive.
    """
    logs = np.log(np.where(used, time, 1.0))
    matrix = np.where(used[..., None], np.concatenate([columns, -logs[..., None]], axis=-1), 0.0)
    data = _Data(matrix, (event & used).astype(float), used.astype(float))
    events, total = data.event.sum(axis=1), np.where(used, time, 0.0).sum(axis=1)
    there = events > 0
    state = np.zeros((len(time), matrix.shape[-1]))
    state[:, 0], state[:, -1] = -np.log(np.where(there, events / np.where(there, total, 1.0), 1.0)), 1.0
    value, found = _climb(state, data, there)
    information = _derivatives(state, data)[1]
    shape = state[:, -1]
    change = np.zeros_like(information)[:, :-1]
    place = np.arange(columns.shape[-1])
    change[:, place, place] = (1 / shape)[:, None]
    change[:, :, -1] = -state[:, :-1] / shape[:, None] ** 2
    covariance = change @ np.linalg.inv(_regular(information)) @ np.swapaxes(change, 1, 2)
    return Fit(state[:, :-1] / shape[:, None], covariance, shape, value - (data.event * logs).sum(axis=1), found)


def _climb(state: np.ndarray, data: _Data, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move ``state`` (replicate, parameter) to the maximum; return the value there and whether it was found."""
    value, active = _value(state, data), there.copy()
    for _ in range(STEPS):
        row = np.flatnonzero(active)
        if not row.size:
            break
        part = _Data(*(array[row] for array in data))
        gradient, information = _derivatives(state[row], part)
        step = np.linalg.solve(_regular(information), gradient[..., None])[..., 0]
        active[row] = (step * gradient).sum(axis=1) > CONVERGED
        size, better = np.ones(len(row)), np.zeros(len(row), bool)
        for _ in range(STEPS):
            tried = state[row] + size[:, None] * step
            reached = np.where(tried[:, -1] > 0, _value(tried, part), -np.inf)
            better = reached >= value[row] - 1e-12 * np.abs(value[row])
            if better.all():
                break
            size = np.where(better, size, size / 2)
        state[row[better]], value[row[better]] = tried[better], reached[better]
    return value, there & ~active


def _regular(information: np.ndarray) -> np.ndarray:
    """Return information with 1 on the diagonal of parameters that nothing depends on."""
    diagonal = np.diagonal(information, axis1=1, axis2=2)
    return np.asarray(information + np.eye(information.shape[-1]) * (diagonal == 0)[:, None, :])


def _residual(state: np.ndarray, data: _Data) -> np.ndarray:
    """Return (log T - columns b) shape, kept where its exponential is a number."""
    return np.asarray(np.clip(-(data.matrix * state[:, None, :]).sum(axis=-1), -700.0, 300.0))


def _value(state: np.ndarray, data: _Data) -> np.ndarray:
    """Return the log-likelihood (replicate,) of log T."""
    z = _residual(state, data)
    shape = np.log(np.where(state[:, -1:] > 0, state[:, -1:], 1.0))
    return np.asarray((data.event * (z + shape) - data.used * np.exp(z)).sum(axis=1))


def _derivatives(state: np.ndarray, data: _Data) -> tuple[np.ndarray, np.ndarray]:
    """Return gradient (replicate, parameter) and information (replicate, parameter, parameter)."""
    hazard = data.used * np.exp(_residual(state, data))
    events = data.event.sum(axis=1)
    gradient = (data.matrix * (hazard - data.event)[..., None]).sum(axis=1)
    gradient[:, -1] += events / state[:, -1]
    information = np.matmul(np.swapaxes(data.matrix * hazard[..., None], 1, 2), data.matrix)
    information[:, -1, -1] += events / state[:, -1] ** 2
    return gradient, information
