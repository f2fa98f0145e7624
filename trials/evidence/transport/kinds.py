"""Identifiers and data types by which the files of a data set and its Define-XML know each other."""

from __future__ import annotations

from trials.evidence.table import Column, Table

ISO_8601 = "ISO 8601"
"""Codelist of dates, times and durations."""


def group(table: Table) -> str:
    """Identifier of a data set."""
    return f"IG.{table.name}"


def item(table: Table, column: Column) -> str:
    """Identifier of a variable."""
    return f"IT.{table.name}.{column.name}"


def data_type(column: Column) -> str:
    """Type of a variable in Define-XML: of a text in ISO 8601 a date with time or, of a duration, a duration."""
    if column.kind != "text" or column.codelist != ISO_8601:
        return column.kind
    return "datetime" if column.name.endswith("DTC") else "durationDatetime"
