"""The clinical study data reviewer's guide of an example trial (structure of the PHUSE template)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trials.evidence.conformance.finding import Finding
from trials.evidence.reports.document import Block, Bullets, Document, Grid, Paragraph, Section
from trials.evidence.sdtm.plan import Plan, read
from trials.evidence.sdtm.telling import tables
from trials.evidence.sdtm.triage import EXPLAINED, reported
from trials.evidence.study import Example
from trials.evidence.table import Table
from trials.evidence.terminology import VERSION
from trials.protocol import Protocol

SIMULATED = "SIMULATED DATA: all subjects are virtual; no human being took part, and no record stems from one."
TREATED = {
    "protocol": "doses that were simulated, taken ones only; equal doses at a regular interval are one record",
    "constant": "one record from start to end of treatment: the model knows it as constant, not as doses",
    "none": "no record: nothing is given",
}
RULES = (
    "required data sets, variables, their order, labels, kinds and lengths; required values",
    "one STUDYID; DOMAIN; USUBJID of subjects of DM; keys and order of records; sequence numbers",
    "controlled terminology, also of units, routes, forms and frequencies, which engines do not check",
    "dates and durations by ISO 8601; study days; nothing ends before it starts",
    "results as text and as number, units, what was not done, one name for one test",
    "arms, elements, epochs and visits as planned; exposure, death and baseline flags; the trial summary",
)
NOT_MADE = {
    "AE": "Adverse events are not simulated.",
    "CM, MH, PE and others": "Nothing of the kind is simulated.",
    "SUPP--, RELREC": "Nothing is left that the domains cannot hold.",
}


LESIONS = {"TU, RS": "The model has the sum of diameters, no lesions and no response by criteria."}


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
        Its data sets; None: they are made here.
    """
    plan, protocol = read(example.trial.name), example.protocol
    made = tables(example) if made is None else made
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
            _introduction(example),
            _protocol(example, plan),
            _data(protocol, plan, made),
            _conformance(findings, core, _about(plan, made)),
        ),
    )


def _introduction(example: Example) -> Section:
    purpose = (
        f"This guide describes the tabulation data sets of one simulated trial. {SIMULATED} It is example "
        f"{example.number} of its run: {example.why}. It accompanies define.xml."
    )
    calendar = (
        "A simulated trial has no calendar. All dates are on a virtual one that opens on 2000-01-03; a subject is "
        "randomised at 08:00 of the day of enrolment, which is study day 1, and every time is the simulated time since "
        "then, to the second. No date says anything about the world."
    )
    return Section("Introduction", sections=(
        Section("Purpose", (Paragraph(purpose),)),
        Section("Dates", (Paragraph(calendar),)),
        Section("Numbers", (Paragraph(
            "--ORRES and --STRESC are rounded to 15 decimals; --STRESN holds every bit of the simulated number."
        ),)),
    ))  # fmt: skip


def _protocol(example: Example, plan: Plan) -> Section:
    design = example.protocol.design
    rows = [(plan.arms[name][0], plan.arms[name][1], plan.treatments[name].treatment,
             TREATED[plan.treatments[name].doses]) for name in design.arms]  # fmt: skip
    facts = Bullets((
        f"Design: {type(design).__name__}, {design.n} subjects planned, {_periods(design.periods)}.",
        f"Scenario {example.scenario.name}: {example.scenario.description}",
        "Subjects who had not been randomised when the trial ended have no record. Of a trial that a look ended, there "
        "is what was known at that look.",
    ))  # fmt: skip
    grid = Grid("Arms and how their treatment stands in EX", ("Code", "Arm", "Treatment", "Records in EX"), rows,
                widths=(1, 3, 2, 4))  # fmt: skip
    return Section("Protocol description", (Paragraph(example.trial.question), facts, grid))


def _periods(count: int) -> str:
    return "one period" if count == 1 else f"{count} periods"


def _about(plan: Plan, made: Sequence[Table]) -> set[str]:
    """What explanations a trial may need."""
    aged = any((one.domain, one.code) == ("DM", "AGE") for one in plan.covariates.values())
    return {"", *(table.name for table in made), *(() if aged else ("no AGE",))}


def _data(protocol: Protocol, plan: Plan, made: Sequence[Table]) -> Section:
    stated = [*plan.measurements.items(), *plan.covariates.items()]
    rows = [(name.replace("_", " "), one.domain, one.code, one.test or one.code) for name, one in stated]
    blocks: list[Block] = [Grid("Where the trial's data stand", ("In the trial", "Domain", "Code", "Test"), rows)]
    if plan.events:
        events = [(name.replace("_", " "), one.term, one.decode) for name, one in plan.events.items()]
        blocks.append(Grid("Intercurrent events in DS", ("In the trial", "DSTERM", "DSDECOD"), events))
    absent = {**NOT_MADE, **(LESIONS if any(table.name == "TR" for table in made) else {})}
    sets = [(one.name, one.label, one.structure, str(len(one.frame))) for one in made]
    blocks.append(Grid("Data sets", ("Name", "Label", "Structure", "Records"), sets, numeric=(3,), widths=(1, 4, 5, 1)))
    return Section("Subject data", sections=(
        Section("Overview", blocks),
        Section("What is not there", (Bullets([f"{name}: {why}" for name, why in absent.items()]),)),
        Section("Remarks on data sets", (Bullets(list(_remarks(protocol, plan))),)),
    ))  # fmt: skip


def _remarks(protocol: Protocol, plan: Plan) -> Iterator[str]:
    """What a reviewer would wonder about."""
    yield "DM: RFICDTC is empty, for virtual subjects give no consent; COUNTRY is ZZZ, a user-assigned code."
    known = {one.code for one in plan.covariates.values() if one.domain == "DM"}
    if "AGE" not in known:
        yield "DM: AGE is empty; the virtual population has no age."
    if "SEX" not in known:
        yield "DM: SEX is U; the virtual population has no sex."
    if "RACE" not in known:
        yield "DM: RACE is UNKNOWN; the virtual population has no race."
    limits = [one for one in protocol.measurements if one.lloq]
    yield from (
        f"{plan.measurements[one.name].domain}: a value below the limit of quantification is <{one.lloq:g} in --ORRES "
        f"and --STRESC, and --STRESN is empty; analyses took it by the rule {one.blq!r}."
        for one in limits
    )
    if plan.death:
        yield "DS and DM: deaths are those known when the trial ended. There is no DD: no cause is simulated."
        yield (
            "Values of a subject after its death: the model does not know that the subject has died, and the trial's "
            "analyses used them. They were kept so that the analyses can be traced."
        )
    if any(one.domain == "RS" for one in plan.measurements.values()):
        yield "RS: the model has the change of the score since the start, not the score; the record is of the change."
    if any(one.code == "GF" or one.domain == "GF" for one in plan.covariates.values()):
        yield "GF: genotypes were drawn from frequencies in the population; no sample was sequenced."


def _conformance(findings: Sequence[Finding], core: Mapping[str, Any] | None, about: set[str]) -> Section:
    return Section("Data conformance summary", sections=(
        Section("Our own checks", tuple(_own(findings))),
        Section("CDISC CORE", tuple(_core(core, about))),
    ))  # fmt: skip


def _own(findings: Sequence[Finding]) -> Iterator[Block]:
    yield Paragraph("Every data set was checked by the program that made it, before and after it was written:")
    yield Bullets(RULES)
    if not findings:
        yield Paragraph("There was no finding.")
        return
    rows = [(one.data_set, str(one.record) if one.record else "all", one.rule, one.message) for one in findings]
    yield Grid("Findings", ("Data set", "Record", "Rule", "Finding"), rows, widths=(1, 1, 2, 5))


def _core(core: Mapping[str, Any] | None, about: set[str]) -> Iterator[Block]:
    if core is None:
        yield Paragraph(
            "CORE is not part of this program; its report on these data sets is in `validation/core.json` where it was "
            "run. These are the rules that are known to fire on data sets of ours, and why the findings stand."
        )
        rows = [(rule, one.rule, one.matter, one.why) for rule, one in EXPLAINED.items() if one.about in about]
        yield Grid("Explained findings", ("Rule", "What it asks", "Matter of", "Why the finding stands"), rows,
                   widths=(2, 3, 1, 6))  # fmt: skip
        return
    found = reported(core)
    if not found:
        yield Paragraph("CORE had no finding.")
        return
    rows = [
        (
            one.rule,
            one.data_set,
            str(one.records),
            EXPLAINED[one.rule].why if one.rule in EXPLAINED else "NOT EXPLAINED",
        )
        for one in found
    ]
    yield Grid("Findings of CORE", ("Rule", "Data set", "Records", "Why the finding stands"), rows, numeric=(2,),
               widths=(2, 1, 1, 6))  # fmt: skip
