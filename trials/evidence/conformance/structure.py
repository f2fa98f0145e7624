"""Rules on data sets and variables: which there are, in which order, with which labels, keys and identifiers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from trials.evidence.conformance.finding import Finding, Tables, numbers, text, wrong
from trials.evidence.sdtm.domains import DOMAINS, SIMULATED, variables
from trials.evidence.table import Table
from trials.evidence.transport.limits import faults

REQUIRED = ("TS", "TA", "TE", "TV", "TI", "DM", "SE", "SV", "DS")
"""Data sets that every trial of ours has."""


def data_sets(tables: Tables) -> Iterator[Finding]:
    """Every required data set is there, each is a known domain, and its label says that it is simulated."""
    yield from (Finding("data sets", name, 0, "is missing") for name in REQUIRED if name not in tables)
    for name, table in tables.items():
        if name not in DOMAINS:
            yield Finding("data sets", name, 0, "is no domain that we know; names are upper case")
            continue
        label = f"{SIMULATED} {DOMAINS[name].label}"
        if table.label != label:
            yield Finding("labels", name, 0, f"has the label {table.label!r}, wants {label!r}")
        if table.frame.empty:
            yield Finding("data sets", name, 0, "has no records")


def columns(tables: Tables) -> Iterator[Finding]:
    """Variables are those of the domain, in its order, with its labels and kinds."""
    for name, table in _known(tables):
        wanted = {column.name: column for column in variables(name)}
        have = [column.name for column in table.columns]
        yield from (Finding("variables", name, 0, f"{one} is no variable of it") for one in have if one not in wanted)
        for one in wanted.values():
            if one.core != "Perm" and one.name not in have:
                yield Finding("variables", name, 0, f"{one.name} is missing")
        known = [one for one in have if one in wanted]
        if known != [one for one in wanted if one in known]:
            yield Finding("order of variables", name, 0, f"has the variables in the order {', '.join(known)}")
        for column in table.columns:
            spec = wanted.get(column.name)
            if spec is not None and column.label != spec.label:
                yield Finding("labels", name, 0, f"{column.name} has the label {column.label!r}, wants {spec.label!r}")
            if spec is not None and (column.kind == "text") != (spec.kind == "text"):
                yield Finding("kinds", name, 0, f"{column.name} is {column.kind}, wants {spec.kind}")


def lengths(tables: Tables) -> Iterator[Finding]:
    """Names, labels and texts fit into a transport file."""
    for name, table in tables.items():
        yield from (Finding("lengths", name, 0, fault) for fault in faults(table))


def filled(tables: Tables) -> Iterator[Finding]:
    """Required variables have a value in every record."""
    for name, table in _known(tables):
        for column in variables(name):
            if column.core == "Req" and column.name in table.frame:
                values = table.frame[column.name]
                empty = values.isna() if values.dtype.kind == "f" else values.astype(str) == ""
                yield from wrong("required values", name, empty, f"{column.name} is empty")


def identifiers(tables: Tables) -> Iterator[Finding]:
    """STUDYID is one and the same, DOMAIN the name, USUBJID of somebody in DM."""
    study = text(tables["TS"], "STUDYID").iloc[0] if "TS" in tables and len(tables["TS"].frame) else ""
    study = study or next((text(one, "STUDYID").iloc[0] for one in tables.values() if len(one.frame)), "")
    people = set(text(tables["DM"], "USUBJID")) if "DM" in tables else None
    for name, table in tables.items():
        found = text(table, "STUDYID")
        yield from wrong("STUDYID", name, found != study, f"is STUDYID, wants {study!r}", found)
        found = text(table, "DOMAIN")
        yield from wrong("DOMAIN", name, found != name, f"is DOMAIN, wants {name!r}", found)
        if people is not None and "USUBJID" in table.frame:
            found = text(table, "USUBJID")
            yield from wrong("USUBJID", name, ~found.isin(people), "is USUBJID of nobody in DM", found)
    if "DM" in tables:
        one = tables["DM"]
        made = text(one, "STUDYID") + "-" + text(one, "SUBJID")
        yield from wrong(
            "USUBJID", "DM", made != text(one, "USUBJID"), "is not STUDYID and SUBJID", text(one, "USUBJID")
        )


def keys(tables: Tables) -> Iterator[Finding]:
    """Keys tell every record from the others, and records are in their order."""
    for name, table in _known(tables):
        used = [key for key in ("STUDYID", *DOMAINS[name].keys) if key in table.frame]
        frame = table.frame[used]
        frame = frame.fillna({key: np.inf for key in used if frame[key].dtype.kind == "f"})
        yield from wrong("keys", name, frame.duplicated(), f"has the keys {', '.join(used)} of another record")
        ordered = frame.sort_values(used, kind="stable").index
        yield from wrong(
            "order of records", name, ordered != np.arange(len(frame)), f"is not in order of {', '.join(used)}"
        )


def sequences(tables: Tables) -> Iterator[Finding]:
    """--SEQ counts the records of a subject from 1."""
    for name, table in _known(tables):
        sequence = f"{name}SEQ"
        if sequence not in table.frame or "USUBJID" not in table.frame:
            continue
        found = numbers(table, sequence)
        wanted = table.frame.groupby("USUBJID").cumcount() + 1.0
        yield from wrong(
            "--SEQ", name, found != wanted, f"is {sequence}, which counts the subject's records from 1", found
        )


def _known(tables: Tables) -> Iterator[tuple[str, Table]]:
    return ((name, table) for name, table in tables.items() if name in DOMAINS)


RULES = (data_sets, columns, lengths, filled, identifiers, keys, sequences)
