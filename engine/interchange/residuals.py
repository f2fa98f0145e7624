"""The kind of residual error that $ERROR describes, told from how the observation answers to each epsilon."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.interchange.imported import Form, Residual
from engine.models.algebras.arrays import ARRAYS
from engine.models.calculus import differentiate
from engine.models.expression import Expression, evaluate

type Floats = NDArray[np.float64]

_PREDICTIONS = (0.5, 1.0, 2.0, 4.0)


def residual_of(
    equation: Expression | None, thetas: Mapping[str, float], amount: str, scale: Expression | None
) -> Residual:  # fmt: skip
    """Residual error of an observation's equation in F, epsilons (``EPS__1``), effects and data items.

    ``amount`` names the observed compartment's amount; F is this over ``scale``.
    """
    if equation is None:
        return Residual(None, "none")
    names = equation.names | (scale.names if scale is not None else frozenset())
    known: dict[str, Any] = {**thetas} | {name: 0.0 for name in names if name.startswith(("ETA__", "EPS__"))}
    if not names <= {*known, "F", amount}:
        return Residual(equation, "other")
    with np.errstate(all="ignore"):
        size = 1.0 if scale is None else evaluate(scale, known, ARRAYS)
    predictions = np.asarray(_PREDICTIONS)
    return Residual(equation, _form(equation, predictions, {**known, "F": predictions, amount: predictions * size}))


def _form(equation: Expression, predictions: Floats, known: Mapping[str, Any]) -> Form:
    errors = sorted(name for name in equation.names if name.startswith("EPS__"))
    if not errors:
        return "none"
    base = _at(equation, predictions, known)
    slopes = [_at(differentiate(equation, name), predictions, known) for name in errors]
    straight = all(not differentiate(equation, name).names & set(errors) for name in errors)
    if np.allclose(base, np.log(predictions)) and straight and all(map(_constant, slopes)):
        return "log-additive"
    if not np.allclose(base, predictions):
        return "other"
    if not straight:
        return "exponential" if len(slopes) == 1 and np.allclose(slopes[0], predictions) else "other"
    variance = np.sum(np.square(slopes), axis=0)
    if all(map(_constant, slopes)):
        return "additive"
    if _constant(variance / predictions**2):
        return "proportional"
    # a**2 + b**2 F**2, or (a + b F)**2, through two predictions meets the others.
    for response in (predictions**2, predictions):
        height = variance if response is not predictions else np.sqrt(variance)
        line = np.polyfit(response, height, 1)
        if np.allclose(np.polyval(line, response), height) and np.all(line >= 0):
            return "combined"
    return "other"


def _constant(values: Floats) -> bool:
    return bool(np.allclose(values, values[0]))


def _at(equation: Expression, predictions: Floats, known: Mapping[str, Any]) -> Floats:
    with np.errstate(all="ignore"):
        found = np.asarray(evaluate(equation, known, ARRAYS), dtype=np.float64)
    return np.broadcast_to(found, predictions.shape)
