"""Solutions in other processes where several threads want them at once.

The chains of a sampler are threads, and Python computes in one thread at a time: two chains of an ODE model take as
long as one after the other. When threads have met often enough that it pays, processes are started that solve for them,
and the threads only wait. What is found is the same to the last bit.
"""

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from typing import IO, Any, Protocol

from engine.dosing.schedule import Floats

PATIENCE = 50
"""So many times threads meet before a process is started, which takes a second or two."""
SERVE = "from engine.gradients.elsewhere import serve; serve()"
Found = tuple[Floats, ...]


class Solvable(Protocol):
    """What can be solved for parameters (subject, column), here or, pickled, elsewhere."""

    def found(self, theta: Floats, *, derive: bool) -> Found:
        """Predictions, and with `derive` their derivatives."""


class Elsewhere:
    """Who solves one piece of work: processes that were started for it, else this one, a thread at a time.

    Parameters
    ----------
    most
        Processes to start at most; by default as many as there are cores, none if there is one.

    Attributes
    ----------
    answers
        How often another process has solved it.
    """

    def __init__(self, most: int | None = None) -> None:
        cores = os.cpu_count() or 1
        self.most = (cores if cores > 1 else 0) if most is None else most
        self.answers = 0
        self._here = threading.Lock()
        self._met = 0
        self._started: list[subprocess.Popen[bytes]] = []
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        weakref.finalize(self, _end, self._started)

    def solve(self, work: Solvable, theta: Floats, *, derive: bool) -> Found:
        """Outputs for parameters, by whoever is free."""
        found = self._asked(theta, derive=derive)
        if found is not None:
            return found
        if not self._here.acquire(blocking=False):
            self._met += 1
            if self._met >= PATIENCE * (1 + len(self._started)) and len(self._started) < self.most:
                self._start(work)
            self._here.acquire()
        try:
            return work.found(theta, derive=derive)
        finally:
            self._here.release()

    def _asked(self, theta: Floats, *, derive: bool) -> Found | None:
        """What another process has found; None where none is free or it could not, so that it is solved here."""
        try:
            one = self._idle.get_nowait()
        except queue.Empty:
            return None
        try:
            _say(one.stdin, (theta, derive))
            found: Found = pickle.load(_open(one.stdout))
        except (OSError, EOFError, pickle.UnpicklingError):
            _end([one])
            return None
        self._idle.put(one)
        self.answers += 1
        return found

    def _start(self, work: Solvable) -> None:
        try:
            written = pickle.dumps(work)
            one = subprocess.Popen(
                [sys.executable, "-c", SERVE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
            )
        except (pickle.PicklingError, AttributeError, TypeError, OSError):
            self.most = 0  # work that cannot be told to another process, or a machine that starts none
            return
        self._started.append(one)
        threading.Thread(target=_prepare, args=(one, written, self._idle), daemon=True).start()


def _prepare(one: subprocess.Popen[bytes], work: bytes, idle: "queue.SimpleQueue[subprocess.Popen[bytes]]") -> None:
    """Hand a process its work and wait until it is ready."""
    try:
        _say(one.stdin, work)
        if pickle.load(_open(one.stdout)) == "ready":
            idle.put(one)
    except (OSError, EOFError, pickle.UnpicklingError):
        _end([one])


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for one in processes:
        one.kill()
        for pipe in (one.stdin, one.stdout):
            if pipe is not None:
                with suppress(OSError):  # what it was still to be told
                    pipe.close()
        one.wait()


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise EOFError("the process has no pipe")
    return pipe


def _say(pipe: IO[bytes] | None, what: Any) -> None:
    pickle.dump(what, _open(pipe), protocol=pickle.HIGHEST_PROTOCOL)
    _open(pipe).flush()


def serve() -> None:
    """Solve, in a process that was started to, until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the one that asks
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed does not mix with the answers
    work: Solvable = pickle.loads(pickle.load(asked))
    _say(answers, "ready")
    while True:
        try:
            theta, derive = pickle.load(asked)
        except EOFError:
            return
        _say(answers, work.found(theta, derive=derive))
