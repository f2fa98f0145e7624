"""Where work is done: here, in threads, or on a Dask cluster. The answer is the same to the bit.

An executor maps a function over items and gives the results in the order of the items. What travels is the function's
name and the item, never a compiled function: workers compile for themselves and keep what they compiled.
"""

import logging
import os
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.errors import ClusterError
from engine.interrupts import interrupts_kept

if TYPE_CHECKING:
    from distributed import Client

type Progress = Callable[[int, int], None]
"""Told after each result how many there are and how many there will be."""

AHEAD = 4
"""Items submitted for each worker before the first result is taken: enough to keep it busy, few to stay small."""
RETRIES = 3
"""Times an item is tried again after its worker died; its numbers follow from its address, so they are the same."""
_LOOK = 2.0
"""Seconds between two looks at whether there still are workers."""


class Executor(ABC):
    """Maps a function over items; a frozen value that holds no process and no connection between calls."""

    __slots__ = ()

    @abstractmethod
    def results[Item, Result](self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Results in the order of the items, a bounded number of them computed ahead."""

    @abstractmethod
    def open(self) -> "AbstractContextManager[Executor]":
        """Executor with the same workers, which stay between several maps for as long as the context lasts."""

    @abstractmethod
    def width(self) -> int:
        """How many items are worked on at the same time."""

    @abstractmethod
    def check(self) -> None:
        """Raise :class:`engine.ClusterError` when work could not be done here; costs a few seconds at most."""

    def map[Item, Result](
        self, function: Callable[[Item], Result], items: Sequence[Item], *, progress: Progress | None = None
    ) -> Iterator[Result]:
        """Apply ``function`` to each item.

        Parameters
        ----------
        function
            A module-level function, so that other processes find it.
        items
            What it is applied to; frozen specifications and arrays that pickle. A lazy sequence is asked for each item
            when its turn comes.
        progress
            Called with the number of results so far and in all, after each.

        Returns
        -------
        Iterator over the results in the order of the items. Closing it, or an interrupt, cancels what is not done.
        """
        with closing(self._iterate(function, items)) as results:
            for done, result in enumerate(results, start=1):
                if progress is not None:
                    progress(done, len(items))
                yield result

    def _iterate[Item, Result](
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Generator[Result, None, None]:
        yield from self.results(function, items)


@dataclass(frozen=True, slots=True)
class Serial(Executor):
    """One item after another, in this process."""

    def results[Item, Result](self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Results as they are asked for."""
        return map(function, items)

    def open(self) -> AbstractContextManager[Executor]:
        """Itself: there is nothing to keep."""
        return nullcontext(self)

    def width(self) -> int:
        """One."""
        return 1

    def check(self) -> None:
        """Nothing can be amiss."""


@dataclass(frozen=True, slots=True)
class Threads(Executor):
    """Threads of this process; compiled solvers run side by side, numpy and Python partly."""

    n: int

    def __post_init__(self) -> None:
        """Refuse no threads."""
        positive("threads.n", self.n)

    def results[Item, Result](self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Results of a pool of ``n`` threads."""
        with ThreadPoolExecutor(self.n) as pool:
            pending: deque[Future[Result]] = deque()
            try:
                yield from _in_order(
                    pending, lambda item: pool.submit(function, item), Future.result, items, AHEAD * self.n
                )
            finally:
                for future in pending:
                    future.cancel()

    def open(self) -> AbstractContextManager[Executor]:
        """Itself: threads start at once."""
        return nullcontext(self)

    def width(self) -> int:
        """Number of threads."""
        return self.n

    def check(self) -> None:
        """Nothing can be amiss."""


class Distributed(Executor):
    """Workers of a Dask scheduler, however they came to be."""

    __slots__ = ()

    @property
    def patience(self) -> float:
        """Seconds to wait for a cluster that has no workers any more: a dead one is replaced in less."""
        return 60.0

    @abstractmethod
    def connected(self) -> "AbstractContextManager[Client]":
        """Client of a scheduler whose workers work, or soon will, for as long as the context lasts."""

    def results[Item, Result](self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Results from the cluster's workers; an item whose worker dies is done again by another."""
        with self.connected() as client:
            pending: deque[Any] = deque()
            submit = partial(client.submit, function, pure=False)
            ahead = AHEAD * max(self.width(), _threads(client))
            try:
                yield from _in_order(pending, submit, partial(_result, client, self.patience), items, ahead)
            finally:
                client.cancel(list(pending))  # type: ignore[no-untyped-call]

    @contextmanager
    def open(self) -> Iterator[Executor]:
        """Executor connected to workers that stay."""
        with self.connected() as client:
            yield Dask(client)


@dataclass(frozen=True, slots=True)
class Dask(Distributed):
    """Processes of this machine, or the workers of a Dask scheduler.

    Attributes
    ----------
    client_or_address
        A connected ``distributed.Client``, an address such as ``tcp://10.0.0.1:8786``, or None for processes of this
        machine, which live as long as one call of :meth:`map`.
    workers
        Number of local processes, each with one thread; None for one a core. Only without an address.
    timeout
        Seconds to wait for the scheduler.

    Notes
    -----
    Local processes import the caller's main module: a script needs the usual ``if __name__ == "__main__":``.
    """

    client_or_address: Any = None
    workers: int | None = None
    timeout: float = 5.0

    def __post_init__(self) -> None:
        """Refuse a number of local processes for a cluster that has its own."""
        if self.workers is not None:
            if self.client_or_address is not None:
                raise ClusterError("cluster.workers: a scheduler has its own workers; got a scheduler and a number")
            positive("cluster.workers", self.workers)

    def width(self) -> int:
        """Number of local processes, or of the threads of the scheduler's workers."""
        if self.client_or_address is None:
            return self.workers or os.cpu_count() or 1
        with self.connected() as client:
            return max(1, _threads(client))

    def check(self) -> None:
        """Connect to the scheduler and ask for its workers."""
        if self.client_or_address is None:
            return
        with self.connected() as client:
            if not _threads(client):
                raise ClusterError(f"cluster: the scheduler {self._where} has no workers; start some, then try again")

    @property
    def _where(self) -> str:
        return str(getattr(self.client_or_address, "scheduler", self.client_or_address))

    @contextmanager
    def connected(self) -> "Iterator[Client]":
        """Connect, or start processes, for as long as the context lasts; a caller's own client stays open."""
        from distributed import Client, LocalCluster

        if isinstance(self.client_or_address, Client):
            yield self.client_or_address
        elif self.client_or_address is not None:
            with _connect(str(self.client_or_address), self.timeout) as client:
                yield client
        else:
            with interrupts_kept() as interrupted, _deaths_allowed(), _lean():
                # A port of its own for what shows the work: two clusters on one machine must not meet.
                local = LocalCluster(  # type: ignore[no-untyped-call]
                    n_workers=self.width(), threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
                )
            with local as cluster, Client(cluster) as client:  # type: ignore[no-untyped-call]
                if interrupted:
                    raise KeyboardInterrupt
                yield client


@contextmanager
def started(package: str, name: str, arguments: Mapping[str, Any]) -> Iterator[Any]:
    """Start a cluster of one of Dask's packages, such as ``dask_jobqueue`` and ``SLURMCluster``; stopped at the end.

    Raises
    ------
    ClusterError
        When the package is not installed, or the cluster cannot be started.
    """
    kind = launcher(package, name)
    with interrupts_kept() as interrupted, _deaths_allowed():
        try:
            made = kind(**arguments)
        except Exception as error:
            raise ClusterError(f"cluster: {name} cannot be started: {type(error).__name__}: {error}") from error
    with made as cluster:
        if interrupted:
            raise KeyboardInterrupt
        yield cluster


def launcher(package: str, name: str) -> Any:
    """Class of one of Dask's own packages; ClusterError when it is not installed."""
    try:
        return getattr(import_module(package), name)
    except ImportError as error:
        raise ClusterError(
            f"cluster: {package.partition('.')[0]} is not installed ({error}); it comes with `pip install "
            "'trialtwin[cluster]'`"
        ) from error


@contextmanager
def client_of(cluster: Any, timeout: float, waiting: str) -> "Iterator[Client]":
    """Client of a cluster that has a worker; ClusterError when none comes in time, saying what was waited for."""
    from distributed import Client

    with Client(cluster) as client:  # type: ignore[no-untyped-call]
        try:
            client.wait_for_workers(1, timeout=timeout)
        except TimeoutError as error:
            raise ClusterError(f"cluster: no worker within {timeout:g} s; {waiting}") from error
        yield client


@contextmanager
def _deaths_allowed() -> Iterator[None]:
    """Let a scheduler that starts here try an item again as often as we say when its worker dies."""
    import dask

    with dask.config.set({"distributed.scheduler.allowed-failures": RETRIES}):
        yield


_LEAN = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "200ms",
    "distributed.admin.system-monitor.interval": "5s",
}


@contextmanager
def _lean() -> Iterator[None]:
    """Let local processes spend their time on the work: with Dask's own settings it is half as much again.

    Dask has a worker's memory returned to the system from 64 KiB on, so that arrays that come and go cost a page fault
    a page; here the C library keeps up to 1 GiB. Profiler, ticks and monitor are for servers that run for days.
    """
    import distributed  # noqa: F401 - its settings are there once it is imported
    from dask import config

    before = config.get("distributed.nanny.pre-spawn-environ")
    kept = dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), 1 << 30)
    with config.set({"distributed.nanny.pre-spawn-environ": before | kept, **_LEAN}):
        yield


def _connect(address: str, timeout: float) -> "Client":
    from distributed import Client

    try:
        return Client(address, timeout=timeout)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"cluster: no Dask scheduler answers at {address!r} within {timeout:g} s ({type(error).__name__}). "
            "Start one with `dask scheduler`, correct the address, or use cluster=local."
        ) from error


def _in_order[Item](
    pending: deque[Any], submit: Callable[[Item], Any], take: Callable[[Any], Any], items: Sequence[Item], ahead: int
) -> Iterator[Any]:
    """Results in order, at most ``ahead`` items submitted and not yet taken; these are in ``pending``."""
    for item in items:
        pending.append(submit(item))
        if len(pending) >= ahead:
            yield take(pending.popleft())
    while pending:
        yield take(pending.popleft())


def _result(client: "Client", patience: float, future: Any) -> Any:
    """Result of one item; ClusterError when its workers die of it, when none are left, or the scheduler is gone."""
    from distributed import wait
    from distributed.scheduler import KilledWorker

    lonely = None
    while not future.done():
        try:
            wait([future], timeout=_LOOK)  # type: ignore[no-untyped-call]
        except TimeoutError:
            lonely = None if _threads(client) else lonely or time.monotonic()
            if lonely is not None and time.monotonic() - lonely > patience:
                raise ClusterError(f"cluster: no workers for {patience:g} s; start some, then try again") from None
        except CancelledError:
            break
    try:
        return future.result()
    except KilledWorker as error:
        raise ClusterError(
            f"cluster: {RETRIES + 1} workers died one after another of the same piece of work, probably for want of "
            "memory: give each worker more, take fewer workers, or ask for smaller pieces (`chunk`)"
        ) from error
    except CancelledError as error:
        raise ClusterError("cluster: the connection to the scheduler was lost, and its work with it") from error


def _threads(client: "Client") -> int:
    """Threads of all workers."""
    return sum(client.nthreads().values())  # type: ignore[no-untyped-call]


def positive(field: str, value: object) -> None:
    """Refuse what is no whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ClusterError(f"{field}: wants a whole number of at least 1, got {value!r}")


def __getattr__(name: str) -> Any:
    """Executors that start a cluster of their own, beside the others."""
    if name in ("Kubernetes", "SSH", "Slurm"):
        return getattr(import_module("engine.clusters"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
