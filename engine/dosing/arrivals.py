"""When doses arrive: lag, bioavailability, infusion times, steady states, and what a reset cancels.

NONMEM's rules (see :mod:`engine.dosing.events` and :mod:`engine.dosing.regimen`) are applied here and nowhere else.
"""

from typing import NamedTuple

import numpy as np

from engine.dosing.covariates import Covariates
from engine.dosing.schedule import DOSE, LATE, STEADY, STEPS, Flags, Floats, Integers, Schedule, Speed
from engine.dosing.timeline import SteadyState


class Administration(NamedTuple):
    """How doses enter each state of each subject, (subject, state); a duration or rate that is not modelled is NaN.

    Where parameters change with time, (subject, state, stretch).
    """

    lag: Floats
    bioavailability: Floats
    duration: Floats
    rate: Floats


class Flow(NamedTuple):
    """Doses as they arrive, (row or subject, dose); a bolus has ``end`` equal to ``begin`` and ``rate`` 0.

    ``key`` orders what happens at one time; ``event`` is the column of the schedule the dose stems from.
    """

    begin: Floats
    end: Floats
    amount: Floats
    rate: Floats
    into: Integers
    key: Integers
    event: Integers
    exists: Flags


def arrivals(
    schedule: Schedule, given: Administration, covariates: Covariates | None = None
) -> tuple[Flow, list[tuple[int, SteadyState]]]:
    """Doses as they arrive, and for steady-state doses (by their column in the schedule) the state to find."""
    own = by_dose(schedule, given, covariates)
    flow = _arrive(schedule, own)
    extra, steady = _steady_states(schedule, flow, own)
    return _cancel(schedule, _join([flow, *extra])), steady


def by_dose(schedule: Schedule, given: Administration, covariates: Covariates | None) -> Administration:
    """How each dose enters its state, (subject, dose): by the values of its record, or of the time it is due."""
    if covariates is None:
        shapes = [(max(len(values), len(schedule.into)), schedule.into.shape[1]) for values in given]
        into = [np.broadcast_to(schedule.into, shape) for shape in shapes]
        return Administration(*(np.take_along_axis(*pair, axis=1) for pair in zip(given, into, strict=True)))
    stretch = dose_stretches(schedule, covariates)
    subject = np.arange(len(stretch))[:, None]
    each = (np.broadcast_to(values, (len(stretch), *values.shape[1:])) for values in given)  # one row may be for all
    return Administration(*(values[subject, schedule.into, stretch] for values in each))


def dose_stretches(schedule: Schedule, covariates: Covariates) -> Integers:
    """Stretch whose values each dose has, (subject, dose): that of its record, or of the time at which it is due."""
    place = np.where(schedule.late, LATE, schedule.position) * STEPS + DOSE
    return covariates.stretch(schedule.time, place)


def lengths(schedule: Schedule, own: Administration) -> Floats:
    """How long each dose takes, (subject, dose)."""
    flow = _arrive(schedule, own)
    return flow.end - flow.begin


def _arrive(schedule: Schedule, own: Administration) -> Flow:
    """Each dose with its lag, bioavailability, rate and duration."""
    lag, share = own.lag, own.bioavailability
    speed, amount = schedule.speed, schedule.amount * share
    by_rate, by_duration = speed == Speed.rate, speed == Speed.duration
    modelled_rate, modelled_duration = speed == Speed.modelled_rate, speed == Speed.modelled_duration
    with np.errstate(all="ignore"):
        rate = np.select(
            [by_rate, by_duration, modelled_rate, modelled_duration],
            [schedule.value, amount / schedule.value, own.rate, amount / own.duration], 0.0,
        )  # fmt: skip
        duration = np.select(
            [by_duration, modelled_duration, by_rate | modelled_rate],
            [schedule.value, own.duration, amount / rate], 0.0,
        )  # fmt: skip
    begin = schedule.time + lag
    flows = speed != Speed.bolus
    position = np.where(schedule.late | (lag > 0), LATE, schedule.position)
    return Flow(
        begin, begin + duration, np.where(flows, 0.0, amount), np.where(flows & (duration > 0), rate, 0.0),
        schedule.into, key=position * STEPS + DOSE, event=np.arange(speed.shape[1])[None, :],
        exists=schedule.exists & schedule.doses,
    )  # fmt: skip


def _steady_states(
    schedule: Schedule, flow: Flow, own: Administration
) -> tuple[list[Flow], list[tuple[int, SteadyState]]]:
    """Find what each steady-state dose needs: the state at its record, and what is under way or still to arrive."""
    extra, steady = [], []
    for column in np.flatnonzero(np.any(schedule.steady > 0, axis=0)):
        into, lag = schedule.into[:, column], own.lag[:, column]
        interval = schedule.interval[:, column]
        endless = interval == 0
        period = np.where(endless, 1.0, interval)
        lag = np.where(endless, 0.0, lag)  # a constant infusion has run for ever, and stops at its record
        pending = np.floor(lag / period)
        rest = lag - pending * period
        duration = np.where(endless, np.inf, flow.end[:, column] - flow.begin[:, column])
        exists = schedule.exists[:, column] & (schedule.steady[:, column] > 0)
        modelled = schedule.speed[:, column] == Speed.modelled_rate
        constant = np.where(modelled, own.rate[:, column], schedule.value[:, column])
        found = SteadyState(
            node=np.zeros(1, dtype=np.int64), exists=exists, into=into, interval=period,
            adds=schedule.steady[:, column] == 2, amount=flow.amount[:, column],
            rate=np.where(endless, constant, flow.rate[:, column]), duration=duration,
            phase=np.where(rest > 0, period - rest, period),
        )  # fmt: skip
        steady.append((int(column), found))
        extra += _under_way(schedule, flow, int(column), found, pending, rest)
    return extra, steady


def _under_way(
    schedule: Schedule, flow: Flow, column: int, steady: SteadyState, pending: Floats, rest: Floats
) -> list[Flow]:
    """Earlier doses of the endless series that still arrive after the record, or still flow at it."""
    one = Flow._make(values[:, column : column + 1] for values in flow)
    record, length = schedule.time[:, column], steady.duration
    key = (schedule.steady_position[:, column] * STEPS)[:, None]
    result = []
    for number in range(int(np.max(pending, initial=0))):
        begin = record + rest + number * steady.interval
        late = one._replace(begin=begin[:, None], end=(begin + length)[:, None], key=key + DOSE)
        result.append(late._replace(exists=one.exists & (steady.exists & (number < pending))[:, None]))
    flowing = np.where(np.isfinite(length) & (length > 0), np.ceil((rest + length) / steady.interval) - 1, 0)
    for number in range(1, int(np.max(flowing, initial=0)) + 1):
        end = record + (rest + length - number * steady.interval)
        early = one._replace(begin=record[:, None], end=end[:, None], key=key + STEADY)
        result.append(early._replace(exists=one.exists & (steady.exists & (end > record))[:, None]))
    return result


def _join(flows: list[Flow]) -> Flow:
    if len(flows) == 1:
        return flows[0]
    rows = max(len(values) for flow in flows for values in flow)
    wide = [[np.broadcast_to(values, (rows, values.shape[1])) for values in flow] for flow in flows]
    return Flow._make(np.concatenate(parts, axis=1) for parts in zip(*wide, strict=True))


def _cancel(schedule: Schedule, flow: Flow) -> Flow:
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
