"""What is asked for, and one chunk of it: the unit of work that travels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.dosing.events import EventTable
from engine.dosing.sampling import record_samples
from engine.errors import DataError
from engine.labels import label
from engine.models.specification import Model
from engine.outcomes.metric import Metric
from engine.simulation import simulate_arrays
from engine.solvers.base import Solver
from engine.streaming.identity import code, digest
from engine.streaming.source import Source, dosing_of, parameters_of

if TYPE_CHECKING:
    import xarray as xr

type Floats = NDArray[np.float64]

LIBRARIES = ("numpy", "heyoka")
"""Libraries whose version may change the last bits of a result."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What is done with every chunk: equations and solver in, outputs to keep and metrics out."""

    model: Model
    solver: Solver
    options: Mapping[str, Any]
    outputs: tuple[str, ...]
    metrics: Mapping[str, tuple[str, Metric]]
    width: int | None = None
    """Samples of the subject that has most of them, where the event table says when they are taken."""
    own_times: bool = False
    """Whether subjects have sampling times of their own, which a chunk of one subject does not show."""

    def perform(self, parameters: Any, dosing: Any, times: Any, names: NDArray[Any]) -> "xr.Dataset":
        """Trajectories to keep, metrics and statuses of some subjects, as :func:`engine.simulate` labels them."""
        found = simulate_arrays(self.model, parameters, dosing, times, solver=self.solver, **self.options)
        if self.width is not None:
            found = found._replace(
                time=_widened(found.time, self.width),
                outputs={name: _widened(values, self.width) for name, values in found.outputs.items()},
            )
        whole = label(self.model, found, names)
        if self.own_times and "time" in whole.coords:
            clock = ("subject", "time"), found.time, whole["time"].attrs
            whole = whole.drop_vars("time").assign_coords(sample_time=clock)
        dropped = [name for name in self.model.output_names if name not in self.outputs]
        kept = whole.drop_vars(dropped) if self.outputs else whole.drop_dims("time")
        return kept.assign({name: self._metric(name, whole, found.time) for name in self.metrics})

    def _metric(self, name: str, whole: "xr.Dataset", time: Floats) -> tuple[Any, ...]:
        output, metric = self.metrics[name]
        values, good = whole[output].to_numpy(), whole["status"].to_numpy() == 0
        found = np.full(len(values), np.nan)
        if np.any(good):
            course = _course(values[good], time[good]) if self.own_times else (values[good], time[0])
            given = np.asarray(metric(*course), dtype=np.float64)
            if given.shape != (np.count_nonzero(good),):
                raise DataError(
                    f"metrics: {name} gave shape {given.shape} for {np.count_nonzero(good)} subjects; "
                    "one number a subject is wanted"
                )
            found[good] = given
        unit = metric.unit_of(whole[output].attrs["units"], self.model.time)
        return "subject", found, {"units": unit, "output": output}


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some subjects to simulate; their parameters, or the source that draws them."""

    task: Task
    subjects: range
    parameters: Any
    dosing: Any
    times: Floats | None
    names: NDArray[Any]
    store: str | None = None

    def perform(self) -> "xr.Dataset":
        """Simulate, reduce and name."""
        parameters = self.parameters
        if isinstance(parameters, Source):
            parameters = parameters.take(self.task.model, self.subjects)
        return self.task.perform(parameters, self.dosing, self.times, self.names)


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """All subjects and the task: what :func:`engine.stream` was asked for, checked."""

    task: Task
    subjects: int
    parameters: Any
    dosing: Any
    times: Floats | None
    names: NDArray[Any] = field(repr=False)

    @property
    def samples(self) -> int:
        """Samples of a subject, the largest number."""
        return self.task.width or (0 if self.times is None else self.times.shape[1])

    def chunk(self, subjects: range, store: str | None = None) -> Chunk:
        """Take some subjects; what lies on disk is read."""
        place = slice(subjects.start, subjects.stop)
        times = self.times
        return Chunk(
            self.task,
            subjects,
            parameters_of(self.task.model, self.parameters, subjects),
            dosing_of(self.dosing, subjects),
            times[place] if times is not None and len(times) > 1 else times,
            self.names[place],
            store,
        )

    def digests(self) -> dict[str, str]:
        """Digest of each thing the numbers follow from; two requests are the same when all agree."""
        task = self.task
        found = {
            "model": task.model.digest,
            "parameters": self._parameters_digest(),
            "dosing": digest(self.dosing, "dosing"),
            "times": digest(self.times, "times"),
            "subjects": digest(self.names, "subject"),
            "solver": digest(task.solver, "solver"),
            "options": digest(task.options, "options"),
            "outputs": digest(task.outputs, "outputs"),
            "metrics": digest(task.metrics, "metrics"),
            "engine": code(),
        }
        return found | {name: _version(name) for name in LIBRARIES}

    def _parameters_digest(self) -> str:
        """Digest of the values; of a source its identity and its first and last draw."""
        model, given, step = self.task.model, self.parameters, 1 << 16
        if isinstance(given, Source):
            ends = [range(1), range(self.subjects - 1, self.subjects)]
            return digest([given, *(given.take(model, subjects) for subjects in ends)], "source")
        pieces = (range(first, min(first + step, self.subjects)) for first in range(0, self.subjects, step))
        parts = [digest(parameters_of(model, given, subjects), "parameters") for subjects in pieces]
        return digest(parts, "parameters")


def samples_of(dosing: Any, times: Any) -> int | None:
    """Most samples a subject has in an event table that says when they are taken; None when ``times`` says it."""
    if times is not None or not isinstance(dosing, EventTable):
        return None
    return int(record_samples(dosing).time.shape[1])


def _widened(values: Floats, width: int) -> Floats:
    """Values (subject, sample), padded with NaN to so many samples."""
    return np.pad(values, ((0, 0), (0, width - values.shape[1])), constant_values=np.nan)


def _course(values: Floats, time: Floats) -> tuple[Floats, Floats]:
    """Values and times, (subject, sample), with what is no sample at the end, where time goes on without values."""
    order = np.argsort(np.isnan(time), axis=1, kind="stable")
    values, time = np.take_along_axis(values, order, axis=1), np.take_along_axis(time, order, axis=1)
    absent = np.isnan(time)
    last = np.max(np.where(absent, 0.0, time), axis=1, keepdims=True, initial=0.0)
    return np.where(absent, np.nan, values), np.where(absent, last + np.cumsum(absent, axis=1), time)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
