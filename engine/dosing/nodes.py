"""From a schedule and the subjects' lags, bioavailabilities and infusion times to a timeline."""

from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.dosing.arrivals import Administration, Flow, arrivals
from engine.dosing.covariates import Covariates
from engine.dosing.schedule import END, RESET, SAMPLE, STEADY, STEPS, Flags, Floats, Integers, Schedule
from engine.dosing.timeline import HALT, SteadyState, Timeline


class Samples(NamedTuple):
    """When to sample, (row, sample), NaN for none; ``position`` is the place among records at one time."""

    time: Floats
    position: Integers


class Places(NamedTuple):
    """Nodes of doses as they arrive: ``begin`` (row, dose), ``end`` (row, infusion) of the doses ``flowing``."""

    begin: Integers
    end: Integers
    flowing: Integers


class _Columns(NamedTuple):
    """Columns of nodes before sorting, (row, column); ``key`` orders those of one time."""

    time: Floats
    key: Integers
    resets: Flags
    slot: Integers
    event: Integers


def build(
    schedule: Schedule, administration: Administration, samples: Samples, covariates: Covariates | None = None
) -> Timeline:
    """Timeline of the subjects of ``administration``.

    Parameters
    ----------
    schedule
        One row for all subjects, or one a subject.
    administration
        Values per subject and state; all finite, lags and bioavailabilities 0 or more, durations and rates above 0.
    samples
        One row for all, or one a subject.
    covariates
        Parameters that change with time; there is a node at the end of each of their stretches.
    """
    if covariates is None and all(len(a) == 1 for a in (schedule.start, samples.time, *administration)):
        return _shared(_Row(schedule, administration, samples))
    return lay_out(schedule, *arrivals(schedule, administration, covariates), samples, covariates)[0]


class _Row:
    """What a timeline of one row follows from; equal to another of the same content, to the bit."""

    def __init__(self, schedule: Schedule, administration: Administration, samples: Samples) -> None:
        self.schedule, self.administration, self.samples = schedule, administration, samples
        arrays = [getattr(schedule, field.name) for field in fields(schedule)]
        self.content = tuple(values.tobytes() for values in (*arrays, *administration, *samples))

    def __hash__(self) -> int:
        return hash(self.content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Row) and self.content == other.content


@lru_cache(maxsize=16)
def _shared(row: _Row) -> Timeline:
    """Timeline that the blocks of a simulation share; its arrays cannot be written."""
    timeline = lay_out(row.schedule, *arrivals(row.schedule, row.administration), row.samples)[0]
    for field in fields(timeline):
        if isinstance(values := getattr(timeline, field.name), np.ndarray):
            values.setflags(write=False)
    return timeline


def lay_out(
    schedule: Schedule, flow: Flow, steady: list[tuple[int, SteadyState]], samples: Samples,
    covariates: Covariates | None = None,
) -> tuple[Timeline, Places]:  # fmt: skip
    """Timeline of doses as they arrive, and the nodes they have in it."""
    halting = schedule.exists & (schedule.resets | ~schedule.doses | (schedule.steady > 0))
    halts, flowing = (np.flatnonzero(np.any(a, axis=0)) for a in (halting, (flow.rate > 0) & flow.exists))
    columns = _columns(schedule, flow, samples, halts, flowing, covariates)
    order = np.lexsort((columns.key, columns.time), axis=-1)
    place = np.argsort(order, axis=-1)
    ends = place[:, flow.exists.shape[1] :]
    order = order[:, : int(np.max(np.sum(np.isfinite(columns.time), axis=1), initial=0))]
    start = _rows(schedule.start[:, None], len(order))[:, 0].copy()
    into = tuple(int(n) for n in np.unique(np.broadcast_to(flow.into, flow.exists.shape)[flow.exists]))
    found = [(one, ends[:, len(flowing) + int(np.searchsorted(halts, column))]) for column, one in steady]
    timeline = Timeline(
        start=start, into=into, dosed=_dosed(flow, into), jump=_jumps(flow, into, order),
        rate=_rates(flow, into, flowing, place, order.shape[1]),
        steady=tuple(replace(one, node=node) for one, node in found),
        samples=samples.time.shape[1], **_sorted(columns, order, start),
        stops=None if covariates is None else np.minimum(place[:, -covariates.until.shape[1] :] + 1, order.shape[1]),
    )  # fmt: skip
    return timeline, Places(place[:, : flow.exists.shape[1]], ends[:, : len(flowing)], flowing)


def _only_stops(schedule: Schedule) -> Flags:
    """Records that do nothing but make the solver stop (EVID 2), (row, event)."""
    return schedule.exists & ~schedule.resets & ~schedule.doses & (schedule.steady == 0)


def _sorted(columns: _Columns, order: Integers, start: Floats) -> dict[str, NDArray[Any]]:
    """Nodes in their order; what pads a row does nothing at the row's last time."""
    time, resets, slot, event = (
        np.take_along_axis(a, order, axis=1) for a in (columns.time, columns.resets, columns.slot, columns.event)
    )
    real = np.isfinite(time)
    last = np.maximum(np.max(np.where(real, time, -np.inf), axis=1, initial=-np.inf), start)
    return {
        "time": np.where(real, time, last[:, None]),
        "resets": resets & real,
        "slot": np.where(real, slot, -1),
        "event": np.where(real, event, -1),
    }


def _columns(
    schedule: Schedule, flow: Flow, samples: Samples, halts: Integers, flowing: Integers, covariates: Covariates | None
) -> _Columns:
    """Columns of nodes: each dose's begin, each infusion's end, each reset or stop, each sample, each stretch's end."""
    steady = (schedule.steady > 0) & ~schedule.resets
    place = np.where(steady, schedule.steady_position, schedule.position) * STEPS
    key = (place + np.where(schedule.resets, RESET, STEADY))[:, halts]
    parts: list[tuple[Any, ...]] = [
        (np.where(flow.exists, flow.begin, np.inf), flow.key, False, -1, flow.event),
        (np.where(flow.exists, flow.end, np.inf)[:, flowing], END * STEPS, False, -1, -1),
        (
            np.where(schedule.exists, schedule.time, np.inf)[:, halts],
            key, schedule.resets[:, halts], -1, np.where(_only_stops(schedule), HALT, -1)[:, halts],
        ),
        (
            np.where(np.isnan(samples.time), np.inf, samples.time), samples.position * STEPS + SAMPLE, False,
            np.arange(samples.time.shape[1]), -1,
        ),
    ]  # fmt: skip
    parts += [] if covariates is None else [(covariates.until, covariates.key, False, -1, -1)]
    wide = [[np.broadcast_to(a, np.broadcast_shapes(np.shape(a), part[0].shape)) for a in part] for part in parts]
    rows = max(len(_alike(a)) for part in wide for a in part)
    rows = max(rows, len(_alike(schedule.start)))
    columns = zip(*([_rows(a, rows) for a in part] for part in wide), strict=True)
    return _Columns._make(np.concatenate(column, axis=1) for column in columns)


def _rows(values: NDArray[Any], rows: int) -> NDArray[Any]:
    """Give this many rows of values that are either alike or as many."""
    return values[:rows] if len(values) >= rows else np.broadcast_to(values, (rows, values.shape[1]))


def _dosed(flow: Flow, into: tuple[int, ...]) -> Flags:
    given = [np.any(flow.exists & (flow.into == state), axis=1) for state in into]
    return _alike(np.stack(given, axis=1) if given else np.zeros((1, 0), dtype=bool))


def _jumps(flow: Flow, into: tuple[int, ...], order: Integers) -> Floats:
    """Amount that enters each state at each node."""
    amount = np.where(flow.exists, flow.amount, 0.0)
    count, width = max(len(amount), len(order)), order.shape[1]
    jump = np.zeros((count, width, len(into)))
    padded = np.zeros((len(amount), max(int(np.max(order, initial=0)) + 1, amount.shape[1])))
    for number, state in enumerate(into):
        padded[:, : amount.shape[1]] = np.where(flow.into == state, amount, 0.0)
        rows = np.broadcast_to(padded, (count, padded.shape[1]))
        jump[:, :, number] = np.take_along_axis(rows, np.broadcast_to(order, (count, width)), axis=1)
    return jump


def _rates(flow: Flow, into: tuple[int, ...], flowing: Integers, place: Integers, width: int) -> Floats:
    """Sum of the rates flowing after each node; exactly 0 when none is."""
    begin, end = place[:, flowing], place[:, flow.exists.shape[1] :]
    rate = np.where(flow.exists, flow.rate, 0.0)
    count = max(len(rate), len(begin)) if len(flowing) else 1
    total = np.zeros((count, width, len(into)))
    node = np.arange(width)
    for number, column in enumerate(flowing):
        active = (node >= begin[:, number, None]) & (node < end[:, number, None])
        for position, state in enumerate(into):
            one = np.where(flow.into[:, column] == state, rate[:, column], 0.0)
            total[:, :, position] += np.where(active, one[:, None], 0.0)
    return total


def _alike(values: NDArray[Any]) -> NDArray[Any]:
    """Give one row when all rows are the same, bit for bit."""
    return values[:1] if len(values) > 1 and bool(np.all(values == values[0])) else values
