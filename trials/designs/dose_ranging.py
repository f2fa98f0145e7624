"""Dose-ranging design: parallel doses of one drug against a control that may weigh more."""

import math
from dataclasses import dataclass
from fractions import Fraction

from trials.checks import Labels, Number, Whole, fields, refuse
from trials.designs.base import Design, check_size

FINEST = 4
"""Largest denominator of the control's share: shares such as 7:4 keep blocks small."""


@dataclass(frozen=True, slots=True)
class DoseRanging(Design):
    """Equal groups on each dose, and a control group of another size.

    Comparisons of k doses with one control are most precise with the square root of k as many subjects on the control
    as on a dose (Dunnett 1955, doi:10.1080/01621459.1955.10501294).
    """

    arms: tuple[str, ...]
    n: int
    control: str = ""
    """Arm that the doses are compared with; empty is the first."""
    control_weight: float = 0.0
    """Subjects on the control for each on a dose, to a quarter; 0 is the square root of the number of doses."""
    block: int = 0
    """Subjects in a block of the randomisation list; 0 is the sum of the allocation."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "design", arms=Labels(2), n=Whole(1), control_weight=Number(least=0), block=Whole(0))
        object.__setattr__(self, "control", self.control or self.arms[0])
        if self.control not in self.arms:
            raise refuse("design.control", self.control, f"one of the arms {', '.join(self.arms)}")
        if 0 < self.control_weight < 1 / FINEST:
            raise refuse("design.control_weight", self.control_weight, f"0, or a number of {1 / FINEST:g} or more")
        object.__setattr__(self, "block", self.block or sum(self.ratio))
        check_size(self.n, self.block, self.ratio)

    @property
    def orders(self) -> tuple[tuple[int, ...], ...]:
        """One period; a sequence is an arm."""
        return tuple((index,) for index in range(len(self.arms)))

    @property
    def ratio(self) -> tuple[int, ...]:
        """Allocation of the arms, in lowest terms."""
        weight = self.control_weight or math.sqrt(len(self.arms) - 1)
        share = Fraction(weight).limit_denominator(FINEST)
        return tuple(share.numerator if arm == self.control else share.denominator for arm in self.arms)

    def starts(self, follow_up: float) -> tuple[float, ...]:  # noqa: ARG002 - a longer follow-up moves no period here
        """Return the start of the only period."""
        return (0.0,)
