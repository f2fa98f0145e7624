"""The assessment table of ICH M15 (appendix 1), the technical criteria and what was found, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trials.evidence.criteria import Judged, judged, limit, stated
from trials.evidence.reports.content import ANSWERS, NOT_GIVEN, people, said, trace
from trials.evidence.reports.document import Block, Bullets, Grid, Paragraph, Trace
from trials.evidence.reports.naming import characteristic
from trials.report_tables import plain, with_error

if TYPE_CHECKING:
    from trials.evidence.answers import Answers, Judgement
    from trials.evidence.study import Study

BY_PEOPLE = Trace(ANSWERS, "all", "judgement of the people named on the first page", "trials.evidence.answers")


def judged_all(study: Study, answers: Answers) -> list[Judged]:
    """Every criterion that is stated, with what the run found."""
    return [judged(criterion, study.characteristics) for criterion in answers.criteria if stated(criterion)]


def tally(outcomes: Sequence[Judged]) -> str:
    """How many criteria are met, as the beginning of a sentence; of none that nobody stated any."""
    if not outcomes:
        return f"Technical criteria: {NOT_GIVEN}; none are met"
    return f"{sum(one.met for one in outcomes)} of {len(outcomes)} technical criteria are met"


def planning(answers: Answers) -> Grid:
    """Elements 2.1.1 to 2.2.2 of the table, as they stood before the run."""
    rows = [*_question(answers), *_levels(answers), *_plans(answers)]
    return Grid(
        "Assessment table (ICH M15, appendix 1): planning.",
        ("Element", "Level", "Assessment and reason"),
        rows,
        trace=BY_PEOPLE,
        widths=(2.3, 0.9, 7.5),
    )


def context_of_use(answers: Answers) -> Bullets:
    """The context of use, part by part."""
    return Bullets([f"**{name}.** {said(text)}" for name, text in _context(answers)])


def _context(answers: Answers) -> list[tuple[str, str]]:
    one = answers.context
    return [("Role", one.role), ("Scope", one.scope), ("Data", one.data), ("Other evidence", one.other_evidence)]


def assessed(study: Study, answers: Answers) -> Grid:
    """The whole table: planning, evaluation and outcome."""
    outcomes = judged_all(study, answers)
    evaluation = f"{tally(outcomes)}; {_unmet(outcomes)}" if outcomes else NOT_GIVEN
    rows = [
        *_question(answers),
        *_levels(answers),
        *_plans(answers),
        ("Evaluation of model and outcomes (2.2.3)", "", evaluation),
        (
            "Outcome of the assessment (2.2.4)",
            _adequate(answers),
            _outcome(answers),
        ),
    ]
    return Grid(
        "Assessment table (ICH M15, appendix 1).",
        ("Element", "Level", "Assessment and reason"),
        rows,
        trace=BY_PEOPLE,
        widths=(2.3, 0.9, 7.5),
    )


def _question(answers: Answers) -> list[tuple[str, str, str]]:
    return [
        ("Question of interest (2.1.1)", "", said(answers.question)),
        ("Context of use (2.1.2)", "", " ".join(context_of_use(answers).items)),
    ]


def _levels(answers: Answers) -> list[tuple[str, str, str]]:
    severity, likelihood = answers.consequence.severity, answers.consequence.likelihood
    consequence = (
        f"Severity {said(severity.level)}: {said(severity.why)} Likelihood {said(likelihood.level)}: "
        f"{said(likelihood.why)}"
    )
    return [
        ("Model influence (2.1.3)", *_judgement(answers.influence)),
        ("Consequence of a wrong decision (2.1.4)", said(answers.consequence.level), consequence),
        ("Model risk (2.1.5)", *_judgement(answers.risk)),
        ("Model impact (2.1.6)", *_judgement(answers.impact)),
    ]


def _plans(answers: Answers) -> list[tuple[str, str, str]]:
    known = [one for one in answers.criteria if stated(one)]
    listed = " ".join(f"({n}) {said(one.statement).rstrip('.')}: {limit(one)}." for n, one in enumerate(known, 1))
    return [
        ("Technical criteria (2.2.1)", "", listed or NOT_GIVEN),
        ("Appropriateness (2.2.2)", "", said(answers.appropriateness)),
    ]


def _judgement(one: Judgement) -> tuple[str, str]:
    return said(one.level), said(one.why)


def _outcome(answers: Answers) -> str:
    by = f"By {people(answers, 'reviewer')}, on {said(answers.verdict.date)}."
    return f"{answers.verdict.statement} {by}" if answers.verdict.statement else NOT_GIVEN


def _adequate(answers: Answers) -> str:
    return {True: "adequate", False: "not adequate"}.get(answers.verdict.adequate, NOT_GIVEN)


def _unmet(outcomes: list[Judged]) -> str:
    names = [one.criterion.name for one in outcomes if not one.met]
    return f"not met: {', '.join(names)}." if names else "none is missed."


def criteria_planned(answers: Answers) -> Grid:
    """The criteria with their reasons."""
    rows = [
        (
            f"`{one.name}`" if one.name else NOT_GIVEN,
            said(one.statement),
            f"{characteristic(one.characteristic)} of `{one.analysis}` under `{one.scenario}`: {limit(one)}"
            if stated(one)
            else NOT_GIVEN,
            said(one.why),
        )
        for one in answers.criteria
    ]
    head = ("Name", "Criterion", "Limit", "Reason")
    return Grid("Technical criteria, set before the run.", head, rows, trace=BY_PEOPLE, widths=(1.6, 3, 3, 3.4))


def criteria_found(study: Study, answers: Answers) -> list[Block]:
    """The criteria with what was found, and what the Monte Carlo error means for them."""
    outcomes = judged_all(study, answers)
    if not outcomes:
        return [Paragraph(f"Technical criteria: {NOT_GIVEN}.")]
    rows = [
        (
            f"`{one.criterion.name}`",
            said(one.criterion.statement),
            limit(one.criterion),
            with_error(one.value, one.mcse),
            _margin(one),
            "**met**" if one.met else "**not met**",
        )
        for one in outcomes
    ]
    head = ("Name", "Criterion", "Limit", "Found ± MCSE", "Margin in MCSE", "Result")
    made = Grid(
        "Technical criteria and what the simulation found.",
        head,
        rows,
        (3, 4),
        trace(
            "scenario, analysis and characteristic of each criterion",
            "comparison with the limit",
            code="trials.evidence.criteria",
        ),
        widths=(1.5, 3.4, 2.2, 1.6, 1.2, 1.0),
    )
    return [made, Paragraph(_clarity(outcomes))]


def _margin(one: Judged) -> str:
    return "no error" if math.isinf(one.margin) else plain(one.margin, 2)


def _clarity(outcomes: list[Judged]) -> str:
    unclear = [one.criterion.name for one in outcomes if not one.clear]
    note = (
        "The margin is the distance inside the nearest limit in Monte Carlo standard errors (of a share: that at the "
        "limit). A result is clear when it lies two of them or more from what is just allowed; otherwise another run "
        "could come to the other result. "
    )
    if not unclear:
        return f"{note}All results are clear in this sense."
    return f"{note}Not clear at this number of simulated trials: {', '.join(f'`{name}`' for name in unclear)}."
