"""Ascending doses, single or multiple: cohorts in order of dose, each with its own placebo subjects."""

from dataclasses import dataclass

import numpy as np

from trials.checks import Labels, Whole, fields, flag, refuse
from trials.designs.base import Design
from trials.designs.escalation import EscalationRule
from trials.randomisation import Rng


@dataclass(frozen=True, slots=True)
class AscendingDose(Design):
    """Cohorts of equal size, one a dose, the first subjects on the lowest; within a cohort subjects are randomised.

    The first arm is the placebo, the others are doses in ascending order; whether a dose is given once or repeatedly is
    the arms' regimen. With ``sentinels`` the first two subjects of a cohort are one on the dose and one on placebo, in
    random order, so that one active subject is dosed ahead of the rest. All planned cohorts are simulated; those after
    one at which ``escalation`` stops are then as if they had never been dosed.
    """

    arms: tuple[str, ...]
    active: int = 6
    """Subjects of a cohort on its dose."""
    placebo: int = 2
    """Subjects of a cohort on placebo."""
    sentinels: bool = True
    n: int = 0
    """Subjects of all cohorts; 0 is what the cohorts hold, and no other number will do."""
    block: int = 0
    """Subjects of a cohort; 0 is what it holds, and no other number will do."""
    escalation: EscalationRule | None = None
    """What stops the escalation after a cohort; None: every dose is given."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "design", arms=Labels(2), active=Whole(1), placebo=Whole(1), sentinels=flag)
        fields(self, "design", n=Whole(0), block=Whole(0))
        if self.escalation is not None and not isinstance(self.escalation, EscalationRule):
            raise refuse("design.escalation", self.escalation, "a rule of trials.designs.escalation, or null")
        size = self.active + self.placebo
        for name, held in (("n", size * (len(self.arms) - 1)), ("block", size)):
            if getattr(self, name) not in (0, held):
                raise refuse(f"design.{name}", getattr(self, name), f"0 or {held}, which active and placebo add up to")
            object.__setattr__(self, name, held)

    @property
    def orders(self) -> tuple[tuple[int, ...], ...]:
        """One period; a sequence is an arm."""
        return tuple((index,) for index in range(len(self.arms)))

    @property
    def ratio(self) -> tuple[int, ...]:
        """Subjects of each arm over all cohorts, in lowest terms."""
        doses = len(self.arms) - 1
        unit = int(np.gcd(self.placebo * doses, self.active))
        return (self.placebo * doses // unit, *((self.active // unit,) * doses))

    def starts(self, follow_up: float) -> tuple[float, ...]:  # noqa: ARG002 - a longer follow-up moves no period here
        """Return the start of the only period."""
        return (0.0,)

    def sequence(self, rng: Rng, replicates: range) -> np.ndarray:
        """Return the arm of each subject, int (replicate, subject): cohort after cohort, each in its own order."""
        lists = np.empty((len(replicates), self.n), dtype=np.int64)
        for row, replicate in enumerate(replicates):
            generator = rng(replicate)
            lists[row] = np.concatenate([self._cohort(generator, dose) for dose in range(1, len(self.arms))])
        return lists

    def _cohort(self, generator: np.random.Generator, dose: int) -> np.ndarray:
        first = [dose, 0] if self.sentinels else []
        rest = [dose] * (self.active - len(first) // 2) + [0] * (self.placebo - len(first) // 2)
        return np.concatenate([generator.permutation(first), generator.permutation(rest)]).astype(np.int64)
