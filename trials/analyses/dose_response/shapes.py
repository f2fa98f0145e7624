"""Dose-response shapes: what is linear in a curve stands beside its non-linear parameters.

Every curve is ``e0 + sum of coefficients times columns(dose, non-linear parameters)``. Names and bounds of parameters
are those of Bornkamp, Pinheiro & Bretz (2009), doi:10.18637/jss.v029.i07.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

OFFSET = 0.01
"""Added to the dose before its logarithm is taken, as a share of the highest dose."""

type Columns = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
"""Columns (..., dose, column) at doses (..., dose) and non-linear parameters (..., 1, parameter) of a highest dose."""


class Shape(NamedTuple):
    """A family of curves."""

    columns: Columns
    slopes: Columns
    """Derivatives of the one column by each non-linear parameter: (..., dose, parameter)."""
    bounds: tuple[tuple[float, float], ...]
    """Least and greatest value of each non-linear parameter; those of a dose are shares of the highest dose."""
    of_dose: tuple[bool, ...]
    """Whether a non-linear parameter is a dose."""
    guesses: int
    """Numbers that fix the shape up to position and scale."""


def _stack(*columns: np.ndarray) -> np.ndarray:
    return np.stack(np.broadcast_arrays(*columns), axis=-1)


def _none(dose: np.ndarray, parameters: np.ndarray, top: float) -> np.ndarray:  # noqa: ARG001 - nothing is non-linear
    return np.empty((*dose.shape, 0))


def _linear(dose: np.ndarray, parameters: np.ndarray, top: float) -> np.ndarray:  # noqa: ARG001
    return _stack(dose)


def _linlog(dose: np.ndarray, parameters: np.ndarray, top: float) -> np.ndarray:  # noqa: ARG001
    return _stack(np.log(dose + OFFSET * top))


def _quadratic(dose: np.ndarray, parameters: np.ndarray, top: float) -> np.ndarray:  # noqa: ARG001
    return _stack(dose, dose**2)


def _emax(dose: np.ndarray, parameters: np.ndarray, top: float) -> np.ndarray:  # noqa: ARG001
    return _stack(dose / (parameters[..., 0] + dose))


def _emax_slope(dose: np.ndarray, parameters: np.ndarray, top: float) -> np.ndarray:  # noqa: ARG001
    return _stack(-dose / (parameters[..., 0] + dose) ** 2)


def _exponential(dose: np.ndarray, parameters: np.ndarray, top: float) -> np.ndarray:  # noqa: ARG001
    return _stack(np.expm1(dose / parameters[..., 0]))


def _exponential_slope(dose: np.ndarray, parameters: np.ndarray, top: float) -> np.ndarray:  # noqa: ARG001
    delta = parameters[..., 0]
    return _stack(-dose / delta**2 * np.exp(dose / delta))


def _sigmoid_emax(dose: np.ndarray, parameters: np.ndarray, top: float) -> np.ndarray:  # noqa: ARG001
    ed50, h = parameters[..., 0], parameters[..., 1]
    power = (dose / ed50) ** h
    return _stack(power / (1 + power))


def _sigmoid_emax_slopes(dose: np.ndarray, parameters: np.ndarray, top: float) -> np.ndarray:
    ed50, h = parameters[..., 0], parameters[..., 1]
    share = _sigmoid_emax(dose, parameters, top)[..., 0]
    steep = share * (1 - share)
    log = np.log(np.where(dose > 0, dose, 1.0) / ed50)
    return _stack(-steep * h / ed50, np.where(dose > 0, steep * log, 0.0))


ED50 = (0.001, 1.5)
SHAPES: Mapping[str, Shape] = {
    "linear": Shape(_linear, _none, (), (), 0),
    "linlog": Shape(_linlog, _none, (), (), 0),
    "quadratic": Shape(_quadratic, _none, (), (), 1),
    "emax": Shape(_emax, _emax_slope, (ED50,), (True,), 1),
    "exponential": Shape(_exponential, _exponential_slope, ((0.1, 2.0),), (True,), 1),
    "sigEmax": Shape(_sigmoid_emax, _sigmoid_emax_slopes, (ED50, (0.5, 10.0)), (True, False), 2),
}


def standard(name: str, guess: tuple[float, ...], dose: np.ndarray) -> np.ndarray:
    """Return the standardised curve of a candidate (dose,), up to position and scale.

    The guess of ``quadratic`` is the ratio of its two coefficients; of the others it is the non-linear parameters.
    """
    if name == "quadratic":
        return dose + guess[0] * dose**2
    curve: np.ndarray = SHAPES[name].columns(dose, np.array([guess]).reshape(1, -1), float(dose.max()))[..., 0]
    return curve


def bounds(name: str, top: float) -> np.ndarray:
    """Return least and greatest value (2, parameter) of the non-linear parameters for a highest dose."""
    shape = SHAPES[name]
    scale = np.where(np.array(shape.of_dose, dtype=bool), top, 1.0)
    limits: np.ndarray = np.array(shape.bounds, dtype=float).reshape(-1, 2).T * scale
    return limits
