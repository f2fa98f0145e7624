"""How near a cohort is to the people it stands for: marginals, dependence, tails, and whether a classifier can tell."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from cohorts.drawing.streams import Stream, generator
from cohorts.quality.association import associations
from cohorts.quality.detection import detect
from cohorts.quality.records import Records, Table, alike
from cohorts.specification.quantities import Array

PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)
TAIL = 0.01
"""Share of the source in each tail."""


def fidelity(
    cohort: Table,
    source: Table,
    *,
    seed: int,
    columns: Sequence[str] | None = None,
    weights: str = "",
    most: int = 5000,
    resamples: int = 100,
) -> xr.Dataset:
    """Compare a cohort with the table it should resemble.

    Parameters
    ----------
    cohort
        Dataset of `draw`, or a DataFrame.
    source
        Real people, or another cohort.
    seed
        Of the classifier's folds and of the resampling.
    columns
        Which to compare; by default those that both have.
    weights
        Column of `source` with survey weights; empty for none.
    most
        Records of either that are looked at; a larger table is sampled.
    resamples
        Bootstrap samples of both tables, from which every standard error comes.

    Returns
    -------
    xr.Dataset
        ``marginal`` (column): largest difference of the distribution functions (Kolmogorov-Smirnov), or of two sets
        of frequencies half the sum of the differences (total variation). ``quantile_difference`` (column,
        probability), in SDs of the source; missing for columns with levels. ``dependence`` (column, other):
        association in the cohort less that in the source (`cohorts.quality.association`). ``tail`` (column, side):
        share of the cohort not between the source's 1st and 99th percentile, over the same share of the source; 1
        when all is well. ``auc``: area under the curve of a classifier that learns to tell the two apart,
        cross-validated; 0.5 when it cannot, far less when one copies the other. ``pmse_ratio``: propensity score
        mean-squared error over what chance gives, 1 when alike (Snoke et al. 2018, doi:10.1111/rssa.12358).
        Each with ``<name>_se``.

    Raises
    ------
    PopulationError
        If the tables have no column in common, or a column cannot be compared.
    """
    made, real = alike({"cohort": cohort, "source": source}, columns, weights)
    rng = generator(seed, Stream.QUALITY, 1)
    made, real = made.sample(most, rng), real.sample(most, rng)
    measures: dict[str, Callable[[Records, Records], Array]] = {
        "marginal": _marginals,
        "quantile_difference": _quantile_differences,
        "dependence": lambda a, b: associations(a) - associations(b),
        "tail": _tails,
    }
    again = [(_again(made, rng), _again(real, rng)) for _ in range(resamples)]
    found: dict[str, Any] = {}
    for name, measure in measures.items():
        found[name] = (DIMS[name], measure(made, real))
        found[f"{name}_se"] = (DIMS[name], np.std([measure(a, b) for a, b in again], axis=0, ddof=1))
    found |= detect(made, real, seed)
    return _dataset(found, made, real)


DIMS = {
    "marginal": ("column",),
    "quantile_difference": ("column", "probability"),
    "dependence": ("column", "other"),
    "tail": ("column", "side"),
}


def _dataset(found: dict[str, Any], made: Records, real: Records) -> xr.Dataset:
    coords = {
        "column": list(made.names),
        "other": list(made.names),
        "probability": list(PROBABILITIES),
        "side": ["lower", "upper"],
    }
    about = {"cohort_records": made.size, "source_records": real.size}
    return xr.Dataset(found, coords, about)


def _again(of: Records, rng: np.random.Generator) -> Records:
    """The table drawn once more from itself, weights going with their records."""
    return of.take(rng.integers(of.size, size=of.size))


def _marginals(a: Records, b: Records) -> Array:
    return np.array([_total_variation(a, b, i) if a.levels[i] else _ks(a, b, i) for i in range(len(a.names))])


def _ks(a: Records, b: Records, column: int) -> float:
    grid = np.unique(np.concatenate([a.values[:, column], b.values[:, column]]))
    return float(np.abs(_distribution(a, column, grid) - _distribution(b, column, grid)).max())


def _distribution(of: Records, column: int, grid: Array) -> Array:
    return np.cumsum(np.bincount(np.searchsorted(grid, of.values[:, column]), of.weights, len(grid)))


def _total_variation(a: Records, b: Records, column: int) -> float:
    count = len(a.levels[column])
    shares = [np.bincount(of.values[:, column].astype(np.intp), of.weights, count) for of in (a, b)]
    return 0.5 * float(np.abs(shares[0] - shares[1]).sum())


def quantile(of: Records, column: int, probabilities: Sequence[float]) -> Array:
    """Weighted quantiles of a column: smallest values whose share of the weight is at least the probability."""
    order = np.argsort(of.values[:, column], kind="stable")
    mass = np.cumsum(of.weights[order])
    places = np.searchsorted(mass, np.asarray(probabilities) * mass[-1] * (1.0 - 1e-12))
    return np.asarray(of.values[order[places], column])


def _quantile_differences(a: Records, b: Records) -> Array:
    found = np.full((len(a.names), len(PROBABILITIES)), np.nan)
    for i in a.scales:
        centre = b.weights @ b.values[:, i]
        sd = np.sqrt(b.weights @ (b.values[:, i] - centre) ** 2)
        difference = quantile(a, int(i), PROBABILITIES) - quantile(b, int(i), PROBABILITIES)
        found[i] = difference / sd if sd > 0 else np.where(difference == 0.0, 0.0, np.inf)
    return found


def _tails(a: Records, b: Records) -> Array:
    found = np.full((len(a.names), 2), np.nan)
    for i in a.scales:
        low, high = quantile(b, int(i), (TAIL, 1.0 - TAIL))
        here, there = (
            np.array([of.weights @ (of.values[:, i] <= low), of.weights @ (of.values[:, i] >= high)]) for of in (a, b)
        )
        found[i] = here / there
    return found
