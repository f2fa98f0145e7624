"""When a one-sided trial stops for futility: at given bounds, or at bounds that spend the type II error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from trials.boundaries.spending import CustomSpending, OBrienFlemingSpending, Spending
from trials.checks import Number, fields, refuse


@dataclass(frozen=True, slots=True)
class FutilityBounds:
    """Stop at given values of Z."""

    z: tuple[float | None, ...]
    """Bound at each look but the last; null where the trial cannot stop."""

    def __post_init__(self) -> None:
        """Coerce and check the field."""
        fields(self, "futility", z=optional_numbers)


@dataclass(frozen=True, slots=True)
class BetaSpending:
    """Stop at bounds that spend the type II error as the information comes in.

    The bounds are those under the drift at which the trial has power 1 - β: Pampallona, Tsiatis & Kim (2001),
    doi:10.1177/009286150103500408; Jennison & Turnbull (2000), section 7.3.
    """

    beta: float = 0.2
    """Type II error spent by the end."""
    spending: Spending = field(default_factory=OBrienFlemingSpending)
    """Share of it that is spent by each look."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "futility", beta=Number(above=0, below=0.9), spending=spending_of)
        if isinstance(self.spending, CustomSpending):
            self.spending.adds_up("futility.spending.spent_by", self.beta)


type Futility = FutilityBounds | BetaSpending
"""A rule that stops a trial without success."""


def futility_of(where: str, value: object) -> Futility | None:
    """Return a futility rule or ``None``."""
    if value is not None and not isinstance(value, FutilityBounds | BetaSpending):
        raise refuse(where, value, "null, FutilityBounds or BetaSpending")
    return value


def spending_of(where: str, value: object) -> Spending:
    """Return a spending function."""
    if not isinstance(value, Spending):
        raise refuse(where, value, "a spending function, as PocockSpending")
    return value


def optional_numbers(where: str, value: object) -> tuple[float | None, ...]:
    """Return numbers, ``None`` among them where there is no bound."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise refuse(where, value, "a list of numbers and nulls")
    return tuple(None if each is None else Number()(where, each) for each in value)
