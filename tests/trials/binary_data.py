"""Trial data with a binary endpoint, made from the counts of fourfold tables."""

import numpy as np
import xarray as xr

ARMS = ["test", "control"]
WHAT = ("it", "y", "test", "control")


def from_counts(tables, strata=None):
    """Data (replicate, subject) whose replicate r has the table ``tables[r]``: events and size of test, of control."""
    width = max(table[1] + table[3] for table in tables)
    values, arm = np.full((len(tables), width), np.nan), np.zeros((len(tables), width), dtype=int)
    for row, (a, m, c, k) in enumerate(tables):
        values[row, : m + k] = np.repeat([1, 0, 1, 0], [a, m - a, c, k - c])
        arm[row, : m + k] = np.repeat([0, 1], [m, k])
    dims = ("replicate", "subject")
    made = xr.Dataset({"y": (dims, values), "arm": (dims, arm, {"names": ARMS})})
    return made if strata is None else made.assign(stratum=(dims, strata))


def stratified(tables):
    """Data of one replicate with one stratum a table."""
    parts = [from_counts([table], np.full((1, table[1] + table[3]), i)) for i, table in enumerate(tables)]
    return xr.concat(parts, "subject")


def binomial(shares, sizes, replicates, seed=1):
    """Data of independent subjects who have the event with an arm's share."""
    rng = np.random.default_rng(seed)
    events = [rng.binomial(size, share, replicates) for share, size in zip(shares, sizes, strict=True)]
    return from_counts([(a, sizes[0], c, sizes[1]) for a, c in zip(*events, strict=True)])
