"""Where work is done: here, in threads, or on a Dask cluster. The answer is the same to the bit.

An executor maps a function over items and gives the results in the order of the items. What travels is the function's
name and the item, never a compiled function: workers compile for themselves and keep what they compiled.
"""

import logging
import os
import signal
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client

type Progress = Callable[[int, int], None]
"""Told after each result how many there are and how many there will be."""

AHEAD = 4
"""Items submitted for each worker before the first result is taken: enough to keep it busy, few to stay small."""
RETRIES = 3
"""Times an item is tried again after its worker died; its numbers follow from its address, so they are the same."""


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
            What it is applied to; frozen specifications and arrays that pickle.
        progress
            Called with the number of results so far and in all, after each.

        Returns
        -------
        Iterator over the results in the order of the items. Closing it, or an interrupt, cancels what is not done.
        """
        items = list(items)
        for done, result in enumerate(self.results(function, items), start=1):
            if progress is not None:
                progress(done, len(items))
            yield result


@dataclass(frozen=True, slots=True)
class Serial(Executor):
    """One item after another, in this process."""

    def results[Item, Result](self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Results as they are asked for."""
        return map(function, items)

    def open(self) -> AbstractContextManager[Executor]:
        """Itself: there is nothing to keep."""
        return nullcontext(self)

    def check(self) -> None:
        """Nothing can be amiss."""


@dataclass(frozen=True, slots=True)
class Threads(Executor):
    """Threads of this process; compiled solvers run side by side, numpy and Python partly."""

    n: int

    def __post_init__(self) -> None:
        """Refuse no threads."""
        _positive("threads.n", self.n)

    def results[Item, Result](self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Results of a pool of ``n`` threads."""
        with ThreadPoolExecutor(self.n) as pool:
            pending: deque[Future[Result]] = deque()
            try:
                yield from _in_order(pending, lambda item: pool.submit(function, item), items, AHEAD * self.n)
            finally:
                for future in pending:
                    future.cancel()

    def open(self) -> AbstractContextManager[Executor]:
        """Itself: threads start at once."""
        return nullcontext(self)

    def check(self) -> None:
        """Nothing can be amiss."""


@dataclass(frozen=True, slots=True)
class Dask(Executor):
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
            _positive("cluster.workers", self.workers)

    def results[Item, Result](self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Results from the cluster's workers; an item whose worker dies is done again by another."""
        with self._client() as client:
            pending: deque[Any] = deque()

            def submit(item: Item) -> Any:
                return client.submit(function, item, pure=False, retries=RETRIES)

            try:
                yield from _in_order(pending, submit, items, AHEAD * max(1, len(client.nthreads())))
            finally:
                client.cancel(list(pending))

    @contextmanager
    def open(self) -> Iterator[Executor]:
        """Executor connected to workers that stay."""
        with self._client() as client:
            yield Dask(client)

    def check(self) -> None:
        """Connect to the scheduler and ask for its workers."""
        if self.client_or_address is None:
            return
        with self._client() as client:
            if not client.nthreads():
                raise ClusterError(f"cluster: the scheduler {self._where} has no workers; start some, then try again")

    @property
    def _where(self) -> str:
        return str(getattr(self.client_or_address, "scheduler", self.client_or_address))

    @contextmanager
    def _client(self) -> Iterator[Any]:
        """Connect, or start processes, for as long as the context lasts; a caller's own client stays open."""
        from distributed import Client, LocalCluster

        if isinstance(self.client_or_address, Client):
            yield self.client_or_address
        elif self.client_or_address is not None:
            with _connect(str(self.client_or_address), self.timeout) as client:
                yield client
        else:
            count = self.workers or os.cpu_count() or 1
            with _interrupts_stay_here():
                # A port of its own for what shows the work: two clusters on one machine must not meet.
                local = LocalCluster(  # type: ignore[no-untyped-call]
                    n_workers=count, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
                )
            with local as cluster, Client(cluster) as client:  # type: ignore[no-untyped-call]
                yield client


@contextmanager
def _interrupts_stay_here() -> Iterator[None]:
    """Let processes start that leave Ctrl-C to this one, which then stops them in good order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


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
    pending: deque[Any], submit: Callable[[Item], Any], items: Sequence[Item], ahead: int
) -> Iterator[Any]:
    """Results in order, at most ``ahead`` items submitted and not yet taken; these are in ``pending``."""
    for item in items:
        pending.append(submit(item))
        if len(pending) >= ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _positive(field: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ClusterError(f"{field}: wants a whole number of at least 1, got {value!r}")
