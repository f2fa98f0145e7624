"""Whether the numbers that documents print are those of the run."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from trials.bag import RUN
from trials.evidence.reports.naming import characteristic
from trials.trust.finding import Finding

HEAD = ("Scenario", "Analysis", "Characteristic", "Value", "MCSE", "Replicates")
"""Head of the table in which a document prints every characteristic."""
DIGITS = {"value": 6, "mcse": 3}
"""Significant digits it prints."""
COMPLETE = "simulation-report"
"""Document that has this table."""


class Tables(HTMLParser):
    """Texts of the cells of the tables of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """Begin a table, a row or a cell."""
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        """End a cell."""
        if tag in ("td", "th") and self._cell is not None:
            if self.tables and self.tables[-1]:
                self.tables[-1][-1].append("".join(self._cell).strip())
            self._cell = None

    def handle_data(self, data: str) -> None:
        """Collect the text of a cell."""
        if self._cell is not None:
            self._cell.append(data)


def reports(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """Compare every characteristic that a report prints with that of the run, to the digits that are printed."""
    found = json.loads((bag / RUN / "characteristics.json").read_bytes())
    wanted: dict[tuple[str, ...], Mapping[str, Any]] = {
        (scenario, analysis, characteristic(name)): entry
        for scenario, analyses in found.items()
        for analysis, names in analyses.items()
        for name, entry in names.items()
    }
    for path in paths:
        reader, where = Tables(), path.relative_to(bag).as_posix()
        reader.feed(path.read_text(encoding="utf-8"))
        tables = [table for table in reader.tables if table and tuple(table[0]) == HEAD]
        if path.stem == COMPLETE and not tables:
            yield Finding(where, "prints no table of every characteristic")
        for rows in tables:
            yield from _differences({(*row[:2], _named(row[2])): row[3:] for row in rows[1:]}, wanted, where)


def _named(text: str) -> str:
    """Name of a characteristic, also where the report of version 0.5 printed the run's own."""
    return characteristic(text.replace(" ", "_")) if ": " not in text else text


def criteria(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """Judge each criterion of the assessment table again by the characteristics of the run."""
    from trials.evidence.answers import Criterion
    from trials.evidence.criteria import judged

    fields = {field.name for field in dataclasses.fields(Criterion)}
    found = json.loads((bag / RUN / "characteristics.json").read_bytes())
    for path in paths:
        for one in json.loads(path.read_bytes())["criteria"]:
            again = judged(Criterion(**{name: value for name, value in one.items() if name in fields}), found)
            for name in ("value", "mcse", "replicates", "met"):
                if one[name] != getattr(again, name):
                    where = f"{path.relative_to(bag).as_posix()} {one['name']}"
                    yield Finding(where, f"says {name} {one[name]!r}, the run {getattr(again, name)!r}")


def _differences(
    said: Mapping[tuple[str, ...], Sequence[str]], wanted: Mapping[tuple[str, ...], Mapping[str, Any]], where: str
) -> Iterator[Finding]:
    for key in sorted({*said, *wanted}):
        if key not in said or key not in wanted:
            yield Finding(where, f"{' '.join(key)} {'is not printed' if key not in said else 'is not of the run'}")
            continue
        printed, entry = dict(zip(("value", "mcse", "replicates"), said[key], strict=True)), wanted[key]
        same = all(_is(printed[name], entry[name], digits) for name, digits in DIGITS.items())
        if not same or printed["replicates"] != str(entry["replicates"]):
            yield Finding(where, f"prints {printed} for {' '.join(key)}, which is {entry}")


def _is(text: str, value: float | None, digits: int) -> bool:
    """Whether a text is the number to so many digits."""
    try:
        number = float(text.replace("−", "-").replace(",", "").replace("\N{NO-BREAK SPACE}", ""))
    except ValueError:
        return value is None or not math.isfinite(value)
    return value is not None and math.isclose(number, value, rel_tol=0.51 * 10.0 ** (1 - digits), abs_tol=1e-300)
