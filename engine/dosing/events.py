"""Event tables: doses, observations and covariates of many subjects, record by record, as NONMEM has them.

The rules are those of NONMEM Users Guide part VI (PREDPP), chapter V, https://nmhelp.tingjieguo.com/VI/V.html; the
docstring of :class:`EventTable` says them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.errors import DataError

if TYPE_CHECKING:
    import xarray as xr

INTEGERS = ("evid", "cmt", "addl", "ss", "mdv")
REALS = ("time", "amt", "ii", "rate", "dv")


@dataclass(frozen=True, slots=True, eq=False)
class EventTable:
    """Records of many subjects, subject by subject and in time.

    **Kinds of record.** ``evid`` 0: observation, a sample is taken. 1: dose. 2: other; the solver stops there, nothing
    is given (a covariate may change). 3: reset, the states go back to their initial values. 4: reset, then dose.

    **Doses.** ``rate`` 0: a bolus of ``amt``. Above 0: an infusion, which lasts bioavailability x ``amt`` / ``rate``.
    -1: the rate is the model's (the state's ``rate``). -2: the duration is the model's, and the rate is
    bioavailability x ``amt`` / duration. A dose arrives, or begins, its state's lag after its record. ``addl`` more
    doses follow, one every ``ii``, each with its lag. Lag, bioavailability, rate and duration are those of the state
    ``cmt`` names.

    **Steady state.** ``ss`` 1: the record finds the state its own dose leads to when it has always been given every
    ``ii``; whatever was there before is gone. 2: that state is added to what is there. In a linear model with a
    production of its own it is what the doses alone come to, so that the production counts once; where equations are
    not linear it is the whole state, as in NONMEM, a sum without a meaning of its own unless they nearly are. The dose
    of the record, and those of ``addl``, follow. Doses of the series that still lag, or still flow, at the record do
    so after it, however long the lag or the infusion is beside ``ii``. With ``amt`` and ``ii`` 0: a constant infusion
    at ``rate`` (-1: the model's) that has run for ever and stops at the record; with ``rate`` 0 too, what the
    equations come to by themselves.

    **What is cancelled.** A reset, and ``ss`` 1, end infusions in progress and cancel doses that are still to arrive
    (by lag or ``addl``) of all earlier records.

    **At one time**, in this order: infusions end; doses arrive that were recorded earlier, or are additional; records
    follow in their order, each one's reset, steady state and dose before the next one's. An observation therefore sees
    the doses recorded before it and not those after it.

    **Time** may start again at a reset: another occasion of the subject begins. Only observation records are sampled
    then.

    **Columns** that are named as parameters of the model, and that a simulation is not given otherwise, are those
    parameters; see ``carry`` of :func:`engine.simulate`.

    Parameters
    ----------
    ids
        Name or number of each subject, (subject).
    subject
        Position in ``ids`` of each record, (record), not decreasing.
    time, amt, ii, rate, dv
        NONMEM's columns as floats, (record); ``dv`` is NaN where nothing was measured.
    evid, cmt, addl, ss, mdv
        NONMEM's columns as integers, (record); ``cmt`` counts from 1; 0 is the first. That of an observation chooses no
        output: there are all at every observation.
    compartments
        State that each ``cmt`` means; empty: the model's states in their order.
    columns
        Every other column, (record): covariates.
    """

    ids: NDArray[Any]
    subject: NDArray[np.int64]
    time: NDArray[np.float64]
    evid: NDArray[np.int64]
    amt: NDArray[np.float64]
    cmt: NDArray[np.int64]
    addl: NDArray[np.int64]
    ii: NDArray[np.float64]
    ss: NDArray[np.int64]
    rate: NDArray[np.float64]
    mdv: NDArray[np.int64]
    dv: NDArray[np.float64]
    compartments: tuple[str, ...] = ()
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def take(self, subjects: NDArray[np.int64]) -> "EventTable":
        """Records of these subjects (positions in ``ids``), in this order."""
        ends = np.searchsorted(self.subject, np.arange(len(self.ids) + 1))
        each = np.diff(ends)[subjects]
        within = np.arange(int(each.sum())) - np.repeat(np.cumsum(each) - each, each)
        record = np.repeat(ends[:-1][subjects], each) + within
        columns = {name: values[record] for name, values in self.columns.items()}
        given = {name: getattr(self, name)[record] for name in (*INTEGERS, *REALS)}
        return EventTable(
            ids=self.ids[subjects], subject=np.repeat(np.arange(len(subjects)), each),
            compartments=self.compartments, columns=columns, **given,
        )  # fmt: skip

    @property
    def restarts(self) -> NDArray[np.bool_]:
        """Whether a subject's time starts again at a record, (record): another occasion."""
        back = np.diff(self.time, prepend=self.time[:1]) < 0
        return np.asarray(back & (np.diff(self.subject, prepend=-1) == 0))

    def __post_init__(self) -> None:
        """Refuse records no simulation could mean."""
        _check_shapes(self)
        _check_order(self)
        _check_records(self)

    @classmethod
    def from_amounts(
        cls, amounts: ArrayLike, times: ArrayLike, into: str, *, ids: ArrayLike | None = None,
        stops: Sequence[float] = (),
    ) -> "EventTable":  # fmt: skip
        """Bolus doses of each subject: the amounts really given.

        Parameters
        ----------
        amounts
            Amount of each dose, (subject, dose); NaN where none was given.
        times
            When, (dose), or (subject, dose).
        into
            Name of the state they go into.
        ids
            Name or number of each subject; 0, 1, ... when absent.
        stops
            Times at which the solver shall stop (records with EVID 2), before the doses of those times.
        """
        amount = np.atleast_2d(np.asarray(amounts, dtype=np.float64))
        when = np.broadcast_to(np.asarray(times, dtype=np.float64), amount.shape)
        count = len(amount)
        subject, dose = np.nonzero(~np.isnan(amount))
        halts = np.repeat(np.arange(count), len(stops))
        return from_records(
            np.arange(count) if ids is None else np.asarray(ids),
            np.concatenate([halts, subject]),
            np.concatenate([np.tile(np.asarray(stops, dtype=np.float64), count), when[subject, dose]]),
            evid=np.concatenate([np.full(len(halts), 2), np.ones(len(subject), dtype=np.int64)]),
            amt=np.concatenate([np.zeros(len(halts)), amount[subject, dose]]),
            compartments=(into,),
        )

    @property
    def observations(self) -> "xr.Dataset":
        """Measurements: ``subject`` (id), ``record``, ``time``, ``dv``, ``cmt``, and the covariates, (observation)."""
        return self._select((self.evid == 0) & (self.mdv == 0), "observation", ("time", "dv", "cmt"), columns=True)

    @property
    def doses(self) -> "xr.Dataset":
        """Doses and resets: ``subject`` (id), ``time``, ``amt``, ``cmt``, ``rate``, ``addl``, ``ii``, ``ss``, ``evid``.

        Dimension dose. ``record`` is the place in the table: it orders what happens at one time.
        """
        names = ("time", "amt", "cmt", "rate", "addl", "ii", "ss", "evid")
        return self._select(np.isin(self.evid, (1, 3, 4)), "dose", names, columns=False)

    @property
    def covariates(self) -> "xr.Dataset":
        """Columns that are constant within every subject, (subject)."""
        import xarray as xr

        first = np.searchsorted(self.subject, np.arange(len(self.ids)))
        constant = {name: values[first] for name, values in self.columns.items() if self._is_constant(values)}
        return xr.Dataset(
            {name: ("subject", values) for name, values in constant.items()}, coords={"subject": self.ids}
        )

    @property
    def time_varying(self) -> "xr.Dataset":
        """Columns that change within a subject: ``subject`` (id), ``time`` and the columns, (record)."""
        import xarray as xr

        varying = {name: values for name, values in self.columns.items() if not self._is_constant(values)}
        known = {"subject": self.ids[self.subject], "time": self.time, **varying}
        return xr.Dataset({name: ("record", values) for name, values in known.items()})

    def _is_constant(self, values: NDArray[Any]) -> bool:
        first = np.searchsorted(self.subject, np.arange(len(self.ids)))
        reference = values[first][self.subject]
        same = values == reference
        if values.dtype.kind == "f":
            same |= np.isnan(values) & np.isnan(reference)
        return bool(np.all(same))

    def _select(self, rows: NDArray[np.bool_], dim: str, names: Sequence[str], *, columns: bool) -> "xr.Dataset":
        import xarray as xr

        known: dict[str, NDArray[Any]] = {"subject": self.ids[self.subject[rows]], "record": np.flatnonzero(rows)}
        known |= {name: getattr(self, name)[rows] for name in names}
        known |= {name: values[rows] for name, values in self.columns.items()} if columns else {}
        return xr.Dataset({name: (dim, values) for name, values in known.items()})


def from_records(
    ids: NDArray[Any], subject: ArrayLike, time: ArrayLike, *, compartments: tuple[str, ...] = (),
    columns: Mapping[str, NDArray[Any]] | None = None, **given: ArrayLike,
) -> EventTable:  # fmt: skip
    """Event table of records in any order of subjects; columns that are not given are 0 (``dv``: NaN).

    Records are put in order of subject and time; those of one subject at one time keep their order.
    """
    who, when = np.asarray(subject, dtype=np.int64), np.asarray(time, dtype=np.float64)
    missing = {"dv": np.nan, "evid": 0}
    values: dict[str, Any] = {
        name: np.asarray(given.get(name, np.full(len(when), missing.get(name, 0)))) for name in (*INTEGERS, *REALS)
    }
    if "mdv" not in given:
        unmeasured = np.isnan(values["dv"]) if "dv" in given else False
        values["mdv"] = ((values["evid"] != 0) | unmeasured).astype(np.int64)
    values["time"] = when
    order = _order(ids, who, when, values["evid"])
    kinds = dict.fromkeys(INTEGERS, np.int64) | dict.fromkeys(REALS, np.float64)
    return EventTable(
        ids=np.asarray(ids),
        subject=who[order],
        compartments=compartments,
        columns={name: column[order] for name, column in (columns or {}).items()},
        **{name: column[order].astype(kinds[name]) for name, column in values.items()},
    )


def _order(
    ids: NDArray[Any], subject: NDArray[np.int64], time: NDArray[np.float64], evid: NDArray[Any]
) -> NDArray[np.int64]:
    """Order of subject, occasion and time.

    Where time goes back at a reset (EVID 3 or 4) another occasion begins. Elsewhere records are put in order of time,
    but not those of a subject that is reset: sorting could take them from one side of the reset to the other.
    """
    for row in np.flatnonzero(~np.isfinite(time)):
        raise DataError(f"subject {ids[subject[row]]}: TIME is {time[row]}; a finite number is wanted")
    order = np.argsort(subject, kind="stable")
    who, when, resets = subject[order], time[order], np.isin(evid[order], (3, 4))
    back = (np.diff(when, prepend=when[:1]) < 0) & (np.diff(who, prepend=-1) == 0)
    for row in np.flatnonzero(back & ~resets & np.isin(who, who[resets])):
        raise DataError(
            f"subject {ids[who[row]]}: TIME goes back from {when[row - 1]:g} to {when[row]:g} in a record that is no "
            "reset, and the subject has one (EVID 3 or 4); put its records in order"
        )
    occasion = np.cumsum(back & resets)
    return order[np.lexsort((when, occasion, who))]


def _check_shapes(table: EventTable) -> None:
    """Refuse columns that are not as long as the table, and subjects it cannot know."""
    count, subjects = len(table.subject), len(table.ids)
    columns = {name: getattr(table, name) for name in (*INTEGERS, *REALS)} | dict(table.columns)
    for name, values in columns.items():
        if np.shape(values) != (count,):
            raise DataError(f"event table: {name} has shape {np.shape(values)}; one value a record, {count}, is wanted")
    if np.any((table.subject < 0) | (table.subject >= subjects)):
        raise DataError(f"event table: a record is of a subject that is not among the {subjects} of ids")
    if table.columns and len(np.unique(table.subject)) < subjects:
        without = table.ids[np.setdiff1d(np.arange(subjects), table.subject)[0]]
        raise DataError(f"event table: subject {without} has no record, so none of its columns has a value")


def _check_order(table: EventTable) -> None:
    if not np.all(np.isfinite(table.time)):
        row = int(np.flatnonzero(~np.isfinite(table.time))[0])
        raise DataError(
            f"subject {table.ids[table.subject[row]]}: TIME is {table.time[row]}; a finite number is wanted"
        )
    if np.any(np.diff(table.subject) < 0) or np.any(table.restarts & ~np.isin(table.evid, (3, 4))):
        raise DataError("event table: records are not in order of subject and time; make it with read_nonmem")


def _check_records(table: EventTable) -> None:
    dose = np.isin(table.evid, (1, 4))
    amount, rate, ss, ii, addl = table.amt, table.rate, table.ss, table.ii, table.addl
    endless = dose & (amount == 0) & ((rate >= 0) | (rate == -1)) & (ss > 0) & (ii == 0)
    rules = (
        (~np.isin(table.evid, (0, 1, 2, 3, 4)), "EVID", table.evid, "0, 1, 2, 3 or 4"),
        (dose & ~((amount >= 0) & np.isfinite(amount)), "AMT", amount, "a finite number, 0 or more,"),
        (~dose & (np.nan_to_num(amount) != 0), "AMT", amount, "0 in a record that is no dose (EVID 1 or 4)"),
        (
            dose & (amount == 0) & (rate > 0) & ~endless,
            "AMT",
            amount,
            "more than 0, or SS 1 and II 0 for an endless infusion,",
        ),
        (dose & ~(np.isin(rate, (-1, -2)) | ((rate >= 0) & np.isfinite(rate))), "RATE", rate, "0 or more, -1 or -2"),
        (dose & ~np.isin(ss, (0, 1, 2)), "SS", ss, "0, 1 or 2"),
        (dose & (addl < 0), "ADDL", addl, "0 or more"),
        (dose & ~((ii >= 0) & np.isfinite(ii)), "II", ii, "a finite number, 0 or more,"),
        (dose & (addl > 0) & (ii <= 0), "II", ii, "more than 0 with ADDL"),
        (dose & (ss > 0) & (ii <= 0) & ~endless, "II", ii, "more than 0 with SS"),
        (table.cmt < 0, "CMT", table.cmt, "a compartment's number, 1 or more (switching one off is not known here),"),
    )
    for bad, name, values, wanted in rules:
        if np.any(bad):
            row = int(np.flatnonzero(bad)[0])
            who, when = table.ids[table.subject[row]], table.time[row]
            raise DataError(f"subject {who}, time {when:g}: {name} is {values[row]:g}; {wanted} is wanted")
