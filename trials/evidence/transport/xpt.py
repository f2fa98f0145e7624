"""SAS transport files, version 5: the format that regulators take (SAS TS-140)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from trials.errors import TrialError
from trials.evidence.table import Column, Table
from trials.evidence.transport import limits

if TYPE_CHECKING:
    from pyreadstat import metadata_container

type Array = np.ndarray

CLOCKS = (144, 160, 464, 480)
"""Where the header of a file with one data set holds the 16 characters of a time: created and changed, file and set."""
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def write(table: Table, path: Path, when: str) -> None:
    """Write a data set, read it back and compare.

    Parameters
    ----------
    table
        The data set.
    path
        File to write; its bytes depend on the arguments alone.
    when
        Time that the header shall hold, ISO 8601 with its time zone.

    Raises
    ------
    TrialError
        When the table does not fit into the format, or what is read back is not what was written.
    """
    import pyreadstat

    limits.check(table)
    frame = pd.DataFrame({one.name: _values(table, one) for one in table.columns})
    pyreadstat.write_xport(
        frame,
        path,
        file_label=table.label,
        column_labels=[one.label for one in table.columns],
        table_name=table.name,
        file_format_version=5,
        variable_format={one.name: one.format for one in table.columns if one.format},
    )
    path.write_bytes(_dated(path.read_bytes(), when))
    compare(table, read(path))


def read(path: Path) -> Table:
    """Read a data set with what the file knows of it: names, labels, kinds and formats, and no more.

    Never `pandas.read_sas`, which drops the last record of some files.
    """
    import pyreadstat

    frame, meta = pyreadstat.read_xport(path, disable_datetime_conversion=True)
    columns = tuple(_column(name, meta) for name in meta.column_names)
    text = {one.name for one in columns if one.kind == "text"}
    made = {one.name: frame[one.name].astype(str if one.name in text else np.float64) for one in columns}
    return Table(
        name=meta.table_name or "",
        label=meta.file_label or "",
        structure="",
        of="",
        keys=(),
        columns=columns,
        frame=pd.DataFrame(made, columns=list(made)),
    )


def compare(first: Table, second: Table) -> None:
    """Refuse two data sets that differ: in name, label, variables and their labels, or any bit of any value.

    Raises
    ------
    TrialError
        Which says what is different first.
    """
    same: list[tuple[str, object, object]] = [
        ("name", first.name, second.name),
        ("label", first.label, second.label),
        ("variables", [_shown(c) for c in first.columns], [_shown(c) for c in second.columns]),
        ("number of records", len(first.frame), len(second.frame)),
    ]
    for what, one, other in same:
        if one != other:
            raise TrialError(f"{first.name}: the {what} should be {one!r}, is {other!r}")
    for column in first.columns:
        wanted, found = (table.frame[column.name] for table in (first, second))
        equal = _equal(column, wanted, found)
        if not equal.all():
            row = int(np.argmin(equal))
            got = f"{wanted.iloc[row]!r} is not {found.iloc[row]!r}"
            raise TrialError(f"{first.name}.{column.name}, record {row + 1}: {got}")


def _shown(column: Column) -> tuple[str, str, bool]:
    return column.name, column.label, column.kind == "text"


def _equal(column: Column, one: pd.Series[Any], other: pd.Series[Any]) -> Array:
    """Which values are equal, bit by bit; all missing numbers are alike."""
    if column.kind == "text":
        return np.asarray(one.to_numpy(dtype=object) == other.to_numpy(dtype=object))
    numbers = limits.numbers(one), limits.numbers(other)
    bits, missing = (numbers[0].view(np.int64) == numbers[1].view(np.int64)), np.isnan(numbers[0])
    return np.asarray(bits | (missing & np.isnan(numbers[1])))


def _values(table: Table, column: Column) -> pd.Series[Any]:
    values = table.frame[column.name].reset_index(drop=True)
    return values.astype(str) if column.kind == "text" else pd.Series(limits.numbers(values))


def _column(name: str, meta: metadata_container) -> Column:
    text = meta.readstat_variable_types[name] == "string"
    shown = meta.original_variable_types[name]
    label = meta.column_names_to_labels[name] or ""
    return Column(name, label, "text" if text else "float", format="" if shown is None else str(shown))


def _dated(data: bytes, when: str) -> bytes:
    """Header with our time instead of the wall's."""
    time = limits.clock(when)
    stamp = f"{time:%d}{_MONTHS[time.month - 1]}{time:%y:%H:%M:%S}".encode()
    changed = bytearray(data)
    for start in CLOCKS:
        changed[start : start + len(stamp)] = stamp
    return bytes(changed)
