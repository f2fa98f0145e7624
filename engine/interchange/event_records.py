"""An event table as a NONMEM data set."""

import csv
import io
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.dosing.events import EventTable
from engine.errors import DataError
from engine.models.specification import Model

_COLUMNS = ("time", "evid", "amt", "cmt", "addl", "ii", "ss", "rate", "mdv", "dv")


def write_nonmem_table(events: EventTable, model: Model | None = None) -> str:
    """Write an event table as the text of a CSV file that ``read_nonmem`` reads back to the same records.

    Parameters
    ----------
    events
        The records.
    model
        Numbers the compartments; wanted when the table names them itself.

    Returns
    -------
    str
        A header and one line a record: ID, TIME, EVID, AMT, CMT, ADDL, II, SS, RATE, MDV, DV and the covariates. A
        missing value is a dot, every other number has all its digits.

    Raises
    ------
    DataError
        The table names a compartment that the model lacks, or no model was given to number them.
    """
    columns = {name: getattr(events, name) for name in _COLUMNS} | {"cmt": _compartments(events, model)}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["ID", *map(str.upper, columns), *events.columns])
    cells = [_cells(column) for column in (events.ids[events.subject], *columns.values(), *events.columns.values())]
    writer.writerows(zip(*cells, strict=True))
    return text.getvalue()


def _compartments(events: EventTable, model: Model | None) -> NDArray[np.int64]:
    """Number of each record's compartment among the model's states."""
    if not events.compartments:
        return events.cmt
    if model is None:
        raise DataError(f"the table names its compartments ({', '.join(events.compartments)}): a model is wanted")
    if unknown := [name for name in events.compartments if name not in model.state_names]:
        raise DataError(f"model {model.name} has no state {unknown[0]!r}; states are {', '.join(model.state_names)}")
    numbers = np.asarray([model.state_names.index(name) + 1 for name in events.compartments])
    beyond = events.cmt > len(numbers)
    if np.any(beyond):
        raise DataError(f"CMT is {events.cmt[beyond][0]}, but the table names {len(numbers)} compartment(s)")
    return np.asarray(numbers[np.maximum(events.cmt, 1) - 1], dtype=np.int64)


def _cells(column: NDArray[Any]) -> Iterable[str]:
    return [_cell(value) for value in column.tolist()]


def _cell(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "."
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
