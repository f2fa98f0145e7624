"""Streaming: a simulation of any size, in chunks that are written or reduced where they are made."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine import memory
from engine.errors import ClusterError, DataError
from engine.execute import Executor, Progress, Serial
from engine.models.specification import Model
from engine.solvers.base import Solver
from engine.streaming import store as stores
from engine.streaming.estimation import estimated, refuse_disk
from engine.streaming.plan import Wanted, chunk_size, plan
from engine.streaming.progress import told
from engine.streaming.request import Chunk, Request
from engine.streaming.store import Store

if TYPE_CHECKING:
    import xarray as xr

    from engine.dosing.covariates import Carry
    from engine.dosing.events import EventTable
    from engine.dosing.regimen import Regimen
    from engine.streaming.source import Source


WORTH = 20_000
"""Subjects from which an estimate is made before they are simulated."""


def stream(
    model: Model, parameters: "xr.Dataset | dict[str, Any] | Source",
    dosing: "Regimen | EventTable | Sequence[Regimen]", times: ArrayLike | None = None, *,
    to: str | Path | None = None, metrics: Wanted | None = None, outputs: Sequence[str] | None = None,
    solver: str | Solver = "auto", executor: Executor | None = None, chunk: int | None = None,
    before_dose: bool = False, carry: "Carry | None" = None, progress: bool | Progress = False,
) -> "xr.Dataset":  # fmt: skip
    """Simulate any number of subjects in chunks, with bounded memory here and in the workers.

    Every chunk of subjects is simulated by one worker, which writes its trajectories to a Zarr store, or reduces them
    to metrics, or both; the numbers are those of :func:`engine.simulate`, to the bit, whatever the chunks and workers.

    Parameters
    ----------
    model, dosing, times, solver, before_dose, carry
        As for :func:`engine.simulate`; a policy is not streamed.
    parameters
        A mapping or a Dataset(subject), which may lie on disk (``xr.open_zarr``) and is read chunk by chunk; or an
        :class:`engine.Source` that draws them in the workers.
    to
        Folder of a Zarr store, made by this call, or continued: what a run that was stopped or killed has left is kept
        and the rest is done; the bits are the same. A whole store of the same request is returned as it is. Workers
        write it themselves, so they must see the folder.
    metrics
        Metrics by the name they have in the result: a metric of :mod:`engine.outcomes`, of the model's only output,
        or ``(output, metric)``. They need no store.
    outputs
        Outputs whose trajectories are written; None for all, or for none when there are metrics.
    executor
        Where chunks are simulated; this process when None.
    chunk
        Subjects in a chunk; None for one whose trajectories take about 16 MB. A store that is continued keeps its own.
    progress
        True for an estimate and a line with the time left on stderr; or called with the number of subjects done and of
        all.

    Returns
    -------
    Dataset
        With ``to``, what the store holds, opened lazily: outputs (subject, time), metrics (subject) with their units,
        ``status`` (subject) and the attributes of :func:`engine.simulate`. Else metrics and ``status``, in memory.

    Raises
    ------
    DataError, DosingError, SolverError
        Before anything is computed, naming the field, what it got and what it wanted.
    SizeError
        When the result does not fit: into memory without a store, or onto the disk with one.
    StoreError
        When ``to`` holds something else, naming what differs, or another process is writing it.
    ClusterError
        When workers die or cannot be had. The store can be continued.
    KeyboardInterrupt
        On Ctrl-C; what is pending is cancelled, and the store can be continued.
    """
    options = {"before_dose": before_dose, "carry": carry}
    request = plan(
        model, parameters, dosing, times, solver=solver, outputs=outputs, metrics=metrics, options=options
    )  # fmt: skip
    if to is None and request.task.outputs:
        raise DataError("to: None; trajectories need a store (or ask for metrics, or use engine.simulate)")
    work = Work(request, executor or Serial(), told(progress, "subjects"), progress is True)
    return work.collected(chunk) if to is None else work.stored(Path(to).absolute(), chunk)


@dataclass(frozen=True, slots=True)
class Work:
    """A request under way."""

    request: Request
    executor: Executor
    tell: Progress
    estimated: bool

    def stored(self, path: Path, chunk: int | None) -> "xr.Dataset":
        """Fill a store, or the rest of it."""
        with stores.held(path):
            digests = self.request.digests()
            store = stores.opened(path)
            if store is None:
                size = chunk_size(self.request, self.executor.width(), chunk)
                refuse_disk(self.request, size, path)
                store = stores.create(path, self.template(), self.request.names, size, digests)
            store.check(digests)
            if missing := store.missing():
                self._announce(sum(map(len, missing)), store.chunk, path)
                with _continuable(store):
                    self._fill(store, missing)
        return store.dataset()

    def collected(self, chunk: int | None) -> "xr.Dataset":
        """Metrics and statuses of all subjects, in memory."""
        request, count = self.request, self.request.subjects
        template = self.template()
        memory.refuse(
            8 * count * (1 + len(request.task.metrics)),
            "the metrics of " + f"{count:,}" + " subjects take {size}; stream to a store (`to`)",
        )
        made: dict[str, NDArray[Any]] = {
            str(name): np.empty(count, values.dtype) for name, values in template.data_vars.items()
        }
        size = chunk_size(request, self.executor.width(), chunk)
        self._announce(count, size, None)
        pieces = [range(first, min(first + size, count)) for first in range(0, count, size)]
        for subjects, found in self._results(pieces, None):
            for name, values in found.items():
                made[name][subjects.start : subjects.stop] = values
        whole = {name: (values.dims, made[str(name)], values.attrs) for name, values in template.data_vars.items()}
        return template.drop_dims("subject").assign(whole).assign_coords(subject=request.names)

    def template(self) -> "xr.Dataset":
        """What a chunk looks like: the result of the first subject."""
        return self.request.chunk(range(1)).perform()

    def _announce(self, subjects: int, chunk: int, path: Path | None) -> None:
        """Estimate what is left to do, where that is worth its two seconds."""
        if self.estimated and subjects > WORTH:
            print(estimated(self.request, subjects, chunk, self.executor.width(), path), file=sys.stderr)

    def _fill(self, store: Store, missing: list[range]) -> None:
        for subjects, _ in self._results(missing, store.path):
            if not store.has(subjects):
                raise ClusterError(
                    f"to: a worker wrote subjects {subjects.start} to {subjects.stop - 1}, but {store.path} does not "
                    "have them here; workers and this process must see the same folder"
                )

    def _results(self, pieces: list[range], path: Path | None) -> Iterator[tuple[range, dict[str, NDArray[Any]]]]:
        total = self.request.subjects
        done = total - sum(map(len, pieces))
        self.tell(done, total)
        chunks = _Chunks(self.request, pieces, None if path is None else str(path))
        for subjects, found in zip(pieces, self.executor.map(perform, chunks), strict=True):
            yield subjects, found
            done += len(subjects)
            self.tell(done, total)


def perform(chunk: Chunk) -> dict[str, NDArray[Any]]:
    """Simulate a chunk, here or on a worker, and write it, or give its metrics and statuses back."""
    found = chunk.perform()
    if chunk.store is None:
        return {str(name): values.to_numpy() for name, values in found.data_vars.items()}
    stores.write(Path(chunk.store), chunk.subjects, found)
    return {}


@dataclass(frozen=True, slots=True)
class _Chunks(Sequence[Chunk]):
    """Chunks of a request, each made when its turn comes."""

    request: Request
    pieces: list[range]
    store: str | None

    def __len__(self) -> int:
        return len(self.pieces)

    @overload
    def __getitem__(self, index: int) -> Chunk: ...
    @overload
    def __getitem__(self, index: slice) -> list[Chunk]: ...
    def __getitem__(self, index: int | slice) -> Chunk | list[Chunk]:
        if isinstance(index, slice):
            return [self.request.chunk(piece, self.store) for piece in self.pieces[index]]
        return self.request.chunk(self.pieces[index], self.store)


@contextmanager
def _continuable(store: Store) -> Iterator[None]:
    """Say with an interrupt or an error what is kept."""
    try:
        yield
    except BaseException as error:
        left = sum(map(len, store.missing()))
        done = store.subjects - left
        error.add_note(f"{done:,} of {store.subjects:,} subjects are in {store.path}; the same call does the rest")
        raise
