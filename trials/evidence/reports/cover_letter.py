"""The cover letter: what is handed over, what it is for, and what it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials.evidence.checking import ROLES
from trials.evidence.reports.assessment import judged_all, tally
from trials.evidence.reports.content import document, people, said, study_id
from trials.evidence.reports.document import Block, Bullets, Document, Grid, Paragraph, Section
from trials.evidence.reports.trial_sections import shortfall

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study

CONTENTS = (
    ("`m2/summary.pdf`", "The answer on one page and the assessment table of ICH M15"),
    ("`m5/sap.pdf`, `m5/map.pdf`", "Statistical analysis plan and model analysis plan"),
    ("`m5/reports`", "Model analysis report, simulation report and credibility report"),
    (
        "`m5/datasets`",
        "SDTM and ADaM data sets of the example trials with define.xml and reviewer's guides; Dataset-JSON, USDM and "
        "ARS",
    ),
    ("`model`", "Equations, priors, posterior and model card"),
    ("`simulation`", "Scenarios, seeds, operating characteristics, example trials"),
    ("`provenance`", "BioCompute object, PROV, software bill of materials, resolved configuration, locked environment"),
    ("`audit`", "Hash-chained audit trail from the first moment of the run, and signatures"),
    ("`validation`", "Results of validators, qualification, and the script that repeats the run"),
)


def cover_letter(study: Study, answers: Answers) -> Document:
    """The letter of a package."""
    sections = [
        Section("What this is", _purpose(study, answers)),
        Section("What it contains, and how to verify it", _contents()),
        Section("Who stands for it", _people(answers)),
    ]
    return document(study, answers, "cover-letter", "Cover letter", sections, contents=False)


def _purpose(study: Study, answers: Answers) -> list[Block]:
    outcomes = judged_all(study, answers)
    return [
        Paragraph(f"Re: {study.trial.title}, simulated study {study_id(study)}"),
        Paragraph(
            "This package holds the evidence of a clinical trial simulation: the plan, data sets of example trials, "
            "results of all simulated trials, the model behind them, and all that is needed to verify and repeat it."
        ),
        Paragraph(f"**Question.** {said(answers.question)}"),
        Paragraph(f"**Purpose.** {said(answers.context.role)}"),
        Paragraph(
            f"**Result.** {tally(outcomes)} on {study.manifest['replicates']:,} "
            f"simulated trials under each of {len(study.trial.scenarios)} scenarios; section 2 of the summary has "
            f"them. The reviewer's conclusion: {said(answers.verdict.statement)}"
        ),
        *shortfall(study, answers),
        Paragraph(
            "**All subjects are virtual.** No person took part, and nothing here replaces the observation of people "
            "who are treated at the same time. Every page and every data set says so."
        ),
    ]


def _contents() -> list[Block]:
    listed = "What the package contains; `index.html` says what to open first."
    return [
        Grid(listed, ("Place", "Content"), CONTENTS, widths=(2.6, 7)),
        Paragraph("To verify it without any program of ours:"),
        Bullets(
            [
                "`sha512sum -c manifest-sha512.txt` and `sha512sum -c tagmanifest-sha512.txt` check every file.",
                "`validation/reproduce.sh` repeats the run and compares the digest of its outcomes.",
            ]
        ),
    ]


def _people(answers: Answers) -> list[Block]:
    rows = [(role.capitalize(), people(answers, role)) for role in ROLES]
    return [
        Paragraph(f"Sponsor: {said(answers.sponsor)}"),
        Grid("People who stand for this package.", ("Role", "Name"), rows, widths=(2, 7)),
        Paragraph("Their signatures, with meaning and time, are bound to the digest of every file of the package."),
    ]
