"""Densities and distribution functions written once for numpy (judging) and PyTensor (fitting).

`xp` is the array namespace everywhere: `numpy` or `pytensor.tensor`. All functions work element by element.
"""

import math
from typing import Any

Value = Any

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


def special(xp: Any) -> Any:
    """Namespace with erfc, erfcx, gammaln and betainc for an array namespace."""
    import numpy as np

    if xp is not np:
        return xp
    import scipy.special

    return scipy.special


def normal(r: Value, xp: Any) -> Value:  # noqa: ARG001 (one call shape)
    """Log density of a standard normal variable at `r`."""
    return -0.5 * r**2 - _HALF_LOG_TWO_PI


def normal_below(r: Value, xp: Any) -> Value:
    """Logarithm of the probability that a standard normal variable lies below `r`, exact far out in the tail."""
    sp, root = special(xp), math.sqrt(2.0)
    low, high = xp.minimum(r, -1.0), xp.maximum(r, -1.0)
    tail = xp.log(0.5 * sp.erfcx(-low / root)) - 0.5 * low**2
    return xp.where(xp.less(r, -1.0), tail, xp.log1p(-0.5 * sp.erfc(high / root)))


def student(r: Value, nu: Value, xp: Any) -> Value:
    """Log density of Student's t with `nu` degrees of freedom and scale 1 at `r`."""
    sp = special(xp)
    scale = sp.gammaln(0.5 * (nu + 1.0)) - sp.gammaln(0.5 * nu) - 0.5 * xp.log(nu * math.pi)
    return scale - 0.5 * (nu + 1.0) * xp.log1p(r**2 / nu)


def student_below(r: Value, nu: Value, xp: Any) -> Value:
    """Logarithm of the probability that Student's t lies below `r`."""
    # The incomplete beta function has no derivative at 1, where r is 0.
    far = 0.5 * special(xp).betainc(0.5 * nu, 0.5, nu / (nu + xp.maximum(r**2, 1e-14)))
    return xp.where(xp.less(r, 0.0), xp.log(far), xp.log1p(-xp.minimum(far, 0.5)))


def difference(upper: Value, lower: Value, xp: Any) -> Value:
    """Logarithm of exp(upper) - exp(lower), for upper > lower."""
    return upper + xp.log1p(-xp.exp(xp.minimum(lower - upper, -1e-16)))


def count_log(y: Value, mean: Value, xp: Any) -> Value:
    """Product of y and log(mean), 0 where y is 0."""
    return y * xp.log(xp.where(xp.greater(y, 0.0), mean, 1.0))
