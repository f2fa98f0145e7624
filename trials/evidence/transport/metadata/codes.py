"""Code lists of a Define-XML: of CDISC's lists the terms that occur, of the study's own every term that occurs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from odmlib.arm_1_0 import model

from trials.evidence.table import Column, Table
from trials.evidence.terminology import CODELISTS, CodeList
from trials.evidence.transport.kinds import ISO_8601

CONTEXT = "nci:ExtCodeID"


class Codes:
    """Code lists in order of first use, with the terms of every variable that uses them.

    Parameters
    ----------
    standard
        Identifier of the standard that published the lists.
    """

    def __init__(self, standard: str) -> None:
        self.standard = standard
        self.terms: dict[tuple[str, str], dict[str, None]] = {}

    def identifier(self, column: Column, values: Sequence[str]) -> str | None:
        """Identifier of the list of a variable with these values; None when it has no list, or no value."""
        found = sorted({value for value in values if value})
        if not column.codelist or column.codelist == ISO_8601 or not found:
            return None
        kind = "text" if column.kind == "text" else column.kind
        self.terms.setdefault((column.codelist, kind), {}).update(dict.fromkeys(found))
        return _oid(column.codelist, kind)

    def lists(self) -> list[Any]:
        """Every list with its terms."""
        return [self._list(name, kind, list(terms)) for (name, kind), terms in self.terms.items()]

    def _list(self, name: str, kind: str, terms: list[str]) -> Any:
        published, ordered = CODELISTS.get(name), sorted(terms) if kind == "text" else sorted(terms, key=float)
        made: dict[str, Any] = {"OID": _oid(name, kind), "Name": name if published is None else published.title}
        made |= {"DataType": kind}
        if published is None:
            return model.CodeList(**made, EnumeratedItem=[model.EnumeratedItem(CodedValue=one) for one in ordered])
        return model.CodeList(
            **made,
            StandardOID=self.standard,
            CodeListItem=[_item(published, term) for term in ordered],
            Alias=[model.Alias(Context=CONTEXT, Name=published.code)],
        )


def words(table: Table, column: Column) -> list[str]:
    """Distinct values of a variable as text."""
    values = table.frame[column.name].unique()
    return [str(value) for value in values] if column.kind == "text" else [f"{v:.15g}" for v in values if v == v]


def _oid(name: str, kind: str) -> str:
    return f"CL.{name.replace(' ', '_')}{'' if kind == 'text' else '.N'}"


def _item(published: CodeList, term: str) -> Any:
    made: dict[str, Any] = {"CodedValue": term}
    if term in published.terms:
        made["Alias"] = [model.Alias(Context=CONTEXT, Name=published.terms[term])]
    else:
        made["ExtendedValue"] = "Yes"
    text = model.TranslatedText(lang="en", _content=published.decode(term))
    return model.CodeListItem(**made, Decode=model.Decode(TranslatedText=[text]))
