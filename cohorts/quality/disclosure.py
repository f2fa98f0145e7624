"""What a cohort gives away about the people it was learned from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from cohorts.drawing.streams import Stream, generator
from cohorts.quality.detection import area
from cohorts.quality.records import Records, Table, alike
from cohorts.specification.quantities import Array

NEAR = 0.05
"""Share of the nearest distances that is looked at, and the tolerance, in SDs, of a guessed number."""


def disclosure(
    cohort: Table,
    source: pd.DataFrame,
    *,
    seed: int,
    holdout: pd.DataFrame | None = None,
    columns: Sequence[str] | None = None,
    most: int = 5000,
) -> xr.Dataset:
    """Measure the risk that a cohort discloses its source.

    Parameters
    ----------
    cohort
        Dataset of `draw`, or a DataFrame.
    source
        The people it was learned from, or resampled from.
    seed
        Of the sampling of large tables.
    holdout
        People of the same kind who were never used (`hold_out`). Without them the source itself is the yardstick, each
        record without itself, and what needs others is missing: ``closer``, ``membership_auc``, ``attribute_gain``.
    columns
        What an attacker may know or guess; by default the columns that cohort and source both have.
    most
        Records of each table that are looked at.

    Returns
    -------
    xr.Dataset
        Distances are Euclidean, numbers in SDs of the source, another level counting as 1 (`Space`).
        ``identical``: share of the cohort that equals a record of the source in every column; ``identical_usual``: the
        same of people not used (or of the source among itself). ``near``: 5th percentile of the distance to the closest
        record of the source, over that of people not used; 1 when no nearer, 0 for copies. ``closer``: share of the
        cohort that is closer to the source than to as many people not used; 0.5 when it is not. ``membership_auc``: how
        well the distance to the cohort tells who was in the source, 0.5 when it cannot (Chen et al. 2020,
        doi:10.1145/3372297.3417238, of what an attacker with the cohort alone can do). ``attribute_gain`` (column): how
        much oftener a column is guessed from the closest record of the cohort, the others known, for people of the
        source than for others. Each with ``<name>_se``.

    Raises
    ------
    PopulationError
        If the tables have no column in common, or a column cannot be compared.
    """
    tables: dict[str, Table] = {"cohort": cohort, "source": source}
    if holdout is not None:
        tables["holdout"] = holdout
    rng = generator(seed, Stream.QUALITY, 2)
    made, real, *rest = (one.sample(most, rng) for one in alike(tables, columns))
    others = rest[0] if rest else None
    space = Space.of(real)
    found = {**_identical(made, real, others), **_near(space, made, real, others, rng)}
    found |= _attacks(space, made, real, others) if others is not None else _unknown(made)
    return xr.Dataset(found, {"column": list(made.names)}, {"cohort_records": made.size, "source_records": real.size})


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Records as points: numbers over the SD of the source, levels as indicators half a square apart."""

    spread: Array
    levels: tuple[int, ...]

    @classmethod
    def of(cls, real: Records) -> "Space":
        """Space in which the source has SD 1 in every column on a scale."""
        spread = real.values.std(axis=0)
        return cls(np.where(spread > 0, spread, 1.0), tuple(map(len, real.levels)))

    def points(self, of: Records, without: int = -1) -> Array:
        """Coordinates of records, leaving out one column."""
        parts = [self._column(of.values[:, i], i) for i in range(len(self.levels)) if i != without]
        return np.asarray(np.concatenate(parts, axis=1))

    def _column(self, values: Array, i: int) -> Array:
        if not self.levels[i]:
            return np.asarray(values / self.spread[i])[:, None]
        return np.asarray((values[:, None] == np.arange(self.levels[i])) / np.sqrt(2.0))


def nearest(of: Array, among: Array, *, itself: bool = False) -> tuple[Array, NDArray[np.intp]]:
    """Distance to the closest other point and its row; ``itself`` when the points are among those searched."""
    distance, row = cKDTree(among).query(of, k=[2 if itself else 1])
    return np.asarray(distance[:, 0]), np.asarray(row[:, 0])


def _usual(space: Space, real: Records, others: Records | None) -> Array:
    """Distance to the source of people who have nothing to do with the cohort."""
    return nearest(space.points(real if others is None else others), space.points(real), itself=others is None)[0]


def _identical(made: Records, real: Records, others: Records | None) -> dict[str, Any]:
    space = Space.of(real)
    found = nearest(space.points(made), space.points(real))[0] == 0.0
    usual = _usual(space, real, others) == 0.0
    return {
        "identical": found.mean(), "identical_se": _share_se(found), "identical_usual": usual.mean(),
        "identical_usual_se": _share_se(usual),
    }  # fmt: skip


def _share_se(found: NDArray[np.bool_]) -> float:
    """Standard error of a share; with none or all found, that of one more and one less (Agresti and Coull 1998)."""
    share = (found.sum() + 2.0) / (len(found) + 4.0)
    return float(np.sqrt(share * (1.0 - share) / (len(found) + 4.0)))


def _near(
    space: Space, made: Records, real: Records, others: Records | None, rng: np.random.Generator
) -> dict[str, float]:
    here, usual = nearest(space.points(made), space.points(real))[0], _usual(space, real, others)

    def ratio(a: Array, b: Array) -> float:
        below, least = np.quantile(a, NEAR), np.quantile(b, NEAR)
        return float(below / least) if least > 0 else float(below >= least)

    again = [ratio(rng.choice(here, len(here)), rng.choice(usual, len(usual))) for _ in range(200)]
    return {"near": ratio(here, usual), "near_se": float(np.std(again, ddof=1))}


def _attacks(space: Space, made: Records, real: Records, others: Records) -> dict[str, Any]:
    """What needs people who were never used; as many of the source as of them."""
    count = min(real.size, others.size)
    own, other = (of.take(np.arange(count)) for of in (real, others))
    cohort = space.points(made)
    a, b = (nearest(cohort, space.points(of))[0] for of in (own, other))
    closer = np.where(a == b, 0.5, a < b)
    auc, auc_se = area(-nearest(space.points(own), cohort)[0], -nearest(space.points(other), cohort)[0])
    gains = [_gain(space, made, own, other, i) for i in range(len(made.names))]
    return {
        "closer": closer.mean(), "closer_se": closer.std(ddof=1) / np.sqrt(len(closer)),
        "membership_auc": auc, "membership_auc_se": auc_se,
        "attribute_gain": ("column", [gain for gain, _ in gains]),
        "attribute_gain_se": ("column", [error for _, error in gains]),
    }  # fmt: skip


def _gain(space: Space, made: Records, own: Records, other: Records, column: int) -> tuple[float, float]:
    """How much oftener a column of the source is guessed than that of others, and its standard error."""
    if len(made.names) == 1:
        return np.nan, np.nan
    known = space.points(made, column)
    hits = []
    for of in (own, other):
        guess = made.values[nearest(space.points(of, column), known)[1], column]
        missed = np.abs(guess - of.values[:, column])
        hits.append(missed == 0 if made.levels[column] else missed <= NEAR * space.spread[column])
    gain = float(hits[0].mean() - hits[1].mean())
    return gain, float(np.hypot(_share_se(hits[0]), _share_se(hits[1])))


def _unknown(made: Records) -> dict[str, Any]:
    """Missing values of what needs people who were never used."""
    lacking = np.full(len(made.names), np.nan)
    single = {f"{name}{end}": np.nan for name in ("closer", "membership_auc") for end in ("", "_se")}
    return {**single, "attribute_gain": ("column", lacking), "attribute_gain_se": ("column", lacking)}
