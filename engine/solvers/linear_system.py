"""A linear system with inputs, its steps and its steady states, for many subjects at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.dosing.timeline import SteadyState, Timeline
from engine.solvers.exponential import Entries, exponential, multiply
from engine.solvers.propagation import Pattern

type Floats = NDArray[np.float64]

_DOUBLINGS = 64
_SETTLED = 1e-12


class System(NamedTuple):
    """dx/dt = A x + inputs: the matrix with a column appended for each input, and the constant part of each input."""

    matrix: Entries
    states: int
    inputs: tuple[int, ...]
    forcing: tuple[Floats, ...]

    def pattern(self, timeline: Timeline, observed: tuple[int, ...]) -> Pattern:
        """What of this system is compiled for subjects with these doses, of whom these states are wanted."""
        between = tuple(sorted(place for place in self.matrix if max(place) < self.states))
        return Pattern(self.states, between, self.inputs, timeline.into, timeline.infused, observed)

    def powers(self, step: Floats) -> Entries:
        """Find exp(matrix x step)."""
        return exponential(self.matrix, self.states + len(self.inputs), step, inputs=len(self.inputs))

    def advance(self, power: Entries, state: Floats, rates: list[Floats]) -> Floats:
        """State a step later; ``state`` is (state, subject), ``rates`` one (subject) for each input."""
        result = np.zeros_like(state)
        for (row, column), entry in power.items():
            if row < self.states:
                result[row] += entry * (state[column] if column < self.states else rates[column - self.states])
        return result


def steady_state(system: System, steady: SteadyState, subjects: int) -> tuple[Floats, NDArray[np.bool_]]:
    """State under an endless series of doses, ``phase`` after the last one arrived, and whether there is one.

    Arrays are (state, subject) and (subject). Where the steady state is to be added to what is there, the
    model's constant inputs are left out: they are there already.
    """
    endless = np.isinf(steady.duration)
    interval = np.broadcast_to(steady.interval, (subjects,))
    duration = np.where(endless, interval, steady.duration)
    whole = np.floor(duration / interval)
    rest = np.broadcast_to(duration - whole * interval, (subjects,))
    rates = np.where(steady.duration > 0, steady.rate, 0.0)
    high = _inputs(system, steady, rates * (whole + 1))
    low = _inputs(system, steady, rates * whole)
    arrival = _vector(system.states, steady.into, steady.amount, subjects)

    def cycle(state: Floats, length: Floats) -> Floats:
        first = np.minimum(rest, length)
        state = system.advance(system.powers(first), state, high)
        return system.advance(system.powers(length - first), state, low)

    once = arrival + cycle(np.zeros((system.states, subjects)), interval)
    start, reached = _series(system, system.powers(interval), once)
    return cycle(start, np.broadcast_to(steady.phase, (subjects,))), reached


def _inputs(system: System, steady: SteadyState, rate: Floats) -> list[Floats]:
    """Inputs while the dose flows in at this rate."""
    constant = [np.where(steady.adds, 0.0, forcing) for forcing in system.forcing]
    return [
        value + np.where(steady.into == state, rate, 0.0)
        for state, value in zip(system.inputs, constant, strict=True)
    ]  # fmt: skip


def _vector(states: int, into: NDArray[np.int64], amount: Floats, subjects: int) -> Floats:
    return np.where(into == np.arange(states)[:, None], np.broadcast_to(amount, (subjects,)), 0.0)


def _series(system: System, power: Entries, once: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Sum of power^n once over all n, by doubling, which loses no digits when the sum converges slowly."""
    power = {place: entry for place, entry in power.items() if max(place) < system.states}
    alone = System(power, system.states, (), ())
    total = once
    for _ in range(_DOUBLINGS):
        if not any(np.any(entry != 0) for entry in power.values()):
            break
        more = alone.advance(power, total, [])
        total = total + more
        power = multiply(power, power)
    rest = np.abs(alone.advance(power, total, []))
    reached = np.all(np.isfinite(total) & (rest <= _SETTLED * np.abs(total)), axis=0)
    return total, reached
