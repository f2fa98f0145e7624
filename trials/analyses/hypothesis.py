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
