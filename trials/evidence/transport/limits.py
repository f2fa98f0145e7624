"""What a transport file can hold: names, labels, texts and numbers of SAS transport version 5, and clocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from trials.errors import TrialError
from trials.evidence.table import Column, Table

type Array = np.ndarray

NAME, LABEL, TEXT = 8, 40, 200
"""Most characters of a name, a label and a text: FDA Study Data Technical Conformance Guide."""
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,7}")


def check(table: Table) -> None:
    """Refuse a table that a transport file would cut, change or not hold.

    Raises
    ------
    TrialError
        With every fault: a name of more than 8 characters or not of A-Z, 0-9 and _; a label of more than 40 characters;
        a text of more than 200 characters, with trailing blanks or with characters that are not printable ASCII;
        a number that is infinite, or is not whole in a variable of whole numbers; the same name twice.
    """
    if found := list(faults(table)):
        raise TrialError(f"{table.name} does not fit into a transport file: {'; '.join(found)}")


def faults(table: Table) -> Iterator[str]:
    """Every fault that `check` refuses a table for."""
    yield from _of_label(table.name, table.label)
    if not _NAME.fullmatch(table.name):
        yield f"{table.name!r} is no name of a data set"
    names = [column.name for column in table.columns]
    yield from (f"{name} stands twice" for name in sorted({name for name in names if names.count(name) > 1}))
    for column in table.columns:
        if not _NAME.fullmatch(column.name):
            yield f"{column.name!r} is no name of a variable"
        yield from _of_label(column.name, column.label)
        yield from _of_values(column, table.frame[column.name])


def _of_label(name: str, label: str) -> Iterator[str]:
    if not 0 < len(label) <= LABEL or not _plain(label):
        yield f"the label of {name} wants 1 to {LABEL} ASCII characters, got {label!r}"


def _of_values(column: Column, values: pd.Series[Any]) -> Iterator[str]:
    if column.kind == "text":
        for value in sorted({str(value) for value in values.unique()}):
            if len(value) > TEXT or not _plain(value) or value != value.rstrip():
                yield f"{column.name} has the text {value[:60]!r}, wants at most {TEXT} printable ASCII characters"
                return
        return
    numbers = np.asarray(values, dtype=np.float64)
    if np.isinf(numbers).any():
        yield f"{column.name} is infinite"
    elif column.kind == "integer" and not (np.isnan(numbers) | (numbers == np.round(numbers))).all():
        yield f"{column.name} is not whole"


def _plain(text: str) -> bool:
    return text.isascii() and (text.isprintable() or not text)


def clock(when: str) -> datetime:
    """UTC time of an ISO 8601 text.

    Raises
    ------
    TrialError
        When it is none, or says no time zone.
    """
    try:
        found = datetime.fromisoformat(when)
    except ValueError:
        raise TrialError(f"when: wants a time in ISO 8601, got {when!r}") from None
    if found.tzinfo is None:
        raise TrialError(f"when: wants a time with its time zone, such as 2026-01-31T12:00:00Z, got {when!r}")
    return found.astimezone(UTC)


def numbers(values: pd.Series[Any]) -> Array:
    """Numbers as both formats hold them: minus zero, which transport files do not know, is zero."""
    return np.asarray(values, dtype=np.float64) + 0.0
