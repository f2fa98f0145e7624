"""Replicate crossover: two arms, at least one of them given twice to the same subject."""

from dataclasses import dataclass

from trials.checks import Labels, Number, Whole, fields, label, refuse
from trials.designs.base import Design, check_size

LETTERS = "TR"


@dataclass(frozen=True, slots=True)
class ReplicateCrossover(Design):
    """Sequences of test (T, the first arm) and reference (R, the second), written ``TRTR/RTRT`` or ``TRR/RTR/RRT``."""

    arms: tuple[str, ...]
    n: int
    washout: float
    """From the last planned observation of a period to the first dose of the next, in the time unit of the model."""
    pattern: str = "TRTR/RTRT"
    block: int = 0
    """Subjects in a block of the randomisation list; 0 is twice the number of sequences."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "design", arms=Labels(2), n=Whole(1), washout=Number(least=0), pattern=label, block=Whole(0))
        if len(self.arms) != 2:
            raise refuse("design.arms", self.arms, "two arms, test and reference")
        self._check_pattern()
        object.__setattr__(self, "block", self.block or 2 * len(self.orders))
        check_size(self.n, self.block, self.ratio)

    def _check_pattern(self) -> None:
        words = self.pattern.split("/")
        alike = len(set(map(len, words))) == 1 and len(set(words)) == len(words) > 1
        repeats = any(word.count(letter) > 1 for word in words for letter in LETTERS)
        if not (alike and repeats and set("".join(words)) == set(LETTERS)):
            wanted = "two or more distinct sequences of T and R of one length with an arm repeated, such as TRTR/RTRT"
            raise refuse("design.pattern", self.pattern, wanted)

    @property
    def orders(self) -> tuple[tuple[int, ...], ...]:
        """Arm index in each period, for each sequence."""
        return tuple(tuple(LETTERS.index(letter) for letter in word) for word in self.pattern.split("/"))

    @property
    def ratio(self) -> tuple[int, ...]:
        """Sequences are equally likely."""
        return (1,) * len(self.orders)

    def starts(self, follow_up: float) -> tuple[float, ...]:
        """Return when each period begins: a follow-up and a wash-out after the one before."""
        return tuple(period * (follow_up + self.washout) for period in range(self.periods))
