"""The credibility report: the 13 factors of ASME V&V 40-2018, and FDA's 8 categories of evidence (CDRH, 2023)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials.evidence.credibility import Assessed, assess
from trials.evidence.factors import CATEGORIES, FACTORS
from trials.evidence.reports import model_sections as model
from trials.evidence.reports import trial_sections as trial
from trials.evidence.reports.assessment import BY_PEOPLE, criteria_found, planning
from trials.evidence.reports.content import NOT_GIVEN, document, people, said
from trials.evidence.reports.document import Document, Grid, Paragraph, Section, Trace
from trials.evidence.reports.fit_sections import others
from trials.evidence.reports.missing import not_given
from trials.evidence.reports.verification_tables import exact, refinement

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study

RECOVERY = (
    "Neither recovery of known parameters nor simulation-based calibration was done for this run. The program can do "
    "both (`cohorts.parameter_recovery`, `cohorts.simulation_based_calibration`)."
)
SENSITIVITY = (
    "The answer was sought under every scenario below, of which each changes an assumption; their operating "
    "characteristics stand side by side in the simulation report. A global sensitivity analysis was not done."
)
ACTIVITIES = ("Verification", "Validation", "Applicability")


def credibility_report(study: Study, answers: Answers) -> Document:
    """The report."""
    found = assess(study, answers)
    sections = [
        Section("Question and context of use", [planning(answers)]),
        Section(
            "Credibility factors",
            [Paragraph(_gaps(found)), _overview(found)],
            [_activity(answers, found, activity) for activity in ACTIVITIES],
        ),
        Section("Evidence by category", [_categories(study, answers, found)]),
        Section("Verification", [*exact(study), *refinement(study)]),
        Section("Independent software and recovery", [*others(study), Paragraph(RECOVERY)]),
        model.evaluation(study, answers),
        Section("Uncertainty and sensitivity", [Paragraph(SENSITIVITY), trial.scenarios(study, answers)]),
        Section("Technical criteria", criteria_found(study, answers)),
        model.assumptions(answers),
        model.limits(study),
        Section("Adequacy", _adequacy(answers)),
        *not_given(answers),
    ]
    return document(study, answers, "credibility-report", "Credibility report", sections)


def _gaps(found: tuple[Assessed, ...]) -> str:
    short = [FACTORS[one.name].title for one in found if one.gap]
    unknown = [FACTORS[one.name].title for one in found if one.gap is None]
    reached = sum(one.gap == 0 for one in found)
    words = f"{reached} of {len(found)} factors reach their goal."
    words += f" Short of it: {'; '.join(short)}." if short else ""
    return words + (f" Not answered: {'; '.join(unknown)}." if unknown else "")


def _overview(found: tuple[Assessed, ...]) -> Grid:
    rows = [
        (
            FACTORS[one.name].activity,
            FACTORS[one.name].title,
            one.goal or NOT_GIVEN,
            one.reached or NOT_GIVEN,
            _gap(one),
            "program" if FACTORS[one.name].computed else "people",
        )
        for one in found
    ]
    head = ("Activity", "Factor", "Goal", "Reached", "Gap", "Found by")
    source = Trace(
        "model/credibility.json", "factors", "rules of the program, or judgement", "trials.evidence.credibility"
    )
    return Grid(
        "Goals and what was reached; a is the least rigorous level.",
        head,
        rows,
        trace=source,
        widths=(1.5, 4.2, 0.8, 1.0, 1.4, 1.2),
    )


def _gap(one: Assessed) -> str:
    if one.gap is None:
        return "unknown"
    return "none" if not one.gap else f"**{one.gap} level{'s' if one.gap > 1 else ''}**"


def _activity(answers: Answers, found: tuple[Assessed, ...], activity: str) -> Section:
    rows = [_details(answers, one) for one in found if FACTORS[one.name].activity == activity]
    head = ("Factor", "Goal, and why it is enough", "Reached, and the evidence")
    return Section(
        activity, [Grid(f"{activity}: goals and evidence.", head, rows, trace=BY_PEOPLE, widths=(2.2, 3.8, 4))]
    )


def _details(answers: Answers, one: Assessed) -> tuple[str, str, str]:
    factor, stated = FACTORS[one.name], answers.factors.get(one.name)
    why = said(stated.why if stated is not None else None)
    goal = f"**{one.goal}**: {factor.scale[one.goal]}. {why}" if one.goal else NOT_GIVEN
    reached = f"**{one.reached}**: {factor.scale[one.reached]}. {said(one.evidence)}" if one.reached else NOT_GIVEN
    return factor.title, goal, reached


def _categories(study: Study, answers: Answers, found: tuple[Assessed, ...]) -> Grid:
    by = {one.name: one.evidence for one in found}
    computed = {
        "code_verification": by["code_verification"],
        "model_calibration": _calibration(study),
        "population_validation": f"{by['output_comparison']} {said(answers.external_validation)}",
        "calculation_verification": f"{by['solver_error']} {by['model_inputs']} Every result has its Monte Carlo "
        f"error.",
    }
    rows = [(title, computed.get(name) or said(answers.evidence.get(name))) for name, title in CATEGORIES.items()]
    return Grid(
        "Evidence by the categories of FDA's guidance of 2023.",
        ("Category", "Evidence"),
        rows,
        trace=BY_PEOPLE,
        widths=(3, 7),
    )


def _calibration(study: Study) -> str:
    if study.posterior is None:
        return "None in this run: the values are those of the literature."
    checks = study.manifest["evidence"].get("checks", {})
    said_of = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in checks.items())
    return f"The population was fitted to individual data; checks of the sampler: {said_of}."


def _adequacy(answers: Answers) -> list[Paragraph]:
    verdict = {True: "adequate", False: "not adequate"}.get(answers.verdict.adequate, NOT_GIVEN)
    return [
        Paragraph(f"Credibility for the context of use is: {verdict}."),
        Paragraph(said(answers.verdict.statement)),
        Paragraph(
            f"{people(answers, 'reviewer')}, who did not develop the model or the trial; {said(answers.verdict.date)}."
        ),
    ]
