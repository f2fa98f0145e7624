"""Trial data with times to event, and slow second implementations that loop over event times."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import optimize

DIMS = ("replicate", "subject")
TWO = {"name": "it", "endpoint": "os", "test": "new", "control": "old"}
ONE = {"name": "it", "endpoint": "os", "arm": "new"}


def made(time, event, arm, **more):
    """Trial data of arrays (replicate, subject); arm 0 is old, 1 new, 2 other."""
    data = {"os": (DIMS, time), "os_event": (DIMS, event), "arm": (DIMS, arm, {"names": ["old", "new", "other"]})}
    return xr.Dataset(data | {name: (DIMS, values) for name, values in more.items()})


def drawn(seed=1, replicates=3, n=60, *, tied=False, ratio=0.6, arms=2):
    """Exponential times censored uniformly; tied ones are whole numbers."""
    rng = np.random.default_rng(seed)
    shape = (replicates, n)
    arm = rng.permuted(np.broadcast_to(np.arange(n) % arms, shape), axis=1)
    time = 10 * rng.exponential(size=shape) / np.where(arm == 1, ratio, 1.0)
    limit = rng.uniform(2, 30, shape)
    event, time = time <= limit, np.minimum(time, limit)
    more = {"x": rng.standard_normal(shape), "y": rng.standard_normal(shape), "s": rng.integers(0, 3, shape)}
    return made(np.ceil(time) if tied else time, event, arm, **more)


def flat(data, replicate=0):
    one = data.isel(replicate=replicate)
    keep = np.isfinite(one["os"].values) & np.isin(one["arm"].values, (0, 1))
    return one["os"].values[keep], one["os_event"].values[keep], one["arm"].values[keep] == 1


class At(NamedTuple):
    """An event time: survival of all just before, and how many are at risk."""

    s: float
    n: int


def rank_score(time, event, test, weight, ratio=1.0):
    """Weighted observed less expected events of test, its variance, and the pairs behind it: loops over event times."""
    total = np.zeros(2)
    before = 1.0
    for t in np.unique(time[event]):
        risk, dead = time >= t, event & (time == t)
        n, n1, d, d1 = risk.sum(), (risk & test).sum(), dead.sum(), (dead & test).sum()
        share = n1 * ratio / (n1 * ratio + n - n1)
        w = weight(At(before, n))
        total += w * (d1 - d * share), w**2 * d * share * (1 - share) * ((n - d) / (n - 1) if n > 1 else 1)
        before *= 1 - d / n
    return total


def kaplan_meier(time, event):
    """Survival as a function of time, by looping."""
    times = np.unique(time[event])
    steps = [1 - (event & (time == t)).sum() / (time >= t).sum() for t in times]
    return lambda t: np.prod([step for at, step in zip(times, steps, strict=True) if at <= t])


def cox(time, event, columns, strata, ties):
    """Coefficients and log partial likelihood by a general optimiser."""

    def loss(beta):
        eta, value = columns @ beta, 0.0
        for s in np.unique(strata):
            for t in np.unique(time[event & (strata == s)]):
                here = strata == s
                dead, risk = here & event & (time == t), np.exp(eta[here & (time >= t)]).sum()
                for index in range(dead.sum()):
                    gone = index / dead.sum() * np.exp(eta[dead]).sum() if ties == "efron" else 0.0
                    value -= np.log(risk - gone)
                value += eta[dead].sum()
        return -value

    best = optimize.minimize(loss, np.zeros(columns.shape[1]), method="BFGS", options={"gtol": 1e-7})
    return best.x, -best.fun


def covariance(loss, at, step=1e-3):
    """Inverse of the second differences of minus a log-likelihood."""
    moves = step * np.eye(len(at))
    pairs = [[[loss(at + i * a + j * b) for i in (1, -1) for j in (1, -1)] for a in moves] for b in moves]
    return np.linalg.inv(np.array(pairs) @ np.array([1, -1, -1, 1]) / (4 * step**2))


def weibull(time, event, columns):
    """Coefficients, shape, log-likelihood and standard errors by a general optimiser and finite differences."""

    def loss(state):
        shape = np.exp(state[-1])
        z = (np.log(time) - columns @ state[:-1]) * shape
        return -(event * (z + state[-1] - np.log(time)) - np.exp(z)).sum()

    start = np.append(np.zeros(columns.shape[1]), 0.0)
    start[0] = np.log(time.mean())
    best = optimize.minimize(loss, start, method="BFGS", options={"gtol": 1e-7})
    return best.x[:-1], np.exp(best.x[-1]), -best.fun, np.sqrt(np.diag(covariance(loss, best.x)))
