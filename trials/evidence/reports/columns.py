"""How wide the columns of a table are to be: their longest words fit, and long texts get what is left."""

from __future__ import annotations

from collections.abc import Sequence

from trials.evidence.reports.document import Grid
from trials.evidence.reports.inline import runs

LONGEST = 16
"""Characters of a word from which on it may be broken after a stroke, dot or underscore."""
BREAKS = "/_.,="
CODE, BOLD = 1.3, 1.1
"""Width of a monospaced and of a bold letter in plain ones."""
SIDES = 2.5
"""What the two edges of a cell take, in letters."""


def shares(grid: Grid, room: float) -> tuple[float, ...]:
    """Relative widths of the columns of `grid` on a line of `room` letters; none when it needs less than the line."""
    columns = list(zip(grid.head, *grid.rows, strict=True))
    least = [max([_word(head) * BOLD, *map(_word, column)]) + SIDES for head, *column in columns]
    if grid.widths:
        return tuple(_stated(grid.widths, least, room))
    natural = [max(map(_line, column)) + SIDES for column in columns]
    if sum(natural) <= room:
        return ()
    return tuple(_shared(least, natural, room))


def _stated(widths: Sequence[float], least: Sequence[float], room: float) -> list[float]:
    """The widths that were asked for; a column that would break a word takes from those that have too much."""
    asked = [room * width / sum(widths) for width in widths]
    lacking = sum(max(few - wide, 0.0) for few, wide in zip(least, asked, strict=True))
    spare = sum(max(wide - few, 0.0) for few, wide in zip(least, asked, strict=True))
    given = min(1.0, lacking / spare) if spare else 0.0
    return [few if wide < few else wide - given * (wide - few) for few, wide in zip(least, asked, strict=True)]


def pieces(word: str) -> list[str]:
    """A word cut where it may be broken; whole while it is short."""
    if len(word) < LONGEST:
        return [word]
    cut = word
    for mark in BREAKS:
        cut = cut.replace(mark, f"{mark}\0")
    return [piece for piece in cut.split("\0") if piece]


def _shared(least: Sequence[float], natural: Sequence[float], room: float) -> list[float]:
    """Give every column its least, and share what is left by how much more each could use, long texts damped."""
    left = max(room - sum(least), 0.0)
    wants = [max(many - few, 0.0) ** 0.7 for few, many in zip(least, natural, strict=True)]
    total = sum(wants) or 1.0
    return [few + left * want / total for few, want in zip(least, wants, strict=True)]


def _line(text: str) -> float:
    return sum(len(run.text) * (CODE if run.kind == "code" else 1.0) for run in runs(text))


def _word(text: str) -> float:
    """Length of the longest piece of a text that cannot be broken."""
    lengths = [0.0]
    for run in runs(text):
        words = run.text.replace("\N{NO-BREAK SPACE}", "x").split()
        lengths += [len(piece) * (CODE if run.kind == "code" else 1.0) for word in words for piece in pieces(word)]
    return max(lengths)
