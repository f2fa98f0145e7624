"""Event tables in which a subject's time starts again at a reset record: each occasion is a course of its own.

A reset (EVID 3 or 4) puts the system back to its initial state and cancels what is pending, so nothing passes from one
occasion to the next: they are simulated side by side, at the times the table has, and put together again.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.dosing.events import EventTable
from engine.dosing.schedule import Floats, Integers
from engine.errors import DataError
from engine.status import Status


def split(table: EventTable) -> tuple[EventTable, Integers]:
    """Table with one subject an occasion, and the subject each occasion belongs to."""
    begins = table.restarts | (np.diff(table.subject, prepend=-1) != 0)
    course = np.cumsum(begins) - 1
    owner = table.subject[begins]
    return replace(table, ids=table.ids[owner], subject=course), owner


def each(parameters: Mapping[str, ArrayLike], owner: Integers, subjects: int) -> dict[str, Any]:
    """Parameters of each occasion: those of its subject."""
    found = {name: np.asarray(values) for name, values in parameters.items()}
    for name, values in found.items():
        if values.ndim == 1 and len(values) not in (1, subjects):
            raise DataError(f"dosing: the event table has {subjects} subjects; {name} has {len(values)}")
    return {name: values[owner] if values.ndim == 1 and len(values) > 1 else values for name, values in found.items()}


def join(values: Floats, place: tuple[Integers, Integers], wanted: tuple[Integers, Integers], shape: Any) -> Floats:
    """Values of each subject in the order of its records, from those of each occasion."""
    found = np.full(shape, np.nan)
    found[wanted] = values[place]
    return found


def outcome(status: NDArray[np.int8], owner: Integers, subjects: int) -> NDArray[np.int8]:
    """Status of each subject: of its first occasion that failed."""
    found = np.full(subjects, Status.ok, dtype=np.int8)
    bad = np.flatnonzero(status != Status.ok)[::-1]
    found[owner[bad]] = status[bad]
    return found
