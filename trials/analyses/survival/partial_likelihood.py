"""Cox's partial likelihood of many replicates: its value, gradient and information, and its maximum by Newton's method.

Cox (1972), doi:10.1111/j.2517-6161.1972.tb00899.x; several events at one time by Efron (1977),
doi:10.1080/01621459.1977.10480613, or Breslow (1974), doi:10.2307/2529620.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from trials.analyses.survival.risk import tie_bounds

TIES = ("efron", "breslow")
STEPS = 40
CONVERGED = 1e-12
"""Newton's decrement, twice the log-likelihood still to be gained, below which a maximum is found."""
FLAT = 1e-9
"""Share of its greatest information below which the likelihood of a coefficient has no finite maximum."""
ELEMENTS = 100000
"""Numbers held at a time by one array of sums over risk sets."""


class Ordered(NamedTuple):
    """Subjects sorted by stratum and time: columns (replicate, column, position), all else (replicate, position).

    ``first`` and ``last`` are the bounds of a subject's tie, ``stop`` the first position behind its stratum. ``share``
    is how much of the tie's events counts as gone when the event of a subject is judged: 0 but with Efron's ties.
    """

    columns: np.ndarray
    event: np.ndarray
    used: np.ndarray
    first: np.ndarray
    last: np.ndarray
    stop: np.ndarray
    share: np.ndarray


class Likelihood(NamedTuple):
    """Log partial likelihood (replicate,), its gradient (replicate, column) and information (.., column, column)."""

    value: np.ndarray
    gradient: np.ndarray
    information: np.ndarray


def ordered(
    time: np.ndarray, event: np.ndarray, used: np.ndarray, columns: np.ndarray, *, stratum: np.ndarray, ties: str
) -> Ordered:
    """Sort the subjects used.

    Parameters
    ----------
    time, event, used, stratum
        (replicate, subject); a stratum is an index.
    columns
        What the hazard depends on (replicate, subject, column).
    ties
        ``efron`` or ``breslow``.
    """
    key, group = np.where(used, time, np.inf), np.where(used, stratum, np.iinfo(np.int64).max)
    order = np.lexsort((key, group), axis=1)
    times, groups, happened, there = (
        np.take_along_axis(array, order, axis=1) for array in (key, group, event & used, used)
    )
    size = times.shape[1]
    edge = np.ones(times.shape, bool)
    edge[:, :-1] = groups[:, 1:] != groups[:, :-1]
    stop = 1 + np.minimum.accumulate(np.where(edge, np.arange(size), size)[:, ::-1], axis=1)[:, ::-1]
    first, last = tie_bounds(np.where(there, times, np.nan), there)
    apart = np.ones(times.shape, bool)
    apart[:, 1:] = edge[:, :-1]
    first = np.maximum(first, np.maximum.accumulate(np.where(apart, np.arange(size), 0), axis=1))
    last = np.minimum(last, stop - 1)
    count = _between(happened.astype(float), first, last)
    rank = np.cumsum(happened, axis=1) - np.take_along_axis(np.cumsum(happened, axis=1) - happened, first, axis=1) - 1
    share = np.where(happened & (ties == "efron"), rank / np.maximum(count, 1), 0.0)
    sorted_columns = np.take_along_axis(np.moveaxis(columns, -1, 1), order[:, None, :], axis=2)
    return Ordered(np.where(there[:, None], sorted_columns, 0.0), happened, there, first, last, stop, share)


def _between(values: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return sums of values (..., position) from ``first`` to ``last``."""
    total = np.cumsum(values, axis=-1)
    return np.asarray(np.take_along_axis(total, last, axis=-1) - np.take_along_axis(total - values, first, axis=-1))


def likelihood(data: Ordered, beta: np.ndarray) -> Likelihood:
    """Return the log partial likelihood and its derivatives at coefficients (replicate, column)."""
    count, width, size = data.columns.shape
    value, gradient = np.empty(count), np.empty((count, width))
    information = np.empty((count, width, width))
    step = max(1, ELEMENTS // ((1 + width + width * (width + 1) // 2) * size))
    for start in range(0, count, step):
        row = slice(start, start + step)
        part = _likelihood(Ordered(*(array[row] for array in data)), beta[row])
        value[row], gradient[row], information[row] = part
    return Likelihood(value, gradient, information)


def _likelihood(data: Ordered, beta: np.ndarray) -> Likelihood:
    width, used, event = data.columns.shape[1], data.used, data.event
    eta = sum((beta[:, i, None] * data.columns[:, i] for i in range(width)), np.zeros(used.shape))
    eta -= np.where(used, eta, -np.inf).max(axis=1, keepdims=True, initial=-700.0)
    hazard = np.where(used, np.exp(np.where(used, eta, -np.inf)), 0.0)
    pairs = [(i, j) for i in range(width) for j in range(i, width)]
    moments = [hazard, *(hazard * data.columns[:, i] for i in range(width))]
    moments += [moments[1 + i] * data.columns[:, j] for i, j in pairs]
    sums = _at_risk(np.stack(moments, axis=1), data)
    total = np.where(event, sums[:, 0], 1.0)
    means = [np.where(event, sums[:, 1 + i], 0.0) / total for i in range(width)]
    value = np.where(event, eta - np.log(total), 0.0).sum(axis=1)
    gradient = [(np.where(event, data.columns[:, i], 0.0) - means[i]).sum(axis=1) for i in range(width)]
    information = np.empty((len(used), width, width))
    for place, (i, j) in enumerate(pairs, start=1 + width):
        spread = np.where(event, sums[:, place], 0.0) / total - means[i] * means[j]
        information[:, i, j] = information[:, j, i] = spread.sum(axis=1)
    return Likelihood(value, np.stack(gradient, axis=1) if width else np.empty((len(used), 0)), information)


def _at_risk(moments: np.ndarray, data: Ordered) -> np.ndarray:
    """Return sums (replicate, moment, position) over those at risk, less the share of the tie's events that is gone."""
    first, last, stop = (place[:, None, :] for place in (data.first, data.last, data.stop))
    behind = np.zeros((*moments.shape[:2], moments.shape[2] + 1))
    behind[..., :-1] = np.cumsum(moments[..., ::-1], axis=-1)[..., ::-1]
    sums = np.take_along_axis(behind, first, axis=-1) - np.take_along_axis(behind, stop, axis=-1)
    if (data.share > 0).any():
        sums -= data.share[:, None, :] * _between(np.where(data.event[:, None, :], moments, 0.0), first, last)
    return np.asarray(sums)


class Maximum(NamedTuple):
    """Coefficients (replicate, column) at the maximum, the likelihood there, and whether there is one (replicate,)."""

    beta: np.ndarray
    there: Likelihood
    found: np.ndarray


def maximise(data: Ordered, start: np.ndarray, free: np.ndarray) -> Maximum:
    """Return the maximum over the free columns (column,), the others held at ``start`` (replicate, column).

    A column that does not vary has the coefficient it starts with. There is no finite maximum where the events can be
    explained ever better by a larger coefficient.
    """
    beta = np.array(start, float)
    at = likelihood(data, beta)
    greatest = np.maximum(_diagonal(at.information), 1e-300)
    active = np.full(len(beta), bool(free.any()))
    for _ in range(STEPS):
        row = np.flatnonzero(active)
        if not row.size:
            break
        step = newton_step(at.gradient[row], at.information[row], free)
        gain = (step * at.gradient[row]).sum(axis=1)
        active[row[gain <= CONVERGED]] = False
        row, step = row[gain > CONVERGED], step[gain > CONVERGED]
        for new, values in _ascent(data, beta, at, row, step):
            beta[new] = values.beta
            for old, better in zip(at, values.there, strict=True):
                old[new] = better
    information = _diagonal(at.information)
    rich = ((information > FLAT * greatest) | ~free | (greatest <= 1e-12)).all(axis=1)
    return Maximum(beta, at, ~active & rich)


def _diagonal(information: np.ndarray) -> np.ndarray:
    return np.diagonal(information, axis1=1, axis2=2)


def newton_step(gradient: np.ndarray, information: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Return information^-1 gradient over the free columns, 0 in others and in those without information."""
    usable = free & (_diagonal(information) > 1e-12)
    kept = usable[:, :, None] & usable[:, None, :]
    matrix = np.where(kept, information, np.eye(information.shape[-1]))
    ridge = 1e-12 * np.eye(information.shape[-1]) * _diagonal(matrix)[:, None, :]
    return np.asarray(np.linalg.solve(matrix + ridge, np.where(usable, gradient, 0.0)[..., None])[..., 0])


def _ascent(
    data: Ordered, beta: np.ndarray, at: Likelihood, row: np.ndarray, step: np.ndarray
) -> Iterator[tuple[np.ndarray, Maximum]]:
    """Yield the replicates that have gained, and where they are: the whole step, or as often halved as it takes."""
    for _ in range(STEPS):
        if not row.size:
            return
        tried = beta[row] + step
        there = likelihood(Ordered(*(array[row] for array in data)), tried)
        better = there.value >= at.value[row] - 1e-12 * np.abs(at.value[row])
        gained = Likelihood(*(part[better] for part in there))
        yield row[better], Maximum(tried[better], gained, better[better])
        row, step = row[~better], step[~better] / 2
