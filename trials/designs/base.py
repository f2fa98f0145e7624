"""What a design promises: sequences of arms and a randomised sequence for every subject of every replicate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from trials.checks import refuse
from trials.randomisation import Rng, randomise

if TYPE_CHECKING:
    from trials.designs.escalation import EscalationRule
    from trials.monitoring.looks import Looks
    from trials.monitoring.reestimation import Reestimation


class Design(ABC):
    """Who gets which arm in which period.

    Members are frozen dataclasses with the fields annotated here. Subjects are enrolled in the order of their index, so
    the first ``m`` subjects are the first to have been randomised.
    """

    __slots__ = ()

    arms: tuple[str, ...]
    """Names of the arms; an arm index points into this tuple."""
    n: int
    """Subjects randomised, all arms together."""
    block: int
    """Subjects in a block of the randomisation list."""

    @property
    @abstractmethod
    def orders(self) -> tuple[tuple[int, ...], ...]:
        """Arm index in each period, for each sequence: ``((0, 1), (1, 0))`` in a 2x2 crossover."""

    @property
    @abstractmethod
    def ratio(self) -> tuple[int, ...]:
        """Allocation ratio of the sequences, in lowest terms."""

    @abstractmethod
    def starts(self, follow_up: float) -> tuple[float, ...]:
        """Return when each period begins, in the time unit of the model.

        Parameters
        ----------
        follow_up
            Time from the first dose of a period to its last planned observation.
        """

    @property
    def periods(self) -> int:
        """Number of treatment periods of a subject."""
        return len(self.orders[0])

    @property
    def looks(self) -> Looks | None:
        """When the trial is looked at before its end, and what stops it there; None: analysed once, when complete."""
        return None

    @property
    def reestimation(self) -> Reestimation | None:
        """How the size is decided anew at an interim look; None: it is not."""
        return None

    @property
    def escalation(self) -> EscalationRule | None:
        """What keeps later cohorts from being dosed; None: nothing does."""
        return None

    def duration(self, follow_up: float) -> float:
        """Return the time a subject is in the trial: from the first dose to the last planned observation."""
        return self.starts(follow_up)[-1] + follow_up

    def sequence(self, rng: Rng, replicates: range) -> np.ndarray:
        """Return the randomised sequence of each subject: int (replicate, subject), an index into ``orders``.

        Parameters
        ----------
        rng
            Gives the generator of a replicate: a fresh one at each call, addressed by the replicate's number.
        replicates
            Numbers of the replicates; a replicate's list does not depend on which others are asked for.
        """
        return randomise(rng, replicates, n=self.n, ratio=self.ratio, block=self.block)

    def assign(self, rng: Rng, replicates: range) -> np.ndarray:
        """Return the arm of each subject in each period: int (replicate, subject, period), an index into ``arms``."""
        arms: np.ndarray = np.asarray(self.orders, dtype=np.int64)[self.sequence(rng, replicates)]
        return arms


def check_size(n: int, block: int, ratio: tuple[int, ...]) -> None:
    """Refuse a trial too small for two subjects in every sequence, or a block the allocation does not divide."""
    unit, words = sum(ratio), ":".join(map(str, ratio))
    smallest = -(-2 * unit // min(ratio))
    if n < smallest:
        raise refuse("design.n", n, f"{smallest} or more, so that {words} gives every group two subjects")
    if block % unit:
        raise refuse("design.block", block, f"a multiple of {unit}, the sum of the allocation {words}")
