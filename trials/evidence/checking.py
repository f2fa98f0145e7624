"""What answers must hold beyond their types: all factors, a person for every role, names that the trial has."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from trials.errors import TrialError
from trials.evidence.factors import ASKED, FACTORS

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.asking import Notes
    from trials.protocol import Trial

ROLES = ("designer", "statistician", "reviewer", "releaser")


def check(answers: Answers, notes: Notes) -> None:
    """Note what is wrong or missing that types alone cannot say."""
    for name in ("criteria", "assumptions", "estimands"):
        if not getattr(answers, name) and name not in notes.missing:
            notes.missing.append(name)
    _check_factors(answers, notes)
    _check_criteria(answers, notes)
    _check_people(answers, notes)
    notes.missing.extend(f"evidence.{name}" for name in ASKED if name not in answers.evidence)
    notes.wrong.extend(
        f"evidence.{name}: is not known; there are {', '.join(ASKED)}" for name in answers.evidence if name not in ASKED
    )


def _check_factors(answers: Answers, notes: Notes) -> None:
    notes.missing.extend(f"factors.{name}" for name in FACTORS if name not in answers.factors)
    for name, goal in answers.factors.items():
        if name not in FACTORS:
            notes.wrong.append(f"factors.{name}: is not known; there are {', '.join(FACTORS)}")
            continue
        factor, where = FACTORS[name], f"factors.{name}"
        for key in ("goal", "reached"):
            level = getattr(goal, key)
            if level and level not in factor.scale:
                notes.refuse(f"{where}.{key}", level, f"one of {', '.join(factor.scale)}")
        if factor.computed and (goal.reached or goal.evidence):
            notes.wrong.append(f"{where}: what was reached is found by the program; only goal and why are asked")
        if not factor.computed:
            notes.missing.extend(f"{where}.{key}" for key in ("reached", "evidence") if not getattr(goal, key))


def _check_criteria(answers: Answers, notes: Notes) -> None:
    for number, criterion in enumerate(answers.criteria):
        where = f"criteria[{number}]"
        if criterion.at_least is None and criterion.at_most is None:
            notes.missing.append(f"{where}.at_least or at_most")
        if criterion.allow_mcse < 0:
            notes.refuse(f"{where}.allow_mcse", criterion.allow_mcse, "a number of at least 0")


def _check_people(answers: Answers, notes: Notes) -> None:
    for role in ROLES:
        if not any(role in person.roles for person in answers.people):
            notes.missing.append(f"people: a {role}")
    try:
        _ = answers.signers
    except TrialError as error:
        notes.wrong.append(str(error))
    if answers.verdict.date:
        _check_date(answers.verdict.date, notes)


def _check_date(text: str, notes: Notes) -> None:
    try:
        date.fromisoformat(text)
    except ValueError:
        notes.refuse("verdict.date", text, "a day as 2026-11-21, in quotes")


def check_against(answers: Answers, trial: Trial, notes: Notes) -> None:
    """Check the names that belong to the trial."""
    scenarios = [scenario.name for scenario in trial.scenarios]
    analyses = [analysis.name for analysis in trial.protocol.analyses]
    deciders = [*analyses, *(family.name for family in trial.families)]
    if answers.trial and answers.trial != trial.name:
        notes.refuse("trial", answers.trial, f"{trial.name}, the trial of the run")
    for number, one in enumerate(answers.criteria):
        _among(f"criteria[{number}].scenario", one.scenario, scenarios, notes)
        _among(f"criteria[{number}].analysis", one.analysis, deciders, notes)
    for number, estimand in enumerate(answers.estimands):
        for name in estimand.analyses:
            _among(f"estimands[{number}].analyses", name, analyses, notes)
    for name in answers.scenarios:
        _among(f"scenarios.{name}", name, scenarios, notes)
    notes.missing.extend(f"scenarios.{name}" for name in scenarios if name not in answers.scenarios)
    measured = [one.name for one in trial.protocol.measurements] + [one.name for one in trial.protocol.endpoints]
    for name in answers.domains:
        _among(f"domains.{name}", name, measured, notes)


def _among(where: str, name: str, known: list[str], notes: Notes) -> None:
    if name and name not in known:
        notes.refuse(where, name, f"one of {', '.join(known)}")
