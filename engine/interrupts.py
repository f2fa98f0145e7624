"""Ctrl-C while other processes start."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def interrupts_kept() -> Iterator[list[int]]:
    """Let processes start that leave Ctrl-C to this one, which then stops them in good order.

    Yields
    ------
    Interrupts that came meanwhile, for the caller to act on when the processes can be stopped. They are blocked rather
    than ignored: children inherit the one as the other, but an ignored one would be lost here too.
    """
    came: list[int] = []
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or not hasattr(signal, "pthread_sigmask") or signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        yield came
        return
    resource_tracker.ensure_running()  # which unblocks the signal in the thread that first asks for it
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield came
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, before)
