"""Doses and requests in the order in which they happen, each with its occasion and the columns it has.

A request asks for an output of a subject at a time; the table of requests is that of the observations, or has a row for
everything a likelihood needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.dosing.covariates import Carry
from engine.dosing.events import EventTable
from engine.dosing.schedule import Flags, Floats, Integers
from engine.errors import DataError
from engine.models.specification import Model

if TYPE_CHECKING:
    import xarray as xr

FIELDS = ("time", "amt", "cmt", "rate", "ii", "addl", "ss", "evid")
OCCASION = "occasion"
_ABSENT = {"cmt": 1, "rate": 0.0, "ii": 0.0, "addl": 0, "ss": 0, "evid": 1, "record": -1.0}
_RESETS = (3, 4)


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Records of many subjects in order; arrays are (record).

    ``who`` is the position of the subject, ``fields`` NONMEM's columns (``evid`` 0: a request), ``request`` the row of
    the table of requests (-1: none), ``occasion`` and ``columns`` the values that hold at a record.
    """

    who: Integers
    fields: Mapping[str, Floats]
    request: Integers
    occasion: Integers
    columns: Mapping[str, NDArray[Any]]

    def take(self, chosen: NDArray[Any]) -> "Records":
        """Give these records."""
        fields = {name: values[chosen] for name, values in self.fields.items()}
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return Records(self.who[chosen], fields, self.request[chosen], self.occasion[chosen], columns)


def read(
    model: Model, doses: "xr.Dataset | EventTable", rows: "xr.Dataset", ids: Sequence[Any], carry: Carry
) -> Records:
    """Records of the subjects ``ids``.

    Parameters
    ----------
    model
        The equations, whose parameters tell which columns are of use.
    doses
        Dataset(dose) with ``subject``, ``time``, ``amt`` and, where they are needed, ``cmt`` (number from 1, 0 is
        the first; or the state's name), ``rate``, ``ii``, ``addl``, ``ss``, ``evid``, ``occasion``, columns that are
        parameters, and ``record`` (without it a dose precedes a request at the same time). Or an event table, whose
        records say what columns hold between doses too.
    rows
        Dataset with ``subject``, ``time`` and possibly ``record``, ``occasion`` and such columns.
    ids
        All subjects.
    carry
        What a record has where nothing is said of it: of its subject's next record that has it, or of the last
        (``"forward"``); where there is none that way, of the nearest the other way.
    """
    first, second = _given(model, doses), _asked(rows)
    place = {one: n for n, one in enumerate(ids)}
    mine = np.asarray([one in place for one in first["subject"].tolist()], dtype=bool)
    first = {name: values[mine] for name, values in first.items()}
    fields = {name: np.concatenate([first[name], second[name]]).astype(np.float64) for name in FIELDS}
    who = np.asarray([place[one] for part in (first, second) for one in part["subject"].tolist()], dtype=np.int64)
    request = np.concatenate([np.full(len(first["time"]), -1), np.arange(len(second["time"]))])
    order = _order(who, fields, first, second)
    columns = {name: _column(name, first, second) for name in (*model.parameter_names, OCCASION)}
    found = {name: _filled(*one, who, order, carry) for name, one in columns.items() if one is not None}
    occasion = found.pop(OCCASION, np.zeros(len(who)))
    sorted_fields = {name: values[order] for name, values in fields.items()}
    return Records(who[order], sorted_fields, request[order], _occasions(occasion), found)


def _asked(rows: "xr.Dataset") -> dict[str, NDArray[Any]]:
    """Columns of the table of requests, which are no doses."""
    count = rows["subject"].size
    nothing = {name: np.full(count, _ABSENT.get(name, 0.0)) for name in FIELDS} | {"evid": np.zeros(count)}
    known = {str(name): rows[name].values for name in rows.variables if name == "time" or name not in FIELDS}
    return {**nothing, "record": np.full(count, np.inf), **known}


def _given(model: Model, doses: "xr.Dataset | EventTable") -> dict[str, NDArray[Any]]:
    """Columns of the table of doses; of an event table all records, those that are no dose as stops (EVID 2)."""
    if isinstance(doses, EventTable):
        found: dict[str, Any] = {name: getattr(doses, name) for name in FIELDS}
        found |= {"subject": doses.ids[doses.subject], "record": np.arange(len(doses.subject))}
        found["evid"] = np.where(doses.evid == 0, 2, doses.evid)
        names = doses.compartments
        found["cmt"] = np.asarray([names[max(n - 1, 0)] if 0 <= n <= len(names) else n for n in doses.cmt.tolist()],
                                  dtype=object) if names else doses.cmt  # fmt: skip
        others: Mapping[str, Any] = doses.columns
    else:
        if missing := [name for name in ("subject", "time", "amt") if name not in doses]:
            raise DataError(f"doses lack {', '.join(missing)}; there are {', '.join(map(str, doses.variables))}")
        count = doses["subject"].size
        known = (*FIELDS, "subject", "record")
        found = {name: doses[name].values if name in doses else np.full(count, _ABSENT[name]) for name in known}
        others = {str(name): doses[name].values for name in doses.variables if name not in known}
    pairs = zip(found["subject"].tolist(), found["cmt"].tolist(), np.isin(found["evid"], (1, 4)).tolist(), strict=True)
    found["cmt"] = np.asarray([_compartment(model, *pair) for pair in pairs], dtype=np.float64)
    return {**others, **found}


def _compartment(model: Model, subject: Any, cmt: Any, dosed: bool) -> int:
    names = model.state_names
    if isinstance(cmt, str) and cmt in names:
        return names.index(cmt) + 1
    if dosed and (isinstance(cmt, str) or not 0 <= cmt <= len(names)):
        raise DataError(f"subject {subject}: a dose goes into {cmt!r}; states are {', '.join(names)} (from 1)")
    return int(cmt) if dosed else 1


def _order(
    who: Integers, both: Mapping[str, Floats], first: Mapping[str, NDArray[Any]], second: Mapping[str, NDArray[Any]]
) -> Integers:
    """Order of subject, occasion, time and table; time may start again at a reset (EVID 3 or 4)."""
    time, resets = both["time"], np.isin(both["evid"], _RESETS)
    record = np.concatenate([first["record"], second["record"]]).astype(np.float64)
    plain = np.lexsort((record, time, who))
    placed = bool(np.all(np.isfinite(record)) and np.any(first["record"] >= 0))
    if placed:
        order = np.lexsort((record, who))
    elif (found := _column(OCCASION, first, second)) is not None and all(has.any() for has in found[1:]):
        order = np.lexsort((record, time, found[0], who))
    else:
        return plain
    back = (np.diff(time[order], prepend=-np.inf) < 0) & (np.diff(who[order], prepend=-1) == 0)
    if not placed and np.any(back & ~resets[order]):
        return plain
    again = np.empty(len(order), dtype=np.int64)
    again[order] = np.cumsum(back & resets[order])
    return np.lexsort((record, time, again, who))


def _column(
    name: str, first: Mapping[str, NDArray[Any]], second: Mapping[str, NDArray[Any]]
) -> tuple[NDArray[Any], Flags, Flags] | None:
    """Values of a column in both tables, and in which it is; None where it is in neither."""
    parts = [next((part[other] for other in (name, *part) if other.lower() == name.lower() and other in part), None)
             for part in (first, second)]  # fmt: skip
    known = [np.asarray(part) for part in parts if part is not None]
    if not known:
        return None
    counts = len(first["time"]), len(second["time"])
    values = [np.zeros(n, known[0].dtype) if part is None else part for part, n in zip(parts, counts, strict=True)]
    has = [np.full(n, part is not None) for part, n in zip(parts, counts, strict=True)]
    return np.concatenate(values), has[0], has[1]


def _filled(
    values: NDArray[Any], first: Flags, second: Flags, who: Integers, order: Integers, carry: Carry
) -> NDArray[Any]:
    """Values at each record, in order: its own, or that of its subject's next record (or last) that has one."""
    values, has, owner = values[order], np.concatenate([first, second])[order], who[order]
    if has.all():
        return values
    here, count = np.arange(len(who)), len(who)
    later = np.minimum.accumulate(np.where(has, here, count)[::-1])[::-1]
    sooner = np.maximum.accumulate(np.where(has, here, -1))
    ways = (sooner, later) if carry == "forward" else (later, sooner)
    good = [(way >= 0) & (way < count) & (owner[np.clip(way, 0, count - 1)] == owner) for way in ways]
    found = values[np.clip(np.where(good[0], *ways), 0, count - 1)]
    return found if np.all(good[0] | good[1]) else np.where(good[0] | good[1], found.astype(np.float64), np.nan)


def _occasions(values: NDArray[Any]) -> Integers:
    """Occasions as whole numbers from 0."""
    if values.dtype.kind not in "fiub" or np.any((values < 0) | (values % 1 != 0)):
        raise DataError(f"occasion: {values[:1].tolist()} ...; whole numbers from 0 are wanted")
    return values.astype(np.int64)
