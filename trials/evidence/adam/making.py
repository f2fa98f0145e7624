"""How analysis data sets are put together: columns with their values, variables taken over from the subject level."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from trials.evidence.table import Column, Kind, Table

type Values = Sequence[object] | np.ndarray | pd.Series[Any]
type Variable = tuple[Column, Values]
"""Metadata of a variable, and its value in every record."""

BDS = "BASIC DATA STRUCTURE"
TIMED, MODELLED = f"{BDS} / TIME-TO-EVENT", f"{BDS} / POPULATION PHARMACOKINETIC ANALYSIS"
"""Subclasses of it."""
SUBJECTS = "SUBJECT LEVEL ANALYSIS DATASET"
OTHER = "ADAM OTHER"

PLAIN = str.maketrans({
    "\N{MICRO SIGN}": "u", "\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{EM DASH}": "-",
    "\N{MULTIPLICATION SIGN}": "x", "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LESS-THAN OR EQUAL TO}": "<=", "\N{GREATER-THAN OR EQUAL TO}": ">=",
})  # fmt: skip
"""Characters whose loss would change what a text says, and what stands for them."""
SMALLEST = 16.0**-65
"""Smallest positive number of a transport file (TS-140: IBM 360 floating point); what is nearer to zero is zero."""


def table(
    name: str, label: str, structure: str, variables: Iterable[Variable], *, of: str = BDS, keys: Sequence[str],
    told: Mapping[str, str] | None = None,
) -> Table:  # fmt: skip
    """Make a data set of variables with their values, sorted by its keys; its label says that it is simulated.

    `told` says of parameters, by PARAMCD, more than their names do.
    """
    given = list(variables)
    frame = pd.DataFrame({column.name: _typed(column, values) for column, values in given})
    frame = frame.sort_values(list(keys), kind="stable", ignore_index=True)
    columns = tuple(column for column, _ in given)
    values = _of_parameters(columns, frame, told or {}) if {"PARAM", "AVAL"} <= set(frame) else {}
    return Table(
        name, f"SIMULATED {label}", structure, of, keys, columns, frame, repeating=of != SUBJECTS, values=values
    )


def _of_parameters(
    columns: Sequence[Column], frame: pd.DataFrame, told: Mapping[str, str]
) -> dict[str, dict[str, Column]]:
    """Metadata of AVAL for each parameter: what it is, and how it came about."""
    about = next(column for column in columns if column.name == "AVAL")
    made: dict[str, Column] = {}
    for code, name in frame[["PARAMCD", "PARAM"]].drop_duplicates().sort_values("PARAMCD").itertuples(index=False):
        source = f"{told.get(code, name)}. {about.source}" if about.origin == "Derived" else about.source
        made[f"PARAMCD EQ {code}"] = replace(about, source=source)
    return {"AVAL": made}


def _typed(column: Column, values: Values) -> pd.Series[Any]:
    made = pd.Series(np.asarray(values) if not isinstance(values, pd.Series) else values.to_numpy())
    return made.fillna("").astype(str) if column.kind == "text" else held(made)


def held(values: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers as a transport file can hold them: infinite ones missing, those too small zero."""
    numbers = np.asarray(values, dtype=np.float64)
    small = (numbers != 0) & (np.abs(numbers) < SMALLEST)
    return pd.Series(np.where(np.isinf(numbers), np.nan, np.where(small, 0.0, numbers)), index=values.index)


def predecessor(name: str, label: str, source: str, kind: Kind = "text", **more: Any) -> Column:
    """Column whose values are those of another data set: ``DM.USUBJID``."""
    return Column(name, label, kind, "Predecessor", source, **more)


def derived(name: str, label: str, source: str, kind: Kind = "text", **more: Any) -> Column:
    """Column that is computed, as `source` says."""
    return Column(name, label, kind, "Derived", source, **more)


def assigned(name: str, label: str, source: str = "", kind: Kind = "text", **more: Any) -> Column:
    """Column whose values somebody gave."""
    return Column(name, label, kind, "Assigned", source, **more)


def of_subjects(adsl: Table, subjects: Values, names: Iterable[str]) -> list[Variable]:
    """Variables of the subject level, where it has them, for the subject of each record."""
    frame = adsl.frame.set_index("USUBJID", drop=False)
    wanted = pd.Index(np.asarray(subjects, dtype=object))
    found: list[Variable] = []
    for name in names:
        if name not in frame.columns:
            continue
        column = adsl.column(name)
        source = f"ADSL.{name}"
        made = Column(
            name, column.label, column.kind, "Predecessor", source, column.codelist, column.format, column.core
        )
        found.append((made, frame[name].reindex(wanted).to_numpy()))
    return found


def by_subject(frame: pd.DataFrame, value: str, subjects: Sequence[str]) -> pd.Series[Any]:
    """Value of a variable for each subject, from a frame with at most one record a subject."""
    return frame.set_index("USUBJID")[value].reindex(list(subjects))


def flag(where: np.ndarray) -> np.ndarray:
    """``Y`` or empty."""
    return np.where(where, "Y", "")


def ascii_text(text: str) -> str:
    """The text in the printable ASCII characters that a transport file takes."""
    plain = unicodedata.normalize("NFKD", text.translate(PLAIN)).encode("ascii", "ignore").decode()
    return " ".join(plain.split())


def find(tables: Iterable[Table], name: str) -> Table | None:
    """The data set of that name, or None."""
    return next((one for one in tables if one.name == name), None)


def named(tables: Iterable[Table]) -> Mapping[str, Table]:
    """Data sets by name."""
    return {one.name: one for one in tables}
