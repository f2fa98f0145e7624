"""Executors: the same results in the same order everywhere, whatever happens to the workers."""

import os
import signal
import time
from pathlib import Path

import pytest

from engine import execute
from engine.errors import ClusterError

EXECUTORS = [
    execute.Serial(),
    execute.Threads(1),
    execute.Threads(3),
    execute.Dask(workers=1),
    execute.Dask(workers=2),
    execute.Dask(workers=3),
]


def square(x: float) -> float:
    return x * x


def die_once(item: tuple[int, str]) -> int:
    """Kill the worker the first time item 3 is tried."""
    number, folder = item
    mark = Path(folder) / "died"
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
    return number


def fail_at_two(x: int) -> int:
    if x == 2:
        raise ZeroDivisionError("item 2")
    return x


@pytest.mark.parametrize("executor", EXECUTORS, ids=str)
def test_results_come_in_order(executor: execute.Executor) -> None:
    told: list[tuple[int, int]] = []
    results = list(executor.map(square, range(40), progress=lambda done, total: told.append((done, total))))
    assert results == [x * x for x in range(40)]
    assert told == [(done, 40) for done in range(1, 41)]


def test_a_killed_worker_costs_no_result(tmp_path: Path) -> None:
    items = [(number, str(tmp_path)) for number in range(12)]
    assert list(execute.Dask(workers=2).map(die_once, items)) == list(range(12))
    assert (tmp_path / "died").exists()


@pytest.mark.parametrize("executor", [execute.Serial(), execute.Threads(2), execute.Dask(workers=1)], ids=str)
def test_an_error_reaches_the_caller(executor: execute.Executor) -> None:
    with pytest.raises(ZeroDivisionError, match="item 2"):
        list(executor.map(fail_at_two, range(5)))


def test_no_more_than_asked_is_submitted_ahead() -> None:
    started: list[int] = []
    results = execute.Threads(1).map(lambda item: started.append(item) or item, range(100))
    assert next(results) == 0
    results.close()
    assert len(started) <= execute.AHEAD + 1


def test_unreachable_scheduler_is_told_quickly() -> None:
    start = time.monotonic()
    with pytest.raises(ClusterError, match=r"no Dask scheduler answers at 'tcp://127.0.0.1:9'.*cluster=local"):
        execute.Dask("tcp://127.0.0.1:9", timeout=1).check()
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True])
def test_number_of_workers_is_checked(wrong: object) -> None:
    with pytest.raises(ClusterError, match="wants a whole number of at least 1"):
        execute.Dask(workers=wrong)  # type: ignore[arg-type]
    with pytest.raises(ClusterError, match=r"threads\.n"):
        execute.Threads(wrong)  # type: ignore[arg-type]


def test_a_scheduler_has_its_own_workers() -> None:
    with pytest.raises(ClusterError, match=r"cluster\.workers"):
        execute.Dask("tcp://127.0.0.1:9", workers=2)
