"""Crossover design: every subject gets several arms, one a period, in a randomised order."""

from dataclasses import dataclass

from trials.checks import Labels, Number, Whole, fields, refuse
from trials.designs.base import Design, check_size


@dataclass(frozen=True, slots=True)
class Crossover(Design):
    """A crossover in permuted blocks; the 2x2 of two arms unless ``sequences`` says otherwise."""

    arms: tuple[str, ...]
    n: int
    washout: float
    """From the last planned observation of a period to the first dose of the next, in the time unit of the model."""
    sequences: tuple[tuple[str, ...], ...] = ()
    """Arms in the order of the periods, one tuple a sequence; none is the 2x2, first arm first and the reverse."""
    block: int = 4

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "design", arms=Labels(2), n=Whole(1), washout=Number(least=0), block=Whole(1))
        object.__setattr__(self, "sequences", self._sequences())
        check_size(self.n, self.block, self.ratio)

    def _sequences(self) -> tuple[tuple[str, ...], ...]:
        if not self.sequences and len(self.arms) == 2:
            return self.arms, self.arms[::-1]
        given = tuple(map(tuple, self.sequences))
        known = all(arm in self.arms for order in given for arm in order)
        if len(given) < 2 or len(set(map(len, given))) > 1 or len(set(given)) < len(given) or not known or not given[0]:
            wanted = f"two or more distinct sequences of one length, of the arms {', '.join(self.arms)}"
            raise refuse("design.sequences", given, wanted)
        unused = set(self.arms) - {arm for order in given for arm in order}
        if unused:
            raise refuse("design.sequences", given, f"sequences in which {', '.join(sorted(unused))} occurs")
        return given

    @property
    def orders(self) -> tuple[tuple[int, ...], ...]:
        """Arm index in each period, for each sequence."""
        return tuple(tuple(self.arms.index(arm) for arm in order) for order in self.sequences)

    @property
    def ratio(self) -> tuple[int, ...]:
        """Sequences are equally likely."""
        return (1,) * len(self.sequences)

    def starts(self, follow_up: float) -> tuple[float, ...]:
        """Return when each period begins: a follow-up and a wash-out after the one before."""
        return tuple(period * (follow_up + self.washout) for period in range(self.periods))
