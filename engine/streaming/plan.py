"""From what a person asks for to a checked request, and into how many chunks it goes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.dosing.events import EventTable
from engine.dosing.regimen import Regimen
from engine.errors import DataError, DosingError
from engine.models.specification import Model
from engine.outcomes.metric import Metric
from engine.policy import Policy
from engine.simulation import choose
from engine.solvers.base import Solver
from engine.streaming.request import Request, Task, samples_of
from engine.streaming.source import check

type Wanted = Mapping[str, Metric | tuple[str, Metric]]

GRAIN = 512
"""A chunk is a multiple of so many subjects, where it is not smaller: solvers work on blocks of them."""
BYTES = 16_000_000
"""Size of the trajectories of one chunk; a worker needs a few times as much."""
SHARE = 4
"""Chunks for each worker, at least, so that all end at about the same time."""


def plan(
    model: Model, parameters: Any, dosing: Any, times: ArrayLike | None, *, solver: str | Solver,
    outputs: Sequence[str] | None, metrics: Wanted | None, options: Mapping[str, Any],
) -> Request:  # fmt: skip
    """Check what is asked for; :func:`engine.stream` says what the arguments mean."""
    chosen, _ = choose(model, solver)
    doses = _doses(dosing)
    time = None if times is None else np.atleast_2d(np.asarray(times, dtype=np.float64))
    wanted = _metrics(model, metrics or {})
    kept = _outputs(model, outputs, bool(wanted))
    subjects = check(parameters, doses, time)
    own_times = subjects > 1 and (time is None or len(time) > 1)
    task = Task(model, chosen, options, kept, wanted, samples_of(doses, time), own_times)
    return Request(task, subjects, parameters, doses, time, _names(parameters, doses, subjects))


def chunk_size(request: Request, workers: int, chunk: int | None) -> int:
    """Subjects in a chunk: as many as fit into ``BYTES``, few enough to keep all workers busy."""
    if chunk is not None:
        if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
            raise DataError(f"chunk: got {chunk!r}, wanted a number of subjects, 1 or more")
        return min(chunk, request.subjects)
    each = 8 * max(1, request.samples) * len(request.task.model.outputs)
    most = max(1, BYTES // each)
    if most >= GRAIN:
        share = -(-request.subjects // (SHARE * workers * GRAIN)) * GRAIN
        most = min(most // GRAIN * GRAIN, share)
    return min(most, request.subjects)


def _doses(dosing: Any) -> Any:
    if isinstance(dosing, Policy):
        raise DosingError("stream: a policy sees its measurements patient by patient; use engine.simulate, in parts")
    if isinstance(dosing, Regimen | EventTable):
        return dosing
    if isinstance(dosing, Sequence) and dosing and all(isinstance(one, Regimen) for one in dosing):
        return tuple(dosing)
    raise DosingError(f"dosing: {dosing!r:.200}; a Regimen, one for each subject, or an EventTable is wanted")


def _metrics(model: Model, metrics: Wanted) -> dict[str, tuple[str, Metric]]:
    """Output and metric by name; a metric alone is of the model's only output."""
    found = {}
    for name, wanted in metrics.items():
        output, metric = wanted if isinstance(wanted, tuple) else (None, wanted)
        if output is None and len(model.outputs) > 1:
            raise DataError(
                f"metrics: {name} does not say of which output; give (output, metric), with one of "
                f"{', '.join(model.output_names)}"
            )
        output = model.output_names[0] if output is None else output
        if output not in model.output_names:
            raise DataError(f"metrics: {name} is of {output!r}; model {model.name} has {', '.join(model.output_names)}")
        if not callable(metric) or not hasattr(metric, "unit_of"):
            raise DataError(f"metrics: {name} is {metric!r:.100}; a metric of engine.outcomes is wanted")
        if name in (*model.output_names, "status", "subject", "time", "sample_time"):
            raise DataError(f"metrics: {name!r} is already the name of something else in the result")
        found[name] = (output, metric)
    return found


def _outputs(model: Model, outputs: Sequence[str] | None, reduced: bool) -> tuple[str, ...]:
    if outputs is None:
        return () if reduced else model.output_names
    if isinstance(outputs, str) or (unknown := [name for name in outputs if name not in model.output_names]):
        what = outputs if isinstance(outputs, str) else unknown[0]
        raise DataError(f"outputs: got {what!r}; a list of names is wanted, of {', '.join(model.output_names)}")
    return tuple(name for name in model.output_names if name in outputs)


def _names(parameters: Any, dosing: Any, subjects: int) -> NDArray[Any]:
    """Names of the subjects: the Dataset's, the event table's, or their numbers."""
    table = dosing.ids if isinstance(dosing, EventTable) else None
    index = getattr(parameters, "indexes", {}).get("subject")
    named: NDArray[Any] | None = None if index is None else index.to_numpy()
    if named is not None and table is not None and not np.array_equal(named, table):
        raise DataError("dosing: the event table's subjects are not the parameters', in the same order")
    found = table if named is None else named
    if found is None:
        return np.arange(subjects)
    return found.astype(str) if found.dtype == object else found
