"""Conditions such as ``PARAMCD EQ CMAX AND ANL01FL EQ Y`` as where clauses of a Define-XML."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from odmlib.arm_1_0 import model

from trials.checks import refuse
from trials.evidence.table import Table
from trials.evidence.transport.kinds import item

_ONE = re.compile(r"([A-Z][A-Z0-9_]*) (EQ|NE|LT|LE|GT|GE|IN|NOTIN) (.+)")


class Check(NamedTuple):
    """A variable compared with one value or several."""

    variable: str
    comparator: str
    values: tuple[str, ...]


def parse(where: str) -> tuple[Check, ...]:
    """Read a condition.

    Parameters
    ----------
    where
        Comparisons joined by `` AND ``: a variable, one of EQ NE LT LE GT GE with a value, or IN, NOTIN with values in
        parentheses and separated by commas.

    Raises
    ------
    TrialError
        When it is not written like this.
    """
    return tuple(_check(part.strip(), where) for part in where.split(" AND "))


def _check(part: str, where: str) -> Check:
    found = _ONE.fullmatch(part)
    if found is None:
        raise refuse("where", where, "comparisons such as 'PARAMCD EQ CMAX' joined by AND")
    name, comparator, rest = found.groups()
    if comparator not in ("IN", "NOTIN"):
        return Check(name, comparator, (rest.strip("\"'"),))
    if not (rest.startswith("(") and rest.endswith(")")):
        raise refuse("where", where, "the values of IN in parentheses")
    return Check(name, comparator, tuple(value.strip().strip("\"'") for value in rest[1:-1].split(",")))


class Clauses:
    """Where clauses that each distinct condition on a data set gets once, in order of first use."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], Any] = {}

    def identifier(self, table: Table, where: str) -> str:
        """Identifier of a condition.

        Raises
        ------
        TrialError
            When it names a variable that the data set has not.
        """
        key = (table.name, where)
        if key not in self.found:
            oid = f"WC.{table.name}.{len(self.found) + 1}"
            self.found[key] = model.WhereClauseDef(OID=oid, RangeCheck=[_range(table, one) for one in parse(where)])
        return str(self.found[key].OID)


def _range(table: Table, check: Check) -> Any:
    column = next((one for one in table.columns if one.name == check.variable), None)
    if column is None:
        raise refuse("where", check.variable, f"a variable of {table.name}")
    return model.RangeCheck(
        Comparator=check.comparator,
        SoftHard="Soft",
        ItemOID=item(table, column),
        CheckValue=[model.CheckValue(_content=value) for value in check.values],
    )
