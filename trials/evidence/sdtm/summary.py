"""TS: the trial in parameters, and that it is simulated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from trials.evidence import terminology
from trials.evidence.sdtm import clock
from trials.evidence.sdtm.elements import arms
from trials.evidence.sdtm.making import table
from trials.evidence.sdtm.record import Record
from trials.evidence.sdtm.wording import worded
from trials.evidence.table import Table
from trials.evidence.terminology import CODELISTS

STATEMENT = "SIMULATED DATA: virtual subjects of a simulated trial; no human being took part"
OWN = {"SIMDATA": "Simulated Data Statement", "SIMREPL": "Number of the Simulated Trial in Its Run"}
"""Parameters of ours, by which the list of trial summary parameters is extended."""
LISTS = {
    "TPHASE": "TPHASE", "TBLIND": "TBLIND", "TCNTRL": "TCNTRL", "INTMODEL": "INTMODEL", "INTTYPE": "INTTYPE",
    "STYPE": "STYPE", "TTYPE": "TTYPE", "TINDTP": "TINDTP", "SEXPOP": "SEXPOP", "ROUTE": "ROUTE", "DOSFRQ": "FREQ",
    "DOSFRM": "FRM", "DOSU": "UNIT", "RANDOM": "NY", "ADDON": "NY", "ADAPT": "NY", "HLTSUBJI": "NY", "PDSTIND": "NY",
    "PDPSTIND": "NY", "PIPIND": "NY", "RDIND": "NY", "EXTTIND": "NY", "ONGOSIND": "NY",
}  # fmt: skip
"""Lists that the values of some parameters are from."""
NULL = {"NA": "NA", "UNK": "UNK", "NASK": "NASK", "PINF": "PINF"}
"""Values of a plan that are null flavours of ISO 21090: not applicable, unknown, not asked, positive infinity."""


class Row(NamedTuple):
    """A parameter and its value."""

    code: str
    value: str


def summary(record: Record) -> Table:
    """TS: parameters from the protocol, those that the plan states, and the statement that all is simulated."""
    stated = {code: value for code, value in record.plan.summary.items() if value != ""}
    rows = [row for row in _protocol(record) if row.code not in stated]
    rows += [Row(code, part.strip()) for code, value in stated.items() for part in value.split(" | ")]
    seen: dict[str, int] = {}
    numbers = []
    for row in rows:
        seen[row.code] = seen.get(row.code, 0) + 1
        numbers.append(float(seen[row.code]))
    null = [row.value if row.value in NULL else "" for row in rows]
    codes = [_code(row) for row in rows]
    values = {
        "TSSEQ": numbers,
        "TSPARMCD": [row.code for row in rows],
        "TSPARM": [OWN.get(row.code) or CODELISTS["TSPARMCD"].decode(row.code) for row in rows],
        "TSVAL": ["" if flavour else row.value[:200] for row, flavour in zip(rows, null, strict=True)],
        "TSVALNF": null,
        "TSVALCD": [code for code, _, _ in codes],
        "TSVCDREF": [reference for _, reference, _ in codes],
        "TSVCDVER": [version for _, _, version in codes],
    }
    return table("TS", record.study, values)


def _code(row: Row) -> tuple[str, str, str]:
    """Code of a value, and where it is from."""
    if row.value in NULL:
        return "", "", ""
    if row.code in ("SSTDTC", "SENDTC", "DCUTDTC"):
        return "", "ISO 8601", ""
    if row.code == "FCNTRY":
        return "", "ISO 3166", ""
    found = CODELISTS.get(LISTS.get(row.code, ""))
    code = "" if found is None else found.terms.get(row.value, "")
    return (code, "CDISC CT", terminology.VERSION) if code else ("", "", "")


def _protocol(record: Record) -> Iterator[Row]:
    """Parameters that the protocol tells."""
    protocol, design = record.protocol, record.protocol.design
    config = record.example.trial
    yield Row("SIMDATA", STATEMENT)
    yield Row("SIMREPL", f"Scenario {record.example.scenario.name}, replicate {record.example.replicate}")
    yield Row("TITLE", f"SIMULATED: {config.title}")
    yield from (Row("OBJPRIM", part) for part in _pieces(config.question))
    yield from _outcomes(record)
    yield Row("PLANSUB", str(design.n))
    yield Row("ACTSUB", str(len(record.subjects)))
    yield Row("NARMS", str(len(arms(protocol, record.plan))))
    yield Row("RANDOM", "Y" if len(arms(protocol, record.plan)) > 1 else "N")
    yield Row("INTMODEL", "CROSS-OVER" if design.periods > 1 else "PARALLEL")
    yield Row("LENGTH", clock.duration(record.followed, record.unit))
    yield Row("SSTDTC", str(record.start.min().astype("datetime64[D]")))
    last = record.start + np.round(record.end * record.unit).astype("timedelta64[s]")
    yield Row("SENDTC", str(last.max().astype("datetime64[D]")))
    if np.isfinite(record.cutoff).any():
        cut = record.start + np.round(record.cutoff * record.unit).astype("timedelta64[s]")
        yield Row("DCUTDTC", str(cut.max().astype("datetime64[D]")))
        yield Row("DCUTDESC", "END OF THE SIMULATED TRIAL")
    yield Row("STYPE", "INTERVENTIONAL")
    yield Row("ADAPT", "Y" if design.looks is not None or design.reestimation is not None else "N")
    yield Row("SDTIGVER", "3.4")
    yield Row("SDTMVER", "2.0")
    ages = [one for one in record.plan.covariates.values() if one.domain == "DM" and one.code == "AGE"]
    yield from (Row(code, "NA" if ages else "UNK") for code in ("AGEMIN", "AGEMAX"))
    sexed = any(one.domain == "DM" and one.code == "SEX" for one in record.plan.covariates.values())
    yield Row("SEXPOP", "BOTH" if sexed else "UNK")
    for code in ("REGID", "FCNTRY", "CRMDUR", "SDMDUR"):
        yield Row(code, "NA")
    for code in ("ADDON", "PDSTIND", "PDPSTIND", "PIPIND", "RDIND", "EXTTIND", "ONGOSIND"):
        yield Row(code, "N")
    yield Row("STOPRULE", "NONE")
    yield Row("SPONSOR", "NONE: SIMULATED TRIAL")


def _outcomes(record: Record) -> Iterator[Row]:
    """The outcome of the first analysis, and those of the others, each once."""
    protocol = record.protocol
    told = [worded(protocol, record.plan, protocol.endpoint(one.endpoint)) for one in protocol.analyses]
    yield from (
        Row("OUTMSSEC" if number else "OUTMSPRI", text[:200]) for number, text in enumerate(dict.fromkeys(told))
    )


def _pieces(text: str, most: int = 200) -> Iterator[str]:
    """A long text in pieces that a value can hold, cut between words."""
    rest = " ".join(text.split())
    while len(rest) > most:
        cut = rest.rfind(" ", 0, most + 1)
        yield rest[:cut]
        rest = rest[cut + 1 :]
    yield rest
