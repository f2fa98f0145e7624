"""From a schedule and the subjects' lags, bioavailabilities and infusion times to what a solver steps through.

NONMEM's rules (see :mod:`engine.events` and :mod:`engine.dosing`) are applied here and nowhere else: a solver only
sees nodes in time, and at each node what is done. Arrays have one row when the nodes are the same for every subject,
else one a subject; a solver broadcasts.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.schedule import Flags, Floats, Integers, Schedule, Speed

# Order at one time: ends of infusions, doses that arrive late, samples before a dose, the records in their order,
# samples after them. A record's own steps: reset, steady state, dose, sample.
_STEPS = 4
_END, _LATE, BEFORE, AFTER = -3, -2, -1, 1 << 40
_RESET, _STEADY, _DOSE, _SAMPLE = range(_STEPS)


class Administration(NamedTuple):
    """How doses enter each state of each subject, (subject, state); a duration or rate that is not modelled is NaN."""

    lag: Floats
    bioavailability: Floats
    duration: Floats
    rate: Floats


class Samples(NamedTuple):
    """When to sample, (row, sample), NaN for none; ``position`` is the place among records at one time."""

    time: Floats
    position: Integers


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
        arrays = {name: rows(getattr(self, name)) for name in ("start", "time", "jump", "rate", "resets", "slot", "event")}
        return replace(self, **arrays, steady=steady)

    def part(self, first: Integers, last: Integers) -> "Timeline":
        """Give the nodes from ``first`` to before ``last``, (row); it starts where the node before ``first`` is.

        Only for timelines without steady states, whose place would have to be found anew.
        """
        width = int(np.max(last - first, initial=0))
        column = first[:, None] + np.arange(width)
        real = column < last[:, None]
        column = np.minimum(column, self.time.shape[1] - 1)

        def nodes(values: NDArray[Any], empty: object) -> NDArray[Any]:
            rows = max(len(values), len(column))
            wide = (slice(None), slice(None)) + (None,) * (values.ndim - 2)
            index = np.broadcast_to(column, (rows, width))[wide]
            chosen = np.take_along_axis(np.broadcast_to(values, (rows, *values.shape[1:])), index, axis=1)
            return np.where(real[wide], chosen, empty)

        before = np.concatenate([np.broadcast_to(self.start[:, None], (len(self.time), 1)), self.time], axis=1)
        start, end = (np.take_along_axis(before, place[:, None], axis=1)[:, 0] for place in (first, last))
        return replace(
            self, start=start, time=nodes(self.time, end[:, None]), jump=nodes(self.jump, 0.0), rate=nodes(self.rate, 0.0),
            resets=nodes(self.resets, False), slot=nodes(self.slot, -1), event=nodes(self.event, -1),
        )  # fmt: skip


class _Flow(NamedTuple):
    """Doses as they arrive, (row or subject, event): a bolus has end equal to begin and rate 0."""

    begin: Floats
    end: Floats
    amount: Floats
    rate: Floats
    into: Integers
    key: Integers
    event: Integers
    exists: Flags


class _Nodes(NamedTuple):
    """Columns of nodes before sorting, (row, column)."""

    time: Floats
    key: Integers
    resets: Flags
    slot: Integers
    event: Integers


def build(schedule: Schedule, administration: Administration, samples: Samples) -> Timeline:
    """Timeline of the subjects of ``administration``.

    Parameters
    ----------
    schedule
        One row for all subjects, or one a subject.
    administration
        Values per subject and state; all finite, lags and bioavailabilities 0 or more, durations and rates above 0.
    samples
        One row for all, or one a subject.
    """
    flow = _arrivals(schedule, administration)
    extra, steady = _steady_states(schedule, flow, administration)
    flow = _cancel(schedule, _join([flow, *extra]))
    return _assemble(schedule, flow, samples, steady)


def _arrivals(schedule: Schedule, given: Administration) -> _Flow:
    def each(values: Floats) -> Floats:
        return np.take_along_axis(values, np.broadcast_to(schedule.into, (len(values), schedule.into.shape[1])), axis=1)

    lag, share = each(given.lag), each(given.bioavailability)
    speed, amount = schedule.speed, schedule.amount * share
    by_rate, by_duration = speed == Speed.rate, speed == Speed.duration
    modelled_rate, modelled_duration = speed == Speed.modelled_rate, speed == Speed.modelled_duration
    with np.errstate(all="ignore"):
        rate = np.select(
            [by_rate, by_duration, modelled_rate, modelled_duration],
            [schedule.value, amount / schedule.value, each(given.rate), amount / each(given.duration)], 0.0,
        )  # fmt: skip
        duration = np.select(
            [by_duration, modelled_duration, by_rate | modelled_rate],
            [schedule.value, each(given.duration), amount / rate], 0.0,
        )  # fmt: skip
    begin = schedule.time + lag
    flows = speed != Speed.bolus
    position = np.where(schedule.late | (lag > 0), _LATE, schedule.position)
    return _Flow(
        begin, begin + duration, np.where(flows, 0.0, amount), np.where(flows & (duration > 0), rate, 0.0), schedule.into,
        key=position * _STEPS + _DOSE, event=np.arange(speed.shape[1])[None, :],
        exists=schedule.exists & schedule.doses,
    )  # fmt: skip


def _steady_states(
    schedule: Schedule, flow: _Flow, given: Administration
) -> tuple[list[_Flow], list[tuple[int, SteadyState]]]:
    """Find what each steady-state dose needs: the state at its record, and what is under way or still to arrive."""
    extra, steady = [], []
    for column in np.flatnonzero(np.any(schedule.steady > 0, axis=0)):
        into = schedule.into[:, column]
        lag = np.take_along_axis(given.lag, np.broadcast_to(into[:, None], (len(given.lag), 1)), axis=1)[:, 0]
        interval = schedule.interval[:, column]
        endless = interval == 0
        period = np.where(endless, 1.0, interval)
        pending = np.floor(lag / period)
        rest = lag - pending * period
        duration = np.where(endless, np.inf, flow.end[:, column] - flow.begin[:, column])
        exists = schedule.exists[:, column] & (schedule.steady[:, column] > 0)
        found = SteadyState(
            node=np.zeros(1, dtype=np.int64), exists=exists, into=into, interval=period,
            adds=schedule.steady[:, column] == 2, amount=flow.amount[:, column],
            rate=np.where(endless, schedule.value[:, column], flow.rate[:, column]), duration=duration,
            phase=np.where(rest > 0, period - rest, period),
        )  # fmt: skip
        steady.append((int(column), found))
        extra += _under_way(schedule, flow, int(column), found, pending, rest)
    return extra, steady


def _under_way(
    schedule: Schedule, flow: _Flow, column: int, steady: SteadyState, pending: Floats, rest: Floats
) -> list[_Flow]:
    """Earlier doses of the endless series that still arrive after the record, or still flow at it."""
    one = _Flow(*(values[:, column : column + 1] for values in flow))
    record, length = schedule.time[:, column], steady.duration
    result = []
    for number in range(int(np.max(pending, initial=0))):
        begin = record + rest + number * steady.interval
        late = one._replace(begin=begin[:, None], end=(begin + length)[:, None])
        result.append(late._replace(exists=one.exists & (steady.exists & (number < pending))[:, None]))
    flowing = np.where(np.isfinite(length) & (length > 0), np.ceil((rest + length) / steady.interval) - 1, 0)
    for number in range(1, int(np.max(flowing, initial=0)) + 1):
        end = record + (rest + length - number * steady.interval)
        key = (schedule.position[:, column] * _STEPS + _STEADY)[:, None]
        early = one._replace(begin=record[:, None], end=end[:, None], key=key)
        result.append(early._replace(exists=one.exists & (steady.exists & (end > record))[:, None]))
    return result


def _join(flows: list[_Flow]) -> _Flow:
    if len(flows) == 1:
        return flows[0]
    rows = max(len(values) for flow in flows for values in flow)
    wide = [[np.broadcast_to(values, (rows, values.shape[1])) for values in flow] for flow in flows]
    return _Flow(*(np.concatenate(parts, axis=1) for parts in zip(*wide, strict=True)))


def _cancel(schedule: Schedule, flow: _Flow) -> _Flow:
    """End infusions and drop pending doses at each reset and at each steady-state dose that replaces."""
    stops = schedule.exists & (schedule.resets | (schedule.steady == 1))
    begin, end, exists = flow.begin, flow.end, flow.exists
    for column in np.flatnonzero(np.any(stops, axis=0)):
        when, place = schedule.time[:, column : column + 1], schedule.position[:, column : column + 1]
        earlier = (schedule.record_time < when) | ((schedule.record_time == when) & (schedule.position < place))
        stopped = earlier[:, flow.event[0]] & stops[:, column : column + 1]
        exists = exists & ~(stopped & (begin > when))
        end = np.where(stopped & (end > when), np.maximum(begin, when), end)
    return flow._replace(end=end, exists=exists)


def _assemble(
    schedule: Schedule, flow: _Flow, samples: Samples, steady: list[tuple[int, SteadyState]]
) -> Timeline:  # fmt: skip
    halts = np.flatnonzero(np.any(schedule.exists & (schedule.resets | ~schedule.doses | (schedule.steady > 0)), axis=0))
    flowing = np.flatnonzero(np.any((flow.rate > 0) & flow.exists, axis=0))
    nodes = _nodes(schedule, flow, samples, halts, flowing)
    order = np.lexsort((nodes.key, nodes.time), axis=-1)
    place = np.argsort(order, axis=-1)
    width = int(np.max(np.sum(np.isfinite(nodes.time), axis=1), initial=0))
    order = order[:, :width]
    time, resets, slot, event = (np.take_along_axis(a, order, axis=1) for a in (nodes.time, nodes.resets, nodes.slot, nodes.event))
    real = np.isfinite(time)
    start = _rows(schedule.start[:, None], len(time))[:, 0].copy()
    last = np.maximum(np.max(np.where(real, time, -np.inf), axis=1, initial=-np.inf), start)
    into = tuple(int(n) for n in np.unique(np.broadcast_to(flow.into, flow.exists.shape)[flow.exists]))
    first = flow.amount.shape[1]
    return Timeline(
        start=start,
        time=np.where(real, time, last[:, None]),
        into=into,
        jump=_jumps(flow, into, order),
        rate=_rates(flow, into, place[:, flowing], place[:, first : first + len(flowing)], flowing, width),
        resets=resets & real,
        slot=np.where(real, slot, -1),
        event=np.where(real, event, -1),
        steady=tuple(
            replace(found, node=place[:, first + len(flowing) + int(np.searchsorted(halts, column))])
            for column, found in steady
        ),
        samples=samples.time.shape[1],
    )


def _nodes(schedule: Schedule, flow: _Flow, samples: Samples, halts: Integers, flowing: Integers) -> _Nodes:
    """Columns of nodes: each dose's begin, each infusion's end, each reset or stop, each sample."""
    step = np.where(schedule.resets, _RESET, _STEADY)[:, halts]
    parts = [
        (np.where(flow.exists, flow.begin, np.inf), flow.key, False, -1, flow.event),
        (np.where(flow.exists, flow.end, np.inf)[:, flowing], _END * _STEPS, False, -1, -1),
        (
            np.where(schedule.exists, schedule.time, np.inf)[:, halts],
            schedule.position[:, halts] * _STEPS + step, schedule.resets[:, halts], -1, -1,
        ),
        (
            np.where(np.isnan(samples.time), np.inf, samples.time), samples.position * _STEPS + _SAMPLE, False,
            np.arange(samples.time.shape[1]), -1,
        ),
    ]  # fmt: skip
    wide = [[np.broadcast_to(a, np.broadcast_shapes(np.shape(a), part[0].shape)) for a in part] for part in parts]
    rows = max(len(_alike(a)) for part in wide for a in part)
    rows = max(rows, len(_alike(schedule.start)))
    columns = zip(*([_rows(a, rows) for a in part] for part in wide), strict=True)
    return _Nodes(*(np.concatenate(column, axis=1) for column in columns))


def _rows(values: NDArray[Any], rows: int) -> NDArray[Any]:
    """Give this many rows of values that are either alike or as many."""
    return values[:rows] if len(values) >= rows else np.broadcast_to(values, (rows, values.shape[1]))


def _jumps(flow: _Flow, into: tuple[int, ...], order: Integers) -> Floats:
    amount = np.where(flow.exists, flow.amount, 0.0)
    count, width = max(len(amount), len(order)), order.shape[1]
    jump = np.zeros((count, width, len(into)))
    padded = np.zeros((len(amount), max(int(np.max(order, initial=0)) + 1, amount.shape[1])))
    for number, state in enumerate(into):
        padded[:, : amount.shape[1]] = np.where(flow.into == state, amount, 0.0)
        rows = np.broadcast_to(padded, (count, padded.shape[1]))
        jump[:, :, number] = np.take_along_axis(rows, np.broadcast_to(order, (count, width)), axis=1)
    return jump


def _rates(flow: _Flow, into: tuple[int, ...], begin: Integers, end: Integers, flowing: Integers, width: int) -> Floats:
    """Sum of the rates flowing after each node; exactly 0 when none is."""
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
