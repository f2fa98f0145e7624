"""Where each subject has to stop, and which samples lie between its stops.

A subject stops where something happens to it, and nowhere else: not where others are dosed, not where it is sampled.
Stops and samples of all rows stand one after the other in flat arrays.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.dosing.timeline import HALT, Timeline
from engine.remembering import remembered

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]
type Flags = NDArray[np.bool_]


class Itinerary(NamedTuple):
    """Stops and samples, flat.

    ``row`` and ``sample_row`` say which row is a subject's. A row's stops run from ``first`` to ``last``; a stop has a
    ``time``, the ``node`` of the timeline, the end ``before`` of the samples due before it, whether the solver starts
    ``afresh`` there, and whether it is ``hard``: a reset or a steady state. A row's samples run from ``sample_first``
    to ``sample_last``, with ``sample_time`` and ``slot``.
    """

    row: Integers
    first: Integers
    last: Integers
    time: Floats
    node: Integers
    before: Integers
    afresh: Flags
    hard: Flags
    sample_row: Integers
    sample_first: Integers
    sample_last: Integers
    sample_time: Floats
    slot: Integers


@remembered
def itinerary(timeline: Timeline, subjects: int) -> Itinerary:
    """Stops and samples of a timeline with at least one node."""
    sampled = timeline.slot >= 0
    happens, afresh = _stops(timeline)
    stops = _alike(happens | afresh)
    rows = max(len(stops), len(timeline.time))
    row, node = map(np.ascontiguousarray, np.nonzero(np.broadcast_to(stops, (rows, stops.shape[1]))))
    last = np.cumsum(np.bincount(row, minlength=rows))
    sample_row, place = np.nonzero(sampled)
    sample_last = np.cumsum(np.bincount(sample_row, minlength=len(sampled)))
    sample_first = np.concatenate([[0], sample_last[:-1]])
    before = np.cumsum(sampled, axis=1) - sampled + sample_first[:, None]
    return Itinerary(
        row=_rows(rows, subjects), first=np.concatenate([[0], last[:-1]]), last=last - 1,
        time=_pick(timeline.time, row, node), node=node, before=_pick(before, row, node),
        afresh=_pick(afresh & ~happens, row, node), hard=_pick(_hard(timeline), row, node),
        sample_row=_rows(len(sampled), subjects), sample_first=sample_first, sample_last=sample_last,
        # One more, so that a pointer behind the last sample finds a time never reached.
        sample_time=np.append(timeline.time[sample_row, place], np.inf), slot=timeline.slot[sample_row, place],
    )  # fmt: skip


def _stops(timeline: Timeline) -> tuple[Flags, Flags]:
    """Nodes where something happens to a subject, and where it is only to stop, (row, node); the last is a stop."""
    happens = np.zeros(timeline.resets.shape, dtype=bool)
    happens[:, -1] = True
    if np.any(timeline.jump):
        happens = happens | np.any(timeline.jump != 0, axis=2)
    if timeline.infused:
        happens = happens | np.any(np.diff(timeline.rate, axis=1, prepend=0.0) != 0, axis=2)
    return happens | _hard(timeline), timeline.event == HALT


def _hard(timeline: Timeline) -> Flags:
    """Nodes where something happens to a subject that is neither a dose nor an infusion, (row, node)."""
    hard = timeline.resets
    for one in timeline.steady:
        hard = hard | (one.exists[:, None] & (one.node[:, None] == np.arange(hard.shape[1])))
    return hard


def _rows(rows: int, subjects: int) -> Integers:
    return np.arange(subjects) if rows > 1 else np.zeros(subjects, dtype=np.int64)


def _pick(values: NDArray[Any], row: Integers, node: Integers) -> NDArray[Any]:
    found: NDArray[Any] = values[row if len(values) > 1 else 0, node]
    return found


def _alike(values: Flags) -> Flags:
    return values[:1] if len(values) > 1 and bool(np.all(values == values[0])) else values
