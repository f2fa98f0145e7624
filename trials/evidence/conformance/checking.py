"""All rules on the data sets of a trial, in memory or in a package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trials.evidence.conformance import relations, structure, values
from trials.evidence.conformance.finding import Finding, Rule
from trials.evidence.table import Table
from trials.evidence.transport import xpt

if TYPE_CHECKING:
    from trials.trust.finding import Finding as Found

RULES: tuple[Rule, ...] = (*structure.RULES, *values.RULES, *relations.RULES)


def check(tables: Iterable[Table]) -> tuple[Finding, ...]:
    """Findings of every rule in the SDTM of one trial; none when all is well.

    Where a rule cannot be tried, because a variable that it needs is missing, it says so.
    """
    named = {table.name: table for table in tables}
    return tuple(finding for rule in RULES for finding in _tried(rule, named))


def _tried(rule: Rule, named: dict[str, Table]) -> Iterator[Finding]:
    try:
        yield from rule(named)
    except KeyError as missing:
        yield Finding(getattr(rule, "__name__", "rule"), "", 0, f"cannot be tried: {missing} is missing")


def look(bag: Path, paths: Sequence[Path]) -> Iterator[Found]:
    """Check the transport files of a package, all of a folder together, as `trialtwin verify` asks for it."""
    from trials.trust.finding import Finding as Found

    for folder in sorted({path.parent for path in paths}):
        place = folder.relative_to(bag).as_posix()
        found = check(xpt.read(path) for path in sorted(folder.glob("*.xpt")))
        yield from (Found(f"{place}/{one.data_set.lower()}.xpt", str(one)) for one in found)
