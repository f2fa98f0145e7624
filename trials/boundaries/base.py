"""What a group-sequential boundary promises: critical values of the standardised statistic at each look.

The statistics Z_1 … Z_K of the looks have the canonical joint distribution: normal, E Z_k = θ √t_k, and covariance
√(t_j / t_k) for j ≤ k, where t_k is the information at look k as a share of the planned one (Jennison & Turnbull 2000,
ISBN 978-0-8493-0316-6, chapter 3). θ, the ``drift``, is the expected statistic when all information is there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy import special

from trials.checks import Number, fields, flag, refuse

if TYPE_CHECKING:
    from trials.boundaries.futility import Futility

type Array = np.ndarray

CLOSEST = 1e-3
"""Smallest share by which the information of a look exceeds that of the look before."""


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """A boundary at given information rates; arrays are (look,)."""

    information_rates: Array
    """Information at each look as a share of the planned maximum."""
    efficacy: Array
    """Critical values: the trial stops for efficacy when Z (two-sided: |Z|) is at or above; inf: cannot stop here."""
    futility: Array
    """It stops for futility when Z is at or below; -inf: cannot stop here. At the last look never: Z < efficacy is."""
    alpha_spent: Array
    """Cumulative type I error, both sides together; futility counted only when binding."""
    beta_spent: Array
    """Cumulative type II error of a futility boundary that spends one, NaN of others."""
    alpha: float
    sided: int
    binding: bool
    """Whether the trial must stop at the futility bound, so that type I error is counted with that stop."""
    drift: float
    """Drift at which a beta-spending boundary has its power, NaN of others."""

    @property
    def stage_levels(self) -> Array:
        """One-sided significance level (look,) that belongs to each critical value."""
        return np.asarray(special.ndtr(-self.efficacy))


class Boundary(ABC):
    """When a group-sequential trial stops.

    Members are frozen dataclasses with the fields annotated here, called with information rates.
    """

    __slots__ = ()

    spends: ClassVar[bool] = False
    """Whether it can be computed at the information observed look by look, without the later looks being known."""

    alpha: float
    """Type I error, both sides together."""
    sided: int
    """1: Z is large under the alternative; 2: |Z| is."""
    futility: Futility | None
    """When it stops for futility; None: never."""
    binding: bool
    """Whether efficacy bounds are the lower for the trial must stop at futility; false is what regulators expect."""

    @abstractmethod
    def efficacy(self, rates: Array, futility: Array) -> Array:
        """Return the critical values (look,).

        Parameters
        ----------
        rates
            Information rates (look,).
        futility
            Futility bounds (look,) at which the trial must stop; -inf where there is none.
        """

    def __call__(self, information_rates: Sequence[float]) -> Bounds:
        """Return the bounds at given information rates (look,): above 0, increasing, at most 1.

        The last rate usually is 1: a spending boundary spends all its error there, and what its function says before.

        Raises
        ------
        TrialError
            When the rates do not increase or exceed 1, or a list of bounds is not as long as that of the looks.
        """
        return bounds_at(self, information_rates_of(information_rates))

    def spent(self, fractions: Array) -> Array:  # noqa: ARG002
        """Return the type I error of one side that is spent by the time of information fractions, of any shape.

        Raises
        ------
        TrialError
            When the boundary has none: only a spending boundary can be recomputed at the information observed.
        """
        raise refuse("boundary", type(self).__name__, "one that spends alpha, to be computed at observed information")


@lru_cache(maxsize=1024)
def bounds_at(boundary: Boundary, rates: tuple[float, ...]) -> Bounds:
    """Return the bounds of a boundary at checked rates; kept, for the same are asked for by every block."""
    from trials.boundaries.joining import joined

    made = joined(boundary, np.array(rates))
    for values in (made.information_rates, made.efficacy, made.futility, made.alpha_spent, made.beta_spent):
        values.flags.writeable = False
    return made


def information_rates_of(value: object) -> tuple[float, ...]:
    """Return information rates: shares of the planned maximum, increasing by at least a thousandth each."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise refuse("boundary.information_rates", value, "a list of increasing shares of 1, one a look")
    rates = tuple(min(Number(above=0, most=1 + 1e-9)("boundary.information_rates", rate), 1.0) for rate in value)
    if not rates or any(later < (1 + CLOSEST) * earlier for earlier, later in pairwise(rates)):
        raise refuse("boundary.information_rates", rates, f"increasing numbers, each {CLOSEST:g} above the one before")
    return rates


def check_boundary(spec: Boundary) -> None:
    """Check and coerce the fields every boundary has."""
    from trials.boundaries.futility import futility_of

    fields(spec, "boundary", alpha=Number(above=0, below=0.5), sided=_sided, futility=futility_of, binding=flag)
    if spec.futility is not None and spec.sided == 2:
        raise refuse("boundary.futility", spec.futility, "null, for sided 2")
    if spec.futility is None and spec.binding:
        raise refuse("boundary.binding", spec.binding, "false, or a boundary.futility that binds")


def _sided(where: str, value: object) -> int:
    if isinstance(value, bool) or value not in (1, 2):
        raise refuse(where, value, "1 or 2")
    return 1 if value == 1 else 2
