"""Trial design domains: TA, TE, TV, TI, TD and TS."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from trials.evidence.sdtm import clock
from trials.evidence.sdtm.elements import Element, arms
from trials.evidence.sdtm.making import table
from trials.evidence.sdtm.record import Record
from trials.evidence.sdtm.visits import Visits
from trials.evidence.table import Table

type Array = np.ndarray


def trial_arms(record: Record) -> Table:
    """TA: elements of every arm or sequence in order."""
    rows = [
        (sequence.code, sequence.description, float(order), one)
        for sequence, planned in zip(arms(record.protocol, record.plan), record.elements, strict=True)
        for order, one in enumerate(planned, 1)
    ]
    branch = [f"Randomized to {row[0]}" if row[2] == 1 else "" for row in rows]
    values = {
        "ARMCD": [row[0] for row in rows],
        "ARM": [row[1] for row in rows],
        "TAETORD": [row[2] for row in rows],
        "ETCD": [row[3].code for row in rows],
        "ELEMENT": [row[3].name for row in rows],
        "TABRANCH": branch,
        "EPOCH": [row[3].epoch for row in rows],
    }
    return table("TA", record.study, values)


def trial_elements(record: Record) -> Table:
    """TE: every element once."""
    found: dict[str, Element] = {}
    for planned in record.elements:
        for one in planned:
            found.setdefault(one.code, one)
    ordered = list(found.values())
    lengths = {
        one.code: {
            round((each.end - each.start) * record.unit) for p in record.elements for each in p if each.code == one.code
        }
        for one in ordered
    }
    values = {
        "ETCD": [one.code for one in ordered],
        "ELEMENT": [one.name for one in ordered],
        "TESTRL": [_begins(one) for one in ordered],
        "TEENRL": [
            f"{clock.duration(one.end - one.start, record.unit)} after the start of the element"
            if len(lengths[one.code]) == 1
            else "Start of the next element, or end of participation"
            for one in ordered
        ],
        "TEDUR": [
            clock.duration(one.end - one.start, record.unit) if len(lengths[one.code]) == 1 else "" for one in ordered
        ],
    }
    return table("TE", record.study, values)


def _begins(one: Element) -> str:
    if one.code == "WASH":
        return "Last planned sample of the treatment before"
    return f"First dose, or start, of {one.name}"[:200]


def trial_visits(record: Record, visits: Visits) -> Table:
    """TV: planned visits, the same for every arm."""
    values = {
        "VISITNUM": visits.numbers,
        "VISIT": visits.names,
        "VISITDY": visits.days,
        "TVSTRL": [f"Study day {int(day)}, counted from randomization" for day in visits.days],
        "TVENRL": "Last planned observation of the day",
    }
    return table("TV", record.study, values)


def criteria(record: Record) -> Table:
    """TI: whom the trial admits."""
    population = record.protocol.population
    said = [f"Virtual subject drawn from the population {population.name}"]
    eligible = getattr(record.protocol.enrolment, "eligibility", None) or ()
    said += [f"{name} from {least:g} to {most:g}" for name, (least, most) in eligible]
    values = {
        "IETESTCD": [f"INCL{number:02d}" for number in range(1, len(said) + 1)],
        "IETEST": [text[:200] for text in said],
        "IECAT": "INCLUSION",
    }
    return table("TI", record.study, values)


def assessments(record: Record) -> Table | None:
    """TD: schedule of the assessments of a tumour, as stretches of equal intervals; None when there is no tumour."""
    times = [one.times for one in record.protocol.measurements if record.plan.measurements[one.name].domain == "TR"]
    if not times:
        return None
    stretches: list[list[float]] = []
    for early, late in pairwise(times[0]):
        gap = late - early
        if stretches and np.isclose(stretches[-1][1], gap):
            stretches[-1][2] += 1
        else:
            stretches.append([early, gap, 1.0])
    gaps = [clock.duration(gap, record.unit) for _, gap, _ in stretches]
    values = {
        "TDORDER": np.arange(1.0, len(stretches) + 1),
        "TDANCVAR": "RANDDT",
        "TDSTOFF": [clock.duration(start, record.unit) if start else "P0D" for start, _, _ in stretches],
        "TDTGTPAI": gaps,
        "TDMINPAI": gaps,
        "TDMAXPAI": gaps,
        "TDNUMRPT": [count for _, _, count in stretches],
    }
    return table("TD", record.study, values)
