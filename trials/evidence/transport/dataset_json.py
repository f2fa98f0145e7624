"""Dataset-JSON 1.1 files: the same content as the transport files, for machines that read JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trials.evidence.table import Column, Table
from trials.evidence.transport import limits
from trials.evidence.transport.kinds import data_type, group, item

TYPES = {"integer": "integer", "float": "double", "datetime": "datetime", "date": "date"}
"""Type of Dataset-JSON for a type of Define-XML; any other is a string."""


def write(table: Table, path: Path, when: str, study: str) -> None:
    """Write a data set; whoever reads it back finds what `transport.xpt` wrote.

    Parameters
    ----------
    table
        The data set.
    path
        File to write; its bytes depend on the arguments alone.
    when
        Time of creation, ISO 8601 with its time zone.
    study
        Study identifier.

    Raises
    ------
    TrialError
        When the table would not fit into a transport file either.
    """
    limits.check(table)
    records = [_cells(column, table.frame[column.name]) for column in table.columns]
    head = {
        "datasetJSONCreationDateTime": limits.clock(when).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "datasetJSONVersion": "1.1.0",
        "fileOID": f"{study}.{table.name}",
        "originator": "Trialtwin",
        "sourceSystem": {"name": "Trialtwin", "version": version("trialtwin")},
        "studyOID": f"STUDY.{study}",
        "metaDataVersionOID": f"MDV.{study}",
        "metaDataRef": "define.xml",
        "itemGroupOID": group(table),
        "records": len(table.frame),
        "name": table.name,
        "label": table.label,
        "columns": list(_columns(table)),
    }
    rows = list(zip(*records, strict=True))
    lines = json.dumps(head, indent=1, ensure_ascii=True)[:-2]
    body = ",\n".join(json.dumps(row, ensure_ascii=True, allow_nan=False, separators=(",", ":")) for row in rows)
    path.write_text(f'{lines},\n "rows": [\n{body}\n]}}\n', encoding="ascii")


def read(path: Path) -> Table:
    """Read a data set with what the file knows of it: names, labels, kinds, formats and keys."""
    found = json.loads(path.read_text(encoding="utf-8"))
    columns = tuple(_column(one) for one in found["columns"])
    values = list(zip(*found["rows"], strict=True)) or [() for _ in columns]
    kept = {c.name: _series(c, list(cells)) for c, cells in zip(columns, values, strict=True)}
    keys = sorted((one["keySequence"], one["name"]) for one in found["columns"] if "keySequence" in one)
    return Table(
        name=found["name"],
        label=found["label"],
        structure="",
        of="",
        keys=[name for _, name in keys],
        columns=columns,
        frame=pd.DataFrame(kept, columns=list(kept)),
    )


def _columns(table: Table) -> Iterator[dict[str, Any]]:
    for column in table.columns:
        kind = data_type(column)
        one: dict[str, Any] = {
            "itemOID": item(table, column),
            "name": column.name,
            "label": column.label,
            "dataType": TYPES.get(kind, "string"),
        }
        if column.kind == "text":
            one["length"] = max(1, int(table.frame[column.name].str.len().max())) if len(table.frame) else 1
        if column.format:
            one["displayFormat"] = column.format
        if column.name in table.keys:
            one["keySequence"] = list(table.keys).index(column.name) + 1
        yield one


def _cells(column: Column, values: pd.Series[Any]) -> list[Any]:
    """Values of a variable: text, whole numbers, other numbers, or null."""
    if column.kind == "text":
        return [str(value) for value in values]
    numbers = limits.numbers(values)
    made = [int(value) for value in np.nan_to_num(numbers)] if column.kind == "integer" else numbers.tolist()
    return [None if missing else value for value, missing in zip(made, np.isnan(numbers), strict=True)]


def _column(one: dict[str, Any]) -> Column:
    kind = {"integer": "integer", "double": "float"}.get(one["dataType"], "text")
    return Column(one["name"], one["label"], kind, format=one.get("displayFormat", ""))  # type: ignore[arg-type]


def _series(column: Column, cells: list[Any]) -> pd.Series[Any]:
    if column.kind == "text":
        return pd.Series(["" if value is None else value for value in cells], dtype=str)
    return pd.Series([np.nan if value is None else value for value in cells], dtype=np.float64)
