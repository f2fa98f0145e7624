"""The model analysis plan of ICH M15 (4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials.evidence.factors import FACTORS
from trials.evidence.reports import model_sections as model
from trials.evidence.reports import trial_sections as trial
from trials.evidence.reports.assessment import BY_PEOPLE, context_of_use, criteria_planned, planning
from trials.evidence.reports.content import document, said
from trials.evidence.reports.document import Bullets, Document, Grid, Paragraph, Section
from trials.evidence.reports.lock import locked
from trials.evidence.reports.missing import not_given

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study


def model_plan(study: Study, answers: Answers) -> Document:
    """The plan."""
    sections = [
        Section("Introduction", [Paragraph(said(answers.question)), context_of_use(answers)]),
        Section("Assessment: planning", [planning(answers)]),
        Section("Data", model.data(study, answers).blocks),
        Section("Model", [], [model.structure(study), model.population(study), model.assumptions(answers)]),
        Section(
            "Methods of analysis",
            [
                *_methods(study),
                trial.scenarios(study, answers),
                trial.iterations(answers),
            ],
        ),
        Section("Technical criteria", [criteria_planned(answers)]),
        Section("Credibility goals", [_goals(answers)]),
        model.limits(study),
        locked(study, answers),
        *not_given(answers),
    ]
    return document(study, answers, "map", "Model analysis plan", sections)


def _methods(study: Study) -> list[Paragraph | Bullets]:
    calibration = study.trial.calibration
    solver = study.manifest["solver"]
    fitted = "No number is estimated: the population is the literature's."
    if study.posterior is not None and calibration is not None:
        gates = "R-hat, effective sample sizes, divergences and E-BFMI must pass their limits"
        fitted = f"The population is fitted by Hamiltonian Monte Carlo; {gates}, or the run stops."
    return [
        Bullets(
            [
                f"**Estimation.** {fitted}",
                f"**Solution of the equations.** {solver['name']}: {solver['reason']}.",
                "**Simulation.** Virtual subjects are drawn from the population, allocated, dosed and measured as "
                "the protocol says.",
                "**Evaluation.** Predictive checks of a fit, published results beside the simulated ones, exact "
                "solutions of the equations, tolerances a hundred times smaller.",
            ]
        )
    ]


def _goals(answers: Answers) -> Grid:
    rows = [
        (factor.title, said(goal.goal), factor.scale.get(goal.goal, ""), said(goal.why))
        for name, factor in FACTORS.items()
        if (goal := answers.factors.get(name)) is not None
    ]
    head = ("Factor", "Goal", "What that means", "Why it is enough")
    return Grid(
        "Goals for the 13 credibility factors of ASME V&V 40-2018; the scales a to d are ours.",
        head,
        rows,
        trace=BY_PEOPLE,
        widths=(2.6, 0.6, 3.4, 3.4),
    )
