"""What the compiled driver is given: registers, columns, the itinerary and the doses of a block."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.solvers.machine import LANES, table
from engine.solvers.stepping.columns import Columns
from engine.solvers.stepping.compiled import Stepper
from engine.solvers.stepping.driver import driver
from engine.solvers.stepping.stops import Stops

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]


class Lanes:
    """Subjects of a block on their way through the lanes of a register.

    ``limits`` are the steps between two stops after which a subject is doubtful, and those limited by stability still
    to come; ``samples`` (state seen, subject and slot) and ``ended`` (subject, state) are filled in.
    """

    def __init__(
        self, stepper: Stepper, stops: Stops, limits: tuple[float, float], samples: Floats, ended: Floats
    ) -> None:  # fmt: skip
        self.stepper, self.stops, self.limits = stepper, stops, np.asarray(limits, dtype=np.float64)
        self.samples, self.ended = samples, ended
        # Held here: a thread that compiles the same at the same time replaces the stepper's, whose code would be freed.
        self.short, self.within = stepper.short, stepper.within
        layout = stepper.layout
        kept = len(stepper.kept)
        self.one, self.other = (np.zeros((layout.carried + kept, LANES)) for _ in range(2))
        self.asked, self.given = np.zeros((kept, LANES)), np.zeros((layout.stop + 1, LANES))
        self.due, self.taken, self.asked_time = (np.zeros(LANES) for _ in range(3))
        self.who, self.asked_place = (np.zeros(LANES, dtype=np.int64) for _ in range(2))
        self.answered = np.zeros((len(stepper.seen), LANES))
        self.seen = np.asarray(stepper.seen, dtype=np.int64)
        self._plan()

    def _plan(self) -> None:
        """Lay out stops and doses as the driver reads them."""
        plan, timeline, layout = self.stops.plan, self.stops.problem.timeline, self.stepper.layout
        self.afresh, self.hard = plan.afresh.astype(np.int64), plan.hard.astype(np.int64)
        self.last, self.sample_last = plan.last[plan.row], plan.sample_last[plan.sample_row]
        into = {state: number for number, state in enumerate(timeline.into)}
        self.into = np.asarray(timeline.into, dtype=np.int64)
        self.infused = np.asarray([into[state] for state in layout.infused], dtype=np.int64)
        self.jump, self.rate = np.ascontiguousarray(timeline.jump), np.ascontiguousarray(timeline.rate)

    def run(self, some: Columns, queue: Integers) -> Integers:
        """Take these columns on until each has ended or is to be looked after; why, (column of the queue)."""
        outcome = np.zeros(len(some.subject), dtype=np.int64)
        tables = self._tables()
        driver()(*self._registers(tables), *self._columns(some, queue, outcome), *self._itinerary())
        return outcome[queue]

    def _tables(self) -> list[Integers]:
        """Arguments of the step, in both directions, and of what is within it."""
        ways = ((self.one, self.other), (self.other, self.one))
        steps = [table(1, LANES, before, self.given, self.due, after, LANES) for before, after in ways]
        return [*steps, table(1, LANES, self.asked, self.asked, self.asked_time, self.answered, LANES)]

    def _registers(self, tables: list[Integers]) -> list[Any]:
        return [
            self.short.address, self.within.address, *tables, self.one, self.other, self.given,
            self.who, self.due, self.taken, self.asked, self.asked_time, self.asked_place, self.answered,
            len(self.asked),
        ]  # fmt: skip

    def _columns(self, some: Columns, queue: Integers, outcome: Integers) -> list[Any]:
        layout = self.stepper.layout
        return [
            len(some.subject), layout.states, layout.stop + 1, some.carried, some.parameters, some.taken, some.due,
            some.stop, some.sample, some.until, queue, len(queue), outcome,
        ]  # fmt: skip

    def _itinerary(self) -> list[Any]:
        plan, layout, width = self.stops.plan, self.stepper.layout, self.stops.problem.timeline.samples
        return [
            plan.time, plan.node, plan.before, self.afresh, self.hard, self.last, self.sample_last, self.stops.largest,
            plan.sample_time, plan.slot, self.into, len(self.into), self.jump, _apart(self.jump), self.rate,
            _apart(self.rate), self.infused, len(self.infused), layout.flow, self.seen, len(self.seen), self.samples,
            self.samples.shape[1], width, self.ended, self.limits,
        ]  # fmt: skip


def _apart(values: Floats) -> int:
    """How far a subject's row is from the one before; 0 when all have the same."""
    return values[0].size if len(values) > 1 else 0
