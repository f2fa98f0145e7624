"""Factorial design: parallel groups that combine the levels of two or more factors."""

import itertools
from dataclasses import dataclass

from trials.checks import Labels, Whole, fields, label, ratio, refuse
from trials.designs.base import Design, check_size


def levels(arms: tuple[str, ...], separator: str) -> tuple[tuple[str, ...], ...]:
    """Return the levels of each factor, in the order in which the names of the arms show them.

    Raises
    ------
    TrialError
        When the arms are not all combinations of the levels in their names.
    """
    parts = [tuple(arm.split(separator)) for arm in arms]
    found = tuple(tuple(dict.fromkeys(column)) for column in zip(*parts, strict=False))
    if len(set(map(len, parts))) > 1 or set(parts) != set(itertools.product(*found)):
        wanted = f"an arm for each combination of levels, named by them: a{separator}b"
        raise refuse("design.arms", arms, wanted)
    return found


@dataclass(frozen=True, slots=True)
class Factorial(Design):
    """Every combination of the factors' levels is an arm, named by its levels: ``drug+exercise``, ``placebo+none``."""

    arms: tuple[str, ...]
    n: int
    separator: str = "+"
    """What stands between the levels in the name of an arm."""
    allocation: tuple[int, ...] = ()
    """Subjects of each arm to those of the others, in the order of ``arms``; none is equal allocation."""
    block: int = 0
    """Subjects in a block of the randomisation list; 0 is twice the sum of the allocation."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "design", arms=Labels(4), n=Whole(1), separator=label, block=Whole(0))
        if min(map(len, self.levels)) < 2 or len(self.levels) < 2:
            raise refuse("design.arms", self.arms, "two or more factors of two or more levels each")
        shares = ratio("design.allocation", self.allocation or (1,) * len(self.arms))
        if len(shares) != len(self.arms):
            raise refuse("design.allocation", self.allocation, f"one number for each arm of {', '.join(self.arms)}")
        object.__setattr__(self, "allocation", shares)
        object.__setattr__(self, "block", self.block or 2 * sum(shares))
        check_size(self.n, self.block, self.ratio)

    @property
    def levels(self) -> tuple[tuple[str, ...], ...]:
        """Levels of each factor."""
        return levels(self.arms, self.separator)

    @property
    def orders(self) -> tuple[tuple[int, ...], ...]:
        """One period; a sequence is an arm."""
        return tuple((index,) for index in range(len(self.arms)))

    @property
    def ratio(self) -> tuple[int, ...]:
        """Allocation of the arms, in lowest terms."""
        return self.allocation

    def starts(self, follow_up: float) -> tuple[float, ...]:  # noqa: ARG002 - a longer follow-up moves no period here
        """Return the start of the only period."""
        return (0.0,)
