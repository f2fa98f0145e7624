"""Rules between data sets: arms, elements, epochs, visits, exposure, death, and what the trial summary must say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from trials.evidence.conformance.finding import Finding, Tables, numbers, text, wrong
from trials.evidence.conformance.values import moments
from trials.evidence.sdtm.summary import LISTS, STATEMENT
from trials.evidence.table import Table
from trials.evidence.terminology import CODELISTS

PARAMETERS = (
    "SIMDATA", "TITLE", "PLANSUB", "ACTSUB", "NARMS", "RANDOM", "LENGTH", "SSTDTC", "SENDTC", "STYPE", "INTMODEL",
    "INTTYPE", "PCLAS", "OBJPRIM", "OUTMSPRI", "TPHASE", "TBLIND", "TCNTRL", "TTYPE", "TINDTP", "INDIC", "TRT",
    "SEXPOP", "AGEMIN", "AGEMAX", "SDTIGVER", "SDTMVER", "SPONSOR", "ADAPT", "HLTSUBJI", "STOPRULE",
)  # fmt: skip
"""Trial summary parameters that every trial of ours has."""


def arms(tables: Tables) -> Iterator[Finding]:
    """Arms are those of TA, elements those of TE, and epochs those of TA."""
    if "TA" not in tables:
        return
    planned = tables["TA"]
    if "DM" in tables:
        for code, name in (("ARMCD", "ARM"), ("ACTARMCD", "ACTARM")):
            yield from _pairs(tables["DM"], (code, name), planned, ("ARMCD", "ARM"))
    if "TE" in tables:
        for one in (tables[name] for name in ("TA", "SE") if name in tables):
            yield from _pairs(one, ("ETCD", "ELEMENT"), tables["TE"], ("ETCD", "ELEMENT"))
    epochs = set(text(planned, "EPOCH"))
    for name, table in tables.items():
        if "EPOCH" in table.frame and name != "TA":
            found = text(table, "EPOCH")
            yield from wrong("EPOCH", name, (found != "") & ~found.isin(epochs), "is EPOCH, and none of TA", found)


def elements(tables: Tables) -> Iterator[Finding]:
    """A subject's elements follow each other without a gap, and end, but the last of somebody still in the study."""
    if "SE" not in tables:
        return
    frame = tables["SE"].frame
    start, end = text(tables["SE"], "SESTDTC"), text(tables["SE"], "SEENDTC")
    follows = start.groupby(frame["USUBJID"]).shift(-1)
    yield from wrong("elements", "SE", follows.notna() & (end == ""), "has no SEENDTC, and is not the last element")
    gap = follows.notna() & (end != "") & (end != follows)
    yield from wrong("elements", "SE", gap, "is SEENDTC, and the next element does not start then", end)


def visits(tables: Tables) -> Iterator[Finding]:
    """Visits are those of TV with their names and days, and everybody's are in SV."""
    if "TV" not in tables:
        return
    for name, table in tables.items():
        if "VISITNUM" in table.frame and name != "TV":
            columns = [one for one in ("VISITNUM", "VISIT", "VISITDY") if one in table.frame]
            yield from _pairs(table, columns, tables["TV"], columns)
            if "SV" in tables and name != "SV":
                yield from _pairs(table, ("USUBJID", "VISITNUM"), tables["SV"], ("USUBJID", "VISITNUM"))


def exposure(tables: Tables) -> Iterator[Finding]:
    """First and last exposure in DM are those of EX."""
    if "DM" not in tables or "EX" not in tables:
        return
    grouped = tables["EX"].frame.groupby("USUBJID")
    for name, wanted in (("RFXSTDTC", grouped["EXSTDTC"].min()), ("RFXENDTC", grouped["EXENDTC"].max())):
        found = text(tables["DM"], name)
        expected = text(tables["DM"], "USUBJID").map(wanted).fillna("")
        yield from wrong("exposure", "DM", found != expected, f"is {name}, and not that of EX", found)
    frame = tables["EX"].frame.sort_values(["USUBJID", "EXTRT", "EXSTDTC"], kind="stable")
    before = moments(frame["EXENDTC"]).groupby([frame["USUBJID"], frame["EXTRT"]]).shift()
    overlap = (moments(frame["EXSTDTC"]) <= before).sort_index()
    yield from wrong("exposure", "EX", overlap, "starts before the record before of its treatment has ended")


def deaths(tables: Tables) -> Iterator[Finding]:
    """Deaths in DM are those of DS, with a date and a flag."""
    if "DM" not in tables or "DS" not in tables:
        return
    events = tables["DS"].frame
    dead = set(events.loc[text(tables["DS"], "DSDECOD") == "DEATH", "USUBJID"]) if "USUBJID" in events else set()
    flag, date = text(tables["DM"], "DTHFL") == "Y", text(tables["DM"], "DTHDTC") != ""
    told = text(tables["DM"], "USUBJID").isin(dead)
    yield from wrong(
        "death", "DM", (flag != date) | (flag != told), "DTHFL, DTHDTC and DS do not say the same of death"
    )


def summary(tables: Tables) -> Iterator[Finding]:
    """TS has the parameters it must have, each with a value or a reason why not, and says that all is simulated."""
    if "TS" not in tables:
        return
    table = tables["TS"]
    codes, value, null = text(table, "TSPARMCD"), text(table, "TSVAL"), text(table, "TSVALNF")
    yield from (Finding("summary", "TS", 0, f"{one} is missing") for one in PARAMETERS if one not in set(codes))
    yield from wrong("summary", "TS", (value == "") == (null == ""), "wants TSVAL or TSVALNF, and one of them", codes)
    for listed in sorted(set(LISTS.values())):
        mine = codes.isin([code for code, name in LISTS.items() if name == listed]) & (value != "")
        odd = mine & ~value.isin(list(CODELISTS[listed].terms))
        yield from wrong("terminology", "TS", odd, f"is TSVAL, and no term of {listed}", value)
    yield from _ended(tables, value[codes == "SENDTC"])
    if STATEMENT not in set(value[codes == "SIMDATA"]):
        yield Finding("summary", "TS", 0, "does not say that the data are simulated (SIMDATA)")
    if "DM" in tables and str(len(tables["DM"].frame)) not in set(value[codes == "ACTSUB"]):
        yield Finding("summary", "TS", 0, f"ACTSUB is not the {len(tables['DM'].frame)} subjects of DM")


def _ended(tables: Tables, ended: pd.Series[str]) -> Iterator[Finding]:
    """Nothing is dated after the study."""
    last = ended.max() if len(ended) else ""
    for name, table in tables.items():
        dated = [str(column) for column in table.frame if str(column).endswith("DTC")]
        for column in dated if last else ():
            found = text(table, column)
            late = (found != "") & (found.str[:10] > last)
            yield from wrong("end of study", name, late, f"is {column}, after the study has ended (TS.SENDTC)", found)


def baseline(tables: Tables) -> Iterator[Finding]:
    """A subject has one last observation before exposure of each test."""
    for name, table in tables.items():
        flag = f"{name}LOBXFL"
        if flag not in table.frame:
            continue
        flagged = table.frame[text(table, flag) == "Y"]
        twice = flagged.duplicated(["USUBJID", f"{name}TESTCD"])
        broken = np.zeros(len(table.frame), dtype=bool)
        broken[flagged.index[twice.to_numpy()]] = True
        yield from wrong("baseline", name, broken, f"is another record with {flag} of its subject and test")
        result = numbers(table, f"{name}STRESN").isna() & (text(table, f"{name}STRESC") == "")
        yield from wrong("baseline", name, (text(table, flag) == "Y") & result, f"has {flag} and no result")


def _pairs(table: Table, names: Sequence[str], other: Table, wanted: Sequence[str]) -> Iterator[Finding]:
    """Combinations of values are among those of another data set."""
    if not set(names) <= set(table.frame) or not set(wanted) <= set(other.frame):
        return
    allowed = pd.MultiIndex.from_frame(other.frame[list(wanted)])
    found = pd.MultiIndex.from_frame(table.frame[list(names)])
    known = found.isin(allowed)
    shown = pd.Series([", ".join(map(str, one)) for one in found[~known][:1]] * len(known), dtype=str)
    rule = " and ".join(wanted)
    yield from wrong(rule, table.name, ~known, f"({', '.join(names)}) is not in {other.name}", shown)


RULES = (arms, elements, visits, exposure, deaths, summary, baseline)
