"""What the compiled driver is given: registers, columns, the itinerary and the doses of a block."""

from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.dosing.timeline import Timeline
from engine.remembering import remembered
from engine.solvers.machine import LANES, address
from engine.solvers.stepping.columns import Columns
from engine.solvers.stepping.compiled import Stepper
from engine.solvers.stepping.driver import driver
from engine.solvers.stepping.itinerary import itinerary
from engine.solvers.stepping.stops import Stops

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]

_BYTES: Final = 8
"""Of a number, whole or not."""
_TABLE: Final = 7
"""Entries of a table of a step's arguments."""


class Lanes:
    """Subjects of a block on their way through the lanes of a register.

    ``limits`` are the steps between two stops after which a subject is doubtful, and those limited by stability still
    to come; ``samples`` (state seen, subject and slot) and ``ended`` (subject, state) are filled in.
    """

    def __init__(
        self, stepper: Stepper, stops: Stops, limits: tuple[float, float], samples: Floats, ended: Floats
    ) -> None:  # fmt: skip
        self.stepper, self.limits = stepper, np.asarray(limits, dtype=np.float64)
        self.samples, self.ended, self.largest = samples, ended, stops.largest
        # Held here: a thread that compiles the same at the same time replaces the stepper's, whose code would be freed.
        self.short, self.within = stepper.short, stepper.within
        layout, problem = stepper.layout, stops.problem
        self.plan = _plan(problem.timeline, problem.subjects, layout.infused)
        self.width = problem.timeline.samples
        self.memory, self.registers = _registers(
            layout.carried + len(stepper.kept), layout.stop + 1, len(stepper.kept), len(stepper.seen)
        ).laid()
        self.seen = np.asarray(stepper.seen, dtype=np.int64)

    def run(self, some: Columns, queue: Integers) -> Integers:
        """Take these columns on until each has ended or is to be looked after; why, (column of the queue)."""
        outcome = np.zeros(len(some.subject), dtype=np.int64)
        layout, plan, count = self.stepper.layout, self.plan, len(some.subject)
        driver()(
            self.short.address, self.within.address, *self.registers,
            count, layout.states, layout.stop + 1, some.carried, some.parameters, some.taken, some.due, some.stop,
            some.sample, some.until, queue, len(queue), outcome,
            *plan.stops, self.largest, *plan.samples, *plan.doses,
            layout.flow, self.seen, len(self.seen), self.samples, self.samples.shape[1], self.width, self.ended,
            self.limits,
        )  # fmt: skip
        return outcome[queue]


class _Registers(NamedTuple):
    """Memory of the registers: how many numbers, where tables of arguments and registers begin, what tables hold.

    Entries of the tables that are addresses, which ``moving`` tells, count from the memory's own.
    """

    size: int
    places: tuple[int, ...]
    tables: Integers
    moving: Integers
    kept: int

    def laid(self) -> tuple[Integers, list[int]]:
        """Memory, all 0 but the tables, and the driver's arguments from ``forth`` to ``kept``."""
        memory = np.zeros(self.size, dtype=np.int64)
        first = address(memory)
        memory[: len(self.tables)] = self.tables + first * self.moving
        return memory, [*(first + place for place in self.places), self.kept]


@lru_cache(maxsize=256)
def _registers(carried: int, given: int, kept: int, seen: int) -> _Registers:
    """Lay out registers of so many rows, and tables of the arguments of the step, both ways, and of what is within."""
    sizes = {"tables": 3 * _TABLE, "one": carried * LANES, "other": carried * LANES, "given": given * LANES}
    sizes |= dict.fromkeys(("who", "due", "taken"), LANES) | {"asked": kept * LANES}
    sizes |= dict.fromkeys(("asked_time", "asked_place"), LANES) | {"answered": seen * LANES}
    ends = np.cumsum(list(sizes.values())).tolist()
    at = {name: _BYTES * (end - size) for (name, size), end in zip(sizes.items(), ends, strict=True)}
    ways = (
        ("one", "given", "due", "other"), ("other", "given", "due", "one"), ("asked", "asked", "asked_time", "answered")
    )  # fmt: skip
    tables = [[1, LANES, *(at[name] for name in way), LANES] for way in ways]
    moving = [[0, 0, 1, 1, 1, 1, 0]] * len(ways)
    places = [_BYTES * _TABLE * number for number in range(len(ways))]
    return _Registers(ends[-1], (*places, *list(at.values())[1:]), np.ravel(tables), np.ravel(moving), kept)


class _Plan(NamedTuple):
    """Stops, samples and doses as the driver reads them: addresses and numbers, and what they are addresses of."""

    stops: tuple[int, ...]
    samples: tuple[int, ...]
    doses: tuple[int, ...]
    held: tuple[NDArray[Any], ...]


@remembered
def _plan(timeline: Timeline, subjects: int, infused: tuple[int, ...]) -> _Plan:
    """Lay out the stops and doses of a timeline."""
    plan = itinerary(timeline, subjects)
    afresh, hard = plan.afresh.astype(np.int64), plan.hard.astype(np.int64)
    stops = (plan.time, plan.node, plan.before, afresh, hard, plan.last[plan.row], plan.sample_last[plan.sample_row])
    samples = (plan.sample_time, plan.slot)
    place = {state: number for number, state in enumerate(timeline.into)}
    into = np.asarray(timeline.into, dtype=np.int64)
    flowing = np.asarray([place[state] for state in infused], dtype=np.int64)
    jump, rate = np.ascontiguousarray(timeline.jump), np.ascontiguousarray(timeline.rate)
    doses = (
        address(into), len(into), address(jump), _apart(jump), address(rate), _apart(rate), address(flowing),
        len(flowing),
    )  # fmt: skip
    held = (*stops, *samples, into, jump, rate, flowing)
    return _Plan(tuple(map(address, stops)), tuple(map(address, samples)), doses, held)


def _apart(values: Floats) -> int:
    """How far a subject's row is from the one before; 0 when all have the same."""
    return values[0].size if len(values) > 1 else 0
