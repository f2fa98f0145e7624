"""What a solver steps through: nodes in time, and at each node what is done.

:mod:`engine.dosing.nodes` makes timelines. Arrays have one row when the nodes are the same for every subject, else one
a subject; a solver broadcasts.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.dosing.schedule import Flags, Floats, Integers

HALT = -2
"""Event of a node that is only there to be stopped at."""


@dataclass(frozen=True, slots=True, eq=False)
class SteadyState:
    """A steady state to find at one node: ``amount`` (or ``rate`` for ``duration``) into a state every ``interval``.

    ``phase`` is the time since the last dose arrived; ``adds`` is True where the steady state is added to what is
    there. All (row or subject) but ``node``, ``into``, ``interval``, ``adds`` and ``exists``, which are (row).
    A ``duration`` that is infinite is a constant infusion; a bolus has duration 0.
    """

    node: Integers
    exists: Flags
    into: Integers
    interval: Floats
    adds: Flags
    amount: Floats
    rate: Floats
    duration: Floats
    phase: Floats


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Timeline:
    """Nodes a solver steps through, in time; at each, in this order: reset, steady state, jump, rate, sample.

    Parameters
    ----------
    start
        When the initial state holds, (row), as many rows as ``time``.
    time
        Time of each node, (row, node), not decreasing; padding repeats the last time.
    into
        Indices of the states that doses enter; the last axis of ``jump`` and ``rate``.
    dosed
        Whether a subject is ever given a dose into each of these, (row or subject, into).
    jump
        Amount that enters at a node, (row or subject, node, into).
    rate
        Amount per time that flows in from a node to the next, (row or subject, node, into).
    resets
        Whether the states go back to their initial values, (row, node).
    slot
        Where the sample taken at a node goes, (row, node); -1 for none.
    event
        Column of the schedule whose dose jumps at a node, (row, node); -1 for none, ``HALT`` where a record asks for a
        stop and nothing else.
    steady
        Steady states to find, in order.
    samples
        How many slots.
    stops
        Where parameters change with time: the node after the last one of each stretch of equal values, (row, stretch).
    """

    start: Floats
    time: Floats
    into: tuple[int, ...]
    dosed: Flags
    jump: Floats
    rate: Floats
    resets: Flags
    slot: Integers
    event: Integers
    steady: tuple[SteadyState, ...]
    samples: int
    stops: Integers | None = None

    @property
    def infused(self) -> tuple[int, ...]:
        """Positions in ``into`` of the states something flows into."""
        return tuple(n for n in range(len(self.into)) if np.any(self.rate[:, :, n]))

    def take(self, subjects: Integers) -> "Timeline":
        """Give these subjects."""

        def rows(values: NDArray[Any]) -> NDArray[Any]:
            return values[subjects] if len(values) > 1 else values

        steady = tuple(
            SteadyState(**{field.name: rows(getattr(one, field.name)) for field in fields(SteadyState)})
            for one in self.steady
        )
        arrays: dict[str, Any] = {
            name: rows(getattr(self, name))
            for name in ("start", "time", "dosed", "jump", "rate", "resets", "slot", "event")
        }
        stops = None if self.stops is None else rows(self.stops)
        return replace(self, **arrays, steady=steady, stops=stops)

    def part(self, first: Integers, last: Integers) -> "Timeline":
        """Give the nodes from ``first`` to before ``last``, (row); it starts where the node before ``first`` is.

        What flows after that node flows on: a node in which nothing else happens stands for it.
        """
        width = int(np.max(last - first, initial=0))
        column = first[:, None] + np.arange(width)
        real = column < last[:, None]
        column = np.minimum(column, self.time.shape[1] - 1)

        def nodes(values: NDArray[Any], empty: Any) -> NDArray[Any]:
            chosen = _pick(values, column)
            return np.where(real.reshape(real.shape + (1,) * (values.ndim - 2)), chosen, empty)

        before = np.concatenate([np.broadcast_to(self.start[:, None], (len(self.time), 1)), self.time], axis=1)
        start, end = (np.take_along_axis(before, place[:, None], axis=1)[:, 0] for place in (first, last))
        found = replace(
            self, start=start, time=nodes(self.time, end[:, None]), jump=nodes(self.jump, 0.0),
            rate=nodes(self.rate, 0.0), resets=nodes(self.resets, False), slot=nodes(self.slot, -1),
            event=nodes(self.event, -1), stops=None,
            steady=tuple(one for one in (_within(one, first, last) for one in self.steady) if one.exists.any()),
        )  # fmt: skip
        return found._flowing(_pick(self.rate, np.maximum(first - 1, 0)[:, None]), first) if self.infused else found

    def _flowing(self, rate: Floats, first: Integers) -> "Timeline":
        """Put before the nodes one from which ``rate`` flows, (row or subject, 1, into), where there is one before."""

        def beside(values: NDArray[Any], own: Any) -> NDArray[Any]:
            return np.concatenate([np.broadcast_to(own, (len(values), 1, *values.shape[2:])), values], axis=1)

        return replace(
            self, time=beside(self.time, self.start[:, None]), jump=beside(self.jump, 0.0),
            rate=beside(self.rate, np.where(first[:, None, None] > 0, rate, 0.0)), resets=beside(self.resets, False),
            slot=beside(self.slot, -1), event=beside(self.event, -1),
            steady=tuple(replace(one, node=one.node + 1) for one in self.steady),
        )  # fmt: skip


def _pick(values: NDArray[Any], column: Integers) -> NDArray[Any]:
    """Values of these columns, (row or subject, column, ...); ``column`` has 1 row, or ``values`` has, or as many."""
    rows = max(len(values), len(column))
    wide = column.reshape(column.shape + (1,) * (values.ndim - 2))
    index = np.broadcast_to(wide, (rows, *wide.shape[1:]))
    return np.take_along_axis(np.broadcast_to(values, (rows, *values.shape[1:])), index, axis=1)


def _within(one: SteadyState, first: Integers, last: Integers) -> SteadyState:
    """Give a steady state its node among those from ``first`` to before ``last``, if it is there."""
    inside = (one.node >= first) & (one.node < last)
    return replace(one, node=one.node - first, exists=one.exists & inside)
