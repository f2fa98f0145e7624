"""Rules on values: terminology, dates, study days, results and units."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from trials.evidence.conformance.finding import Finding, Tables, numbers, text, wrong
from trials.evidence.sdtm.domains import DOMAINS, FINDINGS, variables
from trials.evidence.sdtm.summary import OWN
from trials.evidence.table import Column, Table
from trials.evidence.terminology import CODELISTS
from trials.evidence.transport.kinds import ISO_8601

EXTENDED: Mapping[str, str] = MappingProxyType({
    "DICTNAM": "ISO 8601",
    "EPOCH": r"(TREATMENT|WASHOUT) \d+",
    "TSPARMCD": "|".join(OWN), "TSPARM": "|".join(map(re.escape, OWN.values())),
    "GFTESTCD": r"[A-Z][A-Z0-9]{0,7}", "GFTEST": r".{1,40}", "SCTESTCD": r"[A-Z][A-Z0-9]{0,7}", "SCTEST": r".{1,40}",
    "LBTESTCD": r"[A-Z][A-Z0-9]{0,7}", "LBTEST": r".{1,40}", "MUSCTSCD": r"[A-Z][A-Z0-9]{0,7}", "MUSCTS": r".{1,40}",
    "TRTESTCD": r"[A-Z][A-Z0-9]{0,7}", "TRTEST": r".{1,40}", "VSTESTCD": r"[A-Z][A-Z0-9]{0,7}", "VSTEST": r".{1,40}",
    "OTHEVENT": r".{1,200}", "LOC": r"[A-Z ]+", "METHOD": r"[A-Z0-9 -]+", "FTCAT": r".{1,40}", "CCCAT": r".{1,40}",
})  # fmt: skip
"""What a list that may be extended may hold besides its terms: names of tests, but no units, routes or forms."""
DISPOSITION = {"DISPOSITION EVENT": "NCOMPLT", "PROTOCOL MILESTONE": "PROTMLST", "OTHER EVENT": "OTHEVENT"}
_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?)?")
_LENGTH = re.compile(r"-?P(?=\d|T\d)(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?")
UNITLESS = ("FT", "QS", "RS", "GF", "SC")
"""Domains whose results are scores or words."""


def terms(tables: Tables) -> Iterator[Finding]:
    """Values of variables with controlled terminology are terms of their list."""
    for name, table in tables.items():
        for column in variables(name) if name in DOMAINS else ():
            if column.name not in table.frame or column.name == "DSDECOD":
                continue
            found = text(table, column.name)
            yield from _of_list(name, column.name, column.codelist, found)
    if "DS" in tables:
        found, category = text(tables["DS"], "DSDECOD"), text(tables["DS"], "DSCAT")
        for kind, listed in DISPOSITION.items():
            yield from _of_list("DS", "DSDECOD", listed, found.where(category == kind, ""))


def _of_list(name: str, variable: str, listed: str, found: pd.Series[str]) -> Iterator[Finding]:
    codes = CODELISTS.get(listed)
    if codes is None:
        return
    more = re.compile(EXTENDED[listed]) if listed in EXTENDED and codes.extensible else None
    allowed = {
        value: value in codes.terms or (more is not None and more.fullmatch(value) is not None)
        for value in found.unique()
    }
    broken = (found != "") & ~found.map(allowed).astype(bool)
    yield from wrong("terminology", name, broken, f"is {variable}, and no term of {listed} ({codes.code})", found)


def dates(tables: Tables) -> Iterator[Finding]:
    """Dates, times and durations are written by ISO 8601."""
    for name, column, found in _timed(tables):
        duration = not column.name.endswith("DTC")
        pattern = _LENGTH if duration else _DATE
        good = {value: pattern.fullmatch(value) is not None and (duration or _real(value)) for value in found.unique()}
        broken = (found != "") & ~found.map(good).astype(bool)
        yield from wrong("ISO 8601", name, broken, f"is {column.name}, and not ISO 8601", found)


def _real(value: str) -> bool:
    try:
        np.datetime64(value)
    except ValueError:
        return False
    return True


def _timed(tables: Tables) -> Iterator[tuple[str, Column, pd.Series[str]]]:
    for name, table in tables.items():
        for column in variables(name) if name in DOMAINS else ():
            if column.codelist == ISO_8601 and column.name in table.frame:
                yield name, column, text(table, column.name)


def moments(found: pd.Series[str]) -> pd.Series[pd.Timestamp]:
    """Times of ISO 8601 texts; NaT of what is none."""
    return pd.to_datetime(found, errors="coerce", format="ISO8601")


def days(tables: Tables) -> Iterator[Finding]:
    """Study days are those of the times, counted from DM.RFSTDTC."""
    if "DM" not in tables:
        return
    start = moments(text(tables["DM"], "RFSTDTC")).dt.normalize()
    start = pd.Series(start.to_numpy(), index=text(tables["DM"], "USUBJID"))
    start = start[~start.index.duplicated()]
    for name, table in tables.items():
        for column in table.columns:
            day = re.fullmatch(r"(..)(ST|EN|)DY", column.name)
            source = f"{day[1]}{day[2]}DTC" if day else ""
            if not source or source not in table.frame or "USUBJID" not in table.frame:
                continue
            apart = (moments(text(table, source)).dt.normalize() - text(table, "USUBJID").map(start)).dt.days
            wanted = apart.where(apart < 0, apart + 1)
            found = numbers(table, column.name)
            broken = (found != wanted) & ~(found.isna() & wanted.isna())
            yield from wrong("study days", name, broken, f"is {column.name}, and not the study day of {source}", found)


def order_of_times(tables: Tables) -> Iterator[Finding]:
    """Nothing ends before it starts."""
    pairs = [("DM", "RFSTDTC", "RFENDTC"), ("DM", "RFXSTDTC", "RFXENDTC"), ("DM", "RFSTDTC", "RFPENDTC")]
    pairs += [(name, f"{name}STDTC", f"{name}ENDTC") for name in tables]
    for name, first, last in pairs:
        if name in tables and {first, last} <= set(tables[name].frame):
            early, late = moments(text(tables[name], first)), moments(text(tables[name], last))
            yield from wrong(
                "start and end", name, late < early, f"is {last}, before {first}", text(tables[name], last)
            )


def results(tables: Tables) -> Iterator[Finding]:
    """Results as text and as numbers agree, have units where they need one, and are empty where nothing was done."""
    for name, table in tables.items():
        if name in DOMAINS and DOMAINS[name].of == FINDINGS:
            yield from _results(name, table)
    if "EX" in tables:
        dose = numbers(tables["EX"], "EXDOSE")
        yield from wrong("doses", "EX", ~(dose >= 0), "is EXDOSE, wants 0 or more", dose)
        lacks = dose.notna() & (text(tables["EX"], "EXDOSU") == "")
        yield from wrong("units", "EX", lacks, "EXDOSU is empty beside a dose")


def _results(name: str, table: Table) -> Iterator[Finding]:
    said, number = text(table, f"{name}STRESC"), numbers(table, f"{name}STRESN")
    value = pd.to_numeric(said.where(said != ""), errors="coerce")
    close = np.isclose(value.to_numpy(dtype=float), number.to_numpy(dtype=float), rtol=1e-9, atol=1e-15, equal_nan=True)
    if name not in UNITLESS or number.notna().any():
        yield from wrong("results", name, ~close, f"is {name}STRESC, and {name}STRESN is another number", said)
    for unit, result in (("ORRESU", "ORRES"), ("STRESU", "STRESC")):
        lacks = (text(table, f"{name}{result}") != "") & (text(table, f"{name}{unit}") == "")
        if name not in UNITLESS:
            yield from wrong("units", name, lacks, f"{name}{unit} is empty beside a result")
    done, empty = text(table, f"{name}STAT") == "", said == ""
    yield from wrong("not done", name, done & empty, f"has no result, and {name}STAT does not say NOT DONE")
    yield from wrong("not done", name, ~done & ~empty, f"has a result, and {name}STAT says NOT DONE")
    names = pd.DataFrame({"code": text(table, f"{name}TESTCD"), "test": text(table, f"{name}TEST")}).drop_duplicates()
    twice = names.duplicated("code", keep=False) | names.duplicated("test", keep=False)
    if twice.any():
        yield Finding(
            "tests", name, 0, f"{name}TESTCD and {name}TEST do not go together: {', '.join(names[twice].code)}"
        )


RULES = (terms, dates, days, order_of_times, results)
