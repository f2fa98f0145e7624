"""Intercurrent events as they happen: the first one of each patient, what follows from it, then the next one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trials.conduct.causes.base import Situation
from trials.conduct.event import IntercurrentEvent
from trials.conduct.measuring import follow_up
from trials.conduct.progress import Progress
from trials.streams import Stream, item, uniforms

type Array = np.ndarray


def happen(progress: Progress, without: frozenset[str]) -> None:
    """Let events happen to patients whose treatment as assigned is known.

    Causality holds: the first event of a patient follows from the course without it, and that course is only changed
    after it. Every event happens at most once, so this ends.

    Parameters
    ----------
    without
        Events that are kept from happening.
    """
    events = [event for event in progress.dosing.protocol.intercurrent if event.name not in without]
    shape = progress.arms.shape[:2]
    progress.events.update({event.name: np.full(shape, np.inf) for event in progress.dosing.protocol.intercurrent})
    replicate, subject = np.nonzero((progress.status == 0).all(axis=-1))
    chances = _Chances(progress)
    while events and replicate.size:
        times = _candidates(progress, events, chances, (replicate, subject))
        first = times.argmin(axis=0)
        now = times[first, np.arange(len(first))]
        again = _record(progress, events, (replicate, subject), np.where(np.isfinite(now), first, -1), now)
        there = np.isfinite(now) & (progress.left[replicate, subject] > now)
        if again.any():
            progress.treat_again(replicate[again], subject[again], now[again])
        there &= progress.status[replicate, subject, 0] == 0
        replicate, subject = replicate[there], subject[there]


class _Chances:
    """Unit-exponential numbers (replicate, subject) of each event and of each hazard of the model, by name."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.known: dict[tuple[Stream, str], Array] = {}

    def __call__(self, stream: Stream, name: str) -> Array:
        if (stream, name) not in self.known:
            patients, shape = self.progress.dosing.patients, self.progress.arms.shape
            seed, replicates = int(patients.attrs["seed"]), patients["replicate"].values.tolist()
            each = (shape[2],) if stream == Stream.ENDPOINT else (1,)
            drawn = uniforms(seed, stream, replicates, shape[1], each=each, item=item(name))[..., 0]
            self.known[stream, name] = -np.log1p(-drawn)
        return self.known[stream, name]


def _candidates(
    progress: Progress, events: Sequence[IntercurrentEvent], chances: _Chances, place: tuple[Array, Array]
) -> Array:
    """Time of each event (event, patient) were it the next; infinite where it cannot be."""
    end = progress.starts[-1] + follow_up(progress.dosing.protocol)
    names, arm = progress.dosing.protocol.design.arms, progress.arms[(*place, 0)]
    rows = []
    for event in events:
        time = event.cause.when(_situation(progress, event, chances, place))
        able = np.isin(arm, [names.index(name) for name in event.arms or names])
        able &= np.isinf(progress.events[event.name][place])
        rows.append(np.where(able & (time <= end), time, np.inf))
    return np.stack(rows)


def _situation(
    progress: Progress, event: IntercurrentEvent, chances: _Chances, place: tuple[Array, Array]
) -> Situation:
    """What the cause of an event looks at, of some patients; periods follow each other."""
    count, starts = len(place[0]), np.asarray(progress.starts)[:, None]
    protocol, patients = progress.dosing.protocol, progress.dosing.patients
    times = {one.key: one.times if one.times.ndim == 1 else one.times[place] for one in progress.samples}
    looks = [protocol.measurement(name) for name in event.cause.measures]
    wanted = event.cause.watches(follow_up(protocol))
    return Situation(
        values={m.name: progress.recorded(m, place)[0].reshape(count, -1) for m in looks},
        times={m.name: _flat(starts + times[m.name], count) for m in looks},
        courses={watch: progress.values[watch][place].reshape(count, -1) for watch in wanted},
        clocks={watch: (starts + watch.clock).ravel() for watch in wanted},
        covariates={name: patients[name].values[place] for name in event.cause.covariates},
        limit=chances(Stream.INTERCURRENT, event.name)[place],
        hazards={watch.output: chances(Stream.ENDPOINT, watch.output)[place] for watch in wanted},
    )


def _flat(times: Array, count: int) -> Array:
    """Times of all periods (patient, time) in a row."""
    return np.broadcast_to(
        times.reshape(-1, times.shape[-2] * times.shape[-1]), (count, times.shape[-2] * times.shape[-1])
    )


def _record(
    progress: Progress,
    events: Sequence[IntercurrentEvent],
    place: tuple[Array, Array],
    first: Array,
    now: Array,
) -> Array:
    """Note what happened; gives whose treatment changes by it (patient,)."""
    again = np.zeros(len(first), dtype=bool)
    for number, event in enumerate(events):
        here = first == number
        replicate, subject = place[0][here], place[1][here]
        progress.events[event.name][replicate, subject] = now[here]
        if event.leaves:
            progress.left[replicate, subject] = now[here]
        again |= here & event.treats
    return again
