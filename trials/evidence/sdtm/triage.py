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

    asks: str
    matter: str
    why: str
    about: str = ""


RULE, SIMULATION = "rule", "simulation"
FAILED = {"execution error", "execution_error", "crash"}
"""Words by which a report says that a rule could not be executed."""
NOT_EXECUTED = "not executed"

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


UNTRIED: Mapping[str, Explained] = MappingProxyType({
    "CORE-000527": Explained(
        "SEENDTC is there in every element of a subject but the last", RULE,
        "The engine (cdisc-rules-engine 0.17.1, operator empty_within_except_last_row) ends with a type error where "
        "every subject has one element, as here: there is then no element before the last, and the rule asks nothing. "
        "Our own check of elements asks the same of every trial, and has no finding.",
    ),
})  # fmt: skip
"""Rules that CORE could not execute on some of our data, by their identifier."""


class Reported(NamedTuple):
    """What CORE says of a data set by one rule; not executed where the engine failed before it had an answer."""

    rule: str
    data_set: str
    message: str
    records: int
    executed: bool = True


class Counts(NamedTuple):
    """How many rules were tried on at least one data set, were not applicable to any, and could not be executed."""

    tried: int
    skipped: int
    failed: int


def explained(one: Reported) -> Explained | None:
    """Why a finding stands, or a rule could not be executed; None when nobody has said so."""
    return (EXPLAINED if one.executed else UNTRIED).get(one.rule)


def reported(report: Mapping[str, Any]) -> tuple[Reported, ...]:
    """Findings in a JSON report of CORE, and rules that it could not execute.

    The report is that of its own command line, or of a script with rules and results.
    """
    return tuple(_of_command(report) if "Issue_Summary" in report else _of_rules(report))


def counted(report: Mapping[str, Any]) -> Counts:
    """How many rules did what, in either form of report."""
    if "Issue_Summary" in report:
        stated = [{str(one.get("status", "")).lower()} for one in report.get("Rules_Report", ())]
    else:
        stated = [{str(status).lower() for status in rule.get("statuses", ())} for rule in report.get("rules", ())]
    failed = sum(bool(FAILED & one) for one in stated)
    skipped = sum(one == {"skipped"} for one in stated)
    return Counts(len(stated) - failed - skipped, skipped, failed)


def _of_command(report: Mapping[str, Any]) -> Iterator[Reported]:
    for one in report["Issue_Summary"]:
        yield Reported(str(one.get("core_id")), str(one.get("dataset", "")), str(one.get("message", "")),
                       int(one.get("issues", 1)))  # fmt: skip
    for rule in report.get("Rules_Report", ()):
        if str(rule.get("status", "")).lower() in FAILED:
            yield Reported(
                str(rule.get("core_id")), "", f"{NOT_EXECUTED}: {rule.get('message', '')}", 0, executed=False
            )


def _of_rules(report: Mapping[str, Any]) -> Iterator[Reported]:
    for rule in report.get("rules", ()):
        failed = {str(status).lower() for status in rule.get("statuses", ())} & FAILED
        for one in rule.get("results", ()) if rule.get("issues") or failed else ():
            if str(one.get("executionStatus", "")).lower() in FAILED:
                about = f"{NOT_EXECUTED}: {rule['desc']}"
                yield Reported(rule["id"], str(one.get("dataset") or ""), about, 0, executed=False)
            elif one.get("n"):
                yield Reported(rule["id"], str(one["dataset"]), str(one.get("message") or rule["desc"]), one["n"])
        if failed and not rule.get("results"):
            yield Reported(rule["id"], "", f"{NOT_EXECUTED}: {rule['desc']}", 0, executed=False)


def unexplained(found: tuple[Reported, ...]) -> tuple[Reported, ...]:
    """Findings, and rules that were not executed, that nobody has explained."""
    return tuple(one for one in found if explained(one) is None)
