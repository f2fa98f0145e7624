"""Monte Carlo error of what is read off simulated replicates."""

import numpy as np
from scipy import special

from cohorts.specification.quantities import Array


def quantile_error(values: Array, share: float) -> Array:
    """Standard error of a quantile over the first axis.

    By the weights of Maritz & Jarrett 1978 (doi:10.1080/01621459.1978.10480027): the moments of the order statistic
    that stands for the quantile.

    Parameters
    ----------
    values
        Replicates along the first axis; without NaN.
    share
        Which quantile, between 0 and 1.
    """
    ranked = np.sort(values, axis=0)
    n = len(ranked)
    place = min(max(share * n + 0.5, 1.0), float(n))
    edges = special.betainc(place, n + 1.0 - place, np.arange(n + 1) / n)
    weights = np.diff(edges).reshape(-1, *[1] * (values.ndim - 1))
    mean = (weights * ranked).sum(axis=0)
    return np.asarray(np.sqrt((weights * (ranked - mean) ** 2).sum(axis=0)))
