"""Rank tests of two survival curves and the hazard ratio that goes with each.

The statistic is the sum over event times of weight x (events of test - expected), with the hypergeometric variance;
Mantel (1966), Fleming & Harrington (1991), section 7.2. The estimate is the weighted hazard ratio: where the sum, with
events expected under that ratio, is zero (Sasieni 1993, doi:10.1093/biomet/80.3.628); with equal weights Cox's.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trials.analyses.survival.curve import before
from trials.analyses.survival.risk import RiskSets, risk_sets

STEPS = 50
CONVERGED = 1e-6
"""Newton's step after which the next one would be of the order of its square."""
FARTHEST = 20.0
"""Size of a log hazard ratio beyond which there is no finite estimate."""


class Score(NamedTuple):
    """Weighted score (replicate,): observed less expected events of test, and its variance under the hypothesis."""

    score: np.ndarray
    variance: np.ndarray


def log_rank(time: np.ndarray, event: np.ndarray, used: np.ndarray, test: np.ndarray) -> Score:
    """Return the log-rank score of equal hazards from arrays (replicate, subject): score / sqrt(variance) is normal."""
    return score([risk_sets(time, event, used, test)], [None], 0.0)


def score(sets: Sequence[RiskSets], weights: Sequence[np.ndarray | None], log_ratio: float) -> Score:
    """Return the score of a hazard ratio, summed over strata; a weight of None is 1 at every event.

    Beside a ratio of 1, several events at one time have the binomial variance times (n - d) / (n - 1).
    """
    total = np.zeros((2, len(sets[0].time)))
    for stratum, weight in zip(sets, weights, strict=True):
        share = expected_share(stratum, log_ratio)
        difference = stratum.events_test - stratum.events * share
        n, d = stratum.at_risk, stratum.events
        spread = d * share * (1 - share)
        if (d > 1).any():
            spread = spread * np.where(d > 1, (n - d) / np.maximum(n - 1, 1), 1.0)
        if weight is not None:
            difference, spread = weight * difference, weight**2 * spread
        total += difference.sum(axis=1), spread.sum(axis=1)
    return Score(*total)


def expected_share(sets: RiskSets, log_ratio: float | np.ndarray) -> np.ndarray:
    """Return the share of events expected in test (replicate, position); a log hazard ratio may be (replicate, 1)."""
    if np.ndim(log_ratio) == 0 and log_ratio == 0.0:
        return np.asarray(sets.at_risk_test / np.maximum(sets.at_risk, 1.0))
    hazard = sets.at_risk_test * np.exp(log_ratio)
    return np.asarray(hazard / np.maximum(hazard + sets.at_risk - sets.at_risk_test, np.finfo(float).tiny))


def covariance(sets: Sequence[RiskSets], weights: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Return the covariance (replicate, test, test) of several weighted scores of the same data under equal hazards.

    ``weights`` has for each stratum one array for each test.
    """
    parts = []
    for stratum, each in zip(sets, weights, strict=True):
        share, n, d = expected_share(stratum, 0.0), stratum.at_risk, stratum.events
        spread = d * share * (1 - share) * np.where(d > 1, (n - d) / np.maximum(n - 1, 1), 1.0)
        stacked = np.stack(each, axis=1)
        parts.append((stacked[:, :, None, :] * stacked[:, None, :, :] * spread[:, None, None, :]).sum(axis=-1))
    return np.asarray(sum(parts))


def hazard_ratio(sets: Sequence[RiskSets], weights: Sequence[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted log hazard ratio and its standard error (replicate,), by Newton's method.

    NaN where the events do not determine it: one group has none, or none while the other is at risk.
    """
    estimate = np.zeros(len(sets[0].time))
    active = np.ones(len(estimate), bool)
    for _ in range(STEPS):
        row = np.flatnonzero(active)
        slope, value, _ = _derivatives(*_rows(sets, weights, row), estimate[row])
        step = np.clip(value / np.where(slope > 0, slope, np.inf), -2.0, 2.0)
        estimate[row] += step
        active[row] = (np.abs(step) > CONVERGED) & (np.abs(estimate[row]) < FARTHEST)
        if not active.any():
            break
    slope, _, spread = _derivatives(sets, weights, estimate)
    there = ~active & (np.abs(estimate) < FARTHEST) & (slope > 0)
    error = np.sqrt(spread) / np.where(there, slope, 1.0)
    return np.where(there, estimate, np.nan), np.where(there, error, np.nan)


def _rows(
    sets: Sequence[RiskSets], weights: Sequence[np.ndarray | None], row: np.ndarray
) -> tuple[Sequence[RiskSets], Sequence[np.ndarray | None]]:
    """Return the given replicates' risk sets and weights."""
    if len(row) == len(sets[0].time):
        return sets, weights
    here = [RiskSets(*(counts[row] for counts in stratum)) for stratum in sets]
    return here, [None if weight is None else weight[row] for weight in weights]


def _derivatives(
    sets: Sequence[RiskSets], weights: Sequence[np.ndarray | None], estimate: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return slope, score and variance of the score (replicate,) at a log hazard ratio (replicate,)."""
    total = np.zeros((3, len(estimate)))
    for stratum, weight in zip(sets, weights, strict=True):
        share = expected_share(stratum, estimate[:, None])
        difference = stratum.events_test - stratum.events * share
        spread = stratum.events * share * (1 - share)
        square = spread
        if weight is not None:
            difference, spread, square = weight * difference, weight * spread, weight**2 * spread
        total += spread.sum(axis=1), difference.sum(axis=1), square.sum(axis=1)
    return total[0], total[1], total[2]


def pooled_survival(sets: RiskSets) -> np.ndarray:
    """Return the Kaplan-Meier estimate of both groups together just before each time (replicate, position)."""
    return before(np.cumprod(1 - sets.events / np.maximum(sets.at_risk, 1.0), axis=1))


def fleming_harrington(sets: RiskSets, rho: float, gamma: float) -> np.ndarray:
    """Return the weights S(t-)^rho (1 - S(t-))^gamma of Fleming & Harrington (1991), (replicate, position)."""
    survival = pooled_survival(sets)
    weights: np.ndarray = survival**rho * np.maximum(1 - survival, 0.0) ** gamma
    return weights


def several(sets: Sequence[Sequence[RiskSets]]) -> tuple[np.ndarray, np.ndarray]:
    """Return log-rank scores (replicate, arm) of several arms under equal hazards, and their covariance.

    ``sets`` has for each arm the risk sets of every stratum, with that arm as test. Scores sum to 0, so the covariance
    (replicate, arm, arm) is singular; Kalbfleisch & Prentice (2002), section 1.5.
    """
    count, arms = len(sets[0][0].time), len(sets)
    score, covariance = np.zeros((count, arms)), np.zeros((count, arms, arms))
    for strata in zip(*sets, strict=True):
        n, d = strata[0].at_risk, strata[0].events
        spread = d * np.where(d > 1, (n - d) / np.maximum(n - 1, 1), 1.0)
        shares = [expected_share(each, 0.0) for each in strata]
        for i, each in enumerate(strata):
            score[:, i] += (each.events_test - d * shares[i]).sum(axis=1)
            covariance[:, i, i] += (spread * shares[i]).sum(axis=1)
            for j in range(arms):
                covariance[:, i, j] -= (spread * shares[i] * shares[j]).sum(axis=1)
    return score, covariance
