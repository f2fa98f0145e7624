"""Ctrl-C and a polite `kill`: the run stops in good order, wherever it is."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Stop:
    """Handler of signals that ask the run to stop; remembers the last one.

    An interrupt that is raised while a library is being imported, or below compiled code, may be swallowed there:
    what is remembered is raised again by :func:`check`.
    """

    asked: int = 0

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Interrupt what is being done."""
        self.asked = number
        raise KeyboardInterrupt

    @property
    def code(self) -> int:
        """Exit code by which a shell knows the signal; of Ctrl-C when none came."""
        return 128 + (self.asked or signal.SIGINT)


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Handle the signals as long as the context lasts, where they are not ignored (a job started with ``&``)."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    handled = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    for number in handled:
        signal.signal(number, stop)
    try:
        yield stop
    finally:
        for number in handled:
            signal.signal(number, before[number])


def check() -> None:
    """Raise KeyboardInterrupt when a stop was asked for and nobody heeded it."""
    handler = signal.getsignal(signal.SIGTERM)
    if isinstance(handler, Stop) and handler.asked:
        raise KeyboardInterrupt
