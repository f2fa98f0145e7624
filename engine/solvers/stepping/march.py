"""Taking a block of subjects forward, each at its own time with its own step: one call of a compiled step moves all.

What is done between the calls touches only the subjects it is due for: those that reached a stop, those whose step
passed a sample. Subjects that have arrived leave the block. Nothing of one subject depends on another.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.solvers.base import Problem
from engine.solvers.stepping.columns import START, Columns
from engine.solvers.stepping.compiled import Stepper
from engine.solvers.stepping.stops import Stops
from engine.solvers.stepping.symbols import FIRST, LENGTH, STIFF, TIME
from engine.status import Status

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]

_STRIDE, _EACH = 8, 8
"""Steps between looks at who has reached a stop, and between looks at who has failed."""
_CROWDED = 0.75
"""Part of the columns that must be on their way, else the others are left out."""
_TINY, _VANISHING = 4e-16, 1e-30
_ATTEMPTS = 60
_SURE = 12.0
"""So many steps in a row that stability limits make a subject stiff."""


type Rescue = Callable[[], Stepper]
"""Another method's step for where a method has none; compiled when it is needed."""


class Limits(NamedTuple):
    """When a subject is given up, or left to another method.

    ``steps`` between two stops after which it is given up; ``stiff`` steps, limited by stability, still to come before
    the next stop for which it is left.
    """

    steps: int
    stiff: float


class March:
    """A block of subjects on its way."""

    def __init__(self, problem: Problem, stops: Stops, stepper: Stepper, limits: Limits, rescue: Rescue | None) -> None:
        self.stepper, self.limits, self.stops, self.layout = stepper, limits, stops, stepper.layout
        self.rescue = rescue
        self.plan = stops.plan
        self.width = problem.timeline.samples
        self.samples = np.full((self.layout.states, problem.subjects * self.width), np.nan)
        self.state = np.full((problem.subjects, self.layout.states), np.nan)
        self.status = np.zeros(problem.subjects, dtype=np.int8)
        self.left = np.zeros(problem.subjects, dtype=bool)

    def walk(self, some: Columns) -> None:
        """Take the columns as far as they go."""
        steps, self.columns = 0, some
        self._sample_here(some.moving.nonzero()[0])
        self._arrive(np.flatnonzero(some.moving & (some.goal <= some.row(TIME))), 0)
        self.columns.set_off(some.moving.nonzero()[0], 0)
        ring: list[Floats] = []
        while self.columns.moving.any():
            ring = self._compact(ring)
            self._stride(ring, steps := steps + _STRIDE)
            ring[0], ring[-1] = ring[-1], ring[0]

    def _stride(self, ring: list[Floats], steps: int) -> None:
        """Take some steps, then do what became due in them; who reaches a stop in between waits there."""
        some, carried, time = self.columns, self.layout.carried, self.layout.states + TIME
        for before, after in pairwise(ring):
            self.stepper.step(before[:carried], some.parameters, after)
        now = ring[-1][time]
        if (due := (some.due <= now).nonzero()[0]).size:
            self._sample(ring, due)
        some.carried = ring[-1][:carried]
        if (at := (now == some.goal).nonzero()[0]).size:
            self._arrive(at, steps)
        if steps % _EACH == 0:
            self._judge(steps)

    def _compact(self, ring: list[Floats]) -> list[Floats]:
        """Leave out the columns that stand still, when they are many; the ring of what steps begin and end with."""
        some = self.columns
        moving = some.moving.nonzero()[0]
        if ring and len(moving) >= _CROWDED * len(some.subject) - self.stepper.lanes:
            return ring
        if len(moving) < len(some.subject):
            some = self.columns = some.take(moving, self.stepper.lanes)
        ring = list(np.empty((_STRIDE + 1, self.stepper.rows, len(some.subject))))
        ring[0][: self.layout.carried] = some.carried
        return ring

    def _sample(self, ring: list[Floats], due: Integers) -> None:
        """Fill in the samples the last steps passed."""
        row, lanes = self.layout.states + TIME, self.stepper.lanes
        each, sample = self._passed(due, ring[-1][row, due])
        time = self.plan.sample_time[sample]
        step = sum((after[row, each] < time).astype(np.int64) for after in ring[1:])
        order = np.argsort(step, kind="stable")
        each, sample, time = each[order], sample[order], time[order]
        ends = np.searchsorted(step[order], np.arange(len(ring)))
        parts = [(n, each[a:b]) for n, (a, b) in enumerate(pairwise(ends)) if b > a]
        fill = -len(each) % lanes
        parts.append((parts[-1][0], np.full(fill, each[-1])))
        before = np.concatenate([ring[n][: self.layout.carried].take(some, axis=1) for n, some in parts], axis=1)
        after = np.concatenate([ring[n + 1].take(some, axis=1) for n, some in parts], axis=1)
        found = self.stepper.sample(before, after, np.concatenate([time, np.full(fill, time[-1])]))
        self._record(each, sample, found[:, : len(each)])

    def _passed(self, due: Integers, time: Floats) -> tuple[Integers, Integers]:
        """Columns and samples due by ``time``, (due), each sample once; they are not due any more."""
        some, plan = self.columns, self.plan
        first, until = some.sample[due], some.until[due]
        last = first + 1
        while (more := (plan.sample_time[last] <= time) & (last < until)).any():
            last += more
        count = last - first
        some.sample[due], some.due[due] = last, np.where(last < until, plan.sample_time[last], np.inf)
        within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        return np.repeat(due, count), np.repeat(first, count) + within

    def _record(self, chosen: Integers, sample: Integers, found: Floats) -> None:
        """Put states (state, chosen) in their places."""
        place = self.columns.subject[chosen] * self.width + self.plan.slot[sample]
        for row, values in zip(self.samples, found, strict=True):
            row[place] = values

    def _arrive(self, at: Integers, steps: int) -> None:
        """Do what is to be done where these columns have stopped, and send them on."""
        some, plan, reached = self.columns, self.plan, at
        while at.size:
            self._fail(at, self.stops.act(some, at))
            self._leave(at[some.moving[at] & self.stops.left[some.subject[at]]])
            at = at[some.moving[at]]
            stop, subject = some.stop[at], some.subject[at]
            last = stop == plan.last[plan.row[subject]]
            following = np.where(last, stop, stop + 1)
            some.stop[at], some.goal[at] = following, np.where(last, np.nan, plan.time[following])
            some.until[at] = np.where(last, plan.sample_last[plan.sample_row[subject]], plan.before[following])
            some.due[at] = np.where(some.sample[at] < some.until[at], plan.sample_time[some.sample[at]], np.inf)
            self._sample_here(at)
            self._finish(at[last])
            at = at[some.goal[at] <= some.row(TIME)[at]]
        reached = reached[some.moving[reached]]
        some.set_off(reached, steps)

    def _sample_here(self, at: Integers) -> None:
        """Take the samples that are due where a column stands."""
        some = self.columns
        time = some.row(TIME)
        due = at[some.due[at] <= time[at]]
        if due.size:
            each, sample = self._passed(due, time[due])
            self._record(each, sample, some.carried[: self.layout.states, each])

    def _finish(self, chosen: Integers) -> None:
        if chosen.size:
            self.state[self.columns.subject[chosen]] = self.columns.carried[: self.layout.states, chosen].T
            self.columns.halt(chosen)

    def _fail(self, chosen: Integers, status: NDArray[np.int8]) -> None:
        """Give up the columns whose status is not ok, unless they are left to another method anyhow."""
        lost = (status != Status.ok) & ~self.stops.left[self.columns.subject[chosen]]
        if lost.any():
            self.status[self.columns.subject[chosen[lost]]] = status[lost]
            self.columns.halt(chosen[lost])

    def _judge(self, steps: int) -> None:
        """Find the columns that do not get on."""
        some = self.columns
        length, left = some.row(LENGTH), some.goal - some.row(TIME)
        stuck = some.moving & ((length <= _TINY * np.abs(some.row(TIME))) | (length <= _VANISHING * left))
        late = some.moving & (steps - some.since > self.limits.steps)
        if self.rescue and stuck.any():
            stuck[self._help(stuck.nonzero()[0], self.rescue())] = False
        status = np.where(stuck, Status.diverged, np.where(late, Status.too_many_steps, Status.ok)).astype(np.int8)
        lost = (some.moving & (status != Status.ok)).nonzero()[0]
        self._fail(lost, status[lost])
        self._leave((some.moving & (some.row(STIFF) > _SURE) & (left > self.limits.stiff * length)).nonzero()[0])

    def _help(self, stuck: Integers, rescue: Stepper) -> Integers:
        """Take columns one step by another method, over a place their own has no step for; those it helped."""
        whole, own, count = self.columns, self.stepper, len(stuck)
        self.columns, self.stepper = some, _ = whole.take(stuck, own.lanes), rescue
        length, first = some.row(LENGTH), some.row(FIRST)
        begin = START * (some.goal - some.row(TIME))
        length[:] = np.where(some.moving, np.where(np.isfinite(first), first, begin), 0.0)
        start, waiting = some.row(TIME).copy(), some.moving.copy()
        for _ in range(_ATTEMPTS):
            after = np.empty((rescue.rows, len(length)))
            rescue.step(some.carried, some.parameters, after)
            after[: self.layout.carried, ~waiting] = some.carried[:, ~waiting]
            due = (waiting & (some.due <= after[self.layout.states + TIME])).nonzero()[0]
            if due.size:
                self._sample([some.carried, after], due)
            some.carried = after[: self.layout.carried].copy()
            waiting &= some.row(TIME) <= start
            if not waiting.any():
                break
        some.row(FIRST)[:] = some.row(LENGTH)
        self.columns, self.stepper = whole, own
        whole.put(stuck, some)
        helped: Integers = stuck[~waiting[:count]]
        return helped

    def _leave(self, chosen: Integers) -> None:
        """Leave columns to another method."""
        if chosen.size:
            self.left[self.columns.subject[chosen]] = True
            self.columns.halt(chosen)
