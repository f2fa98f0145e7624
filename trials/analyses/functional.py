"""True effects that are no mean of single subjects' contrasts: odds ratios, rate ratios, shifts.

Such an effect is a function of sums over subjects, so its Monte Carlo error follows from leaving out groups of the
independent units, one at a time (grouped jackknife; Efron & Tibshirani 1993, An Introduction to the Bootstrap, ch. 11).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from trials.analyses.base import Effect

GROUPS = 50
"""Groups of the jackknife; with fewer units each is a group of its own."""

type Statistic = Callable[[np.ndarray], np.ndarray]


def units(values: Mapping[str, np.ndarray], arms: Sequence[str]) -> np.ndarray:
    """Return the endpoint as (unit, subject, arm): a unit is a draw of the population, or a subject when there is one.

    Parameters
    ----------
    values
        For each arm (subject,) or (replicate, subject), as `Analysis.truth` gets them.
    arms
        Which arms, in which order.
    """
    each = np.stack([np.asarray(values[arm], dtype=float) for arm in arms], axis=-1)
    return each if each.ndim > 2 and each.shape[0] > 1 else each.reshape(-1, 1, len(arms))


def functional(sums: np.ndarray, statistic: Statistic) -> Effect:
    """Return an effect that depends on sums over units, with its Monte Carlo standard error.

    Parameters
    ----------
    sums
        Additive parts (unit, part) of each independent unit.
    statistic
        From sums (group, part) to the effect (group,), whatever the number of units behind them.
    """
    count = min(GROUPS, len(sums))
    parts = np.stack([group.sum(axis=0) for group in np.array_split(sums, count)])
    total = parts.sum(axis=0)
    value = float(statistic(total[None])[0])
    left = statistic(total - parts)
    mcse = float(np.sqrt((count - 1) / count * ((left - left.mean()) ** 2).sum()))
    return Effect(value, mcse, len(sums))


def of_means(values: Mapping[str, np.ndarray], arms: Sequence[str], statistic: Statistic) -> Effect:
    """Return a function of the arms' means as an effect: ``statistic`` gets means (group, arm)."""
    each = units(values, arms)
    sums = np.concatenate([each.sum(axis=1), np.full((len(each), 1), each.shape[1], float)], axis=1)
    return functional(sums, lambda total: statistic(total[:, :-1] / total[:, -1:]))
