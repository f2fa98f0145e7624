"""The conformance summary of the reviewer's guide: our own checks, and CDISC CORE with every finding triaged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trials.evidence.conformance.finding import Finding
from trials.evidence.reports.document import Block, Bullets, Grid, Paragraph, Section
from trials.evidence.sdtm.triage import EXPLAINED, UNTRIED, counted, explained, reported

RULES = (
    "required data sets, variables, their order, labels, kinds and lengths; required values",
    "one STUDYID; DOMAIN; USUBJID of subjects of DM; keys and order of records; sequence numbers",
    "controlled terminology, also of units, routes, forms and frequencies, which engines do not check",
    "dates and durations by ISO 8601; study days; nothing ends before it starts, or after the study",
    "results as text and as number, units, what was not done, one name for one test",
    "arms, elements without gaps, epochs and visits as planned; doses that do not overlap; death and baseline flags",
    "the trial summary: its parameters, terms of its values, the number of subjects, that all is simulated",
)
OPEN = "NOT EXPLAINED"


def conformance(findings: Sequence[Finding], core: Mapping[str, Any] | None, about: set[str]) -> Section:
    """The section; `about` says which explanations the trial may need."""
    return Section("Data conformance summary", sections=(
        Section("Our own checks", tuple(_own(findings))),
        Section("CDISC CORE", tuple(_foreseen(about) if core is None else _core(core))),
    ))  # fmt: skip


def _own(findings: Sequence[Finding]) -> Iterator[Block]:
    yield Paragraph("Every data set was checked by the program that made it, before and after it was written:")
    yield Bullets(RULES)
    if not findings:
        yield Paragraph("There was no finding.")
        return
    rows = [(one.data_set, str(one.record) if one.record else "all", one.rule, one.message) for one in findings]
    yield Grid("Findings", ("Data set", "Record", "Rule", "Finding"), rows, widths=(1, 1, 2, 5))


def _foreseen(about: set[str]) -> Iterator[Block]:
    """What is known to be found, where CORE was not run."""
    yield Paragraph(
        "CORE, the open rules engine of CDISC, is not part of this program and was not run when this was packaged "
        "(`trialtwin package --core` does). These are the rules that are known to fire on data sets of such a trial, "
        "and why the findings stand."
    )
    rows = [(rule, one.matter, one.asks, one.why) for rule, one in EXPLAINED.items() if one.about in about]
    yield Grid("Explained findings", ("Rule", "Matter of", "What it asks", "Why the finding stands"), rows,
               widths=(2, 1.5, 3, 6))  # fmt: skip
    failing = [(rule, one.asks, one.why) for rule, one in UNTRIED.items()]
    yield Grid("Rules that CORE may fail to execute", ("Rule", "What it asks", "Why"), failing, widths=(2, 3, 7.5))


def _core(core: Mapping[str, Any]) -> Iterator[Block]:
    found, counts = reported(core), counted(core)
    yield Paragraph(
        f"CORE, the open rules engine of CDISC, has {sum(counts)} rules for SDTMIG 3.4. It tried {counts.tried} of "
        f"them on these data sets; {counts.skipped} are about domains or variables that are not there, and "
        f"{counts.failed} it could not execute. Its whole report is `validation/core.json`; the same triage as a "
        "table is `validation/core-triage.csv`."
    )
    rows = [
        (one.rule, one.data_set, str(one.records), known.asks if known else one.message, known.why if known else OPEN)
        for one in found
        if one.executed
        for known in [explained(one)]
    ]
    if not rows:
        yield Paragraph("CORE had no finding.")
    else:
        yield Grid("Findings of CORE", ("Rule", "Data set", "Records", "What it asks", "Why the finding stands"), rows,
                   numeric=(2,), widths=(2, 1, 1.2, 3, 6))  # fmt: skip
    failing = [
        (one.rule, one.data_set, known.asks if known else one.message, known.why if known else OPEN)
        for one in found
        if not one.executed
        for known in [explained(one)]
    ]
    if failing:
        yield Grid("Rules that CORE could not execute", ("Rule", "Data set", "What it asks", "Why"), failing,
                   widths=(2, 1, 3, 6))  # fmt: skip
