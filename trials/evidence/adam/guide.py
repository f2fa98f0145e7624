"""The analysis data reviewer's guide of an example trial (structure of the PHUSE template, version 1.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from trials.evidence.adam.making import ascii_text
from trials.evidence.adam.programs import SIMPLE, simple
from trials.evidence.adam.results import PROGRAM, Result, treatments
from trials.evidence.adam.selecting import Selection, estimand, variables
from trials.evidence.reports.document import Block, Bullets, Code, Document, Grid, Paragraph, Section
from trials.evidence.reports.naming import spaced
from trials.evidence.sdtm.plan import read
from trials.evidence.table import Table
from trials.evidence.terminology import VERSION
from trials.report_tables import plain
from trials.verification import Finding

if TYPE_CHECKING:
    from trials.evidence.study import Example, Study

SIMULATED = "SIMULATED DATA: all subjects are virtual; no record stems from a person."
RULES = (
    "one record a subject in ADSL, and its subjects are those of DM",
    "keys tell every record from the others, and records are in their order",
    "PARAMCD, PARAM and PARAMN go together one to one",
    "CHG and PCHG are what AVAL and BASE give; BASE is AVAL of the baseline record",
    "flags are Y or empty, of populations Y or N; an analysis flag marks one record a subject, parameter and visit",
    "a value taken over from SDTM or ADSL is that of the record it was taken from, found by subject and --SEQ",
    "one name has one label in all data sets; what is derived says from what",
    "times to events are not negative, and censoring is described",
    "every data set and every record says that it is simulated",
)


def adrg(
    study: Study,
    example: Example,
    tables: Sequence[Table],
    found: Sequence[Result],
    *,
    selections: Mapping[str, Selection],
    findings: Sequence[Finding],
) -> Document:
    """Analysis data reviewer's guide.

    Parameters
    ----------
    study, example
        The run, and the example trial.
    tables
        Its analysis data sets.
    found
        Results of its analyses.
    selections
        Where every endpoint and estimand is in them.
    findings
        What `check` found in them.
    """
    return Document(
        name="adrg",
        title="Analysis Data Reviewer's Guide",
        subtitle=f"{example.study}: {study.trial.title}",
        date=study.finished[:10],
        about=(
            ("Study", example.study),
            ("Scenario", example.scenario.name),
            ("Replicate", str(example.replicate)),
            ("Date", study.finished[:10]),
            ("Data", SIMULATED),
        ),
        sections=(
            _introduction(example),
            _protocol(study, example),
            _considerations(example),
            _processing(tables),
            _described(example, tables, selections),
            _conformance(findings),
            _programs(found),
        ),
    )


def _introduction(example: Example) -> Section:
    purpose = (
        "This document describes the analysis data sets of one simulated trial and how they were made from its SDTM. "
        f"It accompanies define.xml. {SIMULATED} The trial is example {example.number} of its run: {example.why}."
    )
    standards = Grid(
        "Standards and dictionaries",
        ("Standard", "Version"),
        (
            ("SDTM Implementation Guide", "3.4"),
            ("ADaM Implementation Guide", "1.3"),
            ("Controlled terminology", VERSION),
            ("Define-XML", "2.1 with Analysis Results Metadata 1.0"),
            ("Transport", "SAS transport file, version 5; Dataset-JSON 1.1"),
        ),
    )
    source = "The SDTM data sets of the same study identifier, beside these in `tabulations/sdtm`, and no other data."
    return Section(
        "Introduction",
        sections=(
            Section("Purpose", (Paragraph(purpose),)),
            Section("Study data standards and dictionary inventory", (standards,)),
            Section("Source data used for analysis data set creation", (Paragraph(source),)),
        ),
    )


def _protocol(study: Study, example: Example) -> Section:
    design = example.protocol.design
    named = treatments(read(example.trial.name))
    arms = [(str(number), name, named[name]) for number, name in enumerate(design.arms, 1)]
    blocks: tuple[Block, ...] = (
        Paragraph(study.trial.question),
        Bullets(
            (
                f"Design: {spaced(type(design).__name__)}, {design.n} subjects planned; every setting is in "
                "`simulation/run/config.yaml`.",
                f"Periods: {design.periods}. Time is counted in units of {example.protocol.model.time}.",
                f"Scenario {example.scenario.name}: {example.scenario.description}",
            )
        ),
        Grid(
            "Arms: number (TRTxxPN) and name (TRTxxP)", ("Number", "In the trial", "Treatment"), arms, widths=(1, 2, 5)
        ),
    )
    return Section("Protocol description", blocks)


def _considerations(example: Example) -> Section:
    crossover = example.protocol.design.periods > 1
    treatment = (
        "TRTSEQP and TRTSEQA are the sequences, TRTxxP and TRTxxA the treatments of the periods; in other data sets "
        "TRTP and TRTA are those of the record's period, APERIOD."
        if crossover
        else "TRT01P and TRT01A are the randomised and the actual treatment, TRTP and TRTA the same in other data sets."
    )
    windows = (
        "Analysis visits are the planned visits, whenever they took place; NRRLT has the planned time after the start "
        "of the period. No record was excluded because it was early or late."
    )
    core = "STUDYID, USUBJID, SUBJID, SITEID, SIMFL, population flags and treatment variables are in every data set."
    imputed = Bullets(tuple(_imputations(example)))
    return Section(
        "Analysis considerations related to multiple analysis data sets",
        sections=(
            Section("Core variables", (Paragraph(core),)),
            Section("Treatment variables", (Paragraph(treatment),)),
            Section("Visit windowing, unscheduled visits and record selection", (Paragraph(windows),)),
            Section("Imputation and derivation methods", (imputed,)),
        ),
    )


def _imputations(example: Example) -> Iterator[str]:
    rules = {"zero": "0", "half": "half of the limit", "missing": "missing", "flagged": "the limit, with BLQFL=Y"}
    for one in example.protocol.measurements:
        if one.lloq:  # a limit of 0 only says that a value cannot be negative
            yield f"{one.name}: below the limit of quantification ({plain(one.lloq)}) AVAL is {rules[one.blq]}."
    for target in example.protocol.estimands:
        told = ", ".join(f"{event}: {strategy.replace('_', ' ')}" for event, strategy in target.events)
        yield (
            f"Estimand {target.name} of {target.variable} ({told}). Values after a hypothetical event are not flagged; "
            "values carried forward are derived records with DTYPE LOCF, failures with DTYPE FAILURE."
        )
    more = "else " if example.protocol.estimands or any(one.lloq for one in example.protocol.measurements) else ""
    yield f"Nothing {more}was imputed."


def _processing(tables: Sequence[Table]) -> Section:
    order = " -> ".join(table.name for table in tables)
    blocks: tuple[Block, ...] = (
        Paragraph(f"Made in this order, each from SDTM and ADSL: {order}. There are no intermediate data sets."),
        Paragraph(
            "Numbers are taken from --STRESN with every digit. Times in SDTM are given to the second on a virtual "
            "calendar; times to events and of intercurrent events therefore have an error of at most half a second."
        ),
    )  # fmt: skip
    return Section("Analysis data creation and processing issues", blocks)


def _described(example: Example, tables: Sequence[Table], selections: Mapping[str, Selection]) -> Section:
    kinds = dict(variables(example.protocol))
    where = [
        (name, spaced(type(kinds[name]).__name__), one.dataset, one.column, one.where, _strategy(example, name))
        for name, one in selections.items()
    ]
    selected = Grid(
        "Where the analysed variables are",
        ("Variable", "Kind", "Data set", "Column", "Records", "Intercurrent events"),
        where,
        widths=(2, 1.6, 1.2, 1.2, 3.4, 3),
    )
    return Section(
        "Analysis data set descriptions",
        (overview(tables), selected),
        [Section(f"{table.name}: {table.label}", (variables_of(table),)) for table in tables],
    )


def overview(tables: Sequence[Table]) -> Grid:
    """Every data set: label, class, what a record is, number of records."""
    rows = [
        (one.name, one.label.replace("SIMULATED ", ""), one.of.capitalize(), one.structure, str(len(one.frame)))
        for one in tables
    ]
    return Grid("Analysis data sets", ("Data set", "Label", "Class", "Structure", "Records"), rows, numeric=(4,),
                widths=(1.1, 2.2, 2, 4, 1.1))  # fmt: skip


def _strategy(example: Example, variable: str) -> str:
    target = estimand(example.protocol, variable)
    return "as recorded" if target is None else "; ".join(f"{event}: {how}" for event, how in target.events)


def variables_of(table: Table) -> Grid:
    """Every variable of a data set and where it is from."""
    rows = [(one.name, one.label, one.origin, ascii_text(one.source)) for one in table.columns]
    return Grid(f"Variables of {table.name}", ("Variable", "Label", "Origin", "Source or derivation"), rows,
                widths=(1.5, 3, 1.5, 5))  # fmt: skip


def _conformance(findings: Sequence[Finding]) -> Section:
    inputs = (
        "No published engine has rules of the ADaM Implementation Guide. Trialtwin's own checks were run; they are:"
    )
    issues: Block = Paragraph("The checks found nothing.")
    if findings:
        issues = Grid("Findings", ("Where", "What"), [(one.path, one.message) for one in findings])
    return Section(
        "Data conformance summary",
        sections=(
            Section("Conformance inputs", (Paragraph(inputs), Bullets(RULES))),
            Section("Issues summary", (issues,)),
        ),
    )


def _programs(found: Sequence[Result]) -> Section:
    rows = [
        (
            one.analysis.name,
            one.description,
            one.selection.dataset,
            "both" if simple(one) else PROGRAM,
            one.documentation,
        )
        for one in found
    ]
    also = any(map(simple, found))
    alone = (
        f" `programs/{SIMPLE}` computes those that it has without Trialtwin, with numpy, pandas, scipy and a reader of "
        "transport files alone."
        if also
        else ""
    )
    return Section(
        "Submission of programs",
        (
            Paragraph(
                f"`programs/{PROGRAM}` computes every result below anew from the transport files with public functions "
                f"of Trialtwin.{alone} Each prints its results beside those of the run, and whether they are the same."
            ),
            Code(f"python programs/{PROGRAM}" + (f"\npython programs/{SIMPLE}" if also else "")),
            Grid("Analyses", ("Analysis", "What", "Data set", "Program", "Method"), rows, widths=(1.3, 2, 1.1, 1.4, 4)),
        ),
    )  # fmt: skip
