"""The summary: the answer on one page, and the assessment table of ICH M15."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials.evidence.reports import characteristics
from trials.evidence.reports import trial_sections as trial
from trials.evidence.reports.assessment import assessed, criteria_found, judged_all, tally
from trials.evidence.reports.content import document, pictures, said
from trials.evidence.reports.document import Block, Document, Paragraph, Section
from trials.evidence.reports.missing import not_given

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study


def summary(study: Study, answers: Answers) -> Document:
    """The summary of a package."""
    outcomes = judged_all(study, answers)
    missed = [one.criterion.statement for one in outcomes if not one.met]
    answer: list[Block] = [
        Paragraph(f"**Question.** {said(answers.question)}"),
        Paragraph(
            f"**What was done.** The trial was simulated {study.manifest['replicates']:,} times under each of "
            f"{len(study.trial.scenarios)} scenarios, each time with new virtual subjects, and analysed as planned."
        ),
        *trial.shortfall(study, answers),
        Paragraph(f"**Answer.** {tally(outcomes)}." + (f" Not met: {' '.join(missed)}" if missed else "")),
        Paragraph(f"**Conclusion of the reviewer.** {said(answers.verdict.statement)}"),
        characteristics.answer(study),
        Paragraph(f"**Limits.** {study.trial.limits}")
        if study.trial.limits
        else Paragraph("**Limits.** None were stated."),
    ]
    sections = [
        Section("The answer on one page", answer),
        Section("Criteria", criteria_found(study, answers)),
        Section("Assessment", [assessed(study, answers)]),
        Section("Power", pictures(study, "power")),
        *not_given(answers),
    ]
    return document(study, answers, "summary", "Summary", [one for one in sections if one.blocks], contents=False)
