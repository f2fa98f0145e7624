"""When what is done: activities, visits and the timeline of a protocol."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from trials.conduct import follow_up
from trials.evidence.usdm.things import Maker, Thing, chained, duration, lasting

if TYPE_CHECKING:
    from trials.evidence.usdm.treatments import Treatments
    from trials.protocol import Measurement, Protocol


@dataclass(frozen=True, slots=True)
class Schedule:
    """Activities, encounters, what stands for what is measured, and the main timeline."""

    activities: list[Thing]
    encounters: list[Thing]
    surrogates: list[Thing]
    timeline: Thing


@dataclass(frozen=True, slots=True)
class Visit:
    """A planned time since randomisation: its period, what is measured, and how early or late it may be."""

    time: float
    period: int
    measured: tuple[Measurement, ...]
    first: bool


def schedule(protocol: Protocol, given: Treatments, make: Maker) -> Schedule:
    """Make a visit for every planned time; treatment begins with each period."""
    surrogates = {
        one.name: make.named("BiomedicalConceptSurrogate", f"surrogate_{one.name}",
                             f"Output {one.output} of the model", reference=None, notes=[])
        for one in protocol.measurements
    }  # fmt: skip
    measuring = {name: _activity(f"measure_{name}", make, surrogate=one) for name, one in surrogates.items()}
    dosing = _activity("treat", make, procedures=_procedures(given, make))
    planned, unit = visits(protocol), protocol.model.time
    encounters, instances, timings = [], [], []
    for number, visit in enumerate(planned, 1):
        encounter = make.named("Encounter", f"visit_{number}", f"{visit.time:g} {unit} after randomisation",
                               type=make.code("visit"), contactModes=[], environmentalSettings=[],
                               transitionStartRule=None, transitionEndRule=None, notes=[])  # fmt: skip
        acts = [*([dosing] if visit.first else []), *(measuring[one.name] for one in visit.measured)]
        instance = make.named("ScheduledActivityInstance", f"instance_{number}",
                              activityIds=[one["id"] for one in acts],
                              epochId=given.epochs[visit.period]["id"], encounterId=encounter["id"], timelineId=None,
                              timelineExitId=None, defaultConditionId=None)  # fmt: skip
        instances.append(instance)
        timing = _timing(visit, unit, make, instances)
        encounter["scheduledAtId"] = timing["id"]
        encounters.append(encounter)
        timings.append(timing)
    for before, after in pairwise(instances):
        before["defaultConditionId"] = after["id"]
    leave = make("ScheduleTimelineExit")
    instances[-1]["timelineExitId"] = leave["id"]
    length = protocol.design.duration(follow_up(protocol))
    timeline = make.named(
        "ScheduleTimeline", "main_timeline", "Planned times since randomisation", mainTimeline=True,
        entryCondition="The virtual subject is randomised", entryId=instances[0]["id"], exits=[leave],
        plannedDuration=lasting(length, unit, make), instances=instances, timings=timings,
    )  # fmt: skip
    return Schedule(chained([dosing, *measuring.values()]), chained(encounters), list(surrogates.values()), timeline)


def visits(protocol: Protocol) -> list[Visit]:
    """Planned times in order; the start of a period is one, whether or not something is measured then."""
    found: dict[tuple[int, float], list[Measurement]] = {}
    starts = protocol.design.starts(follow_up(protocol))
    for period, start in enumerate(starts):
        found.setdefault((period, start), [])
        for one in protocol.measurements:
            for time in one.times:
                found.setdefault((period, start + time), []).append(one)
    return [
        Visit(time, period, tuple(measured), time == starts[period])
        for (period, time), measured in sorted(found.items(), key=lambda item: item[0])
    ]


def _activity(name: str, make: Maker, surrogate: Thing | None = None, procedures: list[Thing] | None = None) -> Thing:
    return make.named("Activity", name, definedProcedures=procedures or [], biomedicalConceptIds=[], bcCategoryIds=[],
                      bcSurrogateIds=[] if surrogate is None else [surrogate["id"]], childIds=[], timelineId=None,
                      notes=[])  # fmt: skip


def _procedures(given: Treatments, make: Maker) -> list[Thing]:
    return [
        make.named("Procedure", f"give_{name}", procedureType="Administration of study treatment",
                   code=make.code("administration"), studyInterventionId=one["id"], notes=[])
        for name, one in given.interventions.items()
    ]  # fmt: skip


def _timing(visit: Visit, unit: str, make: Maker, instances: list[Thing]) -> Thing:
    """Time of the latest instance after the first, which is the anchor."""
    anchor, here = instances[0], instances[-1]
    fixed = anchor is here
    early = max((one.window[0] for one in visit.measured), default=0.0)
    late = max((one.window[1] for one in visit.measured), default=0.0)
    wide = not fixed and early + late > 0
    return make.named(
        "Timing", f"timing_{len(instances)}", type=make.code("fixed" if fixed else "after"),
        value=duration(visit.time, unit), valueLabel=f"{visit.time:g} {unit}",
        relativeToFrom=make.code("start to start"),
        relativeFromScheduledInstanceId=here["id"], relativeToScheduledInstanceId=None if fixed else anchor["id"],
        windowLabel=f"-{early:g} to +{late:g} {unit}" if wide else None,
        windowLower=duration(early, unit) if wide else None, windowUpper=duration(late, unit) if wide else None,
    )  # fmt: skip
