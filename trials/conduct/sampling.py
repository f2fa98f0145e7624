"""What is sampled of the model in every patient: measurements at their visits, and what is watched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from trials.conduct.measuring import follow_up, visit_times
from trials.endpoints.base import Watch
from trials.protocol import Protocol

type Array = np.ndarray


class Sampled(NamedTuple):
    """Something sampled of an output: a measurement at its visits, or what is watched.

    ``times`` after the start of a period are (time,), or (replicate, subject, period, time).
    """

    key: str | Watch
    output: str
    times: Array


def sampled(protocol: Protocol, patients: xr.Dataset, shape: tuple[int, ...]) -> list[Sampled]:
    """Everything that is sampled of patients (replicate, subject, period); each watch once, however many look."""
    visits = [Sampled(m.name, m.output, visit_times(m, patients, shape)) for m in protocol.measurements]
    return [*visits, *(Sampled(watch, watch.output, watch.clock) for watch in _watches(protocol))]


def _watches(protocol: Protocol) -> list[Watch]:
    """What is watched for endpoints and for intercurrent events, each once."""
    end = follow_up(protocol)
    watches = [watch for endpoint in protocol.endpoints for watch in endpoint.watches]
    watches += [watch for event in protocol.intercurrent for watch in event.cause.watches(end)]
    return list(dict.fromkeys(watches))


def numbers(protocol: Protocol) -> int:
    """How many numbers are sampled of a patient in a period."""
    visits = sum(len(measurement.times) for measurement in protocol.measurements)
    return visits + sum(len(watch.clock) for watch in _watches(protocol))


def layout(
    sampled: Iterable[Sampled], place: tuple[Array, Array, int], later: Sequence[float]
) -> tuple[Array, list[list[Array]]]:
    """Lay out samples of patients in this period, and of what is left of it in later ones.

    Returns
    -------
    Sampling times (time,) or (patient, time), and for each thing sampled the columns it has in each period.
    """
    sampled = list(sampled)
    if all(one.times.ndim == 1 for one in sampled):
        planned = sorted({float(time) for one in sampled for time in one.times})
        grid = np.unique(np.add.outer(later, planned))
        return grid, [[np.searchsorted(grid, np.add(after, one.times)) for after in later] for one in sampled]
    replicate, subject, period = place
    parts: list[Array] = []
    columns: list[list[Array]] = []
    for one in sampled:
        columns.append([])
        for offset, after in enumerate(later):
            own = one.times if one.times.ndim == 1 else one.times[replicate, subject, period + offset]
            width = sum(part.shape[1] for part in parts)
            parts.append(np.broadcast_to(np.add(after, own), (len(subject), one.times.shape[-1])))
            columns[-1].append(np.arange(width, width + one.times.shape[-1]))
    return np.concatenate(parts, axis=1), columns
