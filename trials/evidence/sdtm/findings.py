"""Domains of findings: what was measured at visits, and what is known of the subjects at entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from trials.conduct.measuring import missed
from trials.errors import TrialError
from trials.evidence.sdtm import clock
from trials.evidence.sdtm.making import joined, table
from trials.evidence.sdtm.plan import Finding
from trials.evidence.sdtm.record import Record
from trials.evidence.sdtm.visits import Visits, point, pointed
from trials.evidence.table import Table
from trials.protocol import Measurement

type Array = np.ndarray

UNITS: Mapping[str, str] = MappingProxyType({
    "mg/L": "ug/mL", "ug/mL": "ug/mL", "ng/mL": "ng/mL", "h*mg/L": "h*ug/mL", "d*mg/L": "day*ug/mL", "h": "h",
    "d": "day", "percent": "%", "mg/dL": "mg/dL", "g/cm**2": "g/cm2", "mm": "mm", "kg": "kg", "nmol/L": "nmol/L",
    "mmol/L": "mmol/L", "INR": "RATIO", "score": "", "1": "", "cm": "cm", "L": "L", "g/L": "g/L",
})  # fmt: skip
"""Unit of a model to that of CDISC's terminology; both are the same unit, so that no number changes."""
NOT_DONE = "NOT DONE"
TINY = 1e-9
"""Numbers below it are written with an exponent."""
MISSED, UNSIMULATED, INESTIMABLE = "VISIT MISSED", "SOLVER FAILED", "NOT ESTIMABLE"


def unit_of(finding: Finding, unit: str) -> str:
    """Unit by controlled terminology.

    Raises
    ------
    TrialError
        When the model's unit has no counterpart that we know, and the plan states none.
    """
    if finding.unit:
        return finding.unit
    if unit not in UNITS:
        raise TrialError(f"sdtm: {finding.code} is in {unit!r}; state its unit by CDISC's terminology in the plan")
    return UNITS[unit]


def findings(record: Record, visits: Visits) -> Iterator[Table]:
    """Every domain of findings but PP."""
    parts: dict[str, list[dict[str, Array]]] = {}
    for measurement in record.protocol.measurements:
        finding = record.plan.measurements[measurement.name]
        parts.setdefault(finding.domain, []).append(_measured(record, visits, measurement))
    for name, finding in record.plan.covariates.items():
        if finding.domain != "DM":
            parts.setdefault(finding.domain, []).append(_known(record, visits, name))
    for domain, found in parts.items():
        names = list(dict.fromkeys(name for part in found for name in part))
        whole = [{name: part.get(name, _blank(name, len(part["USUBJID"]))) for name in names} for part in found]
        yield table(domain, record.study, joined(whole))


def _measured(record: Record, visits: Visits, measurement: Measurement) -> dict[str, Array]:
    """Records of a measurement (subject, period, time), without visits after the end of participation."""
    course, finding = record.example.course, record.plan.measurements[measurement.name]
    values, true = (each[measurement.name][0, record.subjects] for each in (course.observed, course.true))
    starts = np.asarray(course.starts)[: values.shape[1]]
    taken = np.broadcast_to(course.times[measurement.name], course.true[measurement.name].shape)[0, record.subjects]
    taken = taken + starts[:, None]
    here = np.nonzero(taken <= np.minimum(record.left, record.cutoff)[:, None, None])
    subject, period, place = here
    limit = measurement.lloq
    away = missed(measurement, course.patients, course.arms.shape)
    skipped = np.zeros(len(subject), bool) if away is None else away[0, record.subjects][here]
    below = _below(record, measurement, here)
    status = _status(values[here], true[here], skipped, below=below)
    result = _result(values[here], status, limit, below=below)
    planned = np.asarray(measurement.times)[place]
    prefix = finding.domain
    made = {
        **_who(record, finding, subject),
        **_results(prefix, result, unit_of(finding, _unit(record, measurement)), status),
        **_when(record, prefix, subject, taken[here], period),
        **_visit(visits, record, planned, period),
    }
    if prefix == "PC" and limit is not None:
        made["PCLLOQ"] = np.full(len(subject), limit)
    if pointed(measurement, record.plan, record.unit):
        made |= _points(record, prefix, subject, period, planned)
    baseline = (planned + starts[period] == 0) & (status == "")
    if prefix not in ("PC", "GF", "SC") and baseline.any():
        made[f"{prefix}LOBXFL"] = np.where(baseline, "Y", "").astype(object)
    return made


def _below(record: Record, measurement: Measurement, here: tuple[Array, ...]) -> Array:
    """Where a value is below the limit of quantification, however that was recorded."""
    course, limit = record.example.course, measurement.lloq
    values = course.observed[measurement.name][0, record.subjects][here]
    if limit is None:
        return np.zeros(len(values), dtype=bool)
    if measurement.name in course.below:
        return np.asarray(course.below[measurement.name][0, record.subjects][here])
    return np.asarray((values < limit) | (np.isnan(values) & (measurement.blq == "missing")))


def _status(values: Array, true: Array, skipped: Array, *, below: Array) -> Array:
    """Why there is no result: empty where there is one."""
    made = np.full(len(values), "", dtype=object)
    made[np.isnan(values) & ~below] = MISSED
    made[skipped] = MISSED
    made[np.isnan(true)] = UNSIMULATED
    return made


def _result(values: Array, status: Array, limit: float | None, *, below: Array) -> tuple[Array, Array]:
    """Result as text and as a number."""
    kept = (status == "") & ~below
    text = np.full(len(values), "", dtype=object)
    text[kept] = [number(value) for value in values[kept]]
    text[(status == "") & below] = f"<{limit:g}" if limit is not None else ""
    return text, np.where(kept, values, np.nan)


def number(value: float) -> str:
    """Shortest digits that give the number rounded to 15 decimals; --STRESN has every bit."""
    if value != 0 and abs(value) < TINY:
        return f"{value:.6e}"
    return np.format_float_positional(round(float(value), 15), trim="-")


def _who(record: Record, finding: Finding, subject: Array) -> dict[str, Array]:
    prefix, count = finding.domain, len(subject)
    said = {"TESTCD": finding.code, "TEST": finding.test, "CAT": finding.category, "SPEC": finding.specimen,
            "LOC": finding.location, "METHOD": finding.method, "EVAL": finding.evaluator, "GRPID": finding.group,
            "SYM": finding.symbol}  # fmt: skip
    made = {f"{prefix}{end}": np.full(count, value, dtype=object) for end, value in said.items() if value}
    return {"USUBJID": record.names[subject], **made}


def _results(prefix: str, result: tuple[Array, Array], unit: str, status: Array) -> dict[str, Array]:
    text, values = result
    units = np.where(text == "", "", unit).astype(object)
    made: dict[str, Any] = {"ORRES": text, "ORRESU": units, "STRESC": text, "STRESN": values, "STRESU": units}
    made |= {"STAT": np.where(status == "", "", NOT_DONE).astype(object), "REASND": status}
    return {f"{prefix}{end}": value for end, value in made.items()}


def _when(record: Record, prefix: str, subject: Array, time: Array, period: Array) -> dict[str, Array]:
    text, day = record.clocked(subject, time)
    return {f"{prefix}DTC": text, f"{prefix}DY": day, "EPOCH": record.epoch(subject, time, period)[0]}


def _visit(visits: Visits, record: Record, planned: Array, period: Array) -> dict[str, Array]:
    """Visit of a planned time; it is dated by when it took place."""
    starts = np.asarray(record.example.course.starts)
    index = np.zeros(len(planned), dtype=int)
    for one in np.unique(period):
        mine = period == one
        index[mine] = visits.of(clock.planned_day(starts[one] + planned[mine], record.unit), int(one))
    return {"VISITNUM": visits.numbers[index], "VISIT": visits.names[index], "VISITDY": visits.days[index]}


def _points(record: Record, prefix: str, subject: Array, period: Array, planned: Array) -> dict[str, Array]:
    """Time points within a day, counted from the start of the period."""
    times, place = np.unique(planned, return_inverse=True)
    names = np.asarray([point(time, record.unit) for time in times], dtype=object)
    elapsed = np.asarray([clock.duration(time, record.unit) for time in times], dtype=object)
    starts = np.asarray(record.example.course.starts)[period]
    made = {"TPT": names[place], "TPTNUM": place + 1.0, "ELTM": elapsed[place], "TPTREF": reference(record, period)}
    made["RFTDTC"] = record.clocked(subject, starts)[0]
    return {f"{prefix}{end}": value for end, value in made.items()}


def reference(record: Record, period: Array) -> Array:
    """--TPTREF: from what time points are counted."""
    if record.protocol.design.periods == 1:
        return np.full(len(period), "START OF TREATMENT", dtype=object)
    return np.asarray([f"DOSE OF PERIOD {one + 1}" for one in period], dtype=object)


def _known(record: Record, visits: Visits, name: str) -> dict[str, Array]:
    """A covariate as a finding of the first visit, before treatment."""
    finding, values = record.plan.covariates[name], record.of_patients(name)
    covariate = record.example.course.patients[name]
    levels = covariate.attrs.get("levels")
    subject = np.arange(len(values))
    if levels:
        told = [finding.values.get(level, level) for level in map(str, levels)]
        text = np.asarray([told[int(value)] for value in values], dtype=object)
        numbers, unit = np.full(len(values), np.nan), ""
    else:
        text = np.asarray([number(value) for value in values], dtype=object)
        numbers, unit = values.astype(np.float64), unit_of(finding, str(covariate.attrs.get("units", "1")))
    status, none = np.full(len(values), "", dtype=object), np.zeros(len(values), dtype=int)
    made = {
        **_who(record, finding, subject),
        **_results(finding.domain, (text, numbers), unit, status),
        **_when(record, finding.domain, subject, np.zeros(len(values)), none),
        **_visit(visits, record, np.zeros(len(values)), none),
    }
    if finding.domain not in ("PC", "GF", "SC"):
        made[f"{finding.domain}LOBXFL"] = np.full(len(values), "Y", dtype=object)
    return made


def _blank(name: str, count: int) -> Array:
    numeric = name.endswith(("STRESN", "DY", "TPTNUM", "LLOQ", "VISITNUM"))
    return np.full(count, np.nan) if numeric else np.full(count, "", dtype=object)


def _unit(record: Record, measurement: Measurement) -> str:
    return next(one.unit for one in record.protocol.model.outputs if one.name == measurement.output)
