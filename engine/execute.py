"""Executors: where work runs. Each maps a function over items and gives results in the items' order.

A function and its items travel (they pickle: frozen specifications, never compiled code), so every executor computes
the same numbers. At most a few items a worker are under way at a time; an item whose worker dies is done again;
interrupting cancels what has not started.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import SolverError

if TYPE_CHECKING:
    from distributed import Client

_AHEAD = 2
"""Items under way for each worker: one in work and one waiting."""
_RETRIES = 3
_CONNECT = "5s"


class ExecutorError(SolverError):
    """Work cannot be done where it was sent."""


class Executor(ABC):
    """Abstract place where work runs."""

    __slots__ = ()

    @abstractmethod
    def map[Item, Result](
        self, function: Callable[[Item], Result], items: Iterable[Item], *, progress: Callable[[int], object] | None = None
    ) -> Iterator[Result]:  # fmt: skip
        """Results of ``function`` for each item, in order, while later ones are computed.

        Parameters
        ----------
        function, items
            Both must pickle.
        progress
            Called with the number of results so far after each.
        """

    @abstractmethod
    def open(self) -> AbstractContextManager["Executor"]:
        """Executor that keeps its workers between several maps, for as long as the context lasts."""


@dataclass(frozen=True, slots=True)
class Serial(Executor):
    """This process, one item after another."""

    def map[Item, Result](
        self, function: Callable[[Item], Result], items: Iterable[Item], *, progress: Callable[[int], object] | None = None
    ) -> Iterator[Result]:  # fmt: skip
        """Results in order."""
        return _report(map(function, items), progress)

    def open(self) -> AbstractContextManager[Executor]:
        """Itself; there is nothing to keep."""
        return nullcontext(self)


@dataclass(frozen=True, slots=True)
class Threads(Executor):
    """Threads of this process; the compiled solvers run side by side, Python itself does not."""

    workers: int

    def __post_init__(self) -> None:
        """Refuse what is no number of workers."""
        _check_workers(self.workers)

    def map[Item, Result](
        self, function: Callable[[Item], Result], items: Iterable[Item], *, progress: Callable[[int], object] | None = None
    ) -> Iterator[Result]:  # fmt: skip
        """Results in order."""
        return _report(self._run(function, items), progress)

    def open(self) -> AbstractContextManager[Executor]:
        """Itself; threads are cheap to start."""
        return nullcontext(self)

    def _run[Item, Result](self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        with ThreadPoolExecutor(self.workers) as pool:
            try:
                submit: Callable[[Item], Future[Result]] = lambda item: pool.submit(function, item)  # noqa: E731
                yield from _in_order(submit, items, _AHEAD * self.workers)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True, slots=True, eq=False)
class Dask(Executor):
    """Worker processes of Dask: on this machine, or wherever a scheduler has them.

    Parameters
    ----------
    client
        A ``distributed.Client``, the address of a scheduler (``tcp://host:8786``), or None for workers on this machine
        that live while there is work.
    workers
        How many local processes of one thread each, when ``client`` is None.
    """

    client: "Client | str | None" = None
    workers: int | None = None

    def __post_init__(self) -> None:
        """Refuse contradictory fields."""
        if self.client is None:
            _check_workers(self.workers)
        elif self.workers is not None:
            raise ExecutorError(f"Dask: workers is {self.workers}, but a scheduler is given; it has its own workers")

    def map[Item, Result](
        self, function: Callable[[Item], Result], items: Iterable[Item], *, progress: Callable[[int], object] | None = None
    ) -> Iterator[Result]:  # fmt: skip
        """Results in order; ExecutorError when the scheduler is not reached or has no workers."""
        return _report(self._run(function, items), progress)

    @contextmanager
    def open(self) -> Iterator[Executor]:
        """Executor connected to the same workers throughout."""
        with self._connect() as client:
            yield Dask(client)

    def _run[Item, Result](self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        with self._connect() as client:
            count = len(client.scheduler_info()["workers"])
            if not count:
                raise ExecutorError("Dask: the scheduler has no workers; start some, then run again")
            futures: set[Any] = set()

            def submit(item: Item) -> Any:  # noqa: ANN401
                future = client.submit(function, item, pure=False, retries=_RETRIES)
                futures.add(future)
                return future

            try:
                yield from _in_order(submit, items, _AHEAD * count, futures.discard)
            finally:
                client.cancel(list(futures))

    @contextmanager
    def _connect(self) -> "Iterator[Client]":
        from distributed import Client, LocalCluster

        if isinstance(self.client, Client):
            yield self.client
        elif self.client is None:
            with LocalCluster(**_LOCAL, n_workers=self.workers) as cluster, Client(cluster) as client:
                yield client
        else:
            with _reach(self.client) as client:
                yield client


_LOCAL: dict[str, Any] = {
    "processes": True, "threads_per_worker": 1, "memory_limit": 0, "dashboard_address": None, "silence_logs": 40,
}  # fmt: skip


def _reach(address: str) -> "Client":
    from distributed import Client

    try:
        return Client(address, timeout=_CONNECT)
    except (OSError, TimeoutError, ValueError) as error:
        raise ExecutorError(f"Dask: no scheduler answers at {address!r} within {_CONNECT} ({error})") from None


def _in_order[Item](
    submit: Callable[[Item], Any], items: Iterable[Item], ahead: int, done: Callable[[Any], object] = lambda _: None
) -> Iterator[Any]:
    """Give results in order, keeping ``ahead`` items under way."""
    waiting: deque[Any] = deque()
    for item in items:
        waiting.append(submit(item))
        if len(waiting) >= ahead:
            yield _finish(waiting.popleft(), done)
    while waiting:
        yield _finish(waiting.popleft(), done)


def _finish(future: Any, done: Callable[[Any], object]) -> Any:  # noqa: ANN401
    result = future.result()
    done(future)
    return result


def _report[Result](results: Iterator[Result], progress: Callable[[int], object] | None) -> Iterator[Result]:
    for count, result in enumerate(results, start=1):
        if progress is not None:
            progress(count)
        yield result


def _check_workers(workers: int | None) -> None:
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ExecutorError(f"executor: workers is {workers!r}; how many, 1 or more, is wanted")
