"""Spending functions: the error spent by the time that a share of the planned information is there.

Lan & DeMets (1983), doi:10.1093/biomet/70.3.659. Two-sided type I error is spent half on each side.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import special

from trials.checks import Number, fields, refuse

type Array = np.ndarray


class Spending(ABC):
    """A function of the information fraction that does not decrease, from 0 to the whole error.

    Members are frozen dataclasses.
    """

    __slots__ = ()

    @abstractmethod
    def spent(self, error: float, fraction: Array) -> Array:
        """Return the error spent at information fractions in [0, 1], of their shape; the whole error at 1."""

    def __call__(self, error: float, fraction: Array) -> Array:
        """Return the error spent at information fractions of any size: beyond 1 all is spent."""
        fraction = np.asarray(fraction, float)
        inside = np.clip(fraction, np.finfo(float).tiny, 1.0)
        return np.where(fraction >= 1, error, np.where(fraction <= 0, 0.0, self.spent(error, inside)))


@dataclass(frozen=True, slots=True)
class OBrienFlemingSpending(Spending):
    """Close to O'Brien & Fleming: 2 (1 - Φ(z_{1-α/2} / √t)). Lan & DeMets (1983), α₁*."""

    def spent(self, error: float, fraction: Array) -> Array:
        """Return the error spent."""
        return np.asarray(2 * special.ndtr(special.ndtri(error / 2) / np.sqrt(fraction)))


@dataclass(frozen=True, slots=True)
class PocockSpending(Spending):
    """Close to Pocock: α log(1 + (e - 1) t). Lan & DeMets (1983), α₂*."""

    def spent(self, error: float, fraction: Array) -> Array:
        """Return the error spent."""
        return np.asarray(error * np.log1p((math.e - 1) * fraction))


@dataclass(frozen=True, slots=True)
class KimDeMets(Spending):
    """Power family α t^ρ. Kim & DeMets (1987), doi:10.1093/biomet/74.1.149."""

    rho: float = 3.0
    """Above 0: the greater, the less is spent early."""

    def __post_init__(self) -> None:
        """Check the field."""
        fields(self, "spending", rho=Number(above=0))

    def spent(self, error: float, fraction: Array) -> Array:
        """Return the error spent."""
        return np.asarray(error * fraction**self.rho)


@dataclass(frozen=True, slots=True)
class HwangShihDeCani(Spending):
    """Gamma family α (1 - e^{-γt}) / (1 - e^{-γ}). Hwang, Shih & De Cani (1990), doi:10.1002/sim.4780091207."""

    gamma: float = -4.0
    """-4 is close to O'Brien & Fleming, 1 to Pocock, 0 spends evenly."""

    def __post_init__(self) -> None:
        """Check the field."""
        fields(self, "spending", gamma=Number(least=-300, most=300))

    def spent(self, error: float, fraction: Array) -> Array:
        """Return the error spent."""
        if abs(self.gamma) < 1e-10:
            return np.asarray(error * fraction)
        return np.asarray(error * np.expm1(-self.gamma * fraction) / np.expm1(-self.gamma))


@dataclass(frozen=True, slots=True)
class CustomSpending(Spending):
    """Error spent as a table says, linear between its entries."""

    information: tuple[float, ...]
    """Information fractions, increasing, the last one 1."""
    spent_by: tuple[float, ...]
    """Cumulative error at each, not decreasing; the last is the whole error, both sides together."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "spending", information=_increasing, spent_by=_growing)
        if self.information[-1] != 1:
            raise refuse("spending.information", self.information, "fractions of which the last is 1")
        if len(self.spent_by) != len(self.information):
            raise refuse("spending.spent_by", self.spent_by, f"{len(self.information)} numbers, one a fraction")

    def adds_up(self, where: str, error: float) -> None:
        """Refuse a table whose last entry is not the whole error."""
        if abs(self.spent_by[-1] - error) > 1e-12:
            raise refuse(where, self.spent_by, f"a last entry of {error:g}, the whole error")

    def spent(self, error: float, fraction: Array) -> Array:
        """Return the error spent."""
        shares = np.asarray((0.0, *self.spent_by)) / self.spent_by[-1]
        return np.asarray(error * np.interp(fraction, (0.0, *self.information), shares))


def _increasing(where: str, value: object) -> tuple[float, ...]:
    made = _numbers(where, value, Number(above=0, most=1))
    if any(later <= earlier for earlier, later in pairwise(made)):
        raise refuse(where, made, "increasing fractions")
    return made


def _growing(where: str, value: object) -> tuple[float, ...]:
    made = _numbers(where, value, Number(least=0, below=1))
    if made[-1] <= 0 or any(later < earlier for earlier, later in pairwise(made)):
        raise refuse(where, made, "cumulative errors that do not decrease, the last above 0")
    return made


def _numbers(where: str, value: object, check: Number) -> tuple[float, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise refuse(where, value, "a list of numbers")
    made = tuple(check(where, each) for each in value)
    if not made:
        raise refuse(where, made, "one or more numbers")
    return made
