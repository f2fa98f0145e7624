"""What a solver steps through: nodes in time, and at each node what is done.

:mod:`engine.dosing.nodes` makes timelines. Arrays have one row when the nodes are the same for every subject, else one
a subject; a solver broadcasts.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.dosing.schedule import Flags, Floats, Integers


@dataclass(frozen=True, slots=True, eq=False)
class SteadyState:
    """A steady state to find at one node: ``amount`` (or ``rate`` for ``duration``) into a state every ``interval``.

    ``phase`` is the time since the last dose arrived; ``adds`` is True where the steady state is added to what is
    there. All (subject) but ``node``, ``into``, ``interval``, ``adds`` and ``exists``, which are (row).
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


@dataclass(frozen=True, slots=True, eq=False)
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
        Column of the schedule whose dose jumps at a node, (row, node); -1 for none.
    steady
        Steady states to find, in order.
    samples
        How many slots.
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
        return replace(self, **arrays, steady=steady)

    def part(self, first: Integers, last: Integers) -> "Timeline":
        """Give the nodes from ``first`` to before ``last``, (row); it starts where the node before ``first`` is.

        Only for timelines without steady states, whose place would have to be found anew.
        """
        width = int(np.max(last - first, initial=0))
        column = first[:, None] + np.arange(width)
        real = column < last[:, None]
        column = np.minimum(column, self.time.shape[1] - 1)

        def nodes(values: NDArray[Any], empty: Any) -> NDArray[Any]:
            rows = max(len(values), len(column))
            wide = (slice(None), slice(None)) + (None,) * (values.ndim - 2)
            index = np.broadcast_to(column, (rows, width))[wide]
            chosen = np.take_along_axis(np.broadcast_to(values, (rows, *values.shape[1:])), index, axis=1)
            padded: NDArray[Any] = np.where(real[wide], chosen, empty)
            return padded

        before = np.concatenate([np.broadcast_to(self.start[:, None], (len(self.time), 1)), self.time], axis=1)
        start, end = (np.take_along_axis(before, place[:, None], axis=1)[:, 0] for place in (first, last))
        return replace(
            self, start=start, time=nodes(self.time, end[:, None]), jump=nodes(self.jump, 0.0),
            rate=nodes(self.rate, 0.0), resets=nodes(self.resets, False), slot=nodes(self.slot, -1),
            event=nodes(self.event, -1),
        )  # fmt: skip
