"""Tests of one contrast against a margin by Student's t, in one place for every analysis that has one."""

from collections.abc import Mapping

import numpy as np
from scipy import special

ALTERNATIVES = ("two-sided", "greater", "less")


def level(alternative: str, alpha: float) -> float:
    """Return the level of the interval that agrees with the test: a one-sided test of 2.5 % goes with 95 %."""
    return 1 - alpha if alternative == "two-sided" else 1 - 2 * alpha


def null(effect: float, margin: float, alternative: str, tolerance: float) -> bool:
    """Whether a true effect lies in the null hypothesis, widened by ``tolerance``."""
    distance = {"two-sided": abs(effect - margin), "greater": effect - margin, "less": margin - effect}[alternative]
    return distance <= tolerance


def student(fit: Mapping[str, np.ndarray], *, margin: float, alternative: str, alpha: float) -> dict[str, np.ndarray]:
    """Return an analysis' outputs (replicate,) from its ``estimate``, ``se``, ``df`` and ``n``.

    A replicate without a degree of freedom or without any variation has failed: there is no test.
    """
    failed = ~((fit["se"] > 0) & (fit["df"] > 0))
    df, se = np.where(failed, 1.0, fit["df"]), np.where(failed, 1.0, fit["se"])
    statistic = (fit["estimate"] - margin) / se
    toward = {"two-sided": np.abs(statistic), "greater": statistic, "less": -statistic}[alternative]
    p = special.stdtr(df, -toward) * (2 if alternative == "two-sided" else 1)
    half = special.stdtrit(df, 0.5 + level(alternative, alpha) / 2) * se
    return {
        **fit,
        "statistic": statistic,
        "p": p,
        "lower": fit["estimate"] - half,
        "upper": fit["estimate"] + half,
        "decision": p < alpha,
        "failed": failed,
    }


def normal(fit: Mapping[str, np.ndarray], *, margin: float, alternative: str, alpha: float) -> dict[str, np.ndarray]:
    """Return an analysis' outputs (replicate,) from its ``estimate``, ``se`` and ``n``, by the normal distribution.

    ``statistic`` is (estimate - margin) / se, with the other sign for the alternative ``less``: a one-sided test always
    rejects for large values. A replicate without a finite estimate or without any variation has failed.
    """
    failed = ~(np.isfinite(fit["estimate"]) & (fit["se"] > 0) & np.isfinite(fit["se"]))
    estimate, se = np.where(failed, 0.0, fit["estimate"]), np.where(failed, 1.0, fit["se"])
    half = special.ndtri(0.5 + level(alternative, alpha) / 2) * se
    limits = {"lower": estimate - half, "upper": estimate + half}
    return {**fit, **limits, **tested((estimate - margin) / se, alternative, alpha), "failed": failed}


def tested(z: np.ndarray, alternative: str, alpha: float) -> dict[str, np.ndarray]:
    """Return ``statistic``, ``p`` and ``decision`` of a standard normal deviate that grows with the estimate."""
    statistic = -z if alternative == "less" else z
    p = 2 * special.ndtr(-np.abs(z)) if alternative == "two-sided" else special.ndtr(-statistic)
    return {"statistic": statistic, "p": p, "decision": p < alpha}
