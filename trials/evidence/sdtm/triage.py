"""Findings of CDISC CORE on our data sets, rule by rule: why each of them stands.

The rules are those of the CDISC Open Rules Engine for SDTMIG 3.4. What is found by another rule is not explained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Explained(NamedTuple):
    """What a rule asks, whose matter a finding of it is, why it stands, and what trials it is about.

    `about` is the domain that a trial must have, ``no AGE`` for one whose population has no age, or empty for any.
    """

    rule: str
    matter: str
    why: str
    about: str = ""


DATA, RULE, SIMULATION = "data", "rule", "simulation"

EXPLAINED: Mapping[str, Explained] = MappingProxyType({
    "CORE-001043": Explained(
        "AGE is there for every subject", SIMULATION,
        "The virtual population of this trial has no age: its model does not need one, and none was invented.",
        about="no AGE",
    ),
    "CORE-000741": Explained(
        "TS has INTMODEL, INTTYPE and PCLASS", RULE,
        "TS has INTMODEL, INTTYPE and PCLAS. The rule asks for PCLASS, which is no trial summary parameter of CDISC's "
        "terminology.",
    ),
    "CORE-000767": Explained(
        "FAOBJ is not --DECOD of the parent record", RULE,
        "The trial has no findings about events (FA), so that there is no FAOBJ; the rule fires on every record of DS "
        "because its comparison with a data set that is absent holds.",
    ),
    "CORE-000080": Explained(
        "--TPTREF comes with --ELTM, --TPTNUM or --TPT", RULE,
        "It is about PP, in which SDTMIG 3.4 has PPTPTREF and PPRFTDTC but none of the other three; another rule "
        "(CORE-000165) asks for PPTPTREF.",
        about="PP",
    ),
    "CORE-000571": Explained(
        "--LNKID is in two domains", SIMULATION,
        "TRLNKID links to lesions in TU. The model has the sum of diameters and no single lesions, so that there is no "
        "TU and TRLNKID, an expected variable, is empty.",
        about="TR",
    ),
    "CORE-000720": Explained(
        "Nothing is collected after the end of participation", SIMULATION,
        "The model follows the tumour of every virtual subject and does not know that a subject has died. The trial's "
        "analysis of response uses these values, and they were kept so that it can be traced; a real trial has none.",
        about="TR",
    ),
    "CORE-000952": Explained(
        "Nothing ends after the end of participation", SIMULATION,
        "Visits in SV of the values that CORE-000720 is about.",
        about="TR",
    ),
})  # fmt: skip
"""By the identifier of the rule."""


class Reported(NamedTuple):
    """What CORE says of a data set by one rule."""

    rule: str
    data_set: str
    message: str
    records: int


def reported(report: Mapping[str, Any]) -> tuple[Reported, ...]:
    """Findings in a JSON report of CORE: of its own command line, or of a script with rules and results."""
    if "Issue_Summary" in report:
        rows = (
            Reported(str(one.get("core_id")), str(one.get("dataset", "")), str(one.get("message", "")),
                     int(one.get("issues", 1)))
            for one in report["Issue_Summary"]
        )  # fmt: skip
        return tuple(rows)
    return tuple(_of_rules(report))


def _of_rules(report: Mapping[str, Any]) -> Iterator[Reported]:
    for rule in report.get("rules", ()):
        if rule.get("issues"):
            for one in rule["results"]:
                if one.get("n"):
                    yield Reported(rule["id"], str(one["dataset"]), str(one.get("message") or rule["desc"]), one["n"])


def unexplained(found: tuple[Reported, ...]) -> tuple[Reported, ...]:
    """Findings that nobody has explained."""
    return tuple(one for one in found if one.rule not in EXPLAINED)
