"""Times a piece of work several times and records the median with the machine and the versions it was measured on."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("trialtwin", "numpy", "pymc", "nutpie", "heyoka", "llvmlite", "numba", "dask", "xarray")


def machine() -> dict[str, str | int | float]:
    """Describe what the numbers depend on: processor, cores this process may use, what else runs, system, Python."""
    info = Path("/proc/cpuinfo")
    models = [line.split(":")[1].strip() for line in _lines(info) if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "load_after": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else -1.0,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def measure(work: Callable[[], object], *, runs: int, warm: bool) -> dict[str, Any]:
    """Time a piece of work.

    Parameters
    ----------
    work
        What is timed.
    runs
        How often.
    warm
        Whether a first call, which compiles and loads, is made before; its time is recorded too.

    Returns
    -------
    Median, smallest and largest wall time in seconds, all times, and the first call's when it was kept apart.
    """
    first = _seconds(work) if warm else None
    times = [_seconds(work) for _ in range(runs)]
    found = summary(times)
    return found if first is None else found | {"first_call_s": first}


def summary(times: list[float]) -> dict[str, Any]:
    """Median, smallest and largest of the times of several runs, and all of them."""
    found: dict[str, Any] = {"median_s": statistics.median(times), "min_s": min(times), "max_s": max(times)}
    return found | {"runs": len(times), "times_s": times}


def record(name: str, rows: Mapping[str, Mapping[str, Any]]) -> Path:
    """Print the rows of a benchmark and write them as ``results/<name>.json``."""
    result = {
        "benchmark": name,
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": {package: version(package) for package in PACKAGES},
        "rows": rows,
    }
    print(name, json.dumps(result["machine"]), json.dumps(result["versions"]), sep="\n")
    for label, row in rows.items():
        extra = ", ".join(f"{key} {_short(value)}" for key, value in row.items() if key not in _TIMES)
        print(f"  {label:<58} {row['median_s']:9.3f} s  ({row['min_s']:.3f} to {row['max_s']:.3f})  {extra}")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path


_TIMES = ("median_s", "min_s", "max_s", "times_s", "lsoda_times_s")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
