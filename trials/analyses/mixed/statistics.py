"""Sufficient statistics of repeated measures: subjects grouped by the visits they were seen at."""

import numpy as np

from trials.analyses.mixed.kernel import Array, Statistics


def summarise(y: Array, by_visit: Array, common: Array) -> Statistics:
    """Return the statistics of all replicates.

    Parameters
    ----------
    y
        Measurements (replicate, subject, visit), NaN where missing.
    by_visit, common
        Columns (replicate, subject, column) of the design with a coefficient for each visit, and with one for all.

    A subject without any visit, or with a NaN among the columns, is left out.
    """
    visits = y.shape[2]
    columns = np.concatenate([by_visit, common], axis=2)
    seen = np.isfinite(y) & np.isfinite(columns).all(axis=2)[..., None]
    used = seen.any(axis=2)
    order, group = _groups(seen, used)
    groups = max(1, int(group.max(initial=-1)) + 1)
    rows = np.concatenate([np.where(seen, y, 0.0), np.where(used[..., None], columns, 0.0)], axis=2)
    rows, seen = (np.take_along_axis(array, order[..., None], axis=1) for array in (rows, seen))
    cell = (group + groups * np.arange(len(y))[:, None])[group >= 0]
    starts = np.flatnonzero(np.diff(cell, prepend=-1))
    width = rows.shape[2]
    cross = np.zeros((len(y) * groups, width, width))
    size = np.zeros(len(y) * groups, np.int64)
    there = np.zeros((len(y) * groups, visits), bool)
    if starts.size:
        flat = rows[group >= 0]
        for a in range(width):
            for b in range(a + 1):
                cross[cell[starts], a, b] = cross[cell[starts], b, a] = np.add.reduceat(flat[:, a] * flat[:, b], starts)
        size[cell[starts]] = np.diff(starts, append=len(cell))
        there[cell[starts]] = seen[group >= 0][starts]
    shape = (len(y), groups)
    return Statistics(
        cross.reshape(*shape, width, width), size.reshape(shape), there.reshape(*shape, visits), by_visit.shape[2]
    )


def _groups(seen: Array, used: Array) -> tuple[Array, Array]:
    """Return an order of each replicate's subjects by group, and the group of each in that order; -1 for no group."""
    packed = np.packbits(seen, axis=2)
    keys = [packed[..., column] for column in range(packed.shape[2])]
    order = np.lexsort([*keys, ~used], axis=1)
    sorted_ = np.take_along_axis(packed, order[..., None], axis=1)
    changes = (np.diff(sorted_, axis=1) != 0).any(axis=2)
    group = np.concatenate([np.zeros((len(seen), 1), int), np.cumsum(changes, axis=1)], axis=1)
    return order, np.where(np.take_along_axis(used, order, axis=1), group, -1)


def gram(statistics: Statistics) -> Array:
    """Return X'X of every replicate: (replicate, coefficient, coefficient)."""
    visits, z = statistics.seen.shape[2], statistics.by_visit
    each = np.einsum("rgj,rgab->rjab", statistics.seen.astype(float), statistics.cross[:, :, visits:, visits:])
    w = each.shape[-1] - z
    found = np.zeros((len(each), visits * z + w, visits * z + w))
    for j in range(visits):
        place = slice(j * z, (j + 1) * z)
        found[:, place, place] = each[:, j, :z, :z]
        found[:, place, visits * z :] = each[:, j, :z, z:]
        found[:, visits * z :, place] = each[:, j, z:, :z]
    found[:, visits * z :, visits * z :] = each[:, :, z:, z:].sum(axis=1)
    return found


def independent(gram: Array) -> Array:
    """Return which rows (replicate, row) of matrices of cross products are no combination of the rows before.

    The sweep of Goodnight (1979), doi:10.1080/00031305.1979.10482685, in the order of the rows.
    """
    left, diagonal = gram.copy(), np.diagonal(gram, axis1=1, axis2=2)
    keep = np.zeros(gram.shape[:2], bool)
    for k in range(gram.shape[1]):
        keep[:, k] = left[:, k, k] > 1e-9 * diagonal[:, k]
        row = np.where(keep[:, k, None], left[:, k], 0.0)
        left = left - row[:, :, None] * row[:, None, :] / np.where(keep[:, k], left[:, k, k], 1.0)[:, None, None]
    return keep
