"""Critical values of one shape: c t^(Δ - 1/2), with the constant that gives the type I error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from trials.boundaries.base import Boundary, check_boundary
from trials.boundaries.futility import Futility
from trials.boundaries.stages import crossing
from trials.checks import Number, fields

type Array = np.ndarray


@dataclass(frozen=True, slots=True)
class OBrienFleming(Boundary):
    """Critical values c / √t, wide early. O'Brien & Fleming (1979), doi:10.2307/2530245."""

    alpha: float = 0.025
    sided: int = 1
    futility: Futility | None = None
    binding: bool = False

    def __post_init__(self) -> None:
        """Check the fields."""
        check_boundary(self)

    def efficacy(self, rates: Array, futility: Array) -> Array:
        """Return the critical values (look,)."""
        return shaped(self, rates, futility, exponent=0.0)


@dataclass(frozen=True, slots=True)
class Pocock(Boundary):
    """The same critical value at every look. Pocock (1977), doi:10.1093/biomet/64.2.191."""

    alpha: float = 0.025
    sided: int = 1
    futility: Futility | None = None
    binding: bool = False

    def __post_init__(self) -> None:
        """Check the fields."""
        check_boundary(self)

    def efficacy(self, rates: Array, futility: Array) -> Array:
        """Return the critical values (look,)."""
        return shaped(self, rates, futility, exponent=0.5)


@dataclass(frozen=True, slots=True)
class WangTsiatis(Boundary):
    """Critical values c t^(Δ - 1/2). Wang & Tsiatis (1987), doi:10.2307/2531959."""

    alpha: float = 0.025
    sided: int = 1
    exponent: float = 0.25
    """Δ: 0 gives O'Brien & Fleming's boundary, 0.5 Pocock's."""
    futility: Futility | None = None
    binding: bool = False

    def __post_init__(self) -> None:
        """Check the fields."""
        fields(self, "boundary", exponent=Number(least=-1, most=1))
        check_boundary(self)

    def efficacy(self, rates: Array, futility: Array) -> Array:
        """Return the critical values (look,)."""
        return shaped(self, rates, futility, exponent=self.exponent)


def shaped(boundary: Boundary, rates: Array, futility: Array, *, exponent: float) -> Array:
    """Return critical values c (t / t_K)^(Δ - 1/2) with the type I error of the boundary."""
    shape = (rates / rates[-1]) ** (exponent - 0.5)
    each = boundary.alpha / boundary.sided
    if rates.size == 1:
        return np.array([-special.ndtri(each)])

    def over(constant: float) -> float:
        efficacy = constant * shape
        floor = -efficacy if boundary.sided == 2 else np.minimum(futility, efficacy)
        found = crossing(rates[None], efficacy[None], floor[None], np.zeros(1)).upper.sum()
        return float(np.log(found) - np.log(each))

    # One look alone is the least, Bonferroni's bound at the look with the lowest value the most.
    least, most = -special.ndtri(each) / shape.max(), -special.ndtri(each / rates.size) / shape.min()
    if np.isfinite(futility).any():
        least = min(least, 0.0)
    return np.asarray(optimize.brentq(over, least, most, xtol=1e-13) * shape)
