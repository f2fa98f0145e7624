"""How far a long piece of work is and how much time is left, as a line of text."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from engine.execute import Progress


@dataclass(slots=True)
class Line:
    """A line on a terminal that is written again as work goes on; in a file, a new line at every tenth part.

    Parameters
    ----------
    what
        What is counted, such as ``subjects``.
    to
        Where it is written; stderr when None.
    """

    what: str
    to: TextIO | None = None
    began: float = field(default_factory=time.monotonic)
    first: int | None = None
    shown: int = -1

    def __call__(self, done: int, total: int) -> None:
        """Say how far it is; time left is as much again as the rest took so far."""
        first = self.first = done if self.first is None else self.first
        to, passed = self.to or sys.stderr, time.monotonic() - self.began
        tenth = 10 * done // max(1, total)
        if not to.isatty() and tenth == self.shown:
            return
        self.shown = tenth
        left = f", {clock(passed * (total - done) / (done - first))} left" if done > first else ""
        end = "" if done < total else "\n"
        text = f"{done:,} of {total:,} {self.what}, {100 * done // max(1, total)} %, {clock(passed)} passed{left}"
        print(f"\r{text:<78}{end}" if to.isatty() else text, end="" if to.isatty() else "\n", file=to, flush=True)


def clock(seconds: float) -> str:
    """Time as minutes and seconds, with hours when there are any."""
    whole = round(seconds)
    minutes, hours = whole // 60, whole // 3600
    return f"{hours}:{minutes % 60:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def told(progress: bool | Progress, what: str) -> Callable[[int, int], None]:
    """Whom to tell: a line on stderr, nobody, or the caller's own function."""
    if callable(progress):
        return progress
    return Line(what) if progress else lambda _done, _total: None
