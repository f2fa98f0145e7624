"""Domains of SDTMIG 3.4 that our trials fill: labels, classes, keys, and the variables of each with their metadata."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import NamedTuple

from trials.evidence.sdtm.origins import origin
from trials.evidence.table import Column, Kind

SIMULATED = "SIMULATED"
"""First word of the label of every data set."""


class Domain(NamedTuple):
    """Label without SIMULATED (at most 30 characters), class, what one record is, and keys after STUDYID."""

    label: str
    of: str
    structure: str
    keys: tuple[str, ...]


DESIGN, SPECIAL, EVENTS, INTERVENTIONS, FINDINGS = (
    "TRIAL DESIGN", "SPECIAL PURPOSE", "EVENTS", "INTERVENTIONS", "FINDINGS",
)  # fmt: skip


def _findings(domain: str, label: str, *, timed: bool = True) -> Domain:
    points = (f"{domain}TPTNUM",) if timed else ()
    keys = ("USUBJID", f"{domain}TESTCD", "VISITNUM", *points)
    return Domain(label, FINDINGS, "One record per test per time point per visit per subject", keys)


DOMAINS: Mapping[str, Domain] = MappingProxyType({
    "TS": Domain("Trial Summary", DESIGN, "One record per trial summary parameter value", ("TSPARMCD", "TSSEQ")),
    "TA": Domain("Trial Arms", DESIGN, "One record per planned element per arm", ("ARMCD", "TAETORD")),
    "TE": Domain("Trial Elements", DESIGN, "One record per planned element", ("ETCD",)),
    "TV": Domain("Trial Visits", DESIGN, "One record per planned visit", ("VISITNUM",)),
    "TI": Domain("Trial Incl/Excl Criteria", DESIGN, "One record per criterion", ("IETESTCD",)),
    "TD": Domain("Trial Disease Assessments", DESIGN, "One record per planned constant assessment period",
                 ("TDORDER",)),
    "DM": Domain("Demographics", SPECIAL, "One record per subject", ("USUBJID",)),
    "SE": Domain("Subject Elements", SPECIAL, "One record per actual element per subject", ("USUBJID", "SESTDTC")),
    "SV": Domain("Subject Visits", SPECIAL, "One record per planned visit per subject", ("USUBJID", "VISITNUM")),
    "EX": Domain("Exposure", INTERVENTIONS, "One record per constant-dosing interval per subject",
                 ("USUBJID", "EXSTDTC", "EXTRT")),
    "DS": Domain("Disposition", EVENTS, "One record per disposition status or protocol milestone per subject",
                 ("USUBJID", "DSSTDTC", "DSDECOD")),
    "CE": Domain("Clinical Events", EVENTS, "One record per event per subject", ("USUBJID", "CESTDTC", "CETERM")),
    "PC": _findings("PC", "PK Concentrations"),
    "PP": Domain("PK Parameters", FINDINGS, "One record per PK parameter per profile per subject",
                 ("USUBJID", "PPTESTCD", "PPRFTDTC")),
    "LB": _findings("LB", "Laboratory Test Results"),
    "VS": _findings("VS", "Vital Signs"),
    "FT": _findings("FT", "Functional Tests"),
    "QS": _findings("QS", "Questionnaires"),
    "RS": _findings("RS", "Clinical Classifications"),
    "MK": _findings("MK", "Musculoskeletal Findings"),
    "TR": _findings("TR", "Tumor/Lesion Results", timed=False),
    "GF": Domain("Genomics Findings", FINDINGS, "One record per finding per gene per subject",
                 ("USUBJID", "GFTESTCD", "GFSYM")),
    "SC": Domain("Subject Characteristics", FINDINGS, "One record per characteristic per subject",
                 ("USUBJID", "SCTESTCD")),
})  # fmt: skip
"""Domains in the order in which they are written."""


@cache
def variables(domain: str) -> tuple[Column, ...]:
    """Variables of a domain in the guide's order: every required and expected one, some permissible ones."""
    text = files(__package__).joinpath("variables.csv").read_text(encoding="utf-8")
    return tuple(_column(row) for row in csv.DictReader(text.splitlines()) if row["domain"] == domain)


def _column(row: Mapping[str, str]) -> Column:
    how, source = origin(row["domain"], row["name"])
    kind: Kind = "text" if row["kind"] == "text" else "integer" if row["kind"] == "integer" else "float"
    return Column(
        row["name"], row["label"], kind, how, source, codelist=row["codelist"], core=row["core"], role=row["role"]
    )
