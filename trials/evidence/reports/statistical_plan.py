"""The statistical analysis plan of the simulated trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials.evidence.reports import trial_sections as trial
from trials.evidence.reports.assessment import criteria_planned
from trials.evidence.reports.content import document, said
from trials.evidence.reports.document import Bullets, Document, Paragraph, Section
from trials.evidence.reports.lock import locked
from trials.evidence.reports.missing import not_given

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study

HANDLING = (
    "Every random number has an address (seed, stream, replicate, subject), so that any simulated trial can be "
    "repeated alone.",
    "A replicate whose analysis fails counts as a trial without success; it is counted and reported, not dropped.",
    "A subject whose equations cannot be solved has missing values; how many there were, and why, is reported.",
    "Every result stands beside its Monte Carlo standard error (Morris, White and Crowther 2019, "
    "doi:10.1002/sim.8086).",
)


def statistical_plan(study: Study, answers: Answers) -> Document:
    """The plan."""
    sections = [
        Section("Objective", [Paragraph(said(answers.question))]),
        trial.design(study),
        trial.estimands(answers),
        trial.handling(study),
        trial.analyses(study),
        Section(
            "Simulation plan",
            [
                trial.iterations(answers),
                trial.scenarios(study, answers),
                trial.seeds(study),
                Paragraph("Rules that hold for all simulated trials:"),
                Bullets(HANDLING),
            ],
        ),
        Section("Decision criteria", [criteria_planned(answers)]),
        locked(study, answers),
        *not_given(answers),
    ]
    return document(study, answers, "sap", "Statistical analysis plan", sections)
