"""Taking a block of subjects forward, each at its own time with its own step.

Compiled code takes them from stop to stop; what is rare is done here: resets and steady states, doses larger than any
before, subjects that do not get on. Where equations switch, one call of the compiled step moves all, and each step is
looked at. Nothing of one subject depends on another.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.solvers.base import Problem
from engine.solvers.machine import LANES
from engine.solvers.stepping.columns import START, Columns
from engine.solvers.stepping.compiled import Stepper
from engine.solvers.stepping.driver import ARRIVED, DOUBTFUL, EACH, FINISHED, SURE, TINY, VANISHING
from engine.solvers.stepping.lanes import Lanes
from engine.solvers.stepping.stops import Stops
from engine.solvers.stepping.switching import Cut, Switching
from engine.solvers.stepping.symbols import FIRST, LENGTH, STIFF, TIME
from engine.status import Status

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]

_CROWDED = 0.75
"""Part of the columns that must be on their way, else the others are left out."""
_ATTEMPTS, _LANDED = 60, 0.999

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
        self.seen = np.asarray(stepper.seen)
        self.samples = np.full((len(self.seen), problem.subjects * self.width), np.nan)
        self.state = np.full((problem.subjects, self.layout.states), np.nan)
        self.status = np.zeros(problem.subjects, dtype=np.int8)
        self.left = np.zeros(problem.subjects, dtype=bool)

    def walk(self, some: Columns) -> None:
        """Take the columns as far as they go."""
        self.columns, moving = some, some.moving.nonzero()[0]
        if self.switching:
            self.switching.refresh(some, moving)
            some.goal[moving] = self.switching.goal(some.subject[moving], some.row(TIME)[moving], some.goal[moving])
        self._sample_here(moving)
        here = some.goal <= some.row(TIME)
        self._arrive((some.moving & here).nonzero()[0])
        self.stops.refresh(some)
        some.set_off((some.moving & ~here).nonzero()[0])
        if self.switching:
            self._step_by_step(self.switching)
        else:
            self._in_lanes(some)

    def _in_lanes(self, some: Columns) -> None:
        """Take subjects from stop to stop in compiled code, and look after those that need it."""
        limits = self.limits.steps, self.limits.stiff
        lanes = Lanes(self.stepper, self.stops, limits, self.samples, self.state)
        while (queue := some.moving.nonzero()[0]).size:
            outcome = lanes.run(some, queue)
            some.halt(queue[outcome == FINISHED])
            if (at := queue[outcome == ARRIVED]).size:
                self._arrive(at)
                self.stops.refresh(some)
            if (doubtful := queue[outcome == DOUBTFUL]).size:
                self._judge(doubtful)

    def _step_by_step(self, switching: Switching) -> None:
        """Take all one step at a time: a step over a switch is cut before the next."""
        steps, ring = 0, list[Floats]()
        while self.columns.moving.any():
            ring = self._compact(ring)
            self._stride(ring, switching)
            steps += 1
            if steps % EACH == 0:
                self._judge(self.columns.moving.nonzero()[0])
            ring.reverse()

    def _stride(self, ring: list[Floats], switching: Switching) -> None:
        """Take a step, then do what became due in it."""
        some, carried, (before, after) = self.columns, self.layout.carried, ring
        self.stepper.step(before[:carried], some.parameters, after)
        some.taken += 1
        now = after[self.layout.states + TIME]
        cut = switching.cut(self.stepper, before, after, some)
        if cut.columns.size:
            now = now.copy()
            now[cut.columns] = cut.time
        if (due := (some.due <= now).nonzero()[0]).size:
            self._sample(before, after, due, now)
        some.carried = after[:carried]
        if cut.columns.size:
            self._switch(cut)
        if (at := (now == some.goal).nonzero()[0]).size:
            self._arrive(at)
            self.stops.refresh(some)

    def _switch(self, cut: Cut) -> None:
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
        some.set_off(at[some.moving[at]])

    def _compact(self, ring: list[Floats]) -> list[Floats]:
        """Leave out the columns that stand still, when they are many; the ring of what steps begin and end with."""
        some = self.columns
        moving = some.moving.nonzero()[0]
        if ring and len(moving) >= _CROWDED * len(some.subject) - LANES:
            return ring
        if len(moving) < len(some.subject):
            some = self.columns = some.take(moving)
        ring = list(np.empty((2, self.stepper.rows, len(some.subject))))  # switches look at the dense output
        ring[0][: self.layout.carried] = some.carried
        return ring

    def _sample(self, before: Floats, after: Floats, due: Integers, now: Floats) -> None:
        """Fill in the samples the last step passed, up to ``now``, (column)."""
        each, sample = self._passed(due, now[due])
        time = self.plan.sample_time[sample]
        # At its end a step gives the state carried on: whether a subject stops there, or its sample is before the
        # stop, depends on how the records of others fall together.
        ended = time == after[self.layout.states + TIME, each]
        self._record(each[ended], sample[ended], after[np.ix_(self.seen, each[ended])])
        each, sample, time = each[~ended], sample[~ended], time[~ended]
        if each.size:
            columns = np.resize(each, len(each) + -len(each) % LANES)
            rows = before[: self.layout.carried].take(columns, axis=1), after.take(columns, axis=1)
            found = self.stepper.sample(*rows, np.resize(time, len(columns)))
            self._record(each, sample, found[self.seen, : len(each)])

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
        """Put states seen (state, chosen) in their places."""
        self.samples[:, self.columns.subject[chosen] * self.width + self.plan.slot[sample]] = found

    def _arrive(self, at: Integers) -> None:
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
        some.set_off(reached[some.moving[reached]])

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
            self._record(each, sample, some.carried[np.ix_(self.seen, each)])

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

    def _judge(self, asked: Integers) -> None:
        """Find those of these columns that do not get on."""
        some = self.columns
        length, time = some.row(LENGTH)[asked], some.row(TIME)[asked]
        left = some.goal[asked] - time
        stuck = (length < left) & ((length <= TINY * np.abs(time)) | (length <= VANISHING * left))
        late = some.taken[asked] > self.limits.steps
        if self.rescue and stuck.any():
            stuck[stuck] = ~self._help(asked[stuck], self.rescue())
        status = np.where(stuck, Status.diverged, np.where(late, Status.too_many_steps, Status.ok)).astype(np.int8)
        self._fail(asked[status != Status.ok], status[status != Status.ok])
        stiff = (some.row(STIFF)[asked] > SURE) & (left > self.limits.stiff * some.row(LENGTH)[asked])
        self._leave(asked[stiff & some.moving[asked]])

    def _help(self, stuck: Integers, rescue: Stepper) -> NDArray[np.bool_]:
        """Take columns one step by another method, over a place their own has no step for; which it helped."""
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
                self._sample(some.carried, after, due, after[self.layout.states + TIME])
            some.carried = after[: self.layout.carried].copy()
            waiting &= some.row(TIME) <= start
            if not waiting.any():
                break
        some.row(FIRST)[:] = some.row(LENGTH)
        self.columns, self.stepper = whole, own
        whole.put(stuck, some)
        helped: NDArray[np.bool_] = ~waiting[:count]
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
