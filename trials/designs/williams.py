"""Williams design: a crossover of any number of arms, balanced for the arm before."""

from dataclasses import dataclass

from trials.checks import Labels, Number, Whole, fields
from trials.designs.base import Design, check_size


@dataclass(frozen=True, slots=True)
class Williams(Design):
    """As many periods as arms, each arm as often after every other (Williams 1949, doi:10.1071/CH9490149).

    An even number of arms has as many sequences as arms, an odd one twice as many.
    """

    arms: tuple[str, ...]
    n: int
    washout: float
    """From the last planned observation of a period to the first dose of the next, in the time unit of the model."""
    block: int = 0
    """Subjects in a block of the randomisation list; 0 is the number of sequences."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "design", arms=Labels(2), n=Whole(1), washout=Number(least=0), block=Whole(0))
        object.__setattr__(self, "block", self.block or len(self.orders))
        check_size(self.n, self.block, self.ratio)

    @property
    def orders(self) -> tuple[tuple[int, ...], ...]:
        """Arm index in each period, for each sequence: the first zigzags through the arms, the others follow it on."""
        count = len(self.arms)
        zigzag = [(place + 1) // 2 if place % 2 else -(place // 2) for place in range(count)]
        square = tuple(tuple((start + step) % count for step in zigzag) for start in range(count))
        return square if count % 2 == 0 else square + tuple(order[::-1] for order in square)

    @property
    def ratio(self) -> tuple[int, ...]:
        """Sequences are equally likely."""
        return (1,) * len(self.orders)

    def starts(self, follow_up: float) -> tuple[float, ...]:
        """Return when each period begins: a follow-up and a wash-out after the one before."""
        return tuple(period * (follow_up + self.washout) for period in range(self.periods))
