"""A million patients of workload W1 in chunks: to metrics and to disk, with the largest memory of every process.

Parameters are drawn in the workers, or given as arrays; workers are processes of this machine that stay. The last row
is a process that may only take so much memory and streams four times as much to disk.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml

import engine
from benchmarks.measure import record, summary
from engine import Dose, Regimen, Source, executors, memory
from engine.outcomes import NCA, Largest

HERE = Path(__file__).resolve().parent
SUBJECTS = 1_000_000
TIMES = np.arange(169.0)
REGIMEN = Regimen(Dose(100, into="depot", every=24, times=7))
TYPICAL = {"CL": 5.0, "V": 50.0, "KA": 1.0}
METRICS = {"auc": NCA("AUCLST"), "cmax": Largest()}
ROOM = 500_000_000
"""Bytes that the process with limited memory may take beyond what it has when it begins."""


def model() -> engine.Model:
    """W1, one compartment by mouth, as the workloads have it."""
    text = yaml.safe_load((HERE / "workloads.yaml").read_text(encoding="utf-8"))
    return engine.load_model(text["W1"]["model"])


def draw(subjects: range) -> dict[str, np.ndarray]:
    """Parameters log-normal around the typical ones, coefficient of variation 30 %."""
    rng = np.random.default_rng([1, subjects.start])
    return {name: value * np.exp(0.3 * rng.standard_normal(len(subjects))) for name, value in TYPICAL.items()}


class Watch:
    """Largest resident memory and processor seconds of this process and of its children."""

    def __init__(self) -> None:
        self.peak: dict[int, int] = {}
        self.cpu: dict[int, float] = {}
        self.done = threading.Event()

    def look(self) -> None:
        """Look at every process, twenty times a second."""
        own = psutil.Process()
        while not self.done.wait(0.05):
            for one in (own, *own.children(recursive=True)):
                try:
                    times = one.cpu_times()
                    self.peak[one.pid] = max(self.peak.get(one.pid, 0), one.memory_info().rss)
                    self.cpu[one.pid] = times.user + times.system
                except psutil.Error:
                    continue


@contextmanager
def watched(row: dict[str, Any]) -> Iterator[None]:
    """Add peak memory of the client and of the largest worker, in MB, and the processor seconds spent meanwhile."""
    watch = Watch()
    thread = threading.Thread(target=watch.look)
    thread.start()
    time.sleep(0.2)
    before = dict(watch.cpu)
    try:
        yield
    finally:
        watch.done.set()
        thread.join()
    own = psutil.Process().pid
    row["client_peak_MB"] = watch.peak.pop(own) / 1e6
    row["worker_peak_MB"] = max(watch.peak.values(), default=0) / 1e6
    row["cpu_s"] = sum(watch.cpu.values()) - sum(before.values())


def metrics(workers: int, *, arrays: bool) -> dict[str, Any]:
    """AUC and Cmax of a million patients."""
    source, row = Source(draw, SUBJECTS), dict[str, Any]()
    given = source.take(model(), range(SUBJECTS)) if arrays else source
    with executors.Dask(workers=workers).open() as kept:
        engine.stream(model(), Source(draw, 50_000), REGIMEN, TIMES, metrics=METRICS, executor=kept)
        with watched(row):
            start = time.perf_counter()
            found = engine.stream(model(), given, REGIMEN, TIMES, metrics=METRICS, executor=kept)
            seconds = time.perf_counter() - start
    assert not found["status"].any()
    return summary([seconds]) | {"patients_per_s": SUBJECTS / seconds} | row


def to_disk(workers: int) -> dict[str, Any]:
    """Trajectories of a million patients, written by the workers."""
    row: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, executors.Dask(workers=workers).open() as kept:
        path = Path(folder) / "trajectories.zarr"
        with watched(row):
            start = time.perf_counter()
            engine.stream(model(), Source(draw, SUBJECTS), REGIMEN, TIMES, to=path, executor=kept)
            seconds = time.perf_counter() - start
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return summary([seconds]) | {"patients_per_s": SUBJECTS / seconds, "disk_GB": size / 1e9} | row


def limited() -> dict[str, Any]:
    """Four times the memory that the process may take, streamed to disk by a process of its own."""
    row: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, watched(row):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "benchmarks.stream", folder], cwd=HERE.parent, check=True)
        seconds = time.perf_counter() - start
    return summary([seconds]) | {"may_take_MB": ROOM / 1e6, "writes_MB": 4 * ROOM / 1e6} | row


def write_four_times(folder: Path) -> None:
    """Be the process with limited memory."""
    import resource

    import zarr

    zarr.config.set({"threading.max_workers": 1})  # the stack of every thread counts
    engine.stream(model(), Source(draw, 50_000), REGIMEN, TIMES, to=folder / "first.zarr")
    held = memory.resident()
    count = 4 * ROOM // (8 * len(TIMES))
    resource.setrlimit(resource.RLIMIT_DATA, (held + ROOM, resource.RLIM_INFINITY))
    engine.stream(model(), Source(draw, count), REGIMEN, TIMES, to=folder / "whole.zarr")


def main() -> None:
    """Measure each once: a run takes long enough."""
    rows = {
        "AUC and Cmax, 1 worker": metrics(1, arrays=False),
        "AUC and Cmax, 2 workers": metrics(2, arrays=False),
        "AUC and Cmax, 2 workers, parameters as arrays": metrics(2, arrays=True),
        "trajectories to disk, 2 workers": to_disk(2),
        "four times the memory to disk, 1 process": limited(),
    }
    one, two = rows["AUC and Cmax, 1 worker"], rows["AUC and Cmax, 2 workers"]
    two["times_as_fast_as_1"] = one["median_s"] / two["median_s"]
    two["cpu_of_1_per_cpu"] = one["cpu_s"] / two["cpu_s"]
    record("stream", rows)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write_four_times(Path(sys.argv[1]))
    else:
        main()
