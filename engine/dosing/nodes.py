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
    """Nodes of doses as they arrive: ``begin`` (row, dose), ``end`` (row, infusion) of the doses ``flowing``.

    And of the records at which something else is done or that are stops, ``halts`` (row, record).
    """

    begin: Integers
    end: Integers
    flowing: Integers
    halts: Integers


class _Columns(NamedTuple):
    """Columns of nodes before sorting, (row, column), or (1, column) where all rows are alike.

    ``key`` orders those of one time.
    """

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
    halts, flowing = (np.flatnonzero(np.any(a, axis=0)) for a in (_halting(schedule), (flow.rate > 0) & flow.exists))
    columns = _columns(schedule, flow, samples, halts, flowing, covariates)
    order = np.lexsort((columns.key, columns.time), axis=-1)
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(order.shape[1])[None], axis=1)
    ends = place[:, flow.exists.shape[1] :]
    order = order[:, : int(np.max(np.sum(np.isfinite(columns.time), axis=1), initial=0))]
    start = _rows(schedule.start[:, None], len(order))[:, 0].copy()
    into = tuple(int(n) for n in np.unique(np.broadcast_to(flow.into, flow.exists.shape)[flow.exists]))
    found = [(one, ends[:, len(flowing) + int(np.searchsorted(halts, column))]) for column, one in steady]
    timeline = Timeline(
        start=start, into=into, dosed=_dosed(flow, into), jump=_jumps(flow, into, place, order.shape[1]),
        rate=_rates(flow, into, flowing, place, order.shape[1]),
        steady=tuple(replace(one, node=node) for one, node in found),
        samples=samples.time.shape[1], **_sorted(columns, order, start),
        stops=None if covariates is None else np.minimum(place[:, -covariates.until.shape[1] :] + 1, order.shape[1]),
    )  # fmt: skip
    own = ends[:, len(flowing) : len(flowing) + len(halts)]
    return timeline, Places(place[:, : flow.exists.shape[1]], ends[:, : len(flowing)], flowing, own)


def _halting(schedule: Schedule) -> Flags:
    """Records that something is done at besides a dose, (row, event): a reset, a steady state or a stop."""
    found: Flags = schedule.exists & (schedule.resets | ~schedule.doses | (schedule.steady > 0))
    return found


def _only_stops(schedule: Schedule) -> Flags:
    """Records that do nothing but make the solver stop (EVID 2), (row, event)."""
    found: Flags = schedule.exists & ~schedule.resets & ~schedule.doses & (schedule.steady == 0)
    return found


def _sorted(columns: _Columns, order: Integers, start: Floats) -> dict[str, NDArray[Any]]:
    """Nodes in their order; what pads a row does nothing at the row's last time."""
    time = np.take_along_axis(columns.time, order, axis=1)
    real = np.isfinite(time)
    whole = bool(real.all())
    last = np.maximum(np.max(time if whole else np.where(real, time, -np.inf), axis=1, initial=-np.inf), start)

    def placed(values: NDArray[Any], empty: Any) -> NDArray[Any]:
        if not np.any(values != empty):
            return np.full(order.shape, empty, dtype=values.dtype)
        found = values[0][order] if len(values) == 1 else np.take_along_axis(values, order, axis=1)
        return found if whole else np.where(real, found, empty)

    return {
        "time": time if whole else np.where(real, time, last[:, None]), "resets": placed(columns.resets, False),
        "slot": placed(columns.slot, -1), "event": placed(columns.event, -1),
    }  # fmt: skip


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
            np.where(_halting(schedule), schedule.time, np.inf)[:, halts],
            key, schedule.resets[:, halts], -1, np.where(_only_stops(schedule), HALT, -1)[:, halts],
        ),
        (
            np.where(np.isnan(samples.time), np.inf, samples.time), samples.position * STEPS + SAMPLE, False,
            np.arange(samples.time.shape[1]), -1,
        ),
    ]  # fmt: skip
    parts += [] if covariates is None else [(covariates.until, covariates.key, False, -1, -1)]
    wide = [[np.broadcast_to(a, np.broadcast_shapes(np.shape(a), part[0].shape)) for a in part] for part in parts]
    found = [[_alike(a) for a in column] for column in zip(*wide, strict=True)]
    each = [max(map(len, column)) for column in found]
    times = max(*each, len(_alike(schedule.start)))  # times and keys are sorted together: they have all rows
    each = [times, times, *each[2:]]
    return _Columns._make(
        np.concatenate([_rows(a, rows) for a in column], axis=1) for column, rows in zip(found, each, strict=True)
    )


def _rows(values: NDArray[Any], rows: int) -> NDArray[Any]:
    """Give this many rows of values that are either alike or as many."""
    return values[:rows] if len(values) >= rows else np.broadcast_to(values, (rows, values.shape[1]))


def _dosed(flow: Flow, into: tuple[int, ...]) -> Flags:
    given = [np.any(flow.exists & (flow.into == state), axis=1) for state in into]
    return _alike(np.stack(given, axis=1) if given else np.zeros((1, 0), dtype=bool))


def _jumps(flow: Flow, into: tuple[int, ...], place: Integers, width: int) -> Floats:
    """Amount that enters each state at each node."""
    amount = np.where(flow.exists, flow.amount, 0.0)
    rows = max(len(amount), len(place))
    jump = np.zeros((rows, width, len(into)))
    for dose in range(amount.shape[1]):
        here, given = place[:, dose] < width, amount[:, dose]
        row = np.flatnonzero(np.broadcast_to(here, (rows,)))
        node, given = (np.broadcast_to(a, (rows,))[row] for a in (place[:, dose], given))
        target = np.broadcast_to(flow.into[:, dose], (rows,))[row]
        for number, state in enumerate(into):
            jump[row, node, number] = np.where(target == state, given, 0.0)
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
    if len(values) <= 1 or not np.array_equal(values[-1], values[0]):
        return values
    return values[:1] if bool(np.all(values == values[0])) else values
