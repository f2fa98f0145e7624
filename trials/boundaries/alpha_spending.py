"""Critical values that spend the type I error as the information comes in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from trials.boundaries.base import Boundary, check_boundary
from trials.boundaries.futility import Futility, spending_of
from trials.boundaries.joining import alpha_increments
from trials.boundaries.spending import CustomSpending, OBrienFlemingSpending, Spending
from trials.boundaries.stages import boundary_values, given, wanted
from trials.checks import fields

type Array = np.ndarray


@dataclass(frozen=True, slots=True)
class AlphaSpending(Boundary):
    """Critical values from a spending function. Lan & DeMets (1983), doi:10.1093/biomet/70.3.659.

    They can be computed at whatever information is observed at a look (`critical_values`).
    """

    spends: ClassVar[bool] = True

    alpha: float = 0.025
    sided: int = 1
    spending: Spending = field(default_factory=OBrienFlemingSpending)
    futility: Futility | None = None
    binding: bool = False

    def __post_init__(self) -> None:
        """Check the fields."""
        fields(self, "boundary", spending=spending_of)
        check_boundary(self)
        if isinstance(self.spending, CustomSpending):
            self.spending.adds_up("boundary.spending.spent_by", self.alpha)

    def spent(self, fractions: Array) -> Array:
        """Return the type I error of one side that is spent by the time of information fractions."""
        return self.spending(self.alpha / self.sided, fractions)

    def efficacy(self, rates: Array, futility: Array) -> Array:
        """Return the critical values (look,)."""
        side = wanted(alpha_increments(self, rates[None]))
        made, _ = boundary_values(rates[None], side, given(futility[None]), np.zeros(1), binding=True, sided=self.sided)
        return np.asarray(made[0])
