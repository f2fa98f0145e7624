"""Bundles of FHIR R4 read, written and read back."""

import copy
import json
import re
from datetime import UTC, datetime

import numpy as np
import pytest

import cohorts
from cohorts.fhir.units import convert

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"

CODES = {
    "name": "drug", "source": "made up", "molar_mass": 500.0,
    "patient": {"age": "age", "sex": "sex", "levels": {"female": "F", "male": "M"}},
    "observations": {"concentration": {"loinc": ["20578-1", "4092-3"], "display": "drug", "unit": "mg/L"}},
    "covariates": {
        "weight": {"loinc": ["29463-7"], "display": "Body weight", "unit": "kg"},
        "creatinine": {"loinc": ["2160-0"], "display": "Creatinine", "unit": "mg/dL", "pick": "last"},
        "genotype": {"loinc": ["46724-7"], "display": "Genotype", "levels": {"*1/*1": "wild", "*3/*3": "poor"}},
    },
    "drugs": {
        "iv": {"rxnorm": ["11124"], "display": "drug", "unit": "mg", "into": "central", "routes": ["47625008"]},
        "oral": {"rxnorm": ["11124"], "display": "drug", "unit": "mg", "into": "depot", "routes": ["26643006"]},
    },
}  # fmt: skip


def observation(name, loinc, when, **value):
    return {
        "resourceType": "Observation", "id": name, "status": "final", "subject": {"reference": "Patient/a"},
        "code": {"coding": [{"system": "http://loinc.org", "code": loinc}]}, "effectiveDateTime": when, **value,
    }  # fmt: skip


def amount(value, code, **more):
    return {"value": value, "unit": code, "system": "http://unitsofmeasure.org", "code": code, **more}


def by(route):
    return {"coding": [{"system": "http://snomed.info/sct", "code": route}]}


def administration(name, dosage, route="47625008", **effective):
    return {
        "resourceType": "MedicationAdministration", "id": name, "status": "completed",
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": "11124"}]},
        "subject": {"reference": "Patient/a"}, **effective,
        "dosage": {**dosage, "route": by(route)},
    }  # fmt: skip


PERIOD, EVENING = {"start": "2024-03-02T08:00:00Z", "end": "2024-03-02T09:30:00Z"}, "2024-03-02T21:00:00+01:00"
WRONG = {"status": "entered-in-error", "valueQuantity": amount(99, "mg/L")}
RESOURCES = [
    {"resourceType": "Patient", "id": "a", "gender": "female", "birthDate": "1964-03-02"},
    administration("d1", {"dose": amount(1, "g")}, effectivePeriod=PERIOD),
    administration("d2", {"rateQuantity": amount(10, "mg/min"), "dose": amount(500, "mg")}, effectiveDateTime=EVENING),
    administration("d3", {"dose": amount(250, "mg")}, "26643006", effectiveDateTime="2024-03-03T08:00:00Z"),
    observation("c1", "20578-1", "2024-03-02T19:30:00Z", valueQuantity=amount(20, "umol/L")),
    observation("c2", "4092-3", "2024-03-03T07:45:00Z", valueQuantity=amount(500, "ug/L", comparator="<")),
    observation("w0", "29463-7", "2024-03-01T08:00:00Z", valueQuantity=amount(150, "[lb_av]")),
    observation("w1", "29463-7", "2024-03-02T10:00:00Z", valueQuantity=amount(70, "kg")),
    observation("s0", "2160-0", "2024-03-01T08:00:00Z", valueQuantity=amount(8.0, "mg/L")),
    observation("s1", "2160-0", "2024-03-03T08:00:00Z", valueQuantity=amount(11.0, "mg/L")),
    observation("g", "46724-7", "2024-03-01T08:00:00Z", valueCodeableConcept={"text": "*3/*3"}),
    observation("odd", "99999-9", "2024-03-01T08:00:00Z", valueString="nothing we know"),
    {**observation("bad", "20578-1", "2024-03-02T19:30:00Z"), **WRONG},
    {"resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "IMP"}},
]  # fmt: skip


def bundle(resources=RESOURCES):
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": r} for r in copy.deepcopy(list(resources))],
    }


def changed(name, **fields):
    return bundle([{**r, **fields} if r["id"] == name else r for r in RESOURCES])


def test_bundle_becomes_a_record():
    (record,) = cohorts.read_fhir(bundle(), CODES)
    assert record.start == datetime(2024, 3, 2, 8, tzinfo=UTC)
    assert record.doses["time"].tolist() == [0.0, 12.0, 24.0]
    assert record.doses["amt"].tolist() == [1000.0, 500.0, 250.0]
    assert record.doses["cmt"].tolist() == ["central", "central", "depot"]
    assert record.doses["rate"] == pytest.approx([1000.0 / 1.5, 600.0, 0.0])
    assert record.observations["time"].tolist() == [11.5, 23.75]
    assert record.observations["dv"][0] == pytest.approx(10.0)  # 20 umol/L of 500 g/mol
    assert record.observations["blq"].tolist() == [False, True]
    assert record.observations["lloq"][1] == pytest.approx(0.5)
    covariates = dict(record.covariates)
    assert covariates.pop("age") == pytest.approx(60.0, abs=0.01)
    assert covariates == {
        "sex": "F",
        "weight": pytest.approx(68.0388555),
        "creatinine": pytest.approx(1.1),
        "genotype": "poor",
    }
    table = record.to_nonmem()
    assert table["EVID"].tolist() == [1, 0, 1, 0, 1]
    assert table["AMT"].dropna().tolist() == [1000.0, 500.0, 250.0]
    assert set(table["weight"]) == {record.covariates["weight"]}


def test_a_bundle_on_disk_and_a_medication_by_reference(tmp_path):
    resources = copy.deepcopy(RESOURCES)
    concept = resources[1].pop("medicationCodeableConcept")
    resources[1]["medicationReference"] = {"reference": "Medication/m"}
    resources.append({"resourceType": "Medication", "id": "m", "code": concept})
    (tmp_path / "b.json").write_text(json.dumps(bundle(resources)))
    (record,) = cohorts.read_fhir(tmp_path / "b.json", CODES)
    assert len(record.doses["time"]) == 3


@pytest.mark.parametrize(
    ("broken", "match"),
    [
        ({"resourceType": "Patient"}, "resourceType"),
        (bundle(RESOURCES[1:]), "no Patient"),
        (changed("c1", valueQuantity=amount(20, "furlong/L")), r"Observation/c1.value: got the unit 'furlong/L'"),
        (changed("c1", valueQuantity=amount(20, "kg")), "wanted one that measures what 'mg/L' does"),
        (changed("c1", valueQuantity=amount(20, "mg/L", comparator=">")), r"Observation/c1.value.comparator"),
        (changed("c1", effectiveDateTime="2024-03-02"), r"Observation/c1.effective: got '2024-03-02'"),
        (changed("c1", effectiveDateTime="2024-03-02T10:00:00"), "a zone"),
        (changed("c1", subject={"reference": "Patient/b"}), "Patient of the bundle"),
        (changed("d1", dosage={"text": "some", "route": by("47625008")}), "MedicationAdministration/d1.dosage"),
        (changed("d1", dosage={"dose": amount(10, "mL"), "route": by("47625008")}), r"d1.dosage.dose: got the unit"),
        (changed("d1", dosage={"dose": amount(1, "g"), "route": by("1")}), "route"),
        (changed("a", gender="other"), "gender"),
        (changed("g", valueCodeableConcept={"text": "*9/*9"}), r"\*9/\*9"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(broken, match):
    with pytest.raises(cohorts.PopulationError, match=match):
        cohorts.read_fhir(broken, CODES)


@pytest.mark.parametrize(
    ("value", "code", "wanted", "expected"),
    [
        (1.0, "ug/mL", "mg/L", 1.0), (1.0, "mg/dL", "g/L", 0.01), (2.0, "[lb_av]", "kg", 0.90718474),
        (70.0, "[in_i]", "cm", 177.8), (1.0, "a", "d", 365.25), (60.0, "mL/min", "L/h", 3.6), (1.0, "{INR}", "1", 1.0),
        (5.0, "%", "1", 0.05), (3.0, "m2", "cm2", 30000.0), (1.0, "mL/min/{1.73_m2}", "L/h", 0.06),
        (1.0, "k[IU]", "1", None),
        (4.0, "10*9/L", "/uL", 4000.0), (1.0, "mmol/L", "umol/mL", 1.0), (2.5, "mg/kg.h", "mg/kg.h", 2.5),
    ],
)  # fmt: skip
def test_units_of_ucum(value, code, wanted, expected):
    if expected is None:
        with pytest.raises(cohorts.PopulationError, match="not known"):
            convert(value, code, wanted, "x")
    else:
        assert convert(value, code, wanted, "x") == pytest.approx(expected, rel=1e-12)


BELOW = {"blq": [False, True], "lloq": [np.nan, 0.5]}


def patients():
    return [
        cohorts.PatientRecord(
            {"time": [1.5, 11.25], "dv": [20.123456, 1.0], "output": "concentration", **BELOW},
            {"time": [0.0, 12.0], "amt": [1000.0, 512.5], "cmt": ["central", "depot"], "rate": [500.0, 0.0]},
            {"weight": 71.25, "creatinine": 0.9, "genotype": "wild", "age": 47.3125, "sex": sex}, name,
            datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC),
        )
        for name, sex in (("sim-1", "F"), ("sim-2", "M"))
    ]  # fmt: skip


def codes_with_age():
    found = copy.deepcopy(CODES)
    found["covariates"]["age"] = {"loinc": ["30525-0"], "display": "Age", "unit": "a"}
    return found


def test_what_is_written_reads_back(tmp_path):
    written = cohorts.write_fhir(patients(), codes_with_age(), tmp_path / "b.json")
    assert json.loads((tmp_path / "b.json").read_text()) == written
    back = cohorts.read_fhir(tmp_path / "b.json", codes_with_age())
    for one, other in zip(patients(), back, strict=True):
        assert (one.name, one.start) == (other.name, other.start)
        assert dict(one.covariates) == dict(other.covariates)
        for n, values in one.doses.items():
            assert np.array_equal(values, other.doses[n]), n
        for n in ("time", "output", "blq", "lloq"):
            assert np.array_equal(one.observations[n], other.observations[n], equal_nan=n == "lloq"), n
        assert other.observations["dv"][0] == one.observations["dv"][0]


def test_simulated_patients_are_marked_everywhere():
    written = cohorts.write_fhir(patients(), codes_with_age())
    for resource in [written, *(e["resource"] for e in written["entry"])]:
        assert resource["meta"]["security"][0]["code"] == "HTEST"
        assert resource["meta"]["tag"][0]["code"] == "SIMULATED"
    real = cohorts.write_fhir(patients(), codes_with_age(), simulated=False)
    assert not any("meta" in r for r in [real, *(e["resource"] for e in real["entry"])])


def test_additional_doses_are_written_out():
    record = cohorts.PatientRecord(
        None, {"time": [0.0], "amt": [5.0], "cmt": "depot", "ii": [24.0], "addl": [2]}, {}, "p"
    )
    (back,) = cohorts.read_fhir(cohorts.write_fhir([record], CODES), CODES)
    assert back.doses["time"].tolist() == [0.0, 24.0, 48.0]


@pytest.mark.parametrize(
    ("record", "match"),
    [
        (cohorts.PatientRecord(None, {"time": [0.0], "amt": [5.0], "cmt": "depot", "ss": [1], "ii": [24.0]}, {}), "SS"),
        (cohorts.PatientRecord(None, {"time": [0.0], "amt": [5.0], "cmt": "gut"}, {}), "gut"),
        (cohorts.PatientRecord({"time": [0.0], "dv": [1.0], "output": "inr"}, None, {}), "inr"),
        (cohorts.PatientRecord({"time": [0.0], "dv": [1.0], "occasion": [1]}, None, {}), "occasion"),
        (cohorts.PatientRecord(None, None, {"height": 180.0}), "height"),
    ],
)
def test_what_fhir_has_no_place_for_is_refused(record, match):
    with pytest.raises(cohorts.PopulationError, match=match):
        cohorts.write_fhir([record], CODES)


# Cardinalities and value sets of the specification, R4 (4.0.1): what must be there, and what may.
EFFECTIVE = ("effectiveDateTime", "effectivePeriod")
REQUIRED = {
    "Bundle": {"type"}, "Patient": set(), "Observation": {"status", "code"},
    "MedicationAdministration": {"status", "subject", "medicationCodeableConcept"},
}  # fmt: skip
ALLOWED = {
    "Bundle": {"type", "entry"}, "Patient": {"gender", "birthDate"},
    "Observation": {"status", "code", "subject", "effectiveDateTime", "valueQuantity", "valueCodeableConcept"},
    "MedicationAdministration": {"status", "medicationCodeableConcept", "subject", "dosage", *EFFECTIVE},
}  # fmt: skip
DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")


def test_written_resources_have_the_elements_of_r4():
    written = cohorts.write_fhir(patients(), codes_with_age())
    urls = [e["fullUrl"] for e in written["entry"]]
    assert len(set(urls)) == len(urls)
    for resource in [written, *(e["resource"] for e in written["entry"])]:
        kind = resource["resourceType"]
        have = set(resource) - {"resourceType", "id", "meta"}
        assert REQUIRED[kind] <= have <= ALLOWED[kind]
        assert re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", resource.get("id", "x"))
        if kind in ("Observation", "MedicationAdministration"):
            assert sum(k.startswith("effective") for k in have) == 1
            assert resource["subject"]["reference"] in {"Patient/sim-1", "Patient/sim-2"}
        if kind == "Observation":
            assert DATETIME.match(resource["effectiveDateTime"])
            assert sum(k.startswith("value") for k in have) == 1
        if kind == "MedicationAdministration":
            assert "dose" in resource["dosage"] or "rateQuantity" in resource["dosage"]  # constraint mad-1


def test_written_bundles_are_valid_by_another_implementation():
    models = pytest.importorskip("fhir.resources.R4B.bundle")
    for made in (cohorts.write_fhir(patients(), codes_with_age()), bundle()):
        found = models.Bundle.model_validate(made)
        assert len(found.entry) == len(made["entry"])


@pytest.mark.parametrize("name", ["vancomycin", "warfarin"])
def test_shipped_codes_load(name):
    codes = cohorts.load_codes(name)
    assert codes.name == name
    assert codes.drugs[0].codes
    assert {m.name for m in codes.outputs} <= {"concentration", "inr"}


def test_a_covariate_of_which_each_value_counts_comes_back():
    codes = copy.deepcopy(CODES)
    codes["covariates"]["creatinine"]["pick"] = "each"
    seen = {"time": [5.0], "dv": [8.0], "output": ["concentration"]}
    course = {"time": [-2.0, 24.0, 48.5], "value": [0.9, 1.6, 2.4]}
    given = cohorts.PatientRecord(
        seen,
        {"time": [0.0], "amt": [500.0], "cmt": ["central"]},
        {"weight": 70.0, "creatinine": course},
        "a",
        datetime(2024, 3, 2, 8, tzinfo=UTC),
    )
    (back,) = cohorts.read_fhir(cohorts.write_fhir([given], codes), codes)
    assert back.covariates == given.covariates
    assert back.covariates["creatinine"].at(30.0) == 1.6
    (last,) = cohorts.read_fhir(cohorts.write_fhir([given], codes), CODES)
    assert last.covariates["creatinine"] == 2.4
