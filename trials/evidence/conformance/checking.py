"""All rules on the data sets of a trial."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trials.evidence.conformance import relations, structure, values
from trials.evidence.conformance.finding import Finding, Rule
from trials.evidence.table import Table

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
