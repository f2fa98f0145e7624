"""Samples at the observation records of an event table."""

import numpy as np
from numpy.typing import NDArray

from engine.dosing.events import EventTable
from engine.dosing.nodes import Samples


def record_samples(table: EventTable) -> Samples:
    """Samples at a table's observation records, (subject, observation), padded with NaN."""
    record = np.flatnonzero(table.evid == 0)
    who, column = sample_places(table)
    shape = (len(table.ids), int(column.max(initial=-1)) + 1)
    time, position = np.full(shape, np.nan), np.zeros(shape, dtype=np.int64)
    time[who, column] = table.time[record]
    position[who, column] = record - np.searchsorted(table.subject, who)
    return Samples(time, position)


def sample_places(table: EventTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Subject and number of each observation record: its place in arrays (subject, sample)."""
    who = table.subject[table.evid == 0]
    return who, np.arange(len(who)) - np.searchsorted(who, who)
