"""Data sets and variables of a Define-XML, with metadata of single values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from odmlib.arm_1_0 import model

from trials.evidence.table import Column, Table
from trials.evidence.transport import limits
from trials.evidence.transport.kinds import data_type, group, item
from trials.evidence.transport.metadata.clauses import Clauses, parse
from trials.evidence.transport.metadata.codes import Codes, words
from trials.evidence.transport.metadata.texts import Shared, described

type Array = np.ndarray

COMPARATORS: Mapping[str, Callable[[Array, Array], Array]] = MappingProxyType(
    {
        "EQ": np.isin,
        "IN": np.isin,
        "NE": lambda column, wanted: ~np.isin(column, wanted),
        "NOTIN": lambda column, wanted: ~np.isin(column, wanted),
        "LT": lambda column, wanted: column < wanted[0],
        "LE": lambda column, wanted: column <= wanted[0],
        "GT": lambda column, wanted: column > wanted[0],
        "GE": lambda column, wanted: column >= wanted[0],
    }
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the data sets of one Define-XML share."""

    standard: str
    terminology: str
    purpose: str
    codes: Codes
    clauses: Clauses = field(default_factory=Clauses)
    methods: Shared = field(default_factory=lambda: Shared("MT"))
    comments: Shared = field(default_factory=lambda: Shared("COM"))
    lists: list[Any] = field(default_factory=list)
    items: list[Any] = field(default_factory=list)

    def data_set(self, table: Table) -> Any:
        """Definition of a data set; those of its variables go to `items`."""
        refs = [self._variable(table, column, order) for order, column in enumerate(table.columns, 1)]
        leaf = f"LF.{table.name}"
        file = f"{table.name.lower()}.xpt"
        return model.ItemGroupDef(
            OID=group(table),
            Name=table.name,
            Repeating="Yes" if table.repeating else "No",
            IsReferenceData="Yes" if table.reference else "No",
            SASDatasetName=table.name,
            **({"Domain": table.name} if self.purpose == "Tabulation" else {}),
            Structure=table.structure,
            Purpose=self.purpose,
            StandardOID=self.standard,
            ArchiveLocationID=leaf,
            Description=described(table.label),
            ItemRef=refs,
            Class=_class(table.of),
            leaf=model.leaf(ID=leaf, href=file, title=model.title(_content=file)),
        )

    def _variable(self, table: Table, column: Column, order: int) -> Any:
        oid = item(table, column)
        one = self._item(oid, column, table.frame[column.name], words(table, column) if column.codelist else ())
        self.items.append(one)
        if table.values.get(column.name):
            one.ValueListRef = model.ValueListRef(ValueListOID=f"VL.{table.name}.{column.name}")
            self.lists.append(self._values(table, column))
        mandatory = "Yes" if column.core == "Req" else "No"
        keys = list(table.keys)
        made = {"ItemOID": oid, "OrderNumber": order, "Mandatory": mandatory, **self._method(column)}
        if column.name in keys:
            made["KeySequence"] = keys.index(column.name) + 1
        if column.role:
            made["Role"] = column.role
        return model.ItemRef(**made)

    def _values(self, table: Table, column: Column) -> Any:
        refs = []
        for order, (where, value) in enumerate(table.values[column.name].items(), 1):
            oid = f"{item(table, column)}.{order}"
            here = table.frame.loc[_chosen(table, where), column.name]
            named = replace(value, name=column.name)
            self.items.append(self._item(oid, named, here, [str(one) for one in here.unique()]))
            clause = model.WhereClauseRef(WhereClauseOID=self.clauses.identifier(table, where))
            refs.append(
                model.ItemRef(
                    ItemOID=oid, OrderNumber=order, Mandatory="No", **self._method(value), WhereClauseRef=[clause]
                )
            )
        return model.ValueListDef(OID=f"VL.{table.name}.{column.name}", ItemRef=refs)

    def _method(self, column: Column) -> dict[str, str]:
        derived = column.origin == "Derived" and column.source
        return {"MethodOID": self.methods.identifier(column.source)} if derived else {}

    def _item(self, oid: str, column: Column, values: pd.Series[Any], terms: Sequence[str]) -> Any:
        made: dict[str, Any] = {"OID": oid, "Name": column.name, "DataType": data_type(column)}
        made |= dict(_sizes(column, values)) | {"SASFieldName": column.name}
        if column.format:
            made["DisplayFormat"] = column.format
        if column.origin in ("Assigned", "Protocol") and column.source:
            made["CommentOID"] = self.comments.identifier(column.source)
        listed = self.codes.identifier(column, terms)
        made["Description"] = described(column.label)
        if listed is not None:
            made["CodeListRef"] = model.CodeListRef(CodeListOID=listed)
        made["Origin"] = [_origin(column)]
        return model.ItemDef(**made)


def _origin(column: Column) -> Any:
    if column.origin == "Predecessor":
        return model.Origin(Type="Predecessor", Description=described(column.source))
    if column.origin == "Collected" and column.source:
        return model.Origin(Type="Collected", Source="Sponsor", Description=described(column.source))
    return model.Origin(Type=column.origin, Source="Sponsor")


def _class(of: str) -> Any:
    """Class of a data set; ``BASIC DATA STRUCTURE / TIME-TO-EVENT`` names a subclass too."""
    name, _, below = of.partition(" / ")
    return model.Class(Name=name, **({"SubClass": [model.SubClass(Name=below)]} if below else {}))


def _sizes(column: Column, values: pd.Series[Any]) -> Iterator[tuple[str, int]]:
    """Length, and of a number with decimals how many it has."""
    if column.kind == "text":
        if data_type(column) == "text":
            yield "Length", max(1, int(values.str.len().max())) if len(values) else 1
        return
    shown = [f"{value:.15g}" for value in limits.numbers(values.dropna())] or ["0"]
    yield "Length", max(map(len, shown))
    if column.kind == "float":
        yield "SignificantDigits", max(len(text.partition("e")[0].partition(".")[2]) for text in shown)


def _chosen(table: Table, where: str) -> Array:
    """Records for which a condition holds."""
    kept = np.ones(len(table.frame), dtype=bool)
    for variable, comparator, values in parse(where):
        text = table.column(variable).kind == "text"
        column = table.frame[variable].to_numpy(dtype=str if text else np.float64)
        wanted = np.asarray(values, dtype=str if text else np.float64)
        kept &= COMPARATORS[comparator](column, wanted)
    return kept
