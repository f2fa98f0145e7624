"""Executors: the same results in the same order everywhere, whatever happens to the workers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

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


def die(_item: int) -> None:
    """Kill the worker, whenever it is tried."""
    os.kill(os.getpid(), signal.SIGKILL)


def wait(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


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


def test_work_that_kills_every_worker_is_given_up() -> None:
    with pytest.raises(ClusterError, match=r"4 workers died one after another of the same piece.*memory"):
        list(execute.Dask(workers=1).map(die, [0]))


def test_a_cluster_without_workers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import Client, LocalCluster

    monkeypatch.setattr(execute.Dask, "patience", 0.5)
    with LocalCluster(n_workers=0, dashboard_address=":0") as cluster, Client(cluster) as client:
        with pytest.raises(ClusterError, match=r"has no workers; start some"):
            execute.Dask(client).check()
        with pytest.raises(ClusterError, match=r"no workers for 0\.5 s; start some, then try again"):
            list(execute.Dask(client).map(square, [1.0, 2.0]))


def test_what_is_pending_is_cancelled_when_nobody_wants_it() -> None:
    with execute.Dask(workers=1).open() as kept:
        results = kept.map(wait, [0.0] + [30.0] * 10)
        assert next(results) == 0.0
        results.close()
        patience = time.monotonic() + 60
        while kept.client_or_address.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
            assert time.monotonic() < patience
            time.sleep(0.1)


# ---- Ctrl-C while local processes start, sent to the process alone and to its group as a terminal does
STARTED = """
import sys
import distributed
from engine import execute
from tests.engine.test_execute import wait
if __name__ == "__main__":
    print("ready", flush=True)
    try:
        print(list(execute.Dask(workers=1).map(wait, [0.1] * 1000)))
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["alone", "group"])
@pytest.mark.parametrize("after", [0.3, 4.0], ids=["starting", "working"])
def test_ctrl_c_is_heeded_at_any_time(send: Callable[[int, int], None], after: float, tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(STARTED)
    home = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, tmp_path / "work.py"], cwd=home, env=os.environ | {"PYTHONPATH": str(home)},
        start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        time.sleep(after)
        send(running.pid, signal.SIGINT)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert told == ""


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


class Lazy(Sequence[int]):
    """Numbers that are counted when they are asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, index: Any) -> Any:
        self.asked = max(self.asked, index + 1)
        return index


@pytest.mark.parametrize("executor", [execute.Serial(), execute.Threads(2), execute.Dask(workers=1)], ids=str)
def test_items_are_made_when_their_turn_comes(executor: execute.Executor) -> None:
    items = Lazy()
    results = executor.map(square, items)
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    results.close()
    assert items.asked <= 3 + execute.AHEAD * executor.width()


def test_width_is_how_many_work_at_once() -> None:
    assert execute.Serial().width() == 1
    assert execute.Threads(3).width() == 3
    assert execute.Dask(workers=2).width() == 2
    assert execute.Dask().width() == os.cpu_count()


def test_unreachable_scheduler_is_told_quickly() -> None:
    start = time.monotonic()
    with pytest.raises(ClusterError, match=r"no Dask scheduler answers at 'tcp://127.0.0.1:9'.*cluster=local"):
        execute.Dask("tcp://127.0.0.1:9", timeout=1).check()
    assert time.monotonic() - start < 60, "it waited for longer than it was told to"


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True])
def test_number_of_workers_is_checked(wrong: object) -> None:
    with pytest.raises(ClusterError, match="wants a whole number of at least 1"):
        execute.Dask(workers=wrong)  # type: ignore[arg-type]
    with pytest.raises(ClusterError, match=r"threads\.n"):
        execute.Threads(wrong)  # type: ignore[arg-type]


def test_a_scheduler_has_its_own_workers() -> None:
    with pytest.raises(ClusterError, match=r"cluster\.workers"):
        execute.Dask("tcp://127.0.0.1:9", workers=2)
