"""Rubin's rules: one estimate, standard error and degrees of freedom from those of completed data sets."""

from typing import NamedTuple

import numpy as np


class Pooled(NamedTuple):
    """Estimate, standard error, degrees of freedom and the share of the variance due to missing values (...,)."""

    estimate: np.ndarray
    se: np.ndarray
    df: np.ndarray
    missing: np.ndarray


def pool(estimate: np.ndarray, variance: np.ndarray, df: np.ndarray) -> Pooled:
    """Pool estimates and variances (..., imputation) of data sets that complete would have ``df`` (...,).

    Rubin (1987), Multiple Imputation for Nonresponse in Surveys, section 3.1; degrees of freedom of Barnard & Rubin
    (1999), doi:10.1093/biomet/86.4.948.
    """
    count = estimate.shape[-1]
    within, between = variance.mean(axis=-1), estimate.var(axis=-1, ddof=1) * (1 + 1 / count)
    total = within + between
    share = between / np.where(total > 0, total, 1.0)
    large = share**2 / (count - 1)
    observed = (df + 1) / (df + 3) * df * (1 - share)
    inverse = large + 1 / np.where(observed > 0, observed, 1.0)
    return Pooled(estimate.mean(axis=-1), np.sqrt(total), np.where(observed > 0, 1 / inverse, 0.0), share)
