"""Taking a pack of subjects, one in each lane of a compiled integrator, through their timelines."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.dosing.timeline import SteadyState, Timeline
from engine.solvers import cycles
from engine.solvers.base import Problem
from engine.solvers.lanes import Machine
from engine.solvers.scales import Growth
from engine.status import Status

type Floats = NDArray[np.float64]


class Course(NamedTuple):
    """A problem as packs want it: arrays end with the lane, pack after pack, or with one pack's where all are alike."""

    problem: Problem
    subject: NDArray[np.int64]
    parameters: Floats
    initial: Floats
    sizes: Floats
    epoch: NDArray[np.int64]
    time: Floats
    jump: Floats
    rate: Floats
    slot: NDArray[np.int64]
    resets: NDArray[np.bool_]
    state: Floats
    plan: list[tuple[bool, ...]]
    settling: dict[int, list[SteadyState]]

    def take(self, machine: Machine, number: int) -> tuple[Floats, Floats, NDArray[np.int8]]:
        """Samples, (sample, state, lane), states at the end, (state, lane), and status of the pack of this number."""
        count = machine.lanes
        own = slice(number * count, (number + 1) * count)

        def lanes(values: NDArray[Any]) -> NDArray[Any]:
            return values if values.shape[-1] == count else values[..., own]

        size = np.ones((len(self.initial), count))
        samples = np.full((self.problem.timeline.samples, *size.shape), np.nan)
        arrays = {name: lanes(getattr(self, name)) for name in _LAID}
        pack = _Pack(self, machine, **arrays, size=size, samples=samples, status=np.zeros(count, dtype=np.int8))
        machine.state[:] = lanes(self.state)
        pack.walk()
        return samples, machine.state * pack.size, pack.status


_LAID = ("subject", "parameters", "initial", "sizes", "epoch", "time", "jump", "rate", "slot", "resets")


def course(problem: Problem, growth: Growth, lanes: int) -> Course:
    """Lay out a problem; ``growth`` says in what sizes to count its states. The last pack is filled by repetition."""
    timeline, count = problem.timeline, problem.subjects
    full = count // lanes * lanes
    subject = np.concatenate(
        [np.arange(full), np.resize(np.arange(full, count), -(count - full) % lanes + count - full)]
    )

    def laid(values: NDArray[Any]) -> NDArray[Any]:
        moved = np.moveaxis(values, 0, -1)
        return np.repeat(moved, lanes, axis=-1) if len(values) == 1 else np.ascontiguousarray(moved[..., subject])

    parameters = [problem.parameters[name] for name in problem.model.parameter_names]
    time = laid(np.concatenate([timeline.start[:, None], timeline.time], axis=1))
    jump, slot, resets, epoch = (laid(a) for a in (timeline.jump, timeline.slot, timeline.resets, growth.epoch))
    doing = (
        np.any(np.diff(time, axis=0) != 0, axis=1), np.any(resets, axis=1), np.any(np.diff(epoch, axis=0) != 0, axis=1),
        np.any(jump != 0, axis=(1, 2)), np.any(slot >= 0, axis=1),
    )  # fmt: skip
    return Course(
        problem, subject, laid(np.stack(parameters, axis=1) if parameters else np.empty((count, 0))),
        laid(problem.initial), laid(np.moveaxis(growth.sizes, -1, 0)), epoch, time, jump, laid(timeline.rate), slot,
        resets, laid(problem.state), list(zip(*(flags.tolist() for flags in doing), strict=True)), _settling(timeline),
    )  # fmt: skip


def _settling(timeline: Timeline) -> dict[int, list[SteadyState]]:
    """Steady states to find at each node."""
    found: dict[int, list[SteadyState]] = {}
    for one in timeline.steady:
        shape = np.broadcast_shapes(one.exists.shape, one.node.shape)
        for node in np.unique(np.broadcast_to(one.node, shape)[np.broadcast_to(one.exists, shape)]):
            found.setdefault(int(node), []).append(one)
    return found


@dataclass(slots=True, eq=False)
class _Pack:
    """Subjects in lanes; every array ends with the lane. A lane that is lost repeats a sound one."""

    course: Course
    machine: Machine
    subject: NDArray[np.int64]
    parameters: Floats
    initial: Floats
    sizes: Floats
    epoch: NDArray[np.int64]
    time: Floats
    jump: Floats
    rate: Floats
    slot: NDArray[np.int64]
    resets: NDArray[np.bool_]
    size: Floats
    samples: Floats
    status: NDArray[np.int8]

    def walk(self) -> None:
        """Go through the nodes, doing at each what is to do for some subject of the problem."""
        self._resize(self.epoch[0])
        for node, (moves, resets, grows, jumps, sampled) in enumerate(self.course.plan):
            if moves and not self._take(self.machine.move(self.time[node], self.time[node + 1])):
                return
            if resets:
                self.machine.state[:] = np.where(self.resets[node], self.initial / self.size, self.machine.state)
            if grows:
                self._resize(self.epoch[node + 1])
            for steady in self.course.settling.get(node, ()):
                if not self._take(self._settle(steady, node)):
                    return
            if jumps:
                self._jump(self.jump[node])
            self._flow(self.rate[node])
            if sampled:
                self._sample(self.slot[node])

    def _resize(self, epoch: NDArray[np.int64]) -> None:
        """Count states in sizes that suit the largest dose so far."""
        size = self.sizes[epoch, :, np.arange(len(epoch))].T
        self.machine.state[:] *= self.size / size
        self.size[:] = size
        self.machine.load(self.parameters, self.size)

    def _jump(self, amount: Floats) -> None:
        for number, state in enumerate(self.course.problem.timeline.into):
            self.machine.state[state] += amount[number] / self.size[state]

    def _flow(self, rate: Floats) -> None:
        if self.machine.infused:
            flow = np.zeros_like(self.size)
            flow[list(self.course.problem.timeline.into)] = rate
            self.machine.flow((flow / self.size)[list(self.machine.infused)])

    def _sample(self, slot: NDArray[np.int64]) -> None:
        state = self.machine.state * self.size
        if slot[0] >= 0 and np.all(slot == slot[0]):
            self.samples[slot[0]] = state
        else:
            lanes = np.flatnonzero(slot >= 0)
            self.samples[slot[lanes], :, lanes] = state[:, lanes].T

    def _take(self, status: NDArray[np.int8] | None) -> bool:
        """Keep the status of lanes that are lost and let them repeat a sound one; False when none is sound."""
        if status is None or not status.any():
            return True
        self.status[:] = np.where(self.status == Status.ok, status, self.status)
        sound = np.flatnonzero(self.status == Status.ok)
        for lane in np.flatnonzero(self.status != Status.ok) if sound.size else ():
            self._repeat(int(sound[0]), int(lane))
        return bool(sound.size)

    def _repeat(self, source: int, lane: int) -> None:
        self.machine.copy_lane(source, lane)
        arrays: list[NDArray[Any]] = [
            self.subject, self.parameters, self.initial, self.sizes, self.epoch, self.time, self.jump, self.rate,
            self.slot, self.resets, self.size,
        ]  # fmt: skip
        for values in arrays:
            values[..., lane] = values[..., source]

    def _settle(self, steady: SteadyState, node: int) -> NDArray[np.int8]:
        """Put lanes whose steady-state dose is recorded at this node there; the others stay as they are."""
        dose = cycles.series(steady, self.subject)
        exists = steady.exists[self.subject] if len(steady.exists) > 1 else steady.exists
        place = steady.node[self.subject] if len(steady.node) > 1 else steady.node
        here = exists & (place == node)
        before = self.machine.state.copy()
        found, reached = cycles.settle(dose, self.initial, self._fly, before * self.size, self.course.problem.model)
        self.machine.state[:] = np.where(here & reached, found / self.size, before)
        return np.where(here & ~reached, Status.no_steady_state, Status.ok).astype(np.int8)

    def _fly(self, state: Floats, length: Floats, flow: Floats) -> Floats:
        """State after lengths of time with inflows, away from the timeline; NaN where the integrator failed."""
        sound = np.all(np.isfinite(state), axis=0)
        self.machine.state[:] = np.where(sound, state, self.initial) / self.size
        self.machine.flow((flow / self.size)[list(self.machine.infused)])
        status = self.machine.move(np.zeros_like(length), np.where(sound, length, 0.0))
        return np.where(sound & ((status is None) | (status == Status.ok)), self.machine.state * self.size, np.nan)
