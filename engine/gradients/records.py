"""Doses and requests of a data set as what is simulated: courses, and where in them each request is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.dosing.covariates import Carry, Covariates, cut, numbers
from engine.dosing.events import EventTable, from_records
from engine.dosing.nodes import Samples
from engine.dosing.sampling import record_samples, sample_places
from engine.dosing.schedule import Flags, Integers, Schedule, from_table
from engine.errors import DataError, ModelError
from engine.gradients.requests import Records, read
from engine.models.specification import Model

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """Courses of subjects, from their start or from a reset to the next reset, as far as something is asked of them.

    Nothing passes from one course to the next, so that they are solved side by side.

    Attributes
    ----------
    table
        Records of the courses; its subjects are courses. ``occasion`` of each record.
    people
        Position among all subjects of the one each course is of.
    schedule, samples
        The same as what a solver is given.
    row, slot
        Course and sample of each request.
    outputs, kind
        Names asked for, and which of them each request asks for.
    carry
        How long values of columns, and occasions, hold.
    """

    table: EventTable
    occasion: Integers
    people: Integers
    schedule: Schedule
    samples: Samples
    row: Integers
    slot: Integers
    outputs: tuple[str, ...]
    kind: Integers
    carry: Carry

    def stretches(self, columns: Sequence[str], *, occasions: bool) -> tuple[Covariates, Integers]:
        """Stretches of each course in which neither these columns nor, if asked for, its occasion change.

        With the values of the columns, and the occasion of each stretch, (course, stretch).
        """
        values = {name: numbers(self.table, name) for name in columns}
        number = self.occasion if occasions else np.zeros_like(self.occasion)
        found = cut(self.table, {**values, "": number.astype(np.float64)}, self.carry)
        known = {name: found.values[name] for name in columns}
        return Covariates(known, found.until, found.key, found.count), found.values[""].astype(np.int64)


def observed(
    model: Model, doses: "xr.Dataset | EventTable", rows: "xr.Dataset", ids: Sequence[Any], *,
    output: str | None = None, carry: Carry = "backward",
) -> Observed:  # fmt: skip
    """Courses of the subjects ``ids`` of which something is asked.

    Parameters
    ----------
    model
        The equations.
    doses, rows, carry
        As :func:`engine.gradients.requests.read` takes them. ``rows`` may have ``output``, the name of what is asked.
    ids
        All subjects.
    output
        What is asked for where ``rows`` does not say; may be left out where the model has one output.
    """
    outputs, kind = _outputs(model, rows, output)
    records = read(model, doses, rows, ids, carry)
    course = _courses(records)
    kept = _kept(records, course)
    records, course = records.take(kept), np.unique(course[kept], return_inverse=True)[1]
    first = np.searchsorted(course, np.arange(course.max(initial=-1) + 1))
    people = records.who[first]
    names = np.asarray([ids[n] for n in people], dtype=object)
    opens = ~_joins(records, course)
    given: dict[str, Any] = dict(records.fields)
    table = from_records(
        names, course[opens], given.pop("time")[opens],
        columns={name: values[opens] for name, values in records.columns.items()},
        **{name: values[opens] for name, values in given.items()},
    )  # fmt: skip
    row, slot = (np.empty(len(kind), dtype=np.int64) for _ in range(2))
    sample = np.cumsum(opens & (records.fields["evid"] == 0)) - 1
    asked = np.flatnonzero(records.request >= 0)
    place = sample_places(table)
    row[records.request[asked]], slot[records.request[asked]] = (one[sample[asked]] for one in place)
    schedule = from_table(model, table).take(np.arange(len(people)))
    return Observed(
        table, records.occasion[opens], people, schedule, record_samples(table), row, slot, outputs, kind, carry
    )


def _outputs(model: Model, rows: "xr.Dataset", output: str | None) -> tuple[tuple[str, ...], Integers]:
    """Names asked for, and which of them each row asks for."""
    count, known = rows["subject"].size, model.output_names
    if "output" not in rows and output is None and len(known) > 1:
        raise ModelError(f"output: model {model.name} has {', '.join(known)}; say which, or give rows an output each")
    each = rows["output"].values.tolist() if "output" in rows else [known[0] if output is None else output] * count
    if wrong := [one for one in [*([] if output is None else [output]), *each] if one not in known]:
        raise ModelError(f"model {model.name} has no output {wrong[0]!r}; there are {', '.join(known)}")
    if output is not None and (other := [one for one in each if one != output]):
        raise DataError(f"output: {output!r} is asked for, but a row asks for {other[0]!r}; leave out one of the two")
    names = tuple(name for name in known if name in set(each))
    return names, np.asarray([names.index(one) for one in each], dtype=np.int64)


def _courses(records: Records) -> Integers:
    """Number of the course each record belongs to."""
    begins = np.isin(records.fields["evid"], (3, 4)) | (np.diff(records.who, prepend=-1) != 0)
    return np.cumsum(begins) - 1


def _kept(records: Records, course: Integers) -> Flags:
    """Records up to the last request of their course; of those that only say what columns hold, where that changes."""
    here, asks = np.arange(len(course)), records.request >= 0
    last = np.full(int(course.max(initial=-1)) + 1, -1)
    last[course[asks]] = here[asks]
    changes = np.diff(course, prepend=-1) != 0
    for values in (*records.columns.values(), records.occasion):
        changes[1:] |= values[1:] != values[:-1]
    idle = records.fields["evid"] == 2
    return np.asarray((here <= last[course]) & ~(idle & ~changes & ~np.append(changes[1:], True)))


def _joins(records: Records, course: Integers) -> Flags:
    """Requests that find the same as the request before them."""
    asks = records.request >= 0
    same = asks & np.insert(asks[:-1], 0, False)
    for values in (course, records.fields["time"], records.occasion, *records.columns.values()):
        same[1:] &= values[1:] == values[:-1]
    return np.asarray(same)
