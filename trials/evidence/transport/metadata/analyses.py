"""Analysis Results Metadata 1.0: displays, their results, and from which records they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from odmlib.arm_1_0 import model

from trials.checks import refuse
from trials.evidence.table import Table
from trials.evidence.transport.kinds import group, item
from trials.evidence.transport.metadata.clauses import Clauses
from trials.evidence.transport.metadata.texts import described
from trials.evidence.transport.results import AnalysisResult, Display


def displays(shown: Sequence[Display], tables: Mapping[str, Table], clauses: Clauses) -> Any:
    """Displays with their results.

    Raises
    ------
    TrialError
        When a result names a data set or a variable that is not described.
    """
    return model.AnalysisResultDisplays(
        ResultDisplay=[_display(one, number, tables, clauses) for number, one in enumerate(shown, 1)]
    )


def leaf(shown: Display, number: int) -> Any:
    """Document that holds a display."""
    title = model.title(_content=shown.title or shown.document)
    return model.leaf(ID=f"LF.RD.{number}", href=shown.document, title=title)


def _display(shown: Display, number: int, tables: Mapping[str, Table], clauses: Clauses) -> Any:
    made: dict[str, Any] = {"OID": f"RD.{number}", "Name": shown.name, "Description": described(shown.description)}
    if shown.document:
        made["DocumentRef"] = [model.DocumentRef(leafID=f"LF.RD.{number}")]
    made["AnalysisResult"] = [_result(one, f"AR.{number}.{one.name}", tables, clauses) for one in shown.results]
    return model.ResultDisplay(**made)


def _result(one: AnalysisResult, oid: str, tables: Mapping[str, Table], clauses: Clauses) -> Any:
    made: dict[str, Any] = {"OID": oid}
    if one.parameter:
        table = _table(next(iter(one.variables)), tables, one)
        made["ParameterOID"] = _item(table, one.parameter, one)
    made |= {"AnalysisReason": one.reason, "AnalysisPurpose": one.purpose, "Description": described(one.description)}
    sets = [_data_set(one, name, tables, clauses) for name in one.variables]
    made["AnalysisDatasets"] = model.AnalysisDatasets(AnalysisDataset=sets)
    if one.documentation:
        made["Documentation"] = model.Documentation(Description=described(one.documentation))
    if one.code:
        made["ProgrammingCode"] = model.ProgrammingCode(Context=one.context, Code=model.Code(_content=one.code))
    return model.AnalysisResult(**made)


def _data_set(one: AnalysisResult, name: str, tables: Mapping[str, Table], clauses: Clauses) -> Any:
    table = _table(name, tables, one)
    made: dict[str, Any] = {"ItemGroupOID": group(table)}
    if name in one.where:
        made["WhereClauseRef"] = model.WhereClauseRef(WhereClauseOID=clauses.identifier(table, one.where[name]))
    named = [model.AnalysisVariable(ItemOID=_item(table, variable, one)) for variable in one.variables[name]]
    return model.AnalysisDataset(**made, AnalysisVariable=named)


def _table(name: str, tables: Mapping[str, Table], one: AnalysisResult) -> Table:
    if name not in tables:
        raise refuse(f"results.{one.name}.variables", name, f"one of {', '.join(tables)}")
    return tables[name]


def _item(table: Table, name: str, one: AnalysisResult) -> str:
    found = next((column for column in table.columns if column.name == name), None)
    if found is None:
        raise refuse(f"results.{one.name}.variables", f"{table.name}.{name}", f"a variable of {table.name}")
    return item(table, found)
