"""Reading NONMEM-style data sets: one record a line, one column a data item."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.dosing import clock
from engine.dosing.events import INTEGERS, REALS, EventTable, from_records
from engine.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_ITEMS = {*INTEGERS, *REALS, "id", "cont", *clock.DATES}
_DOSES = ("amt", "rate", "ii", "addl", "ss")
_LEFT_OUT = ("DROP", "SKIP")


def read_nonmem(
    source: "str | Path | pd.DataFrame", *, names: Sequence[str] | None = None, ignore: str = "#",
    compartments: Sequence[str] = (),
) -> EventTable:  # fmt: skip
    """Event table of a data set with NONMEM's columns.

    Parameters
    ----------
    source
        Path of a file, or a frame. Fields are separated by commas, or by blanks and tabs; a dot or an empty field is a
        missing value: 0, for ``DV`` and covariates NaN. Columns, in any case and order: ``ID`` and ``TIME`` are
        wanted; ``AMT``, ``CMT``, ``EVID``, ``ADDL``, ``II``, ``SS``, ``RATE``, ``MDV``, ``DV`` are read when present;
        all others become covariates, ``DVID`` and ``PCMT`` too.
    names
        Columns in order, for a file without a header (as in ``$INPUT``); those named ``DROP`` or ``SKIP``, or
        ``NAME=DROP``, are left out, and of ``CONC=DV`` the name NONMEM knows counts. None: the file's first line that
        is no comment has them; a ``#`` before them is none of theirs.
    ignore
        Records whose first character that is not blank is this one are left out; ``@``: those that begin with a letter
        or with ``@``. NONMEM's IGNORE.
    compartments
        State that each ``CMT`` means, from 1; empty: the model's states in their order.

    Notes
    -----
    As NM-TRAN and PREDPP do:

    - Without ``EVID``, a record with ``AMT``, ``RATE``, ``II``, ``ADDL`` or ``SS`` is a dose, any other an observation.
    - With a colon in any ``TIME``, or with ``DATE`` (month, day, year), ``DAT1`` (day, month, year), ``DAT2`` (year,
      month, day) or ``DAT3`` (year, day, month), times become hours since the individual's first record. A date may
      be a day's number, or lack its year.
    - Of records joined by ``CONT`` 1 only the last counts.
    - Where ``TIME`` goes back at a reset (``EVID`` 3 or 4), another occasion begins.

    Unlike them: records of an individual that are out of order are sorted by time (not when it has a reset); an ``ID``
    that comes again after another is refused, where NONMEM would take it for one more individual; a ``CMT`` below 0,
    which turns a compartment off, is refused. ``CMT`` of an observation does not choose an output: simulations have
    all outputs at all records, and ``observations`` has ``cmt`` to choose by.

    Raises
    ------
    DataError
        Naming the column or the record, what it holds and what is wanted.
    """
    frame = _frame(source, names, ignore)
    where = str(source) if isinstance(source, str | Path) else "data frame"
    columns = _columns(frame, where)
    if missing := [name.upper() for name in ("id", "time") if name not in columns]:
        found = ", ".join(map(str, frame.columns))
        raise DataError(f"{where}: column {missing[0]} is missing; found {found}")
    labels = {str(name).strip().lower(): str(name).strip() for name in frame.columns}
    if "cont" in columns:
        last = _numbers(columns["cont"], "cont", where) == 0
        columns = {name: values[last].reset_index(drop=True) for name, values in columns.items()}
        if not last.any():
            raise DataError(f"{where}: no records but those that CONT says go on")
    codes, ids = _identify(columns.pop("id"), where)
    time = _times(columns, codes, ids, where)
    given: dict[str, Any] = {
        name: _item(columns[name], name, where) for name in (*INTEGERS, *REALS) if name in columns and name != "time"
    }
    if "evid" not in given:
        given["evid"] = _event_kind(given, len(codes))
    others = {labels[name]: _column(values) for name, values in columns.items() if name not in _ITEMS}
    return from_records(ids, codes, time, columns=others, compartments=tuple(compartments), **given)


def _frame(source: "str | Path | pd.DataFrame", names: Sequence[str] | None, ignore: str) -> "pd.DataFrame":
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        return source if names is None else _named(source, names, "data frame")
    if not isinstance(source, str | Path):
        raise DataError(f"read_nonmem: {source!r:.80}; the path of a file, or a data frame, is wanted")
    path = Path(source)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file ({error})") from None
    header, records = _lines(lines, ignore, with_header=names is None)
    if not records:
        raise DataError(f"{path}: no records")
    commas = "," in (records[0] if header is None else header)
    how: dict[str, Any] = {"skipinitialspace": True} if commas else {"sep": r"\s+"}
    try:
        # What numbers are is found out later, column by column, so that a wrong one is named.
        frame = pd.read_csv(io.StringIO("\n".join(records)), na_values=["."], header=None, low_memory=False, **how)
    except ValueError as error:
        raise DataError(f"{path}: not a table ({error})") from None
    if names is not None:
        return _named(frame, names, str(path))
    line = header or ""
    return _headed(frame, next(csv.reader([line], skipinitialspace=True)) if commas else line.split(), path)


def _headed(frame: "pd.DataFrame", header: Sequence[str], path: Path) -> "pd.DataFrame":
    """Columns under the names of the header; those without a name (row numbers, a comma at the end) are left out."""
    spare = frame.shape[1] - len(header)
    if spare < 0 or not frame.iloc[:, len(header) :].isna().all(axis=None):
        raise DataError(f"{path}: the header has {len(header)} columns, the records have {frame.shape[1]}")
    kept = [number for number, name in enumerate(header) if name.strip(' "')]
    return frame.iloc[:, kept].set_axis([header[number].strip(' "') for number in kept], axis=1)


def _lines(lines: Sequence[str], ignore: str, *, with_header: bool) -> tuple[str | None, list[str]]:
    """Header, and records without those to be ignored."""
    filled = [line for line in lines if line.strip()]
    if with_header:
        place = next((n for n, line in enumerate(filled) if _is_header(line)), None)
        if place is None:
            place = next((n for n, line in enumerate(filled) if not line.lstrip().startswith("#")), 0)
        header = filled[place].lstrip().removeprefix("#") if filled else ""
        filled = filled[place + 1 :]
    unwanted = re.compile(r"\s*[@A-Za-z]" if ignore == "@" else rf"\s*{re.escape(ignore)}" if ignore else r"(?!)")
    return header if with_header else None, [line for line in filled if not unwanted.match(line)]


def _is_header(line: str) -> bool:
    fields = {field.strip().upper() for field in re.split(r"[,\s]+", line.lstrip().removeprefix("#"))}
    return {"ID", "TIME"} <= fields


def _named(frame: "pd.DataFrame", names: Sequence[str], where: str) -> "pd.DataFrame":
    """Columns under the names of ``$INPUT``, without those it drops."""
    if len(names) != frame.shape[1]:
        raise DataError(f"{where}: {frame.shape[1]} columns; names has {len(names)}")
    kept, labels = [], []
    for position, name in enumerate(names):
        parts = [part.strip() for part in str(name).split("=")]
        if not any(part.upper() in _LEFT_OUT for part in parts):
            kept.append(position)
            labels.append(next((part for part in parts if part.lower() in _ITEMS), parts[0]))
    return frame.iloc[:, kept].set_axis(labels, axis=1)


def _columns(frame: "pd.DataFrame", where: str) -> "dict[str, pd.Series[Any]]":
    columns: dict[str, Any] = {}
    for position, name in enumerate(frame.columns):
        key = str(name).strip().lower()
        if key in columns:
            raise DataError(f"{where}: column {str(name).upper()} occurs twice")
        columns[key] = frame.iloc[:, position]
    if not len(frame):
        raise DataError(f"{where}: no records")
    return columns


def _identify(column: "pd.Series[Any]", where: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Position of each record's subject, and the subjects in order of appearance."""
    if column.isna().any():
        raise DataError(f"{where}, record {int(np.flatnonzero(column.isna())[0]) + 1}: ID is missing")
    values = _column(column)
    if values.dtype.kind == "f" and np.all(values == np.round(values)) and np.all(np.abs(values) < 2**53):
        values = values.astype(np.int64)
    found, first, codes = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.argsort(order)[codes].astype(np.int64)
    again = np.flatnonzero((np.diff(place, prepend=0) != 0) & (place < np.maximum.accumulate(place)))
    if again.size:
        row = int(again[0])
        raise DataError(
            f"{where}, record {row + 1}: ID {values[row]} comes again after {values[row - 1]}; NONMEM would take it "
            "for another individual: put the records of each subject together, or give it another ID"
        )
    return place, found[order]


def _times(
    columns: "Mapping[str, pd.Series[Any]]", codes: NDArray[np.int64], ids: NDArray[Any], where: str
) -> NDArray[np.float64]:
    """Times, relative where they are clock times or dated."""
    dates = [name for name in clock.DATES if name in columns]
    if len(dates) > 1:
        raise DataError(f"{where}: columns {' and '.join(name.upper() for name in dates)} both have the date; keep one")
    if not dates and not clock.is_clock(columns["time"]):
        return _numbers(columns["time"], "time", where)
    time = clock.hours(columns["time"], "TIME", where)
    if dates:
        time = time + 24 * clock.days(columns[dates[0]], dates[0], where)
    return clock.relative(time, codes, ids, dated=bool(dates))


def _item(column: "pd.Series[Any]", name: str, where: str) -> NDArray[np.float64]:
    if name == "ii" and clock.is_clock(column):
        return np.nan_to_num(clock.hours(column, "II", where))
    return _numbers(column, name, where)


def _numbers(column: "pd.Series[Any]", name: str, where: str) -> NDArray[np.float64]:
    import pandas as pd

    read = pd.to_numeric(column, errors="coerce")
    if read.dtype.kind not in "fiub":
        raise DataError(f"{where}: {name.upper()} holds {column.iloc[0]!r}; numbers are wanted")
    values = read.to_numpy(dtype=np.float64)
    wrong = np.isnan(values) & ~column.isna().to_numpy()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(f"{where}, record {row + 1}: {name.upper()} is {column.iloc[row]!r}; a number is wanted")
    sure = np.where(np.abs(values) < 2**53, values, 0.5)
    whole = (sure % 1 == 0) | np.isnan(values)
    if name in INTEGERS and not whole.all():
        row = int(np.flatnonzero(~whole)[0])
        raise DataError(f"{where}, record {row + 1}: {name.upper()} is {values[row]:g}; a whole number is wanted")
    return values if name in ("dv", "time") else np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf)


def _event_kind(given: dict[str, NDArray[np.float64]], count: int) -> NDArray[np.int64]:
    dosed = np.zeros(count, dtype=bool)
    for name in _DOSES:
        dosed |= given.get(name, np.zeros(count)) != 0
    return dosed.astype(np.int64)


def _column(column: "pd.Series[Any]") -> NDArray[Any]:
    """Values as floats where they are numbers, as text where they are not."""
    if column.isna().all():
        return np.full(len(column), np.nan)
    if column.dtype.kind in "fiub":
        return column.to_numpy(dtype=np.float64)
    return np.asarray(["" if value is None or value != value else str(value) for value in column])
