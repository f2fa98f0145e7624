"""Installation, operational and performance qualification: what was verified on the computer that made the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials.evidence.reports.content import document
from trials.evidence.reports.document import Block, Bullets, Document, Grid, Paragraph, Section
from trials.evidence.reports.missing import not_given
from trials.evidence.reports.verification_tables import exact, library, refinement, repetition, versions
from trials.evidence.verifying import exact_solutions, installed, library_solutions, repeated
from trials.verification import check

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study

NOT_DONE = (
    "Qualification of the computer, its operating system and its network: that is for the organisation that runs them.",
    "Qualification against an organisation's own user requirements, and approval by its quality unit.",
    "The full test suite: it is part of the source and runs with every change there, not when a package is made.",
    "A demonstration of compliance with 21 CFR Part 11: software can support it and never be it.",
)


def qualification(study: Study, answers: Answers) -> Document:
    """The document."""
    sections = [
        Section("Result", _result(study)),
        Section(
            "Installation qualification",
            [
                Paragraph("What is installed now against what the run recorded when it was made."),
                versions(study),
            ],
        ),
        Section("Operational qualification", [library(), *exact(study), *refinement(study)]),
        Section("Performance qualification", [repetition(study), *_folder(study)]),
        Section("What was not done", [Bullets(NOT_DONE)]),
        *not_given(answers),
    ]
    return document(study, answers, "iq-oq-pq", "Qualification report (IQ, OQ, PQ)", sections)


def _result(study: Study) -> list[Block]:
    library_found, own, again = library_solutions(), exact_solutions(study), repeated(study)
    same = [at_run == there for _, at_run, there in installed(study)]
    findings = check(study.run).findings
    rows = [
        ("Installation", "versions equal to those of the run", _count(same)),
        ("Operation", "exact solutions of the library's models", _count([one.passed for one in library_found])),
        ("Operation", "numbers of the trial's model found elsewhere", _count([one.passed for one in own])),
        ("Performance", "estimates of the example trials equal to the last bit", _count([one.same for one in again])),
        (
            "Performance",
            "files of the run as its run left them",
            "all" if not findings else f"**{len(findings)} findings**",
        ),
    ]
    return [
        Grid(
            "What was verified when this package was made.",
            ("Qualification", "Verified", "Passed"),
            rows,
            widths=(2, 5, 2),
        )
    ]


def _count(passed: list[bool]) -> str:
    text = f"{sum(passed)} of {len(passed)}"
    return text if all(passed) else f"**{text}**"


def _folder(study: Study) -> list[Block]:
    found = check(study.run).findings
    if not found:
        return [
            Paragraph(
                "Every file of the run has the digest its manifest states, the operating characteristics computed "
                "anew from its outcomes are those it stores."
            )
        ]
    return [Paragraph("The run is not as it was left:"), Bullets([str(one).replace("`", "'") for one in found])]
