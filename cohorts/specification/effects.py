"""How a covariate moves a typical value: the table of equations, and the effects a parameter has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from cohorts.specification.quantities import Quantity

Value = Any
"""A numpy array or a PyTensor variable: the equations below are written once for both."""


class EffectKind(NamedTuple):
    """One row: the factor by which a measured covariate multiplies the typical value."""

    fields: Mapping[str, str]
    """Its coefficients: what YAML calls them, and how the names of the population-level values begin."""
    apply: Callable[[Value, tuple[Value, ...], float, Any], Value]
    """Covariate, coefficients, reference, array namespace (numpy or pytensor.tensor) to the factor."""
    reference: bool = True
    """Whether it is 1 at a reference value, which must then be given."""
    positive: bool = False
    """Whether the covariate and its reference must be greater than 0."""
    in_unit: frozenset[str] = frozenset()
    """Coefficients in the covariate's unit; the others have no unit, or one of its inverse."""


def _power(x: Value, b: tuple[Value, ...], reference: float, xp: Any) -> Value:  # noqa: ARG001 (one call shape)
    return (x / reference) ** b[0]


def _maturation(x: Value, b: tuple[Value, ...], reference: float, xp: Any) -> Value:  # noqa: ARG001 (one call shape)
    return 1.0 / (1.0 + (b[0] / x) ** b[1])


EFFECTS: dict[str, EffectKind] = {
    "power": EffectKind({"coefficient": "beta"}, _power, positive=True),
    "exponential": EffectKind({"coefficient": "beta"}, lambda x, b, reference, xp: xp.exp(b[0] * (x - reference))),
    "linear": EffectKind({"coefficient": "beta"}, lambda x, b, reference, _: 1.0 + b[0] * (x - reference)),
    "allometric": EffectKind({"exponent": "beta"}, _power, positive=True),
    "maturation": EffectKind(
        {"tm50": "tm50", "hill": "hill"}, _maturation, reference=False, positive=True, in_unit=frozenset({"tm50"})
    ),
}
"""Kinds of effect of a measured covariate x: ``power`` and ``allometric`` (x / reference)**b; ``exponential``
exp(b (x - reference)); ``linear`` 1 + b (x - reference); ``maturation`` x**hill / (tm50**hill + x**hill), with x the
postmenstrual age, which tends to 1 in adults. Anderson & Holford 2008, doi:10.1146/annurev.pharmtox.48.113006.094708.
"""

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
        Row of `EFFECTS`.
    reference
        Value of the covariate at which the factor is 1, in its unit; 0 for a kind that has none.
    coefficients
        In the order of the row's fields, each fixed or with a prior.
    """

    covariate: str
    kind: str
    reference: float
    coefficients: tuple[Quantity, ...]

    def names(self, parameter: str) -> tuple[str, ...]:
        """Population-level names of the coefficients, such as ``beta_cl_weight`` or ``tm50_cl_pma``."""
        return tuple(f"{begin}_{parameter}_{self.covariate}" for begin in EFFECTS[self.kind].fields.values())


@dataclass(frozen=True, slots=True)
class LevelEffect:
    """Effect of a categorical covariate, or of the class of a mixture, on a typical value.

    Attributes
    ----------
    covariate
        Name of a categorical covariate or of a mixture.
    kind
        Row of `LEVEL_EFFECTS`: ``factor`` beta, ``fraction`` 1 + beta.
    levels, coefficients
        One beta a level, in the order of the covariate's levels.
    """

    covariate: str
    kind: str
    levels: tuple[str, ...]
    coefficients: tuple[Quantity, ...]

    def names(self, parameter: str) -> tuple[str, ...]:
        """Population-level name of the coefficients."""
        return (f"beta_{parameter}_{self.covariate}",)
