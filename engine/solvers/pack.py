"""Taking a pack of subjects, one in each lane of a compiled integrator, through their timelines."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.solvers import cycles
from engine.solvers.base import Problem
from engine.solvers.lanes import Machine
from engine.solvers.scales import Growth
from engine.status import Status
from engine.timeline import SteadyState

type Floats = NDArray[np.float64]


def walk(
    problem: Problem, machine: Machine, growth: Growth, subjects: NDArray[np.int64]
) -> tuple[Floats, Floats, NDArray[np.int8]]:
    """Samples, (subject, sample, state), states at the end and status of these subjects, at most one a lane.

    ``growth`` says in what sizes to count the states of every subject of the problem.
    """
    pack = _pack(problem, machine, growth, np.resize(subjects, machine.lanes))
    pack.walk()
    kept = slice(0, len(subjects))
    return np.moveaxis(pack.samples[:, :, kept], 2, 0), (machine.state * pack.size)[:, kept].T, pack.status[kept]


@dataclass(slots=True, eq=False)
class _Pack:
    """Subjects in lanes; every array ends with the lane. A lane that is lost repeats a sound one."""

    problem: Problem
    machine: Machine
    subject: NDArray[np.int64]
    parameters: Floats
    time: Floats
    jump: Floats
    rate: Floats
    slot: NDArray[np.int64]
    resets: NDArray[np.bool_]
    epoch: NDArray[np.int64]
    sizes: Floats
    initial: Floats
    size: Floats
    samples: Floats
    status: NDArray[np.int8]

    def walk(self) -> None:
        """Go through the nodes. What is to do at each is found beforehand, for all lanes together."""
        moves, jumps, resets, grows, sampled = self._plan()
        settles = self._settling()
        self._resize(self.epoch[0])
        for node, moving in enumerate(moves):
            if moving and not self._take(self.machine.move(self.time[node], self.time[node + 1])):
                return
            if resets[node]:
                self.machine.state[:] = np.where(self.resets[node], self.initial / self.size, self.machine.state)
            if grows[node]:
                self._resize(self.epoch[node + 1])
            for steady in settles.get(node, ()):
                if not self._take(self._settle(steady, node)):
                    return
            if jumps[node]:
                self._jump(self.jump[node])
            self._flow(self.rate[node])
            if sampled[node]:
                self._sample(self.slot[node])

    def _plan(self) -> tuple[list[bool], ...]:
        doing = (
            np.any(np.diff(self.time, axis=0) != 0, axis=1), np.any(self.jump != 0, axis=(1, 2)),
            np.any(self.resets, axis=1), np.any(np.diff(self.epoch, axis=0) != 0, axis=1), np.any(self.slot >= 0, axis=1),
        )  # fmt: skip
        return tuple(flags.tolist() for flags in doing)

    def _settling(self) -> dict[int, list[SteadyState]]:
        found: dict[int, list[SteadyState]] = {}
        for one in self.problem.timeline.steady:
            shape = np.broadcast_shapes(one.exists.shape, one.node.shape)
            for node in np.unique(np.broadcast_to(one.node, shape)[np.broadcast_to(one.exists, shape)]):
                found.setdefault(int(node), []).append(one)
        return found

    def _resize(self, epoch: NDArray[np.int64]) -> None:
        """Count states in sizes that suit the largest dose so far."""
        size = self.sizes[epoch, :, np.arange(len(epoch))].T
        self.machine.state[:] *= self.size / size
        self.size[:] = size
        self.machine.load(self.parameters, self.size)

    def _jump(self, amount: Floats) -> None:
        for number, state in enumerate(self.problem.timeline.into):
            self.machine.state[state] += amount[number] / self.size[state]

    def _flow(self, rate: Floats) -> None:
        if self.machine.infused:
            flow = np.zeros_like(self.size)
            flow[list(self.problem.timeline.into)] = rate
            self.machine.flow((flow / self.size)[list(self.machine.infused)])

    def _sample(self, slot: NDArray[np.int64]) -> None:
        state = self.machine.state * self.size
        if slot[0] >= 0 and np.all(slot == slot[0]):
            self.samples[slot[0]] = state
        else:
            lanes = np.flatnonzero(slot >= 0)
            self.samples[slot[lanes], :, lanes] = state[:, lanes].T

    def _take(self, status: NDArray[np.int8]) -> bool:
        """Keep the status of lanes that are lost and let them repeat a sound one; False when none is sound."""
        if not status.any():
            return True
        self.status[:] = np.where(self.status == Status.ok, status, self.status)
        sound = np.flatnonzero(self.status == Status.ok)
        for lane in np.flatnonzero(self.status != Status.ok) if sound.size else ():
            self._repeat(int(sound[0]), int(lane))
        return bool(sound.size)

    def _repeat(self, source: int, lane: int) -> None:
        self.machine.copy_lane(source, lane)
        arrays: list[NDArray[Any]] = [
            self.subject, self.parameters, self.time, self.jump, self.rate, self.slot, self.resets, self.epoch, self.initial,
            self.size, self.sizes,
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
        found, reached = cycles.settle(dose, self.initial, self._fly)
        self.machine.state[:] = np.where(here & reached, found / self.size, before)
        return np.where(here & ~reached, Status.no_steady_state, Status.ok).astype(np.int8)

    def _fly(self, state: Floats, length: Floats, flow: Floats) -> Floats:
        """State after lengths of time with inflows, away from the timeline; NaN where the integrator failed."""
        sound = np.all(np.isfinite(state), axis=0)
        self.machine.state[:] = np.where(sound, state, self.initial) / self.size
        self.machine.flow((flow / self.size)[list(self.machine.infused)])
        status = self.machine.move(np.zeros_like(length), np.where(sound, length, 0.0))
        return np.where(sound & (status == Status.ok), self.machine.state * self.size, np.nan)


def _pack(problem: Problem, machine: Machine, growth: Growth, subject: NDArray[np.int64]) -> _Pack:
    timeline = problem.timeline

    def lanes(values: NDArray[Any]) -> NDArray[Any]:
        chosen = values[subject] if len(values) > 1 else np.repeat(values, len(subject), axis=0)
        return np.ascontiguousarray(np.moveaxis(chosen, 0, -1))

    parameters = [problem.parameters[name][subject] for name in machine.names]
    initial = lanes(problem.initial)
    pack = _Pack(
        problem, machine, subject,
        parameters=np.stack(parameters) if parameters else np.empty((0, len(subject))),
        time=np.concatenate([lanes(timeline.start)[None], lanes(timeline.time)]),
        jump=lanes(timeline.jump), rate=lanes(timeline.rate), slot=lanes(timeline.slot), resets=lanes(timeline.resets),
        epoch=lanes(growth.epoch), sizes=np.ascontiguousarray(growth.sizes[:, :, subject]), initial=initial,
        size=np.ones_like(initial), samples=np.full((timeline.samples, *initial.shape), np.nan),
        status=np.zeros(len(subject), dtype=np.int8),
    )  # fmt: skip
    machine.state[:] = lanes(problem.state)
    return pack
