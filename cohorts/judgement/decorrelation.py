"""Normalised prediction distribution errors: where each measurement lies among what the population predicts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import linalg, special, stats

from cohorts.drawing.streams import Stream, generator
from cohorts.errors import PopulationError
from cohorts.judgement.seen import Seen, replicates, seen
from cohorts.specification.quantities import Array

SHAPIRO = 5000
"""Most values the test of Shapiro and Wilk is meant for; with more, that of D'Agostino and Pearson is taken."""


def npde(
    tree: xr.DataTree, *, lloq: float | None = None, seed: int = 0, group: str = "predictive_check", output: str = ""
) -> xr.Dataset:
    """Normalised prediction distribution errors of every measurement; standard normal if the population is right.

    A person's measurements and each of their simulated replicates are centred and divided by the lower Cholesky factor
    of the replicates' covariance, in the order of time; the share of replicates below the measurement, on the normal
    scale, is its error. Brendel et al. 2006, doi:10.1007/s11095-006-9067-5; Comets et al. 2008,
    doi:10.1016/j.cmpb.2007.12.002. The share of a measurement below the limit of quantification is drawn between 0 and
    that of the limit, as Nguyen et al. 2012 do (doi:10.1007/s10928-012-9264-2), but given the person's earlier ones.

    The replicates carry the uncertainty of the population, which the errors of a small data set show as a variance
    below 1.

    Parameters
    ----------
    tree
        Result of `calibrate`.
    lloq
        Limit of quantification, where the data do not carry one.
    seed
        Seed of the imputation.
    group
        Predictive group to compare with.
    output
        Which output; may be left out when there is only one.

    Returns
    -------
    xr.Dataset
        Dim observation: ``npde``; ``npd``, the same without decorrelation; ``mean``, the replicates' mean; ``time``,
        ``dv``, ``subject`` (position) and ``censored``. Attributes: ``mean``, ``variance``, ``p_mean`` (t test of mean
        0), ``p_variance`` (chi-square test of variance 1), ``p_normal`` (Shapiro-Wilk, or D'Agostino-Pearson beyond
        5,000 values) and ``p_global``, three times the least of them; the Monte Carlo errors ``mean_mcse`` and
        ``variance_mcse`` are those of values known to one part in the number of replicates.

    Raises
    ------
    PopulationError
        If a person has more measurements than there are replicates to tell their covariance, or replicates do not vary.
    """
    data = seen(tree, output, lloq)
    simulated = replicates(tree, group, data)
    errors, plain = np.empty(len(data.dv)), np.empty(len(data.dv))
    for person in np.unique(data.position):
        rows = np.flatnonzero(data.position == person)
        rows = rows[np.argsort(data.time[rows], kind="stable")]
        own = _Person(int(person), data, rows, simulated[:, rows])
        u = generator(seed, Stream.JUDGEMENT, int(person)).random(len(rows))
        errors[rows], plain[rows] = own.decorrelated(u), own.alone(u)
    made = xr.Dataset(
        {
            "npde": ("observation", special.ndtri(errors)),
            "npd": ("observation", special.ndtri(plain)),
            "mean": ("observation", simulated.mean(axis=0)),
            "time": ("observation", data.time),
            "dv": ("observation", data.dv),
            "subject": ("observation", data.position),
            "censored": ("observation", data.censored),
        }
    )
    made.attrs = {**data.about, "replicates": len(simulated)}
    made.attrs |= normality(made["npde"].to_numpy()) | _mcse(errors, len(simulated))
    return made


@dataclass(frozen=True, slots=True, eq=False)
class _Person:
    """Measurements of one person in the order of time, with their simulated replicates (replicate, row)."""

    number: int
    data: Seen
    rows: NDArray[np.intp]
    drawn: Array

    def alone(self, u: Array) -> Array:
        """Share of replicates below each measurement; of a censored one a random part, by `u`, of its limit's."""
        dv, limit = self.data.dv[self.rows], self.data.lloq[self.rows]
        censored = self.data.censored[self.rows]
        below = u * (self.drawn < limit).mean(axis=0)
        return _kept(np.where(censored, below, _shares(dv, self.drawn)), len(self.drawn))

    def decorrelated(self, u: Array) -> Array:
        """The same after what a measurement shares with the earlier ones is removed from it and from its replicates.

        A censored value is drawn, by `u`, among the replicates that lie below its limit given the earlier values.
        """
        centre, root = self.drawn.mean(axis=0), self._root()
        apart = linalg.solve_triangular(root, (self.drawn - centre).T, lower=True)
        own, made = np.empty(len(self.rows)), np.empty(len(self.rows))
        for j, row in enumerate(self.rows):
            known = centre[j] + root[j, :j] @ own[:j]
            if self.data.censored[row]:
                limit = (self.data.lloq[row] - known) / root[j, j]
                made[j] = u[j] * (apart[j] < limit).mean()
                own[j] = min(float(np.quantile(apart[j], made[j])), limit)
            else:
                own[j] = (self.data.dv[row] - known) / root[j, j]
                made[j] = _shares(own[j : j + 1], apart[j][:, None])[0]
        return _kept(made, len(self.drawn))

    def _root(self) -> Array:
        """Lower Cholesky factor of the replicates' covariance."""
        count, n = self.drawn.shape
        if count <= n:
            raise PopulationError(
                f"npde: person {self.number} has {n} measurements, wanted fewer than the {count} replicates"
            )
        try:
            return np.asarray(linalg.cholesky(np.atleast_2d(np.cov(self.drawn, rowvar=False)), lower=True))
        except linalg.LinAlgError as error:
            raise PopulationError(
                f"npde: the replicates of person {self.number} do not vary at every measurement; leave out rows at "
                f"which the model is certain"
            ) from error


def _shares(own: Array, drawn: Array) -> Array:
    """Share of replicates below each measurement, ties by half."""
    return np.asarray((drawn < own).mean(axis=0) + 0.5 * (drawn == own).mean(axis=0), dtype=np.float64)


def _kept(shares: Array, count: int) -> Array:
    """Shares at least half a replicate from 0 and 1, where the normal scale ends."""
    return np.clip(shares, 0.5 / count, 1.0 - 0.5 / count)


def normality(values: NDArray[np.float64]) -> dict[str, float]:
    """Tests of values that should be standard normal: of mean, variance and shape, and all three together."""
    n = len(values)
    if n < 8:
        raise PopulationError(f"npde: got {n} measurements, wanted at least 8 to test")
    mean, variance = float(values.mean()), float(values.var(ddof=1))
    left = stats.chi2(n - 1).cdf((n - 1) * variance)
    tests: dict[str, Any] = {
        "p_mean": stats.ttest_1samp(values, 0.0).pvalue,
        "p_variance": 2.0 * min(left, 1.0 - left),
        "p_normal": (stats.shapiro if n <= SHAPIRO else stats.normaltest)(values).pvalue,
    }
    found = {name: float(p) for name, p in tests.items()}
    return {"mean": mean, "variance": variance, **found, "p_global": min(1.0, 3.0 * min(found.values()))}


def _mcse(shares: Array, count: int) -> dict[str, float]:
    """Monte Carlo error of mean and variance: each share is a proportion of `count` replicates."""
    z = special.ndtri(shares)
    error = np.sqrt(shares * (1.0 - shares) / count) / np.exp(-0.5 * z**2) * np.sqrt(2.0 * np.pi)
    n = len(z)
    return {
        "mean_mcse": float(np.sqrt((error**2).sum()) / n),
        "variance_mcse": float(2.0 * np.sqrt(((error * (z - z.mean())) ** 2).sum()) / (n - 1)),
    }
