"""Clock times and calendar dates of NONMEM data sets, as hours since each individual's first record.

What NM-TRAN calls day-time translation: when any TIME holds a colon, or there is a date, all times are clock times and
become relative. NONMEM Users Guide part IV chapter II.C.2, and the help on TIME and DATE:
https://nmhelp.tingjieguo.com/time.htm, https://nmhelp.tingjieguo.com/date.htm.
"""

import math
import re
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

type Floats = NDArray[np.float64]

DATES = {"date": "mdy", "dat1": "dmy", "dat2": "ymd", "dat3": "ydm"}
"""Order of day, month and year that each label means."""
_CLOCK = re.compile(r"\s*([+-]?)(\d+):(\d{1,2})(?::(\d{1,2}(?:\.\d*)?))?\s*")
_LAST20 = 50
"""Years of two digits up to this one are of the 21st century, later ones of the 20th; NM-TRAN's LAST20."""
_COMMON = 1901
"""Stands in where a date has no year; not a leap year."""


def is_clock(column: "pd.Series[Any]") -> bool:
    """Whether any value holds a colon."""
    return bool(column.map(lambda value: isinstance(value, str) and ":" in value).any())


def hours(column: "pd.Series[Any]", name: str, where: str) -> Floats:
    """Values such as ``9:15`` (or ``9:15:30``), and plain numbers, in hours; NaN where missing."""
    return np.asarray([_hours(value, name, f"{where}, record {n}") for n, value in enumerate(column, start=1)])


def days(column: "pd.Series[Any]", label: str, where: str) -> Floats:
    """Dates as days: of the calendar, or as they are numbered; ``label`` says in which order a date is written."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column):
        return (column - pd.Timestamp(0)).dt.total_seconds().to_numpy(dtype=np.float64) / 86400
    known: dict[Any, float] = {}
    for number, value in enumerate(column, start=1):
        if value not in known:
            known[value] = _day(value, label, f"{where}, record {number}")
    return np.asarray([known[value] for value in column])


def relative(time: Floats, subject: NDArray[np.int64], ids: NDArray[Any], *, dated: bool) -> Floats:
    """Times since each subject's first record."""
    first = np.unique(subject, return_index=True)[1]
    since: Floats = time - time[first][subject]
    order = np.argsort(subject, kind="stable")
    back = np.flatnonzero((np.diff(since[order]) < 0) & (np.diff(subject[order]) == 0))
    if back.size and not dated:
        row = order[back[0] + 1]
        raise DataError(
            f"subject {ids[subject[row]]}: the clock goes back at record {row + 1}; give the day too, in a column DATE"
        )
    return since


def _hours(value: Any, name: str, where: str) -> float:
    if value is None or value != value:
        return float("nan")
    text = str(value)
    if match := _CLOCK.fullmatch(text):
        sign, whole, minutes, seconds = match.groups()
        size = int(whole) + int(minutes) / 60 + float(seconds or 0) / 3600
        if int(minutes) < 60 and float(seconds or 0) < 60:
            return -size if sign == "-" else size
    if (found := _plain(text)) is None:
        raise DataError(f"{where}: {name} is {value!r}; a time such as 9:15, or hours, is wanted")
    return found


def _plain(value: Any) -> float | None:
    """Finite number, None where it is none."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _day(value: Any, label: str, where: str) -> float:
    if value is None or value != value:
        raise DataError(f"{where}: {label.upper()} is missing")
    wanted = ", ".join({"d": "day", "m": "month", "y": "year"}[letter] for letter in DATES[label])
    refusal = f"{where}: {label.upper()} is {value!r}; it means {wanted}"
    if (day := _plain(value)) is not None:  # perhaps 0 or negative
        return day
    parts = [part for part in re.split(r"[^0-9]+", str(value)) if part]
    order = DATES[label] if len(parts) == 3 else DATES[label].replace("y", "")
    if len(parts) != len(order):
        raise DataError(refusal)
    named = dict(zip(order, map(int, parts), strict=True))
    year = named.get("y", _COMMON)
    if "y" in named and year < 100:
        year += 2000 if year <= _LAST20 else 1900
    try:
        return float(date(year, named["m"], named["d"]).toordinal())
    except (ValueError, OverflowError) as error:
        raise DataError(f"{refusal} ({error})") from None
