"""Reading NONMEM-style data sets: one record a line, one column a data item."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.dosing.events import INTEGERS, REALS, EventTable, from_records
from engine.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_ITEMS = {*INTEGERS, *REALS, "id"}


def read_nonmem(source: "str | Path | pd.DataFrame") -> EventTable:
    """Event table of a CSV file (or data frame) with NONMEM's columns.

    Parameters
    ----------
    source
        Path of a file with a header, or a frame. Columns, in any case and order: ``ID`` and ``TIME`` are wanted;
        ``AMT``, ``CMT``, ``EVID``, ``ADDL``, ``II``, ``SS``, ``RATE``, ``MDV``, ``DV`` are read when present; all
        others become covariates. A dot or an empty field is a missing value: 0, for ``DV`` and covariates NaN.
        Without ``EVID``, a record with an amount (or a rate) is a dose, any other an observation.

    Raises
    ------
    DataError
        Naming the column or the record, what it holds and what is wanted.
    """
    frame = _frame(source)
    where = str(source) if isinstance(source, str | Path) else "data frame"
    columns = _columns(frame, where)
    if missing := [name.upper() for name in ("id", "time") if name not in columns]:
        found = ", ".join(map(str, frame.columns))
        raise DataError(f"{where}: column {missing[0]} is missing; found {found}")
    codes, ids = _identify(columns.pop("id"))
    given: dict[str, Any] = {
        name: _numbers(columns[name], name, where) for name in (*INTEGERS, *REALS) if name in columns
    }
    if "evid" not in given:
        given["evid"] = _event_kind(given, len(frame))
    others = {name: _column(values) for name, values in columns.items() if name not in _ITEMS}
    labels = {str(name).lower(): str(name) for name in frame.columns}
    return from_records(
        ids, codes, given.pop("time"), columns={labels[name]: values for name, values in others.items()}, **given
    )


def _frame(source: "str | Path | pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    if not isinstance(source, str | Path):
        return source
    path = Path(source)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        return pd.read_csv(path, na_values=["."], skipinitialspace=True)
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a table with commas ({error})") from None


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


def _identify(column: "pd.Series[Any]") -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Position of each record's subject, and the subjects in order of appearance."""
    if column.isna().any():
        raise DataError(f"record {int(np.flatnonzero(column.isna())[0]) + 1}: ID is missing")
    values = _column(column)
    if values.dtype.kind == "f" and np.all(values == np.round(values)):
        values = values.astype(np.int64)
    found, first, codes = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return np.argsort(order)[codes].astype(np.int64), found[order]


def _numbers(column: "pd.Series[Any]", name: str, where: str) -> NDArray[np.float64]:
    import pandas as pd

    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    wrong = np.isnan(values) & ~column.isna().to_numpy()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(f"{where}, record {row + 1}: {name.upper()} is {column.iloc[row]!r}; a number is wanted")
    if name in INTEGERS and np.any(np.nan_to_num(values) % 1):
        row = int(np.flatnonzero(np.nan_to_num(values) % 1)[0])
        raise DataError(f"{where}, record {row + 1}: {name.upper()} is {values[row]:g}; a whole number is wanted")
    return values if name in ("dv", "time") else np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf)


def _event_kind(given: dict[str, NDArray[np.float64]], count: int) -> NDArray[np.int64]:
    nothing = np.zeros(count)
    dosed = (given.get("amt", nothing) != 0) | (given.get("rate", nothing) != 0)
    return np.asarray(dosed, dtype=np.int64)


def _column(column: "pd.Series[Any]") -> NDArray[Any]:
    """Values as floats where they are numbers, as text where they are not."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column) or column.isna().all():
        return column.to_numpy(dtype=np.float64)
    return np.asarray(["" if value is None or value != value else str(value) for value in column])
