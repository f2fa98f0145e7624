"""How a patient's parameters vary: typical value, covariate effects, differences between patients and occasions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from cohorts.specification.quantities import Quantity

Value = Any
"""A numpy array or a PyTensor variable: the equations below are written once for both."""


class Scale(NamedTuple):
    """Scale on which a patient's deviation is normal."""

    apply: Callable[[Value, Value, Any], Value]
    """Typical value, deviation, array namespace (numpy or pytensor.tensor) to the patient's value."""
    low: float
    high: float
    """Range the typical value must lie in (open)."""


SCALES: dict[str, Scale] = {
    "lognormal": Scale(lambda typical, deviation, xp: typical * xp.exp(deviation), 0.0, float("inf")),
    "normal": Scale(lambda typical, deviation, _: typical + deviation, float("-inf"), float("inf")),
    "logit": Scale(lambda typical, deviation, xp: typical / (typical + (1.0 - typical) * xp.exp(-deviation)), 0.0, 1.0),
}

EFFECTS: dict[str, Callable[[Value, Value, float, Any], Value]] = {
    "power": lambda x, beta, reference, _: (x / reference) ** beta,
    "exponential": lambda x, beta, reference, xp: xp.exp(beta * (x - reference)),
    "linear": lambda x, beta, reference, _: 1.0 + beta * (x - reference),
}
"""Factor by which a measured covariate x multiplies the typical value; 1 at the reference."""

LEVEL_EFFECTS: dict[str, Callable[[Value], Value]] = {
    "factor": lambda beta: beta,
    "fraction": lambda beta: 1.0 + beta,
}
"""Factor by which a level of a categorical covariate multiplies the typical value."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Effect of a measured covariate on a typical value.

    Attributes
    ----------
    covariate
        Name of a measured covariate.
    kind
        Row of `EFFECTS`: ``power`` (x / reference)**beta, ``exponential`` exp(beta (x - reference)), ``linear``
        1 + beta (x - reference).
    reference
        Value of the covariate at which the factor is 1, in its unit.
    coefficient
        beta, fixed or with a prior.
    """

    covariate: str
    kind: str
    reference: float
    coefficient: Quantity


@dataclass(frozen=True, slots=True)
class LevelEffect:
    """Effect of a categorical covariate on a typical value.

    Attributes
    ----------
    covariate
        Name of a categorical covariate.
    kind
        Row of `LEVEL_EFFECTS`: ``factor`` beta, ``fraction`` 1 + beta.
    levels, coefficients
        One beta a level, in the order of the covariate's levels.
    """

    covariate: str
    kind: str
    levels: tuple[str, ...]
    coefficients: tuple[Quantity, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the disease or drug model and how it varies.

    Attributes
    ----------
    name, unit, meaning
        As the model declares it.
    typical
        Value of the reference patient.
    scale
        Row of `SCALES`.
    effects
        Covariate effects, multiplied together.
    between_subject
        Standard deviation of the patients' deviations on `scale`; None when patients do not differ.
    between_occasion
        Standard deviation of one patient's deviations between occasions on `scale`; None when occasions do not differ.
    total
        Whether `between_subject` contains the variability between occasions, as an estimate from one occasion does.
        The occasion's share is then taken out of it, so that the variance seen at one occasion is the one stated.
    """

    name: str
    unit: str
    meaning: str
    typical: Quantity
    scale: str
    effects: tuple[Effect | LevelEffect, ...]
    between_subject: Quantity | None
    between_occasion: Quantity | None
    total: bool


@dataclass(frozen=True, slots=True)
class Correlation:
    """Correlation of the deviations of several parameters between patients.

    Attributes
    ----------
    of
        Names of the parameters.
    partial
        Canonical partial correlations (row by row below the diagonal), fixed or with a prior; for two parameters the
        one of them is the correlation. Lewandowski, Kurowicka & Joe 2009, doi:10.1016/j.jmva.2009.04.008.
    lkj
        Shape of the LKJ prior they come from; None when a matrix was given.
    matrix
        The matrix given; empty when they have a prior.
    source
        Where the matrix or the prior comes from.
    """

    of: tuple[str, ...]
    partial: tuple[Quantity, ...]
    lkj: float | None
    matrix: tuple[tuple[float, ...], ...]
    source: str

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Pairs of parameters, in the order of `partial`."""
        return tuple((self.of[j], self.of[i]) for i in range(len(self.of)) for j in range(i))
