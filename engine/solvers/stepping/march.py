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
from engine.solvers.stepping.switching import Cut, Switching
from engine.solvers.stepping.symbols import FIRST, LENGTH, STIFF, TIME
from engine.status import Status

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]

_STRIDE, _EACH = 8, 8
"""Steps between looks at who has reached a stop, and between looks at who has failed."""
_CROWDED = 0.75
"""Part of the columns that must be on their way, else the others are left out."""
_TINY, _VANISHING = 4e-16, 1e-30
_ATTEMPTS, _LANDED = 60, 0.999
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


class Helpers(NamedTuple):
    """What a march may need: another method's step, and the switches of the equations; None for none."""

    rescue: Rescue | None
    switching: Switching | None


class March:
    """A block of subjects on its way."""

    def __init__(self, problem: Problem, stops: Stops, stepper: Stepper, limits: Limits, helpers: Helpers) -> None:
        self.stepper, self.limits, self.stops, self.layout = stepper, limits, stops, stepper.layout
        self.rescue, self.switching = helpers
        self.plan = stops.plan
        self.width = problem.timeline.samples
        self.seen = range(self.layout.states) if problem.observed is None else problem.observed
        self.samples = np.full((len(self.seen), problem.subjects * self.width), np.nan)
        self.state = np.full((problem.subjects, self.layout.states), np.nan)
        self.status = np.zeros(problem.subjects, dtype=np.int8)
        self.left = np.zeros(problem.subjects, dtype=bool)

    def walk(self, some: Columns) -> None:
        """Take the columns as far as they go."""
        steps, self.columns = 0, some
        if self.switching:
            moving = some.moving.nonzero()[0]
            self.switching.refresh(some, moving)
            some.goal[moving] = self.switching.goal(some.subject[moving], some.row(TIME)[moving], some.goal[moving])
        self._sample_here(some.moving.nonzero()[0])
        self._arrive(np.flatnonzero(some.moving & (some.goal <= some.row(TIME))), 0)
        self.columns.set_off(some.moving.nonzero()[0], 0)
        ring: list[Floats] = []
        while self.columns.moving.any():
            ring = self._compact(ring)
            self._stride(ring, steps := steps + len(ring) - 1)
            ring[0], ring[-1] = ring[-1], ring[0]

    def _stride(self, ring: list[Floats], steps: int) -> None:
        """Take some steps, then do what became due in them; who reaches a stop in between waits there."""
        some, carried, time = self.columns, self.layout.carried, self.layout.states + TIME
        for before, after in pairwise(ring):
            self.stepper.step(before[:carried], some.parameters, after)
        now = ring[-1][time]
        cut = self.switching.cut(self.stepper, ring[0], ring[1], some) if self.switching else None
        if cut and cut.columns.size:
            now = now.copy()
            now[cut.columns] = cut.time
        if (due := (some.due <= now).nonzero()[0]).size:
            self._sample(ring, due, now)
        some.carried = ring[-1][:carried]
        if cut and cut.columns.size:
            self._switch(cut, steps)
        if (at := (now == some.goal).nonzero()[0]).size:
            self._arrive(at, steps)
        if steps % _EACH == 0:
            self._judge(steps)

    def _switch(self, cut: Cut, steps: int) -> None:
        """Let the columns go on from where their equations switched."""
        some, switching = self.columns, self.switching
        short = cut.time < some.goal[cut.columns]  # at its goal a column is looked after anyhow
        at, time = cut.columns[short], cut.time[short]
        if switching is None or not at.size:
            return
        some.carried[: self.layout.states, at] = cut.states[:, short]
        some.row(TIME)[at], some.row(LENGTH)[at], some.row(FIRST)[at] = time, -1.0, np.inf
        switching.refresh(some, at)
        endless = switching.endless(some.subject[at], time)
        self._fail(at, np.where(endless, Status.switching, Status.ok).astype(np.int8))
        some.set_off(at[some.moving[at]], steps)

    def _compact(self, ring: list[Floats]) -> list[Floats]:
        """Leave out the columns that stand still, when they are many; the ring of what steps begin and end with."""
        some = self.columns
        moving = some.moving.nonzero()[0]
        if ring and len(moving) >= _CROWDED * len(some.subject) - self.stepper.lanes:
            return ring
        if len(moving) < len(some.subject):
            some = self.columns = some.take(moving)
        stride = 1 if self.switching else _STRIDE  # a step over a switch is cut before the next
        rows = self.stepper.rows if self.switching else self.layout.carried  # switches look at the dense output
        ring = list(np.empty((stride + 1, rows, len(some.subject))))
        ring[0][: self.layout.carried] = some.carried
        return ring

    def _sample(self, ring: list[Floats], due: Integers, now: Floats) -> None:
        """Fill in the samples the last steps passed, up to ``now``, (column)."""
        row, lanes = self.layout.states + TIME, self.stepper.lanes
        each, sample = self._passed(due, now[due])
        time = self.plan.sample_time[sample]
        step = sum((after[row, each] < time).astype(np.int64) for after in ring[1:-1]) + np.zeros_like(each)
        order = np.argsort(step, kind="stable")
        each, sample, time = each[order], sample[order], time[order]
        ends = np.searchsorted(step[order], np.arange(len(ring)))
        parts = [(n, each[a:b]) for n, (a, b) in enumerate(pairwise(ends)) if b > a]
        fill = -len(each) % lanes
        parts.append((parts[-1][0], np.full(fill, each[-1])))
        before = np.concatenate([ring[n][: self.layout.carried].take(some, axis=1) for n, some in parts], axis=1)
        parameters = self.columns.parameters.take(np.concatenate([some for _, some in parts]), axis=1)
        found = self.stepper.within(before, parameters, np.concatenate([time, np.full(fill, time[-1])]))
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
        for row, state in zip(self.samples, self.seen, strict=True):
            row[place] = found[state]

    def _arrive(self, at: Integers, steps: int) -> None:
        """Do what is to be done where these columns have stopped, and send them on."""
        some, plan, reached = self.columns, self.plan, at
        while at.size:
            # A stop of a switch in time is none of the itinerary's.
            real = at[plan.time[some.stop[at]] <= some.row(TIME)[at]]
            self._act(real)
            at = at[some.moving[at]]
            if at.size and self.switching:
                self.switching.refresh(some, at)
                stop = np.where(np.isnan(some.goal[at]), np.nan, plan.time[some.stop[at]])
                some.goal[at] = self.switching.goal(some.subject[at], some.row(TIME)[at], stop)
            at = real[some.moving[real] & (some.goal[real] <= some.row(TIME)[real])]
        some.set_off(reached[some.moving[reached]], steps)

    def _act(self, at: Integers) -> None:
        """Do what the itinerary has at these columns' stop, and point them to the next."""
        if not at.size:
            return
        some, plan = self.columns, self.plan
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
        stuck = some.moving & (length < left)
        stuck &= (length <= _TINY * np.abs(some.row(TIME))) | (length <= _VANISHING * left)
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
        self.columns, self.stepper = some, _ = whole.take(stuck), rescue
        length, first = some.row(LENGTH), some.row(FIRST)
        begin = START * (some.goal - some.row(TIME))
        length[:] = np.where(some.moving, np.where(np.isfinite(first), first, begin), 0.0)
        start, waiting = some.row(TIME).copy(), some.moving.copy()
        for _ in range(_ATTEMPTS):
            after = np.empty((rescue.rows, len(length)))
            rescue.step(some.carried, some.parameters, after)
            if self.switching:
                self._shorten(self.switching.cut(rescue, some.carried, after, some), after)
            after[: self.layout.carried, ~waiting] = some.carried[:, ~waiting]
            due = (waiting & (some.due <= after[self.layout.states + TIME])).nonzero()[0]
            if due.size:
                self._sample([some.carried, after], due, after[self.layout.states + TIME])
            some.carried = after[: self.layout.carried].copy()
            waiting &= some.row(TIME) <= start
            if not waiting.any():
                break
        some.row(FIRST)[:] = some.row(LENGTH)
        self.columns, self.stepper = whole, own
        whole.put(stuck, some)
        helped: Integers = stuck[~waiting[:count]]
        return helped

    def _shorten(self, cut: Cut, after: Floats) -> None:
        """Take back steps that went over a switch, to be taken again up to it."""
        start = self.columns.row(TIME)[cut.columns]
        end = after[self.layout.states + TIME, cut.columns]
        far = cut.time < start + _LANDED * (end - start)
        columns, length = cut.columns[far], (cut.time - start)[far]
        after[: self.layout.carried, columns] = self.columns.carried[:, columns]
        after[self.layout.states + LENGTH, columns] = length

    def _leave(self, chosen: Integers) -> None:
        """Leave columns to another method."""
        if chosen.size:
            self.left[self.columns.subject[chosen]] = True
            self.columns.halt(chosen)
