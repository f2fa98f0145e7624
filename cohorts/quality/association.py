"""How strongly two columns go together, whatever their kinds: numbers from -1 or 0 to 1, weights honoured."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cohorts.quality.records import Records
from cohorts.specification.quantities import Array


def associations(of: Records) -> Array:
    """Association of every pair of columns, (column, column).

    Spearman's rank correlation where both are on a scale; the square root of the share of variance that the groups
    explain (correlation ratio) where one has levels; Cramer's V where both have (Cramer 1946, Mathematical Methods of
    Statistics, section 21.9).
    """
    ranks = {int(i): _ranks(of.values[:, i], of.weights) for i in of.scales}
    found = np.eye(len(of.names))
    for i in range(len(of.names)):
        for j in range(i):
            found[i, j] = found[j, i] = _pair(of, ranks, i, j)
    return found


def _pair(of: Records, ranks: dict[int, Array], i: int, j: int) -> float:
    if i in ranks and j in ranks:
        return _correlation(ranks[i], ranks[j], of.weights)
    if i in ranks or j in ranks:
        scale, group = (i, j) if i in ranks else (j, i)
        return _ratio(ranks[scale], of.values[:, group].astype(np.intp), of.weights)
    return _cramer(of.values[:, i].astype(np.intp), of.values[:, j].astype(np.intp), of.weights)


def _ranks(values: Array, weights: Array) -> Array:
    """Weighted mid-rank of each value, between 0 and 1."""
    _, place = np.unique(values, return_inverse=True)
    mass = np.bincount(place, weights)
    return np.asarray((np.cumsum(mass) - 0.5 * mass)[place])


def _correlation(a: Array, b: Array, weights: Array) -> float:
    a, b = a - weights @ a, b - weights @ b
    scale = np.sqrt((weights @ a**2) * (weights @ b**2))
    return float(weights @ (a * b) / scale) if scale > 0 else 0.0


def _ratio(values: Array, groups: NDArray[np.intp], weights: Array) -> float:
    mass = np.bincount(groups, weights)
    kept = mass > 0
    means = np.bincount(groups, weights * values)[kept] / mass[kept]
    whole = weights @ values
    total = weights @ (values - whole) ** 2
    return float(np.sqrt(mass[kept] @ (means - whole) ** 2 / total)) if total > 0 else 0.0


def _cramer(a: NDArray[np.intp], b: NDArray[np.intp], weights: Array) -> float:
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), weights)
    table = table[table.sum(1) > 0][:, table.sum(0) > 0]
    least = min(table.shape) - 1
    return (
        float(np.sqrt(stats.contingency.chi2_contingency(table, correction=False).statistic / least)) if least else 0.0
    )
