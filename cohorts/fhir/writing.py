"""From records to a FHIR R4 bundle; simulated patients are marked as such in every resource."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from cohorts.errors import PopulationError
from cohorts.fhir.codes import LOINC, RXNORM, SNOMED, UCUM, Codes, Drug, Measured, load_codes
from cohorts.twins.records import PatientRecord
from cohorts.twins.varying import Varying

AGE = "30525-0"
"""LOINC code of an age; written beside the birth date, whose precision is a day."""
HTEST = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST", "display": "test health data"}
SIMULATED = {"system": "urn:trialtwin:tags", "code": "SIMULATED", "display": "simulated, of no real person"}
BEGIN = datetime(2000, 1, 1, tzinfo=UTC)
"""Date of the first dose of a record that has none."""


def write_fhir(
    records: Sequence[PatientRecord],
    mapping: "str | Path | Mapping[str, Any] | Codes",
    path: str | Path | None = None,
    *,
    simulated: bool = True,
) -> dict[str, Any]:
    """FHIR R4 bundle (a collection) of several patients, which `read_fhir` reads back with the same mapping.

    Parameters
    ----------
    records
        Patients. Additional doses (ADDL) are written out. Covariates the mapping does not know are refused.
    mapping
        As for `read_fhir`.
    path
        Where to write it as JSON; None only returns it.
    simulated
        Whether these are no real people: every resource then has the security label HTEST and the tag SIMULATED.

    Raises
    ------
    PopulationError
        Naming what FHIR or the mapping has no place for.
    """
    known = load_codes(mapping)
    if len({r.name for r in records}) < len(records):
        raise PopulationError("records: got two patients of one name, wanted names that differ")
    resources = [resource for r in records for resource in _resources(r, known)]
    for resource in resources:
        if simulated:
            resource["meta"] = {"security": [dict(HTEST)], "tag": [dict(SIMULATED)]}
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "collection"}
    if simulated:
        bundle["meta"] = {"security": [dict(HTEST)], "tag": [dict(SIMULATED)]}
    bundle["entry"] = [{"fullUrl": f"urn:trialtwin:{r['resourceType']}:{r['id']}", "resource": r} for r in resources]
    if path is not None:
        Path(path).write_text(json.dumps(bundle, indent=1) + "\n", encoding="utf-8")
    return bundle


def _resources(record: PatientRecord, known: Codes) -> list[dict[str, Any]]:
    start = record.start or BEGIN
    made = [_patient(record, known, start)]
    for name, value in record.covariates.items():
        if isinstance(value, Varying):
            each = zip(value.times, value.values, strict=True)
            made += [_covariate(record, (name, v), known, start + timedelta(hours=t)) for t, v in each]
        elif name != known.sex:
            made.append(_covariate(record, (name, value), known, start))
    seen = record.observations
    made += [_observation(record, i, known, start) for i in range(len(seen["time"]))]
    made += _administrations(record, known, start)
    return made


def _patient(record: PatientRecord, known: Codes, start: datetime) -> dict[str, Any]:
    made: dict[str, Any] = {"resourceType": "Patient", "id": record.name}
    if known.sex in record.covariates:
        back = {level: gender for gender, level in known.sexes}
        level = str(record.covariates[known.sex])
        made["gender"] = back.get(level, level)
        if made["gender"] not in ("male", "female", "other", "unknown"):
            raise PopulationError(f"{record.name}: {known.sex}: got {level!r}, wanted one of {sorted(back)}")
    if known.age in record.covariates:
        age = float(record.covariates[known.age])
        made["birthDate"] = (start - timedelta(days=365.25 * age)).date().isoformat()
    return made


def _covariate(record: PatientRecord, given: tuple[str, float | str], known: Codes, when: datetime) -> dict[str, Any]:
    name, value = given
    found = [m for m in known.covariates if m.name == name]
    if not found and name == known.age:
        found = [Measured(name, (AGE,), "Age", "a")]
    if not found:
        raise PopulationError(f"{record.name}: covariates.{name}: the mapping has no code for it")
    changes = f"-{when:%Y%m%d%H%M%S}" if isinstance(record.covariates[name], Varying) else ""
    made = _base(record, f"{record.name}-{name}{changes}".replace("_", "-"), found[0], when)
    if not found[0].levels:
        return {**made, "valueQuantity": _quantity(float(value), found[0].unit)}
    back = {level: code for code, level in found[0].levels}
    if value not in back:
        raise PopulationError(f"{record.name}: covariates.{name}: got {value!r}, wanted one of {sorted(back)}")
    return {**made, "valueCodeableConcept": {"text": back[str(value)]}}


def _base(record: PatientRecord, name: str, m: Measured, when: datetime) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": name, "status": "final",
        "code": {"coding": [{"system": LOINC, "code": m.codes[0], "display": m.display}], "text": m.display},
        "subject": {"reference": f"Patient/{record.name}"}, "effectiveDateTime": _text(when),
    }  # fmt: skip


def _observation(record: PatientRecord, i: int, known: Codes, start: datetime) -> dict[str, Any]:
    seen = {n: v[i] for n, v in record.observations.items()}
    fitting = [m for m in known.outputs if seen["output"] in ("", m.name)]
    if len(fitting) != 1:
        names = [m.name for m in known.outputs]
        raise PopulationError(f"{record.name}: observations.output: got {str(seen['output'])!r}, wanted one of {names}")
    if seen["occasion"]:
        raise PopulationError(f"{record.name}: observations.occasion: FHIR has no place for occasions")
    made = _base(record, f"{record.name}-observation-{i}", fitting[0], start + timedelta(hours=float(seen["time"])))
    value = _quantity(float(seen["lloq"] if seen["blq"] else seen["dv"]), fitting[0].unit)
    return {**made, "valueQuantity": {**value, **({"comparator": "<"} if seen["blq"] else {})}}


def _administrations(record: PatientRecord, known: Codes, start: datetime) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for i in range(len(record.doses["time"])):
        dose = {n: v[i] for n, v in record.doses.items()}
        if dose["ss"] or dose["evid"] != 1 or dose["rate"] < 0.0:
            raise PopulationError(
                f"{record.name}: doses[{i}]: FHIR has no place for SS, for resets (EVID 3, 4) and for modelled rates"
            )
        drugs = [d for d in known.drugs if dose["cmt"] in ("", d.into)]
        if len(drugs) != 1:
            ways = [d.into for d in known.drugs]
            raise PopulationError(f"{record.name}: doses[{i}].cmt: got {str(dose['cmt'])!r}, wanted one of {ways}")
        for n in range(int(dose["addl"]) + 1):
            when = start + timedelta(hours=float(dose["time"] + n * dose["ii"]))
            made.append(_administration(record, f"{record.name}-dose-{len(made)}", drugs[0], dose, when))
    return made


def _administration(
    record: PatientRecord, name: str, drug: Drug, dose: Mapping[str, Any], when: datetime
) -> dict[str, Any]:
    dosage: dict[str, Any] = {"dose": _quantity(float(dose["amt"]), drug.unit)}
    if drug.routes:
        dosage["route"] = {"coding": [{"system": SNOMED, "code": drug.routes[0]}]}
    effective: dict[str, Any] = {"effectiveDateTime": _text(when)}
    if dose["rate"] > 0.0:
        dosage["rateQuantity"] = _quantity(float(dose["rate"]), f"{drug.unit}/h")
        end = when + timedelta(hours=float(dose["amt"] / dose["rate"]))
        effective = {"effectivePeriod": {"start": _text(when), "end": _text(end)}}
    return {
        "resourceType": "MedicationAdministration", "id": name, "status": "completed",
        "medicationCodeableConcept": {
            "coding": [{"system": RXNORM, "code": drug.codes[0], "display": drug.display}], "text": drug.display,
        },
        "subject": {"reference": f"Patient/{record.name}"}, **effective, "dosage": dosage,
    }  # fmt: skip


def _quantity(value: float, unit: str) -> dict[str, Any]:
    if not np.isfinite(value):
        raise PopulationError(f"a quantity in {unit}: got {value!r}, wanted a finite number")
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def _text(when: datetime) -> str:
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")
