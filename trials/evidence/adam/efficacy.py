"""Endpoints that are neither values at visits nor pharmacokinetic parameters (ADEFF), and times to events (ADTTE)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from trials.conduct.estimand import Estimand
from trials.endpoints.base import Endpoint, Found
from trials.endpoints.composite import First
from trials.endpoints.crossing import Crossing
from trials.endpoints.event import TimeToEvent
from trials.endpoints.responder import Responder
from trials.evidence.adam import dates, making
from trials.evidence.adam.making import Variable, assigned, derived
from trials.evidence.adam.measured import subject_and_period
from trials.evidence.adam.recorded import Recorded
from trials.evidence.adam.selecting import EVENTS, Selection, estimand, variables
from trials.evidence.table import Table

type Array = np.ndarray


@dataclass(frozen=True, slots=True)
class _Part:
    """Records of one variable."""

    selection: Selection
    endpoint: Endpoint
    target: Estimand | None
    frame: pd.DataFrame


def efficacy(seen: Recorded, adsl: Table, selections: Sequence[Selection]) -> Table:
    """ADEFF: one record a subject, parameter and period (and visit, of a repeated endpoint) that is not missing."""
    parts = [_part(seen, one) for one in selections]
    frame = _joined(parts)
    variables = [
        *subject_and_period(seen, adsl, frame), *_named(frame),
        (derived("AVAL", "Analysis Value", "As PARAM says", "float"), frame["AVAL"]),
        (derived("ATRISK", "Time at Risk", "Of a count: to the end of follow-up", "float"), frame["ATRISK"]),
        (derived("BLQFL", "Below Limit of Quantification Flag", "As in the source", codelist="NY"), frame["BLQFL"]),
        *_sourced(frame), _flagged(),
    ]  # fmt: skip
    keys = ("STUDYID", "USUBJID", "PARAMCD", "APERIOD")
    structure = "One record per subject, parameter and analysis period"
    return making.table("ADEFF", "Efficacy Analysis", structure, _counted(variables, frame), keys=keys,
                        told=_details(seen, parts))  # fmt: skip


def times(seen: Recorded, adsl: Table, selections: Sequence[Selection]) -> Table:
    """ADTTE: one record a subject and parameter, with the time of the event or of censoring and which of both."""
    parts = [_part(seen, one) for one in selections]
    frame = _joined(parts)
    unit = seen.protocol.model.time
    variables = [
        *subject_and_period(seen, adsl, frame), *_named(frame),
        (derived("AVAL", "Analysis Value", "Time from the start of the period, as PARAM says", "float"), frame["AVAL"]),
        (assigned("AVALU", "Analysis Value Unit", "The trial's unit of time"), np.full(len(frame), unit)),
        (derived("CNSR", "Censor", "0 event, 1 censored", "integer", format="1."), frame["CNSR"]),
        *_dated(seen, frame),
        (derived("EVNTDESC", "Event or Censoring Description", "As CNSR and DS say"), frame["EVNTDESC"]),
        *_sourced(frame), _flagged(),
    ]  # fmt: skip
    keys = ("STUDYID", "USUBJID", "PARAMCD", "APERIOD")
    structure = "One record per subject and parameter"
    return making.table("ADTTE", "Time to Event Analysis", structure, _counted(variables, frame), of=making.TIMED,
                        keys=keys, told=_details(seen, parts))  # fmt: skip


def _dated(seen: Recorded, frame: pd.DataFrame) -> Iterator[Variable]:
    """From when the time is counted, and when it ended."""
    start = dates.moment(seen.sdtm["DM"].frame.set_index("USUBJID")["RFSTDTC"].reindex(list(seen.subjects)))
    begun = np.asarray(seen.course.starts)[frame["period"].to_numpy(dtype=int)] * seen.second
    origin = start[frame["subject"].to_numpy(dtype=int)] + begun
    end = np.round(origin + frame["AVAL"].to_numpy() * seen.second)
    about = "DM.RFSTDTC; of a later period its planned start"
    first, last = origin // dates.DAY, end // dates.DAY
    yield derived("STARTDT", "Time-to-Event Origin Date", about, "integer", format=dates.DATE), first
    about = "Date part of the time of the event or of censoring, STARTDT and AVAL"
    yield derived("ADT", "Analysis Date", about, "integer", format=dates.DATE), last
    yield derived("ADY", "Analysis Relative Day", "ADT - STARTDT + 1", "integer", format="8."), last - first + 1


def _details(seen: Recorded, parts: Sequence[_Part]) -> dict[str, str]:
    """For each parameter how the trial states it."""
    return {part.selection.parameter: described(seen, part.endpoint, part.target) for part in parts}


def named(seen: Recorded, endpoint: Endpoint, target: Estimand | None) -> str:
    """Name of a parameter: what the endpoint is in words, with its unit and of which estimand."""
    timed = isinstance(endpoint, EVENTS)
    unit = (
        seen.protocol.model.time if timed else "1 = yes, 0 = no" if isinstance(endpoint, Responder) else endpoint.unit
    )
    estimated = f", estimand {target.name.replace('_', ' ')}" if target else ""
    return making.ascii_text(f"{seen.wording[endpoint.name]} ({unit}){estimated}")[:200].rstrip()


def described(seen: Recorded, endpoint: Endpoint, target: Estimand | None) -> str:
    """What an endpoint is, in words, of at most 200 characters."""
    kind = type(endpoint).__name__.lower()
    name = endpoint.name if target is None else target.name
    hidden = ("name", "unit", "of", "metric", "criterion", "through", "every")
    told = [
        f"{field.name} {_shown(getattr(endpoint, field.name))}"
        for field in fields(endpoint)  # type: ignore[arg-type]
        if field.name not in hidden and getattr(endpoint, field.name) is not None
    ]
    told += [_shown(getattr(endpoint, name)) for name in ("metric", "criterion") if hasattr(endpoint, name)]
    told += [f"first of {', '.join(one.name for one in endpoint.of)}"] if isinstance(endpoint, First) else []
    told += [
        f"strategy for {event} {strategy.replace('_', ' ')}" for event, strategy in (target.events if target else ())
    ]
    unit = seen.protocol.model.time if kind in ("timetoevent", "crossing", "first") else endpoint.unit
    return making.ascii_text(f"{name} ({unit}): {kind}, {', '.join(told)}")[:200].rstrip()


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return " ".join(_shown(one) for one in value)
    if hasattr(value, "__dataclass_fields__"):
        told = [(one, getattr(value, one)) for one in value.__dataclass_fields__]
        return " ".join([type(value).__name__, *(f"{name} {_shown(got)}" for name, got in told if got is not None)])
    return str(value)


def _part(seen: Recorded, selection: Selection) -> _Part:
    endpoint = dict(variables(seen.protocol))[selection.variable]
    target = estimand(seen.protocol, selection.variable)
    found = seen.found[selection.variable]
    where = np.argwhere(np.isfinite(found.values[0]))
    at = tuple(where.T)
    frame = pd.DataFrame({"subject": where[:, 0], "period": where[:, 1], "AVAL": found.values[0][at]})
    frame["NRRLT"] = found.visits[where[:, 2]] if found.visits is not None else np.nan
    frame["ATRISK"] = found.exposure[0][at] if found.exposure is not None else np.nan
    frame["BLQFL"] = making.flag(found.below[0][at]) if found.below is not None else ""
    frame["PARAMCD"], frame["PARAM"] = selection.parameter, named(seen, endpoint, target)
    frame = _with_event(seen, endpoint, found, frame, at)
    return _Part(selection, endpoint, target, _with_source(seen, endpoint, target, frame))


def _with_event(
    seen: Recorded, endpoint: Endpoint, found: Found, frame: pd.DataFrame, at: tuple[Array, ...]
) -> pd.DataFrame:
    if found.event is None:
        return frame.assign(CNSR=np.nan, EVNTDESC="")
    event = found.event[0][at]
    left = seen.course.left[0][at[0]]
    starts = np.asarray(seen.course.starts)[at[1]]
    gone = np.isfinite(left) & (frame["AVAL"].to_numpy() >= left - starts)
    short = isinstance(endpoint, TimeToEvent) & (frame["AVAL"].to_numpy() < getattr(endpoint, "until", 0.0))
    ended = np.where(short, "DATA CUT-OFF", "END OF FOLLOW-UP")
    last = "LAST ASSESSMENT" if isinstance(endpoint, Crossing) else ended
    told = np.where(event, endpoint.name.upper(), np.where(gone, "LEFT THE STUDY", last))
    return frame.assign(CNSR=1.0 - event, EVNTDESC=told)


def _with_source(seen: Recorded, endpoint: Endpoint, target: Estimand | None, frame: pd.DataFrame) -> pd.DataFrame:
    """Domain, variable and, where one record is the source, its sequence number."""
    source = seen.sources.get(endpoint.name)
    if source is not None:
        known = source.reindex(pd.MultiIndex.from_frame(frame[["subject", "period"]]))
        return frame.assign(**{name: known[name].to_numpy() for name in ("SRCDOM", "SRCVAR", "SRCSEQ")})
    measures = endpoint.measures
    domain = seen.homes[measures[0]].domain if measures else ""
    frame = frame.assign(SRCDOM=domain, SRCVAR=f"{domain}STRESN" if domain else "", SRCSEQ=np.nan)
    visit = getattr(endpoint, "visit", None)
    if visit is None or len(measures) != 1 or target is not None:
        return frame
    records = seen.findings[measures[0]]
    records = records[seen.planned(measures[0])[records["place"].to_numpy(dtype=int)] == visit]
    numbers = records.set_index(["subject", "period"])["SEQ"]
    return frame.assign(SRCSEQ=numbers.reindex(pd.MultiIndex.from_frame(frame[["subject", "period"]])).to_numpy())


def _joined(parts: Sequence[_Part]) -> pd.DataFrame:
    frame = pd.concat([part.frame for part in parts], ignore_index=True)
    frame["PARAMN"] = frame["PARAMCD"].map([part.selection.parameter for part in parts].index).astype(float) + 1
    return frame


def _named(frame: pd.DataFrame) -> Iterator[Variable]:
    yield assigned("PARAM", "Parameter", "The trial's endpoint or estimand", core="Req"), frame["PARAM"]
    yield assigned("PARAMCD", "Parameter Code", core="Req"), frame["PARAMCD"]
    yield assigned("PARAMN", "Parameter (N)", kind="integer", format="8."), frame["PARAMN"]
    yield assigned("PARAMTYP", "Parameter Type", codelist="PARAMTYP"), np.full(len(frame), "DERIVED")
    about = "Planned time of the visit of a repeated endpoint"
    yield derived("NRRLT", "Nominal Rel. Time from Start of Period", about, "float"), frame["NRRLT"]


def _sourced(frame: pd.DataFrame) -> Iterator[Variable]:
    yield assigned("SRCDOM", "Source Data", "SDTM domain that the value stems from"), frame["SRCDOM"]
    yield assigned("SRCVAR", "Source Variable"), frame["SRCVAR"]
    yield (
        assigned("SRCSEQ", "Source Sequence Number", "--SEQ, where one record is the source", "integer"),
        frame["SRCSEQ"],
    )


def _flagged() -> Variable:
    return derived("ANL01FL", "Analysis Flag 01", "Y: analysed", codelist="NY"), ()


def _counted(variables: Sequence[Variable], frame: pd.DataFrame) -> Sequence[Variable]:
    """Variables, those that no record has left out, and the flag of every record set."""
    kept: Mapping[str, bool] = {name: bool(frame[name].notna().any()) for name in ("ATRISK", "NRRLT", "SRCSEQ")}
    kept = {**kept, "BLQFL": bool((frame["BLQFL"] != "").any())}
    made = [(column, values) for column, values in variables if kept.get(column.name, True)]
    return [(column, np.full(len(frame), "Y") if column.name == "ANL01FL" else values) for column, values in made]
