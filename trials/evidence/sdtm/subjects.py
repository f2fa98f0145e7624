"""Domains of subjects: DM, SE, SV, DS and CE."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from trials.endpoints.event import TimeToEvent
from trials.errors import TrialError
from trials.evidence.sdtm.elements import arms
from trials.evidence.sdtm.findings import MISSED, NOT_DONE
from trials.evidence.sdtm.making import table
from trials.evidence.sdtm.record import Record
from trials.evidence.sdtm.visits import Visits
from trials.evidence.table import Table

type Array = np.ndarray

COUNTRY = "ZZZ"
"""User-assigned code of ISO 3166: virtual subjects have no country."""


def demographics(record: Record, taken: Table | None) -> Table:
    """DM, with first and last exposure from EX."""
    everyone = np.arange(len(record.subjects))
    sequences = arms(record.protocol, record.plan)
    code, arm = (np.asarray([getattr(sequences[place], name) for place in record.armed], dtype=object)
                 for name in ("code", "description"))  # fmt: skip
    ended = record.clocked(everyone, record.end)[0]
    values = {
        "USUBJID": record.names,
        "SUBJID": record.numbers,
        "RFSTDTC": record.clocked(everyone, np.zeros(len(everyone)))[0],
        "RFENDTC": ended,
        "RFPENDTC": ended,
        "DTHDTC": record.clocked(everyone, record.died)[0],
        "DTHFL": np.where(np.isfinite(record.died), "Y", "").astype(object),
        "SITEID": _sites(record),
        "SEX": "U",
        "RACE": "UNKNOWN",
        "ARMCD": code,
        "ARM": arm,
        "ACTARMCD": code,
        "ACTARM": arm,
        "COUNTRY": COUNTRY,
        **_exposed(record, taken),
        **_characteristics(record),
    }
    return table("DM", record.study, values)


def _exposed(record: Record, taken: Table | None) -> dict[str, Array]:
    if taken is None:
        return {}
    grouped = taken.frame.groupby("USUBJID")
    first, last = grouped["EXSTDTC"].min(), grouped["EXENDTC"].max()
    return {
        name: found.reindex(record.names).fillna("").to_numpy(dtype=object)
        for name, found in (("RFXSTDTC", first), ("RFXENDTC", last))
    }


def _characteristics(record: Record) -> dict[str, Array]:
    """Variables of DM that the virtual population has."""
    made: dict[str, Array] = {}
    for name, finding in record.plan.covariates.items():
        if finding.domain != "DM":
            continue
        values = record.of_patients(name)
        levels = record.example.course.patients[name].attrs.get("levels")
        if levels:
            told = [finding.values.get(level, level) for level in map(str, levels)]
            made[finding.code] = np.asarray([told[int(value)] for value in values], dtype=object)
        else:
            made[finding.code] = values.astype(np.float64)
            if finding.code == "AGE":
                made["AGEU"] = np.full(len(values), "YEARS", dtype=object)
    return made


def _sites(record: Record) -> Array:
    patients = record.example.course.patients
    if "site" not in patients:
        return np.full(len(record.subjects), "0", dtype=object)
    names = patients["site"].attrs.get("names")
    index = record.of_patients("site").astype(int)
    return np.asarray([str(names[one]) if names else str(one + 1) for one in index], dtype=object)


def subject_elements(record: Record) -> Table:
    """SE: elements of the subject's arm until participation ended."""
    rows = [
        (place, one, order, one.start, _element_end(record, place, order))
        for place in range(len(record.subjects))
        for order, one in enumerate(record.elements[record.armed[place]], 1)
        if one.start <= record.end[place] and (order == 1 or one.start < record.end[place])
    ]
    subject = np.asarray([row[0] for row in rows])
    start, start_day = record.clocked(subject, np.asarray([row[3] for row in rows]))
    end, end_day = record.clocked(subject, np.asarray([row[4] for row in rows]))
    values = {
        "USUBJID": record.names[subject],
        "ETCD": [row[1].code for row in rows],
        "ELEMENT": [row[1].name for row in rows],
        "TAETORD": [float(row[2]) for row in rows],
        "EPOCH": [row[1].epoch for row in rows],
        "SESTDTC": start,
        "SEENDTC": end,
        "SESTDY": start_day,
        "SEENDY": end_day,
    }
    return table("SE", record.study, values)


def _element_end(record: Record, place: int, order: int) -> float:
    """End of an element of a subject; the last one ends with participation."""
    planned, end = record.elements[record.armed[place]], float(record.end[place])
    return end if order == len(planned) else min(planned[order - 1].end, end)


def subject_visits(record: Record, visits: Visits, found: Iterable[Table]) -> Table:
    """SV: planned visits until participation ended, from the records at them and the first days of periods."""
    parts = [_first_days(record, visits)]
    for one in found:
        prefix = one.name
        if f"{prefix}DTC" in one.frame and "VISITNUM" in one.frame:
            done = one.frame[f"{prefix}STAT"] != NOT_DONE if f"{prefix}STAT" in one.frame else True
            part = one.frame[["USUBJID", "VISITNUM"]].assign(time=one.frame[f"{prefix}DTC"], done=done)
            parts.append(part)
    whole = pd.concat(parts, ignore_index=True)
    happened = whole[whole["done"]].groupby(["USUBJID", "VISITNUM"])["time"].agg(["min", "max"])
    planned = whole[["USUBJID", "VISITNUM"]].drop_duplicates().set_index(["USUBJID", "VISITNUM"]).join(happened)
    planned = planned.reset_index().fillna("")
    return table("SV", record.study, _visited(record, visits, planned))


def _first_days(record: Record, visits: Visits) -> pd.DataFrame:
    """The first day of each period that a subject began."""
    starts = np.asarray(record.example.course.starts)
    subject, period = np.nonzero((starts[None, :] == 0) | (starts[None, :] < record.end[:, None]))
    first = np.searchsorted(visits.periods, np.arange(len(starts)))
    times = record.clocked(subject, starts[period])[0]
    number = visits.numbers[first[period]]
    return pd.DataFrame({"USUBJID": record.names[subject], "VISITNUM": number, "time": times, "done": True})


def _visited(record: Record, visits: Visits, planned: pd.DataFrame) -> dict[str, object]:
    index = planned["VISITNUM"].to_numpy(dtype=int) - 1
    there = (planned["min"] != "").to_numpy()
    place = pd.Index(record.names).get_indexer(planned["USUBJID"])
    days = record.start[place].astype("datetime64[D]")
    made: dict[str, object] = {
        "USUBJID": planned["USUBJID"].to_numpy(dtype=object),
        "VISITNUM": visits.numbers[index],
        "VISIT": visits.names[index],
        "VISITDY": visits.days[index],
        "SVPRESP": "Y",
        "SVOCCUR": np.where(there, "Y", "N").astype(object),
        "SVREASOC": np.where(there, "", MISSED).astype(object),
    }
    for end, name in (("ST", "min"), ("EN", "max")):
        text = planned[name].to_numpy(dtype=object)
        times = np.asarray([one or "NaT" for one in text], dtype="datetime64[D]")
        made[f"SV{end}DTC"] = text
        made[f"SV{end}DY"] = np.where(there, (times - days).astype(np.float64) + 1, np.nan)
    return made


def disposition(record: Record) -> Table:
    """DS: randomisation, how participation ended as far as it is known, and other intercurrent events."""
    everyone = np.arange(len(record.subjects))
    rows = [(place, "RANDOMIZED", "RANDOMIZED", "PROTOCOL MILESTONE", 0.0) for place in everyone.tolist()]
    ends = ((place, _ended(record, place)) for place in everyone.tolist())
    rows += [(place, *one, "DISPOSITION EVENT", float(record.end[place])) for place, one in ends if one is not None]
    for event in record.protocol.intercurrent:
        if event.leaves:
            continue
        times, about = record.events()[event.name], record.plan.events[event.name]
        happened = np.flatnonzero(np.isfinite(times))
        rows += [(int(place), about.term, about.decode, "OTHER EVENT", float(times[place])) for place in happened]
    subject, time = np.asarray([row[0] for row in rows]), np.asarray([row[4] for row in rows])
    text, day = record.clocked(subject, time)
    values = {
        "USUBJID": record.names[subject],
        "DSTERM": [row[1] for row in rows],
        "DSDECOD": [row[2] for row in rows],
        "DSCAT": [row[3] for row in rows],
        "EPOCH": record.epoch(subject, time)[0],
        "DSSTDTC": text,
        "DSSTDY": day,
    }
    return table("DS", record.study, values)


def _ended(record: Record, place: int) -> tuple[str, str] | None:
    """DSTERM and DSDECOD of how participation ended; None of somebody still in the study when the data end."""
    end = record.end[place]
    if end == record.died[place]:
        return "DEATH", "DEATH"
    if end == record.left[place]:
        course = record.example.course
        for event in record.protocol.intercurrent:
            if event.leaves and course.events[event.name][0, record.subjects[place]] == end:
                about = record.plan.events[event.name]
                return about.term, about.decode
        raise TrialError(f"sdtm: {record.names[place]} left the study, and no intercurrent event says why")
    return ("COMPLETED", "COMPLETED") if end == record.completed[place] else None


def clinical_events(record: Record) -> Table | None:
    """CE: events other than death whose time the trial follows; None when there are none."""
    data = record.example.data.isel(replicate=0, subject=record.subjects)
    rows: list[tuple[int, str, float]] = []
    for endpoint in record.protocol.endpoints:
        if isinstance(endpoint, TimeToEvent) and endpoint.name != record.plan.death:
            times, happened = data[endpoint.name].values, data[f"{endpoint.name}_event"].values
            term = endpoint.name.replace("_", " ").upper()
            rows += [(int(place), term, float(times[place])) for place in np.flatnonzero(happened)]
    if not rows:
        return None
    subject, time = np.asarray([row[0] for row in rows]), np.asarray([row[2] for row in rows])
    text, day = record.clocked(subject, time)
    terms = [row[1] for row in rows]
    values = {
        "USUBJID": record.names[subject],
        "CETERM": terms,
        "CEDECOD": terms,
        "EPOCH": record.epoch(subject, time)[0],
        "CESTDTC": text,
        "CESTDY": day,
    }
    return table("CE", record.study, values)
