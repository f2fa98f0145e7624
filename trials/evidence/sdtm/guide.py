"""The clinical study data reviewer's guide of an example trial (structure of the PHUSE template)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trials.evidence.conformance.finding import Finding
from trials.evidence.reports.document import Block, Bullets, Document, Grid, Paragraph, Section
from trials.evidence.reports.naming import spaced
from trials.evidence.sdtm.conformance_sections import conformance
from trials.evidence.sdtm.plan import Plan, read
from trials.evidence.sdtm.remarks import absent, remarks
from trials.evidence.sdtm.telling import tables
from trials.evidence.sdtm.wording import worded
from trials.evidence.study import Example
from trials.evidence.table import Table
from trials.evidence.terminology import VERSION

SIMULATED = "SIMULATED DATA: all subjects are virtual; no human being took part, and no record stems from one."
TREATED = {
    "protocol": "doses that were simulated, taken ones only; equal doses at a regular interval are one record",
    "constant": "one record from the first to the last dose: the model knows the treatment as constant, not as doses",
    "none": "no record: nothing is given",
}
STANDARDS = (
    ("SDTM Implementation Guide", "3.4 (SDTM 2.0)"),
    ("Controlled terminology", f"CDISC SDTM {VERSION}"),
    ("Define-XML", "2.1"),
    ("Transport", "SAS transport file, version 5; Dataset-JSON 1.1 with the same content"),
    ("Dictionaries of medical terms and drugs", "none: no adverse event, history or medication is coded"),
)


def csdrg(
    example: Example,
    findings: Sequence[Finding] = (),
    core: Mapping[str, Any] | None = None,
    *,
    made: Sequence[Table] | None = None,
) -> Document:
    """Clinical study data reviewer's guide.

    Parameters
    ----------
    example
        The trial.
    findings
        What our own checks found in its data sets.
    core
        Report of CDISC CORE on them, as JSON; None: it was not asked.
    made
        Its SDTM data sets; None: they are made.
    """
    plan, told = read(example.trial.name), tables(example) if made is None else made
    named = {table.name: table for table in told}
    return Document(
        name="csdrg",
        title="Clinical Study Data Reviewer's Guide",
        subtitle=f"{example.study}: {example.trial.title}",
        about=(
            ("Study", example.study),
            ("Scenario", example.scenario.name),
            ("Replicate", str(example.replicate)),
            ("Standard", f"SDTMIG 3.4, controlled terminology {VERSION}, Define-XML 2.1"),
            ("Data", SIMULATED),
        ),
        sections=(
            _introduction(example, named),
            _protocol(example, plan, named),
            _data(example, plan, named),
            conformance(findings, core, _about(plan, named)),
        ),
    )


def _introduction(example: Example, made: Mapping[str, Table]) -> Section:
    purpose = (
        f"This guide describes the tabulation data sets of one simulated trial. {SIMULATED} It is example "
        f"{example.number} of its run: {example.why}. It accompanies define.xml."
    )
    calendar = (
        "A simulated trial has no calendar. All dates are on a virtual one that opens on 2000-01-03; a subject is "
        "randomised at 08:00 of the day of enrolment, which is study day 1, and every time is the simulated time since "
        "then, to the second: a visit or a dose may so fall on any hour of the day. No date says anything about the "
        "world."
    )
    if made["DM"].frame["RFSTDTC"].nunique() == 1:
        calendar += " Enrolment is not simulated: every subject is randomised on the day the trial opens."
    numbers = (
        "--ORRES and --STRESC are rounded to 15 decimals; --STRESN holds every bit of the simulated number. No value "
        "was rounded as a laboratory or a questionnaire would, so that the analyses can be repeated to the last "
        "digit; scores and ages have decimals too."
    )
    return Section("Introduction", sections=(
        Section("Purpose", (Paragraph(purpose),)),
        Section("Study data standards and dictionary inventory",
                (Grid("Standards and dictionaries", ("Standard", "Version"), STANDARDS, widths=(2, 3)),)),
        Section("Dates", (Paragraph(calendar),)),
        Section("Numbers", (Paragraph(numbers),)),
    ))  # fmt: skip


def _protocol(example: Example, plan: Plan, made: Mapping[str, Table]) -> Section:
    protocol = example.protocol
    design = protocol.design
    rows = [(plan.arms[name][0], plan.arms[name][1], _given(plan, name), TREATED[plan.treatments[name].doses])
            for name in design.arms]  # fmt: skip
    facts = Bullets((
        f"Design: {spaced(type(design).__name__)}, {design.n} subjects planned, {len(made['DM'].frame)} randomised, "
        f"{_periods(design.periods)}.",
        f"Scenario {example.scenario.name}: {example.scenario.description}",
        "Subjects who had not been randomised when the trial ended have no record. Of a trial that a look ended, there "
        "is what was known at that look.",
        "Trial design is in TS, TA, TE, TV and TI; the one criterion of TI is the virtual population.",
    ))  # fmt: skip
    stated = example.trial.limits
    limits = (Paragraph(f"**Limits of the simulation.** {stated}"),) if stated else ()
    outcomes = [
        (one.name, worded(protocol, plan, protocol.endpoint(one.endpoint)), spaced(type(one).__name__))
        for one in protocol.analyses
    ]
    return Section("Protocol description", (
        Paragraph(example.trial.question), facts, *limits,
        Grid("Arms and how their treatment stands in EX", ("Code", "Arm", "Treatment", "Records in EX"), rows,
             widths=(1.2, 3, 2, 4)),
        Grid("Analyses, the first of them the primary one (TS: OUTMSPRI, OUTMSSEC)",
             ("Analysis", "Outcome", "Method"), outcomes, widths=(1.5, 5, 2)),
    ))  # fmt: skip


def _given(plan: Plan, arm: str) -> str:
    one = plan.treatments[arm]
    return f"{one.before}, then {one.treatment}" if one.before else one.treatment


def _periods(count: int) -> str:
    return "one period" if count == 1 else f"{count} periods"


def _about(plan: Plan, made: Mapping[str, Table]) -> set[str]:
    """What explanations a trial may need."""
    aged = any((one.domain, one.code) == ("DM", "AGE") for one in plan.covariates.values())
    return {"", *made, *(() if aged else ("no AGE",))}


def _data(example: Example, plan: Plan, made: Mapping[str, Table]) -> Section:
    stated = [*plan.measurements.items(), *plan.covariates.items()]
    rows = [(name.replace("_", " "), one.domain, one.code, one.test or one.code) for name, one in stated]
    blocks: list[Block] = [Grid("Where the trial's data stand", ("In the trial", "Domain", "Code", "Test"), rows)]
    if plan.events:
        events = [(name.replace("_", " "), one.term, one.decode) for name, one in plan.events.items()]
        blocks.append(Grid("Intercurrent events in DS", ("In the trial", "DSTERM", "DSDECOD"), events))
    sets = [(one.name, one.label, one.structure, str(len(one.frame))) for one in made.values()]
    blocks.append(Grid("Data sets", ("Name", "Label", "Structure", "Records"), sets, numeric=(3,), widths=(1, 4, 5, 1)))
    forms = "There are no case report forms: no value was collected, every one was simulated or follows from the plan."
    return Section("Subject data", sections=(
        Section("Overview", blocks),
        Section("Annotated case report forms", (Paragraph(forms),)),
        Section("Disposition", (_disposition(made),)),
        Section("What is not there", (Bullets(list(absent(plan, made))),)),
        Section("Remarks on data sets", (Bullets(list(remarks(example.protocol, plan, made))),)),
    ))  # fmt: skip


def _disposition(made: Mapping[str, Table]) -> Grid:
    """How many subjects of each arm completed, left, and for what reason."""
    people, events = made["DM"].frame, made["DS"].frame
    ended = events[events["DSCAT"] == "DISPOSITION EVENT"].set_index("USUBJID")["DSDECOD"]
    reason = people["USUBJID"].map(ended).fillna("ongoing at the data cut-off")
    reasons = sorted(reason.unique(), key=lambda one: (one != "COMPLETED", one))
    rows = [
        (arm, str(int((people["ARM"] == arm).sum())),
         *(str(int(np.sum((people["ARM"] == arm) & (reason == one)))) for one in reasons))
        for arm in dict.fromkeys(sorted(people["ARM"]))
    ]  # fmt: skip
    head = ("Arm", "Randomised", *(one.capitalize() for one in reasons))
    return Grid("Subjects by arm", head, rows, numeric=tuple(range(1, len(head))),
                widths=(4, *(1.6 for _ in head[1:])))  # fmt: skip
