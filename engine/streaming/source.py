"""Parameters of very many subjects: arrays, a Dataset that may lie on disk, or a source that makes them when needed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.dosing.events import EventTable
from engine.dosing.regimen import Regimen
from engine.errors import DataError
from engine.execute import positive
from engine.labels import unlabel
from engine.models.specification import Model

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, slots=True)
class Source:
    """Parameters drawn where and when they are needed, so that they are never all in memory at once.

    Parameters
    ----------
    draw
        ``draw(subjects)`` gives the parameters of a ``range`` of subjects: a mapping from the model's parameter names
        to arrays (subject), or to one number for all, or a Dataset(subject). It must give the same subjects the same
        numbers each time, so randomness follows from the place: ``numpy.random.default_rng([seed, subjects.start])``.
        A module-level function, a ``functools.partial`` of one, or a frozen dataclass with ``__call__``: it travels.
    subjects
        How many there are.
    block
        Subjects in one draw. Every draw is of a whole block (the last may be shorter), whatever the chunks are, which
        makes the numbers independent of them.
    """

    draw: "Callable[[range], Mapping[str, Any] | xr.Dataset]"
    subjects: int
    block: int = 1024

    def __post_init__(self) -> None:
        """Refuse no subjects, no draw."""
        positive("source.subjects", self.subjects)
        positive("source.block", self.block)
        if not callable(self.draw):
            raise DataError(f"source.draw: got {self.draw!r:.100}, wanted a callable that takes a range of subjects")

    def take(self, model: Model, subjects: range) -> dict[str, Any]:
        """Parameters of some subjects, from the blocks they are in."""
        first = subjects.start // self.block
        blocks = [self._drawn(model, number) for number in range(first, -(-subjects.stop // self.block))]
        place = slice(subjects.start - first * self.block, subjects.stop - first * self.block)
        return {name: np.concatenate([block[name] for block in blocks])[place] for name in blocks[0]}

    def _drawn(self, model: Model, number: int) -> dict[str, NDArray[np.float64]]:
        subjects = range(number * self.block, min((number + 1) * self.block, self.subjects))
        named, _ = unlabel(model, self.draw(subjects), None)
        count = (len(subjects),)
        try:
            return {name: np.broadcast_to(np.asarray(values, dtype=float), count) for name, values in named.items()}
        except ValueError:
            shapes = {name: np.shape(values) for name, values in named.items() if np.shape(values) not in ((), count)}
            raise DataError(f"source.draw: gave {shapes} for {len(subjects)} subjects, {subjects}") from None


type Parameters = "Mapping[str, Any] | xr.Dataset | Source"
type Dosing = Regimen | EventTable | tuple[Regimen, ...]


def parameters_of(model: Model, parameters: Any, subjects: range) -> Any:
    """Parameters of some subjects, read now; a source stays what it is, for who works on them to draw."""
    if isinstance(parameters, Source):
        return parameters
    if not isinstance(parameters, Mapping):
        raise DataError(
            f"parameters: got {parameters!r:.100}, wanted a mapping, a Dataset(subject) or an engine.Source"
        )
    place = slice(subjects.start, subjects.stop)
    if hasattr(parameters, "isel"):
        wanted = parameters[[name for name in model.parameter_names if name in parameters]]
        return unlabel(model, wanted.isel(subject=place) if "subject" in wanted.dims else wanted, None)[0]
    return {name: values if np.ndim(values) == 0 else values[place] for name, values in parameters.items()}


def dosing_of(dosing: Dosing, subjects: range) -> Dosing:
    """Doses of some subjects."""
    if isinstance(dosing, EventTable):
        return _records_of(dosing, subjects)
    return dosing[subjects.start : subjects.stop] if isinstance(dosing, tuple) else dosing


def _records_of(table: EventTable, subjects: range) -> EventTable:
    first, stop = np.searchsorted(table.subject, (subjects.start, subjects.stop))
    count, rows = len(table.subject), slice(int(first), int(stop))

    def some(values: Any) -> Any:
        return values[rows] if isinstance(values, np.ndarray) and len(values) == count else values

    names = ("time", "evid", "amt", "cmt", "addl", "ii", "ss", "rate", "mdv", "dv")
    return replace(
        table,
        ids=table.ids[subjects.start : subjects.stop],
        subject=table.subject[rows] - subjects.start,
        columns={name: some(values) for name, values in table.columns.items()},
        **{name: getattr(table, name)[rows] for name in names},
    )


def counts(parameters: Any, dosing: Any, times: Any) -> dict[str, int]:
    """How many subjects each of them speaks of, where it speaks of more than any number."""
    found: dict[str, int] = {}
    if isinstance(parameters, Source):
        found["parameters"] = parameters.subjects
    elif hasattr(parameters, "isel"):
        found |= {"parameters": parameters.sizes["subject"]} if "subject" in parameters.dims else {}
    else:
        found |= {f"parameters: {name}": len(values) for name, values in parameters.items() if np.ndim(values)}
    if isinstance(dosing, EventTable):
        found["dosing: the event table"] = len(dosing.ids)
    elif isinstance(dosing, tuple):
        found["dosing: the sequence of regimens"] = len(dosing)
    if times is not None and len(times) > 1:
        found["times"] = len(times)
    return found


def check(parameters: Any, dosing: Any, times: Any) -> int:
    """Count the subjects; DataError when two things speak of different numbers."""
    found = counts(parameters, dosing, times)
    if len(set(found.values())) > 1:
        raise DataError(f"{', '.join(f'{what} has {count}' for what, count in found.items())} subjects")
    count = next(iter(found.values()), 1)
    if count < 1:
        raise DataError(f"{next(iter(found))} has no subjects; one or more are wanted")
    return count
