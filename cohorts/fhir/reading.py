"""From a FHIR R4 bundle to the records of its patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cohorts.errors import PopulationError
from cohorts.fhir.codes import LOINC, RXNORM, SNOMED, Codes, Drug, Measured, load_codes
from cohorts.fhir.resources import Resource, born, bundle_of, codes, entries, moment, quantity, where
from cohorts.fhir.units import convert
from cohorts.twins.records import PatientRecord

HOUR, YEAR = 3600.0, 365.25 * 24.0 * 3600.0
OBSERVED = ("final", "amended", "corrected", "preliminary")
"""Status of an Observation that counts; others are passed over."""
GIVEN = ("completed", "in-progress", "stopped")
"""Status of a MedicationAdministration that counts."""


@dataclass(slots=True)
class _Found:
    """What a bundle says of one patient."""

    patient: Resource
    outputs: list[tuple[datetime, Measured, Resource]] = field(default_factory=list)
    covariates: list[tuple[datetime, Measured, Resource]] = field(default_factory=list)
    doses: list[tuple[datetime, Drug, Resource]] = field(default_factory=list)


def read_fhir(
    bundle: "str | Path | Mapping[str, Any]", mapping: "str | Path | Mapping[str, Any] | Codes"
) -> tuple[PatientRecord, ...]:
    """Records of the patients in a FHIR R4 bundle.

    Parameters
    ----------
    bundle
        Path of a JSON file, or the bundle itself: any type, with Patient, Observation and MedicationAdministration
        resources (and Medication, where administrations refer to it). Other resources are passed over, and so are
        codes the mapping does not know.
    mapping
        What the codes mean: a name in ``conf/fhir``, a path to a YAML file, a mapping, or `Codes`.

    Returns
    -------
    tuple of PatientRecord
        One a patient, in the bundle's order. Times are hours since the first dose (since the first measurement where
        there is no dose), which ``start`` dates. A measurement ``<`` a limit is below it (``blq``); doses with a period
        or a rate are infusions.

    Raises
    ------
    PopulationError
        Naming the resource and the field: an unknown unit, a time without a zone, a dose without an amount ...
    """
    known = load_codes(mapping)
    resources = list(entries(bundle_of(bundle)))
    people = _people(resources)
    medications = {name: r for url, r in resources if r["resourceType"] == "Medication" for name in _names(url, r)}
    for _, resource in resources:
        kind = resource["resourceType"]
        if kind == "Observation":
            _observation(resource, known, people)
        elif kind == "MedicationAdministration":
            _administration(resource, known, people, medications)
    unique = {id(found): found for found in people.values()}
    return tuple(_record(found, known) for found in unique.values())


def _names(url: str, resource: Resource) -> list[str]:
    own = f"{resource['resourceType']}/{resource['id']}" if "id" in resource else ""
    return [name for name in (url, own) if name]


def _people(resources: Sequence[tuple[str, Resource]]) -> dict[str, _Found]:
    people: dict[str, _Found] = {}
    for url, resource in resources:
        if resource["resourceType"] == "Patient":
            people |= dict.fromkeys(_names(url, resource), _Found(resource))
    if not people:
        raise PopulationError("bundle: has no Patient")
    return people


def _whose(resource: Resource, people: Mapping[str, _Found]) -> _Found:
    reference = str((resource.get("subject") or {}).get("reference", ""))
    for name, found in people.items():
        if reference == name or reference.endswith(f"/{name}"):
            return found
    raise PopulationError(f"{where(resource)}.subject: got {reference!r}, wanted a Patient of the bundle")


def _observation(resource: Resource, known: Codes, people: Mapping[str, _Found]) -> None:
    own = codes(resource.get("code"), LOINC)
    mine = [(kind, m) for kind in ("outputs", "covariates") for m in getattr(known, kind) if set(m.codes) & set(own)]
    if not mine or resource.get("status") not in OBSERVED or "dataAbsentReason" in resource:
        return
    period = (resource.get("effectivePeriod") or {}).get("start")
    text = resource.get("effectiveDateTime", resource.get("effectiveInstant", period))
    when = moment(text, f"{where(resource)}.effective")
    found = _whose(resource, people)
    for kind, m in mine:
        getattr(found, kind).append((when, m, resource))


def _administration(
    resource: Resource, known: Codes, people: Mapping[str, _Found], medications: Mapping[str, Resource]
) -> None:
    own = codes(_medication(resource, medications), RXNORM)
    drugs = [d for d in known.drugs if set(d.codes) & set(own)]
    if not drugs or resource.get("status") not in GIVEN:
        return
    routes = codes((resource.get("dosage") or {}).get("route"), SNOMED)
    fitting = [d for d in drugs if not d.routes or set(d.routes) & set(routes) or not routes]
    if len(fitting) != 1:
        ways = [d.routes for d in drugs]
        raise PopulationError(f"{where(resource)}.dosage.route: got {routes}, wanted one of {ways}")
    period = (resource.get("effectivePeriod") or {}).get("start")
    when = moment(resource.get("effectiveDateTime", period), f"{where(resource)}.effective")
    _whose(resource, people).doses.append((when, fitting[0], resource))


def _medication(resource: Resource, medications: Mapping[str, Resource]) -> Any:
    if "medicationCodeableConcept" in resource:
        return resource["medicationCodeableConcept"]
    reference = str((resource.get("medicationReference") or {}).get("reference", ""))
    contained = {f"#{r.get('id')}": r for r in resource.get("contained") or []}
    found = {**medications, **contained}.get(reference)
    if found is None:
        raise PopulationError(f"{where(resource)}.medication: got {reference!r}, wanted a Medication of the bundle")
    return found.get("code")


def _record(found: _Found, known: Codes) -> PatientRecord:
    name = str(found.patient.get("id", "patient"))
    times = [t for t, *_ in found.doses] or [t for t, *_ in found.outputs]
    if not times:
        raise PopulationError(f"Patient/{name}: has neither a dose nor a measurement the mapping knows")
    start = min(times)
    seen = [_seen(m, r, (t - start).total_seconds() / HOUR, known) for t, m, r in found.outputs]
    doses = [_dose(d, r, (t - start).total_seconds() / HOUR, known) for t, d, r in found.doses]
    return PatientRecord(_columns(seen), _columns(doses), _covariates(found, known, start), name, start)


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {key: [row[key] for row in rows] for key in rows[0]} if rows else {}


def _seen(m: Measured, resource: Resource, time: float, known: Codes) -> dict[str, Any]:
    value, below = _value(m, resource, known)
    return {"time": time, "dv": value, "output": m.name, "blq": below, "lloq": value if below else float("nan")}


def _value(m: Measured, resource: Resource, known: Codes) -> tuple[float, bool]:
    place = f"{where(resource)}.value"
    for key in ("valueInteger", "valueBoolean"):
        if key in resource:
            return float(resource[key]), False
    given = resource.get("valueQuantity")
    value, code = quantity(given, place)
    comparator = (given or {}).get("comparator", "")
    if comparator not in ("", "<", "<="):
        raise PopulationError(f"{place}.comparator: got {comparator!r}, wanted '<' (below a limit) or none")
    return convert(value, code, m.unit, place, molar_mass=known.molar_mass), bool(comparator)


def _dose(drug: Drug, resource: Resource, time: float, known: Codes) -> dict[str, Any]:
    dosage, place = resource.get("dosage") or {}, f"{where(resource)}.dosage"
    length = _length(resource)
    rate = _rate(dosage, drug, place, known)
    if "dose" in dosage:
        amount = convert(
            *quantity(dosage["dose"], f"{place}.dose"), drug.unit, f"{place}.dose", molar_mass=known.molar_mass
        )
    elif rate and length:
        amount = rate * length
    else:
        raise PopulationError(f"{place}: got no dose, wanted an amount, or a rate and a period")
    if not rate and length:
        rate = amount / length
    return {"time": time, "amt": amount, "cmt": drug.into, "rate": rate}


def _length(resource: Resource) -> float:
    """Hours from start to end of the administration; 0 for one at a moment."""
    period = resource.get("effectivePeriod") or {}
    if "end" not in period:
        return 0.0
    place = f"{where(resource)}.effectivePeriod"
    return (moment(period["end"], place) - moment(period.get("start"), place)).total_seconds() / HOUR


def _rate(dosage: Mapping[str, Any], drug: Drug, place: str, known: Codes) -> float:
    """Amount per hour; 0 when none is given."""
    wanted = f"{drug.unit}/h"
    if "rateQuantity" in dosage:
        return convert(
            *quantity(dosage["rateQuantity"], f"{place}.rate"), wanted, f"{place}.rate", molar_mass=known.molar_mass
        )
    if "rateRatio" in dosage:
        top, code = quantity(dosage["rateRatio"].get("numerator"), f"{place}.rate")
        under, per = quantity(dosage["rateRatio"].get("denominator"), f"{place}.rate")
        return convert(top / under, f"{code}/{per}", wanted, f"{place}.rate", molar_mass=known.molar_mass)
    return 0.0


def _covariates(found: _Found, known: Codes, start: datetime) -> dict[str, Any]:
    made: dict[str, Any] = {}
    patient, place = found.patient, where(found.patient)
    if known.age and "birthDate" in patient:
        day = born(patient["birthDate"], f"{place}.birthDate")
        made[known.age] = (start - datetime(day.year, day.month, day.day, tzinfo=UTC)).total_seconds() / YEAR
    if known.sex and "gender" in patient:
        levels = dict(known.sexes)
        gender = str(patient["gender"])
        if levels and gender not in levels:
            raise PopulationError(f"{place}.gender: got {gender!r}, wanted one of {sorted(levels)}")
        made[known.sex] = levels.get(gender, gender)
    for m in known.covariates:
        own = sorted(((t, i) for i, (t, one, _) in enumerate(found.covariates) if one == m))
        if len(own) > 1 and m.pick == "each":
            times = [(t - start).total_seconds() / HOUR for t, _ in own]
            told = {t: _level(m, found.covariates[i][2], known) for t, (_, i) in zip(times, own, strict=True)}
            made[m.name] = {"time": list(told), "value": list(told.values())}
        elif own:
            made[m.name] = _level(m, found.covariates[_picked(m, own, start)][2], known)
    return made


def _picked(m: Measured, own: Sequence[tuple[datetime, int]], start: datetime) -> int:
    before = [i for t, i in own if t <= start]
    if m.pick == "baseline" and before:
        return before[-1]
    return own[-1 if m.pick == "last" else 0][1]


def _level(m: Measured, resource: Resource, known: Codes) -> float | str:
    if not m.levels:
        value, below = _value(m, resource, known)
        if below:
            raise PopulationError(
                f"{where(resource)}.value: {m.name} lies below a limit, wanted a number for a covariate"
            )
        return value
    concept, levels = resource.get("valueCodeableConcept") or {}, dict(m.levels)
    texts = [resource.get("valueString"), concept.get("text"), *(c.get("code") for c in concept.get("coding") or [])]
    for text in texts:
        if text in levels:
            return levels[text]
    raise PopulationError(f"{where(resource)}.value: got {[t for t in texts if t]}, wanted one of {sorted(levels)}")
