"""A document from its first heading to its last line, with its sections, tables and figures numbered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from trials.evidence.reports.document import (
    Bullets,
    Code,
    Document,
    Equation,
    Figure,
    Grid,
    Paragraph,
    Section,
    Trace,
)

SIMULATED = "SIMULATED DATA — virtual subjects"
DRAFT = "DRAFT"


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: its level from 1 on, its number as ``3.2`` and its title."""

    level: int
    number: str
    title: str


@dataclass(frozen=True, slots=True)
class Captioned:
    """A table or figure with its label, ``Table 3``."""

    label: str
    block: Grid | Figure


type Item = Heading | Captioned | Paragraph | Bullets | Equation | Code


def flow(document: Document) -> tuple[Item, ...]:
    """Every item of the document in its order."""
    return tuple(_sections(document.sections, (), count(1), count(1)))


def headings(document: Document) -> tuple[Heading, ...]:
    """Headings for the table of contents."""
    return tuple(item for item in flow(document) if isinstance(item, Heading))


def source(trace: Trace) -> str:
    """The line under a table or figure that says where its numbers come from."""
    parts = {"Data": f"`{trace.data}`", "records": trace.where, "method": trace.method, "code": f"`{trace.code}`"}
    return "; ".join(f"{name}: {text}" for name, text in parts.items() if text.strip("`"))


def marks(document: Document) -> tuple[str, ...]:
    """What stands on every page."""
    return (SIMULATED, DRAFT) if document.draft else (SIMULATED,)


def _sections(
    sections: Sequence[Section], above: tuple[int, ...], tables: Iterator[int], figures: Iterator[int]
) -> Iterator[Item]:
    for number, section in enumerate(sections, 1):
        place = (*above, number)
        yield Heading(len(place), ".".join(map(str, place)), section.title)
        for block in section.blocks:
            match block:
                case Grid():
                    yield Captioned(f"Table {next(tables)}", block)
                case Figure():
                    yield Captioned(f"Figure {next(figures)}", block)
                case _:
                    yield block
        yield from _sections(section.sections, place, tables, figures)
