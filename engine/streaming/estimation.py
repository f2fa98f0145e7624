"""How long a simulation will take and how much memory and disk, from a few pieces of it, timed."""

import shutil
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from engine import memory
from engine.errors import SizeError
from engine.execute import Executor
from engine.models.specification import Model
from engine.solvers.base import Solver
from engine.streaming import store as stores
from engine.streaming.plan import GRAIN, Wanted, chunk_size, plan
from engine.streaming.progress import clock
from engine.streaming.request import Request

if TYPE_CHECKING:
    from engine.dosing.covariates import Carry

PIECES = 5
"""Pieces that are timed, from all over the subjects."""
ENOUGH = 1.0
"""Seconds after which no further piece is timed, once there are two."""
SLOWER = 1.25
"""How much longer than the slowest piece it may take: workers share memory, and a busy machine is slower."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a simulation will take.

    Attributes
    ----------
    subjects, chunks, workers
        How many there are.
    seconds, low, high
        Wall time and its range, with ``workers`` free cores: from the mean, fastest and slowest of the pieces that were
        timed, the upper end with a quarter more. Starting a cluster is not in it.
    worker_bytes
        Memory of one worker at its peak, libraries and compiled equations included.
    result_bytes
        Memory of the result, were it all in memory.
    disk_bytes
        Size of the store as it is compressed; 0 without one.
    """

    subjects: int
    chunks: int
    workers: int
    seconds: float
    low: float
    high: float
    worker_bytes: int
    result_bytes: int
    disk_bytes: int

    def __str__(self) -> str:
        """Say it in a line."""
        disk = f", {memory.text(self.disk_bytes)} on disk" if self.disk_bytes else ""
        return (
            f"{self.subjects:,} subjects in {self.chunks:,} chunks, {self.workers} at a time: "
            f"about {clock(self.seconds)} ({clock(self.low)} to {clock(self.high)}), "
            f"{memory.text(self.worker_bytes)} of memory a worker{disk}"
        )


def estimate(
    model: Model, parameters: Any, dosing: Any, times: ArrayLike | None = None, *, to: str | Path | None = None,
    metrics: Wanted | None = None, outputs: Sequence[str] | None = None, solver: str | Solver = "auto",
    executor: Executor | None = None, chunk: int | None = None, before_dose: bool = False,
    carry: "Carry | None" = None,
) -> Estimate:  # fmt: skip
    """Estimate time, memory and disk of :func:`engine.stream` with the same arguments, in about two seconds.

    Without ``to`` and ``metrics`` it is what :func:`engine.simulate` would take; ``result_bytes`` says how large its
    result would be.
    """
    options = {"before_dose": before_dose, "carry": carry}
    request = plan(
        model, parameters, dosing, times, solver=solver, outputs=outputs, metrics=metrics, options=options
    )  # fmt: skip
    workers = 1 if executor is None else executor.width()
    size = chunk_size(request, workers, chunk)
    return estimated(request, request.subjects, size, workers, None if to is None else Path(to).absolute())


def estimated(request: Request, subjects: int, chunk: int, workers: int, store: Path | None) -> Estimate:
    """Estimate from timed pieces, for so many of the request's subjects."""
    piece = min(chunk, 2 * GRAIN, request.subjects)
    with _probe(request, piece, store) as probe:
        first = _seconds(request, range(piece), probe)
        starts = np.linspace(0, request.subjects - piece, PIECES).astype(int)
        rates: list[float] = []
        while len(rates) < PIECES and (len(rates) < 2 or sum(rates) * piece < ENOUGH):
            start = int(starts[-1 - len(rates)])
            rates.append(_seconds(request, range(start, start + piece), probe) / piece)
        disk = 0 if probe is None else _size(probe) * subjects // piece
        peak = _peak(request, range(piece)) * chunk // piece
    chunks = -(-subjects // chunk)
    each = subjects / min(workers, chunks)
    compiling = max(0.0, first - np.mean(rates) * piece)
    return Estimate(
        subjects,
        chunks,
        workers,
        seconds=float(np.mean(rates) * each + compiling),
        low=float(min(rates) * each),
        high=float(SLOWER * max(rates) * each + compiling),
        worker_bytes=memory.resident() + peak,
        result_bytes=_result_bytes(request, subjects),
        disk_bytes=disk,
    )


def refuse_disk(request: Request, chunk: int, store: Path) -> None:
    """Raise SizeError when the store will not fit onto its disk; pieces are tried only when that is in doubt."""
    free = shutil.disk_usage(store.parent).free
    if _result_bytes(request, request.subjects) < free:
        return
    needed = estimated(request, request.subjects, chunk, 1, store).disk_bytes
    if needed > free:
        raise SizeError(
            f"to: {request.subjects:,} subjects take {memory.text(needed)}, {store.parent} has {memory.text(free)} "
            "free; name another place, keep fewer outputs (`outputs`), or reduce them to metrics"
        )


def _result_bytes(request: Request, subjects: int) -> int:
    task = request.task
    return subjects * (8 * (request.samples * len(task.outputs) + len(task.metrics)) + 1)


@contextmanager
def _probe(request: Request, piece: int, store: Path | None) -> Iterator[Path | None]:
    """Store for one piece beside the one that is wanted, which is gone afterwards."""
    if store is None:
        yield None
        return
    store.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store.parent, prefix=f".{store.name}.probe") as folder:
        path = Path(folder) / "probe"
        stores.create(path, request.chunk(range(1)).perform(), request.names[:piece], piece, {})
        yield path


def _seconds(request: Request, subjects: range, probe: Path | None) -> float:
    began = time.perf_counter()
    found = request.chunk(subjects).perform()
    if probe is not None:
        stores.write(probe, range(len(subjects)), found)
    return time.perf_counter() - began


def _peak(request: Request, subjects: range) -> int:
    """Most bytes allocated while a piece is worked on."""
    ours = not tracemalloc.is_tracing()
    if ours:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    request.chunk(subjects).perform()
    peak = tracemalloc.get_traced_memory()[1] - before
    if ours:
        tracemalloc.stop()
    return max(0, peak)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
