"""What a conformance check found, and how rules say it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trials.evidence.table import Table

type Array = np.ndarray
type Tables = Mapping[str, Table]
type Rule = Callable[[Tables], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    rule
        Short name of the rule.
    data_set
        Name of the data set.
    record
        Number of the first record that breaks it, from 1; 0 when it is about the data set as a whole.
    message
        What is wrong there, and in how many records.
    """

    rule: str
    data_set: str
    record: int
    message: str

    def __str__(self) -> str:
        """One line: ``EX, record 3: EXDOSU is 'mgg' …``."""
        place = f"{self.data_set}, record {self.record}" if self.record else self.data_set
        return f"{place}: {self.message} [{self.rule}]"


def wrong(rule: str, name: str, broken: Array | pd.Series[Any], message: str, values: Any = None) -> Iterator[Finding]:
    """One finding for all records that break a rule: where the first is, what it has, and how many there are."""
    places = np.flatnonzero(np.asarray(broken, dtype=bool))
    if len(places) == 0:
        return
    first = int(places[0])
    got = "" if values is None else f"{pd.Series(values).iloc[first]!r} "
    many = "" if len(places) == 1 else f" ({len(places)} records)"
    yield Finding(rule, name, first + 1, f"{got}{message}{many}")


def text(table: Table, name: str) -> pd.Series[str]:
    """Values of a text variable; empty ones where the data set has no such variable."""
    if name not in table.frame:
        return pd.Series([""] * len(table.frame), dtype=str)
    return table.frame[name].astype(str)


def numbers(table: Table, name: str) -> pd.Series[float]:
    """Values of a numeric variable; missing ones where the data set has no such variable, or it is text."""
    if name not in table.frame:
        return pd.Series(np.full(len(table.frame), np.nan))
    return pd.to_numeric(table.frame[name], errors="coerce")
