"""Parallel design: every subject gets one arm."""

from dataclasses import dataclass

from trials.checks import Labels, Whole, fields, ratio, refuse
from trials.designs.base import Design, check_size


class ParallelGroups(Design):
    """What designs have in common in which every subject gets one arm, once."""

    __slots__ = ()

    allocation: tuple[int, ...]
    """Subjects of each arm to those of the others, in the order of ``arms``; none is equal allocation."""

    def check_groups(self) -> None:
        """Coerce and check the fields arms, n, allocation and block."""
        fields(self, "design", arms=Labels(2), n=Whole(1), block=Whole(0))
        shares = ratio("design.allocation", self.allocation or (1,) * len(self.arms))
        if len(shares) != len(self.arms):
            raise refuse("design.allocation", self.allocation, f"one number for each arm of {', '.join(self.arms)}")
        object.__setattr__(self, "allocation", shares)
        object.__setattr__(self, "block", self.block or 2 * sum(shares))
        check_size(self.n, self.block, self.ratio)

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


@dataclass(frozen=True, slots=True)
class Parallel(ParallelGroups):
    """Parallel groups in permuted blocks."""

    arms: tuple[str, ...]
    n: int
    allocation: tuple[int, ...] = ()
    """Subjects of each arm to those of the others, in the order of ``arms``; none is equal allocation."""
    block: int = 0
    """Subjects in a block of the randomisation list; 0 is twice the sum of the allocation."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        self.check_groups()
