"""What a person must supply for an evidence package: the question, what hangs on the answer, who stands for it.

A file of ``conf/evidence`` holds the answers for one trial. Everything is read and checked at once: unknown fields and
wrong types are refused, and what is missing is listed in one error, unless the package is to be a draft.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.configuration import folder
from trials.errors import TrialError
from trials.evidence.asking import Notes, answered
from trials.evidence.checking import check, check_against
from trials.protocol import canonical

if TYPE_CHECKING:
    from trials.protocol import Trial
    from trials.trust.roles import People

PLANNED = ("trial", "question", "context", "influence", "consequence", "risk", "impact", "criteria", "appropriateness",
           "assumptions", "scenarios", "replicates", "estimands")  # fmt: skip
"""Fields that are settled before a run; others, such as names and the verdict, come later."""


@dataclass(frozen=True, slots=True)
class Context:
    """Context of use (ICH M15, 2.1.2).

    Attributes
    ----------
    role, scope
        What the model is asked to do, and for whom, which doses, which design.
    data
        What it rests on.
    other_evidence
        What else is known on the question.
    """

    role: str
    scope: str
    data: str
    other_evidence: str

    def __str__(self) -> str:
        """Write it as one paragraph."""
        return " ".join(part for part in (self.role, self.scope, self.data, self.other_evidence) if part)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A level and why."""

    level: Literal["low", "medium", "high"]
    why: str


@dataclass(frozen=True, slots=True)
class Consequence:
    """Consequence of a wrong decision: how bad it is times how likely (ICH M15, 2.1.4)."""

    severity: Judgement
    likelihood: Judgement
    level: Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class Criterion:
    """A technical criterion on an operating characteristic, set before the run (ICH M15, 2.2.1).

    Attributes
    ----------
    name, statement, why
        Short name, the criterion in words, and why that limit.
    scenario, analysis, characteristic
        Where ``characteristics.json`` has the number.
    at_least, at_most
        Limits; at least one of them.
    allow_mcse
        How many Monte Carlo standard errors a value may be beyond a limit and still meet it. For a share of replicates
        it is the standard error at the limit, ``sqrt(p (1 - p) / replicates)``, else that of the value.
    """

    name: str
    statement: str
    scenario: str
    analysis: str
    characteristic: str
    why: str
    at_least: float | None = None
    at_most: float | None = None
    allow_mcse: float = 0.0


@dataclass(frozen=True, slots=True)
class Replicates:
    """How many simulated trials are wanted under each scenario, at least, and why."""

    at_least: float
    why: str


@dataclass(frozen=True, slots=True)
class SourceData:
    """Leave to package what was measured in real people, which a posterior holds.

    Attributes
    ----------
    allowed
        Whether it may be in the package.
    licence, why
        By which right, and why that protects the people.
    cleared
        Letters of classes of identifiers (45 CFR 164.514(b)(2)(i)) that were found and are none, with the reason.
    """

    allowed: bool
    licence: str
    why: str
    cleared: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assumption:
    """An assumption of the model, why it is made, and what else could be assumed."""

    text: str
    why: str
    alternatives: str


@dataclass(frozen=True, slots=True)
class Goal:
    """What a credibility factor is to reach and, where the program cannot know it, what it reached and by what."""

    goal: Literal["a", "b", "c", "d"]
    why: str
    reached: Literal["a", "b", "c", "d"] | None = None
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An intercurrent event, the strategy for it and why."""

    event: str
    strategy: str
    why: str


@dataclass(frozen=True, slots=True)
class StatedEstimand:
    """An estimand by its five attributes (ICH E9(R1)), and the analyses that estimate it."""

    name: str
    analyses: tuple[str, ...]
    treatment: str
    population: str
    variable: str
    events: tuple[Event, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who stands for the package.

    Attributes
    ----------
    name, organisation
        As printed.
    roles
        Some of designer, statistician, reviewer, releaser.
    key, actor
        Public key for signatures (minisign's line), and name in the audit log where it is another.
    """

    name: str
    organisation: str
    roles: tuple[Literal["designer", "statistician", "reviewer", "releaser"], ...]
    key: str | None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Identifiers:
    """How the sponsor calls the protocol."""

    number: str
    version: str


@dataclass(frozen=True, slots=True)
class Deviation:
    """A deviation from the model analysis plan, why, and what it does to the answer."""

    what: str
    why: str
    effect: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the credibility is adequate for the context of use: by the reviewer, on a day (ISO 8601)."""

    adequate: bool
    statement: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """All of it.

    Attributes
    ----------
    trial
        Name of the trial it is for.
    question, context, influence, consequence, risk, impact
        ICH M15, 2.1.1 to 2.1.6.
    criteria, appropriateness
        ICH M15, 2.2.1 and 2.2.2.
    assumptions
        Of the model.
    scenarios
        By name, why the trial is simulated under it.
    replicates
        How many are wanted and why.
    factors
        The 13 of V&V 40 by name, as in `trials.evidence.factors.FACTORS`.
    evidence
        What there is of FDA's categories that only a person knows.
    external_validation
        By which independent data, or that there are none.
    estimands
        With intercurrent events.
    people, sponsor, protocol
        Who stands for it.
    deviations
        From the plan; an empty list says that there were none.
    verdict
        Of the reviewer.
    domains
        By measurement or endpoint of the trial, fields of SDTM that the program cannot know.
    source_data
        Leave to package data of real people, where a population was fitted to some.
    missing
        Fields nobody answered.
    digest, plan
        SHA-256 of the file's content, and of those of its fields that are settled before a run (`PLANNED`).
    """

    trial: str
    question: str
    context: Context
    influence: Judgement
    consequence: Consequence
    risk: Judgement
    impact: Judgement
    criteria: tuple[Criterion, ...]
    appropriateness: str
    assumptions: tuple[Assumption, ...]
    scenarios: Mapping[str, str]
    replicates: Replicates
    factors: Mapping[str, Goal]
    evidence: Mapping[str, str]
    external_validation: str
    estimands: tuple[StatedEstimand, ...]
    people: tuple[Person, ...]
    sponsor: str
    protocol: Identifiers
    deviations: tuple[Deviation, ...]
    verdict: Verdict
    domains: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    source_data: SourceData | None = None
    missing: tuple[str, ...] = ()
    digest: str = ""
    plan: str = ""

    @property
    def draft(self) -> bool:
        """Whether something is missing."""
        return bool(self.missing)

    def named(self, role: str) -> tuple[Person, ...]:
        """People with a role whose names are given."""
        return tuple(person for person in self.people if person.name and role in person.roles)

    @property
    def signers(self) -> People:
        """The people as signatures know them, those with names."""
        from trials.trust.roles import read_people

        rows = [
            {"name": one.name, "roles": list(one.roles), "key": one.key, "actor": one.actor}
            for one in self.people
            if one.name
        ]
        return read_people(rows, "people")


def read(source: str | Path, *, draft: bool = False, trial: Trial | None = None) -> Answers:
    """Read the answers for a trial.

    Parameters
    ----------
    source
        Path of a YAML file, or name of one in ``conf/evidence``.
    draft
        Let answers be missing; what is wrong is refused all the same.
    trial
        The trial they are for; with it, names of scenarios, analyses and measurements are checked too.

    Raises
    ------
    TrialError
        Listing every field that is wrong, and, unless it is to be a draft, every one that is missing.
    """
    path = _path(source)
    content = _content(path)
    notes = Notes()
    own = {name: value for name, value in content.items() if name not in ("missing", "digest", "plan")}
    notes.wrong.extend(f"{name}: is not known" for name in content if name not in own)
    answers = answered(Answers, own, notes)
    check(answers, notes)
    if trial is not None:
        check_against(answers, trial, notes)
    _refuse(path, notes, draft=draft)
    given = {name: getattr(answers, name) for name in Answers.__dataclass_fields__}
    made = {"missing": tuple(notes.missing), "digest": _digest(content), "plan": _plan(content)}
    return Answers(**(given | made))


def plan_digest(name: str) -> str | None:
    """SHA-256 of the planned answers for a trial, to be noted before it is run; None where there are none."""
    path = folder("evidence") / f"{name}.yaml"
    return _plan(_content(path)) if path.is_file() else None


def _plan(content: Mapping[str, Any]) -> str:
    return _digest({name: content.get(name) for name in PLANNED})


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def _path(source: str | Path) -> Path:
    path = Path(source) if Path(source).suffix == ".yaml" else folder("evidence") / f"{source}.yaml"
    if not path.is_file():
        raise TrialError(
            f"evidence: there is no file {path.name} of answers; copy conf/evidence/template.yaml and fill it in"
        )
    return path


def _content(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TrialError(f"evidence: {path.name} cannot be read ({error})") from None
    if not isinstance(content, dict):
        raise TrialError(f"evidence: {path.name} wants fields with answers, got {type(content).__name__}")
    return content


def _refuse(path: Path, notes: Notes, *, draft: bool) -> None:
    if notes.wrong:
        raise TrialError(f"evidence: {path.name} has {len(notes.wrong)} wrong answers:\n  " + "\n  ".join(notes.wrong))
    if notes.missing and not draft:
        listed = "\n  ".join(notes.missing)
        raise TrialError(
            f"evidence: {path.name} lacks {len(notes.missing)} answers that only a person can give:\n  {listed}\n"
            "Give them, or make a draft (--draft), which is marked as one on every page."
        )
