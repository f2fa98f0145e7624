"""Explicit Runge-Kutta steps of order 5 with an error estimate, for lanes where a Taylor series does not exist.

A power such as C**0.4 has no Taylor series at C = 0, where every first dose begins. A tiny step from there, with an
error below the tolerance, is enough to go on by Taylor series. Where C stays 0 the whole interval is done this way.
Pair: Dormand and Prince, J Comput Appl Math 1980;6:19, doi:10.1016/0771-050X(80)90013-3.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]
type Rates = Callable[[Floats, Floats], Floats]
"""Derivatives at times (lane) and states (state, lane)."""

_A: Final = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_C: Final = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_ERROR: Final = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
_FIRST, _LEAST = 1e-7, 1e-14


def advance(
    rates: Rates, time: Floats, state: Floats, target: Floats, *, tolerance: float, steps: int, attempts: int
) -> tuple[Floats, Floats]:
    """Times and states after at most ``steps`` accepted steps towards ``target``.

    A lane that cannot go on (not finite, or its step too small) is returned where it stopped. Each lane chooses its
    own steps, so its result does not depend on the others.
    """
    time, state = time.copy(), state.copy()
    length = _FIRST * (target - time)
    taken = np.zeros(len(time), dtype=np.int64)
    for _ in range(attempts):
        step = np.minimum(length, target - time)
        going = (step > 0) & (taken < steps) & (step > _LEAST * np.abs(target))
        if not going.any():
            break
        step = np.where(going, step, 0.0)
        found, error = _step(rates, time, state, step)
        ratio = np.max(error / (tolerance * np.maximum(1.0, np.abs(state))), axis=0)
        ratio = np.where(np.isfinite(ratio) & np.all(np.isfinite(found), axis=0), ratio, 1e10)
        accepted = going & (ratio <= 1)
        state = np.where(accepted, found, state)
        time = np.where(accepted, np.where(step >= target - time, target, time + step), time)
        taken += accepted
        length = np.where(going, step * np.clip(0.9 * np.maximum(ratio, 1e-10) ** -0.2, 0.1, 5.0), length)
    return time, state


def _step(rates: Rates, time: Floats, state: Floats, step: Floats) -> tuple[Floats, Floats]:
    """State a step later and the size of its error."""
    slopes = [rates(time, state)]
    later = state
    for weights, node in zip(_A, _C, strict=True):
        later = state + step * _combine(weights, slopes)
        slopes.append(rates(time + node * step, later))
    return later, np.abs(step * _combine(_ERROR, slopes))


def _combine(weights: tuple[float, ...], slopes: list[Floats]) -> Floats:
    total = weights[0] * slopes[0]
    for weight, slope in zip(weights[1:], slopes[1:], strict=True):
        if weight:
            total = total + weight * slope
    return total
