"""What is asked of whom: population, criteria, objectives, endpoints and estimands."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from trials.evidence.usdm.things import Maker, Thing, html

if TYPE_CHECKING:
    from cohorts.covariates.eligibility import Criterion
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study
    from trials.evidence.usdm.treatments import Treatments

NONE = "No intercurrent event can happen in this simulation"


def population(study: Study, make: Maker, criteria: list[Thing]) -> Thing:
    """Who would be enrolled; the age is known where it is a covariate with limits."""
    people = study.trial.protocol.population
    said = f"{people.name} {people.reference} {study.trial.limits}".lower()
    return make.named(
        "StudyDesignPopulation", people.name, f"Virtual subjects: {people.reference}",
        includesHealthySubjects="healthy" in said, plannedAge=_age(study, make),
        plannedEnrollmentNumber=make("Quantity", value=float(study.trial.protocol.design.n), unit=None),
        plannedSex=[make.code("female"), make.code("male")], criterionIds=[one["id"] for one in criteria],
        plannedCompletionNumber=None, cohorts=[], notes=[],
    )  # fmt: skip


def _age(study: Study, make: Maker) -> Thing | None:
    """Limits of age by the criteria of eligibility; None where they leave an end open."""
    limits = [one for one in study.trial.protocol.population.eligibility if one.covariate == "age"]
    low = max((one.minimum for one in limits), default=-math.inf)
    high = min((one.maximum for one in limits), default=math.inf)
    if not math.isfinite(low) or not math.isfinite(high):
        return None
    ends = [make("Quantity", value=float(value), unit=make.alias("year")) for value in (low, high)]
    return make("Range", minValue=ends[0], maxValue=ends[1], isApproximate=False)


def _limits(one: Criterion) -> str:
    """A criterion of eligibility in words."""
    about = one.to_dict()
    for key, said in (("in", "one of"), ("not_in", "none of")):
        if key in about:
            return f"{one.name}: {one.covariate} is {said} {', '.join(about[key])}"
    limits = [f"{said} {about[key]:g}" for key, said in (("min", "at least"), ("max", "at most")) if key in about]
    return f"{one.name}: {one.covariate} is {' and '.join(limits)}"


def criteria(study: Study, make: Maker) -> tuple[list[Thing], list[Thing]]:
    """Criteria and their texts: the population itself, then each limit that everybody who enrols is within."""
    people = study.trial.protocol.population
    texts = [f"Belongs to the population {people.name}: {people.reference}", *map(_limits, people.eligibility)]
    items, made = [], []
    for number, text in enumerate(texts, 1):
        item = make.named("EligibilityCriterionItem", f"criterion_item_{number}", text=html(text), dictionaryId=None,
                          notes=[])  # fmt: skip
        items.append(item)
        made.append(make.named("EligibilityCriterion", f"criterion_{number}", category=make.code("inclusion"),
                               identifier=str(number), criterionItemId=item["id"], nextId=None, previousId=None,
                               notes=[]))  # fmt: skip
    return made, items


def objectives(study: Study, make: Maker) -> tuple[list[Thing], dict[str, Thing]]:
    """The trial's question with the endpoints that decide, and what else is described; endpoints by name too."""
    protocol = study.trial.protocol
    variables = {one.name: one.variable for one in protocol.estimands}
    deciding = {variables.get(one.endpoint, one.endpoint) for one in protocol.analyses if one.decides}
    primary = deciding or {protocol.endpoints[0].name}
    made = {one.name: _endpoint(one, make, primary=one.name in primary) for one in protocol.endpoints}
    first = make.named("Objective", "objective_primary", level=make.code("primary objective"),
                       text=html(study.trial.question), dictionaryId=None, notes=[],
                       endpoints=[made[name] for name in made if name in primary])  # fmt: skip
    others = [made[name] for name in made if name not in primary]
    if not others:
        return [first], made
    second = make.named("Objective", "objective_secondary", level=make.code("secondary objective"),
                        text=html("To describe the endpoints that decide nothing."), dictionaryId=None, notes=[],
                        endpoints=others)  # fmt: skip
    return [first, second], made


def _endpoint(endpoint: Any, make: Maker, *, primary: bool) -> Thing:
    unit = f" in {endpoint.unit}" if endpoint.unit not in ("", "1") else ""
    return make.named("Endpoint", endpoint.name, text=html(f"{endpoint.name.replace('_', ' ')}{unit}"),
                      level=make.code("primary endpoint" if primary else "secondary endpoint"),
                      purpose="Efficacy, pharmacokinetics or safety as the question asks", dictionaryId=None,
                      notes=[])  # fmt: skip


def estimands(
    study: Study, answers: Answers, make: Maker, given: Treatments, endpoints: dict[str, Thing]
) -> tuple[list[Thing], list[Thing]]:
    """Estimands as people stated them, and the populations that they are about."""
    protocol = study.trial.protocol
    variables = {one.name: one.variable for one in protocol.estimands}
    made, populations = [], []
    for number, one in enumerate(answers.estimands, 1):
        people = make.named("AnalysisPopulation", f"population_{number}", text=html(one.population), subsetOfIds=[],
                            notes=[])  # fmt: skip
        populations.append(people)
        name = protocol.analysis(one.analyses[0]).endpoint if one.analyses else protocol.endpoints[0].name
        events = [(event.event, event.strategy) for event in one.events] or [(NONE, "not applicable")]
        made.append(make.named(
            "Estimand", f"estimand_{number}", one.name, populationSummary=one.summary,
            analysisPopulationId=people["id"], interventionIds=[item["id"] for item in given.interventions.values()],
            variableOfInterestId=endpoints[variables.get(name, name)]["id"], notes=[],
            intercurrentEvents=[
                make.named("IntercurrentEvent", f"event_{number}_{index}", text=html(text), strategy=strategy,
                           dictionaryId=None, notes=[])
                for index, (text, strategy) in enumerate(events, 1)
            ],
        ))  # fmt: skip
    return made, populations
