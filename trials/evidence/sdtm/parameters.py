"""PP: noncompartmental parameters of every profile of concentrations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from engine.outcomes import NCA
from trials.endpoints.course import Course
from trials.evidence.sdtm.findings import INESTIMABLE, NOT_DONE, number, reference, unit_of
from trials.evidence.sdtm.making import joined, table
from trials.evidence.sdtm.plan import Finding
from trials.evidence.sdtm.record import Record
from trials.evidence.table import Table
from trials.evidence.terminology import CODELISTS

type Array = np.ndarray

USUAL = ("CMAX", "TMAX", "AUCLST", "LAMZHL")
"""Parameters that every profile gets, besides those that the trial analyses."""
UNIT: Mapping[str, str] = MappingProxyType({
    "CMAX": "{concentration}", "CMIN": "{concentration}", "CAVG": "{concentration}", "CLST": "{concentration}",
    "TMAX": "{time}", "TLST": "{time}", "LAMZHL": "{time}",
    "AUCLST": "{time}*{concentration}", "AUCIFO": "{time}*{concentration}", "AUCTAU": "{time}*{concentration}",
    "AUCALL": "{time}*{concentration}",
})  # fmt: skip


class Parameter(NamedTuple):
    """A parameter of the profiles of a measurement: PPTESTCD, unit, and values (subject, period)."""

    measure: str
    code: str
    unit: str
    values: Array


def parameters(record: Record) -> Table | None:
    """PP, or None when no concentration is analysed by its profile."""
    parts = [_records(record, one) for one in _all(record)]
    return table("PP", record.study, joined(parts)) if parts else None


def _all(record: Record) -> Iterator[Parameter]:
    """Parameters that the trial analyses, as it analysed them, and the usual ones by the same method."""
    seen, done = record.example.course.seen(), set()
    mine = [one for one in record.protocol.endpoints if _profiled(record, one)]
    for endpoint in mine:
        assert isinstance(endpoint, Course), "held by _profiled"
        metric = endpoint.metric
        assert isinstance(metric, NCA), "held by _profiled"
        done.add((endpoint.measure, metric.parameter))
        values = record.example.data[endpoint.name].values[0, record.subjects]
        yield Parameter(endpoint.measure, metric.parameter, endpoint.unit, values.reshape(len(values), -1))
    for endpoint in mine:
        assert isinstance(endpoint, Course), "held by _profiled"
        for code in USUAL:
            if (endpoint.measure, code) not in done:
                done.add((endpoint.measure, code))
                metric = replace(endpoint.metric, parameter=code)  # type: ignore[type-var]
                found = replace(endpoint, metric=metric).find(seen).values[0, record.subjects]
                yield Parameter(endpoint.measure, code, _unit(record, endpoint.measure, code), found)


def _profiled(record: Record, endpoint: object) -> bool:
    """Whether an endpoint is a noncompartmental parameter of concentrations."""
    noncompartmental = isinstance(endpoint, Course) and isinstance(endpoint.metric, NCA)
    return noncompartmental and record.plan.measurements[endpoint.measure].domain == "PC"  # type: ignore[attr-defined]


def _unit(record: Record, measure: str, code: str) -> str:
    output = record.protocol.measurement(measure).output
    concentration = next(one.unit for one in record.protocol.model.outputs if one.name == output)
    return UNIT[code].format(time=record.protocol.model.time, concentration=concentration)


def _records(record: Record, one: Parameter) -> dict[str, Array]:
    finding = record.plan.measurements[one.measure]
    starts = np.asarray(record.example.course.starts)
    known = starts[None, :] < np.minimum(record.left, record.cutoff)[:, None]
    subject, period = np.nonzero(known)
    values = one.values[subject, period]
    finite = np.isfinite(values)
    text = np.full(len(values), "", dtype=object)
    text[finite] = [number(value) for value in values[finite]]
    unit = unit_of(Finding(finding.domain, finding.code, finding.test), one.unit)
    units = np.where(finite, unit, "").astype(object)
    epoch, order = record.epoch(subject, starts[period])
    count = len(values)
    return {
        "USUBJID": record.names[subject],
        "PPTESTCD": np.full(count, one.code, dtype=object),
        "PPTEST": np.full(count, CODELISTS["PKPARMCD"].decode(one.code), dtype=object),
        "PPCAT": np.full(count, finding.test.upper(), dtype=object),
        "PPORRES": text,
        "PPORRESU": units,
        "PPSTRESC": text,
        "PPSTRESN": np.where(finite, values, np.nan),
        "PPSTRESU": units,
        "PPSTAT": np.where(finite, "", NOT_DONE).astype(object),
        "PPREASND": np.where(finite, "", INESTIMABLE).astype(object),
        "PPSPEC": np.full(count, finding.specimen, dtype=object),
        "TAETORD": order,
        "EPOCH": epoch,
        "PPTPTREF": reference(record, period),
        "PPRFTDTC": record.clocked(subject, starts[period])[0],
    }
