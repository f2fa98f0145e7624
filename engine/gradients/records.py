"""Doses and observations of a data set as what is simulated: a schedule, samples, and where each observation is."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from engine.dosing.events import from_records
from engine.dosing.nodes import Samples
from engine.dosing.sampling import record_samples
from engine.dosing.schedule import Integers, Schedule, from_table
from engine.errors import DataError
from engine.models.specification import Model

_ABSENT = {"cmt": 1, "rate": 0.0, "ii": 0.0, "addl": 0, "ss": 0, "evid": 1, "record": -1.0}
_COLUMNS = ("time", "amt", "cmt", "rate", "ii", "addl", "ss", "evid", "record")


class Observed(NamedTuple):
    """Subjects with observations, and for each observation the ``row`` of its subject and the ``slot`` of its sample.

    ``people`` are the positions of these subjects among all.
    """

    people: Integers
    schedule: Schedule
    samples: Samples
    row: Integers
    slot: Integers


def observed(model: Model, doses: xr.Dataset, observations: xr.Dataset, ids: Sequence[Any]) -> Observed:
    """Records of the subjects ``ids`` that have observations.

    Parameters
    ----------
    model
        The equations.
    doses, observations
        As :func:`engine.gradients.inputs.read_inputs` takes them; steady-state doses too.
    ids
        All subjects.
    """
    if missing := [name for name in ("subject", "time", "amt") if name not in doses]:
        raise DataError(f"doses lack {', '.join(missing)}; there are {', '.join(map(str, doses.variables))}")
    seen = observations["subject"].values.tolist()
    people = [n for n, one in enumerate(ids) if one in set(seen)]
    row = {ids[n]: number for number, n in enumerate(people)}
    mine = np.asarray([one in row for one in doses["subject"].values.tolist()], dtype=bool)
    given = {name: _column(model, doses, name)[mine] for name in _COLUMNS}
    count = len(seen)
    record = observations["record"].values if "record" in observations else np.full(count, np.inf)
    own = {"time": observations["time"].values, "record": record, "evid": np.zeros(count), "cmt": np.ones(count)}
    both = {name: np.concatenate([given[name], own.get(name, np.zeros(count))]).astype(float) for name in _COLUMNS}
    who = np.asarray([row[one] for one in [*doses["subject"].values[mine].tolist(), *seen]], dtype=np.int64)
    order = np.lexsort((both["record"], both["time"], who))
    names = np.asarray([ids[n] for n in people], dtype=object)
    columns: dict[str, Any] = {name: both[name][order] for name in _COLUMNS if name != "record"}
    table = from_records(names, who[order], **columns)
    place = np.empty(len(order), dtype=np.int64)
    place[order[both["evid"][order] == 0]] = _count(who[order][both["evid"][order] == 0])
    first = int(np.sum(mine))
    schedule = from_table(model, table).take(np.arange(len(people)))
    return Observed(np.asarray(people, dtype=np.int64), schedule, record_samples(table), who[first:], place[first:])


def _column(model: Model, doses: xr.Dataset, name: str) -> NDArray[Any]:
    values = doses[name].values if name in doses else np.full(doses["subject"].size, _ABSENT[name])
    if name != "cmt":
        return np.asarray(values, dtype=float)
    return np.asarray([_compartment(model, one) for one in values.tolist()], dtype=float)


def _compartment(model: Model, cmt: Any) -> int:
    names = model.state_names
    if isinstance(cmt, str) and cmt in names:
        return names.index(cmt) + 1
    if isinstance(cmt, str) or not 0 <= cmt <= len(names):
        raise DataError(f"a dose goes into {cmt!r}; states are {', '.join(names)} (from 1)")
    return int(cmt)


def _count(who: Integers) -> Integers:
    """Number the entries of each subject, who stand together: 0, 1, ..."""
    return np.arange(len(who)) - np.searchsorted(who, who)
