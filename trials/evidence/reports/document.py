"""A document: what a report says, before anybody decides whether it becomes HTML, PDF or DOCX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from trials.errors import TrialError


@dataclass(frozen=True, slots=True)
class Trace:
    """Where the numbers of a table or figure come from: file in the package, which records, how, by which code."""

    data: str
    where: str
    method: str
    code: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of plain text; ``**bold**`` and `` `code` `` are understood, here and wherever text stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of paragraphs."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: caption, heads of its columns, rows of text, and which columns are numbers (aligned right)."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[int] = ()
    trace: Trace | None = None
    widths: Sequence[float] = ()
    """Relative widths of the columns; none: by content."""
    wide: bool = False
    """Whether it has a page of its own, turned on its side, where there are pages."""

    def __post_init__(self) -> None:
        """Refuse rows or widths that do not fit the head."""
        lengths = {len(row) for row in self.rows} | ({len(self.widths)} if self.widths else set())
        if lengths - {len(self.head)}:
            raise TrialError(f"table {self.caption!r}: has {len(self.head)} heads, got rows or widths of {lengths}")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: its SVG text, a caption, and what somebody who cannot see it is told."""

    caption: str
    svg: str
    alt: str
    trace: Trace | None = None


@dataclass(frozen=True, slots=True)
class Equation:
    """An equation in LaTeX, and the same in words."""

    latex: str
    alt: str


@dataclass(frozen=True, slots=True)
class Code:
    """Lines of code or of a log, in a monospaced type."""

    text: str


type Block = Paragraph | Bullets | Grid | Figure | Equation | Code


@dataclass(frozen=True, slots=True)
class Section:
    """A section with its blocks and sections within; it is numbered by its place."""

    title: str
    blocks: Sequence[Block] = ()
    sections: Sequence[Section] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A document.

    Attributes
    ----------
    name
        File name without suffix, lower case: ``mar``.
    title, subtitle
        As on the first page.
    about
        Pairs of the first page: Study, Sponsor, Author, Date, Version …
    sections
        Its text.
    draft
        Whether DRAFT stands on every page.
    date
        Day it speaks of, ISO 8601 (``2026-11-21`` or with a time): of the run, never of the printing; empty for none.
    study
        Study identifier, for the head of every page.
    author
        Who answers for it; empty while nobody does.
    contents
        Whether it has a table of contents.
    """

    name: str
    title: str
    subtitle: str
    about: Sequence[tuple[str, str]] = ()
    sections: Sequence[Section] = field(default=())
    draft: bool = False
    date: str = ""
    study: str = ""
    author: str = ""
    contents: bool = True
