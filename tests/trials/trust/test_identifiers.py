"""Each of the 18 classes of identifiers is found, in tables and in texts, and what is none is left alone."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import trials
from trials.errors import TrialError
from trials.trust import searching
from trials.trust.identifiers import KINDS, in_columns, in_table, in_text

HOME = Path(__file__).resolve().parents[3]

COLUMNS = {
    "A": ["patient_name", "LastName", "INITIALS", "SUBJNAME", "fname", "SUBJINIT", "full name"],
    "B": ["zip", "home_city", "Postcode", "ZIP5", "Address1", "geo_lat", "plz"],
    "C": ["DOB", "BirthDate", "admission_date", "DATE", "BRTHDTC", "RFSTDTC", "VISITDT", "BIRTHDT", "death_date"],
    "D": ["phone", "tel_no", "CELL", "cell_phone", "mobile"], "E": ["FAX", "FaxNumber"],
    "F": ["email", "e_mail", "mail_address"], "G": ["SSN", "social_security", "SocSecNo"],
    "H": ["MRN", "chart_no", "med_rec_no", "MedicalRecordNumber"],
    "I": ["insurance_id", "medicare", "health_plan_id", "policy_number", "member_id"],
    "J": ["account", "IBAN", "acct_no", "credit_card"], "K": ["driver_license", "licence_no", "cert_no"],
    "L": ["vehicle", "VIN", "license_plate"], "M": ["device_id", "SerialNo", "DEVICEID", "IMEI"],
    "N": ["url", "WebSite", "web", "facebook"], "O": ["IP", "ip_address", "ipv4"],
    "P": ["fingerprint", "voice_print", "biometrics", "dna"], "Q": ["photo", "faceImage", "img", "PhotoPath"],
    "R": ["nhs_number", "passport", "NHSNo", "NationalID", "tax_id"],
}  # fmt: skip
VALUES = {
    "A": ["Smith, John", "O'Brien, Mary", "MILLER, JANE", "Mr. John Smith", "Dr Jane Q. Public"],
    "B": ["02139-4307", "SW1A 1AA", "12 Main Street", "221B Baker St.", "Hauptstraße 5", "42.3601,-71.0589"],
    "C": ["1987-03-12", "12.03.1987", "3/12/87", "12 Mar 1987", "19870312", "12MAR1987", "12-MAR-87", "1987/03/12",
          "1987-03-12T08:30", "1987-03-12 08:30:00", "1987-03", "03/1987", "Mar 12, 1987", "12. März 1987"],
    "D": ["(617) 555-0182", "+49 30 901820", "617-555-0182", "(617)555-0182", "617.555.0182", "1-800-555-0199",
          "030 901820", "+16175550182"],
    "F": ["jo@example.org", "JO.SMITH+x@EXAMPLE.CO.UK", "jo at example.org", "mailto:jo@example.org"],
    "G": ["078-05-1120", "078 05 1120"], "H": ["MRN 445566", "mrn#445566"], "I": ["1EG4-TE5-MK73", "1EG4TE5MK73"],
    "J": ["DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "4111 1111 1111 1111"],
    "L": ["1HGCM82633A004352"], "M": ["00:1B:44:11:3A:B7", "00-1B-44-11-3A-B7", "(01)00643169001763(17)201231"],
    "N": ["https://example.org/me", "www.example.org", "ftp://x.org/a", "facebook.com/jane.miller"],
    "O": ["192.168.12.1", "10.0.0.1:8080", "2001:db8::1", "2001:0db8:85a3:0000:0000:8a2e:0370:7334"],
    "Q": ["jane.jpg", "photos/p1.png"], "R": ["4857773456", "AB123456C"],
}  # fmt: skip
TEXTS = {
    "A": ["data of patient Jane Miller"], "C": ["one was born on 12 March 1987", "died 2019-04-02"],
    "D": ["call +49 30 901820"], "E": ["fax: 617-555-0182"], "F": ["write to jo@example.org"], "G": ["SSN 078-05-1120"],
    "H": ["medical record number: 445566"], "I": ["insurance no. A12345"], "J": ["account number: 1234"],
    "K": ["certificate no. 991"], "M": ["serial number: X12"], "O": ["from 192.168.12.1 on"],
    "R": ["passport C01X00T47"],
}  # fmt: skip
HARMLESS = (
    "doi:10.1023/A:1012299115260 and 10.1002/psp4.12345", "13 samples up to 36 h, 2026-11-21T16:20:42Z", "CL 2.81 L/h",
    "versions 1.2.3 and 0.21.1", "sha256 5bcb11ea694429b103e4eee578b558374571a41083e39d164edf558a050fd09a",
    "Boeckmann, Sheiner & Beal (1994)", "the 90 % interval is 80.00-125.00 %", "ages of 18 to 65 years", "N = 123-456",
)  # fmt: skip


def letters(hits):
    return {hit.kind.letter for hit in hits}


def test_the_classes_are_the_eighteen_of_the_rule():
    assert "".join(kind.letter for kind in KINDS) == "ABCDEFGHIJKLMNOPQR"
    assert set(COLUMNS) == {kind.letter for kind in KINDS}, "each is looked for in the names of columns"


@pytest.mark.parametrize(("letter", "name"), [(k, name) for k, names in COLUMNS.items() for name in names])
def test_names_of_columns(letter, name):
    assert letter in letters(in_columns([name], "table"))


@pytest.mark.parametrize(("letter", "value"), [(k, value) for k, values in VALUES.items() for value in values])
def test_forms_of_values(letter, value):
    (hit, *_) = [hit for hit in in_table(pd.DataFrame({"x": ["1", value, None]}), "table") if hit.kind.letter == letter]
    assert value not in str(hit), "what is found is not told again"
    assert hit.why[0] == "1"


def test_remarks_in_a_table_are_read_as_texts():
    frame = pd.DataFrame({"COMMENT": ["well", "Patient Jane Miller fell; her son called from 617-555-0182"]})
    assert letters(in_table(frame, "table")) == {"A", "D"}


def test_names_of_people_without_a_title():
    frame = pd.DataFrame({"x": ["John Smith", "Jane Q. Public", "Mary Ann Evans", "José García"]})
    assert letters(in_table(frame, "table")) == {"A"}
    repeated = pd.DataFrame({"race": ["African American", "Other Race", "African American", "Other Race"]})
    assert not list(in_table(repeated, "table"))


@pytest.mark.parametrize("name", ["AGE", "age_years", "AAGE", "age_at_baseline", "ageyr"])
def test_ages_by_every_name(name):
    assert letters(in_table(pd.DataFrame({name: ["34", "93"]}), "table")) == {"C"}
    assert not list(in_table(pd.DataFrame({"age_m": ["34", "93"]}), "table")), "months"


@pytest.mark.parametrize(("letter", "text"), [(k, text) for k, texts in TEXTS.items() for text in texts])
def test_passages_of_texts(letter, text):
    assert letter in letters(in_text(text, "answers.why"))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_none_is_left_alone(text):
    assert list(in_text(text, "text")) == []


def test_ages_over_89():
    frame = pd.DataFrame({"AGE": ["34", "89", "90", "97.5"]})
    (hit,) = in_table(frame, "table")
    assert (hit.kind.letter, hit.why) == ("C", "2 ages are over 89")


@pytest.mark.parametrize(
    "names", [["ID", "TIME", "AMT", "DV", "EVID", "MDV", "WT", "CMT", "RATE", "ADDL", "II", "SS"],
              ["subject", "period", "sequence", "treatment", "age", "sex", "weight", "race", "site", "planned"],
              ["white_cell_count", "ldl_mg_dl", "toxicity", "velocity", "platelets", "width", "adas",
               "physician_global", "surface", "interface", "carrier", "linked", "update", "mandate", "capacity",
               "dosing_policy"]]
)  # fmt: skip
def test_columns_of_ordinary_data_are_left_alone(names):
    assert list(in_columns(names, "table")) == []


@pytest.mark.parametrize("path", sorted((HOME / "conf").glob("[dt]a*/*.csv")), ids=lambda path: path.name)
def test_shipped_data_name_nobody(path):
    assert list(in_table(pd.read_csv(path, dtype=str, comment="#"), path.name)) == []


def test_shipped_texts_name_nobody():
    for path in (HOME / "conf").glob("evidence/*.yaml"):
        assert list(in_text(path.read_text(), path.name)) == []


# ---- what enters a package
@pytest.fixture(scope="module")
def fitted():
    return trials.load("theophylline_bioequivalence")


def given(**fields):
    return SimpleNamespace(**{"allowed": True, "licence": "public", "why": "published", "cleared": {}, **fields})


def test_data_of_people_want_leave(fitted):
    held = searching.sources(fitted)
    (told,) = held
    assert told.startswith("theophylline.csv: Theophylline after a single oral dose in 12 subjects")
    for leave in (None, given(allowed=False)):
        with pytest.raises(TrialError, match=r"data of real people would be in it:\n  theophylline\.csv"):
            searching.refuse(held, [], leave)
    searching.refuse(held, [], given())
    searching.refuse([], [], None)


def test_source_data_are_searched(fitted, tmp_path):
    path = tmp_path / "real.csv"
    frame = pd.read_csv(fitted.calibration.source.path, dtype=str).assign(DOB="1950-01-02", AGE="93")
    frame.to_csv(path, index=False)
    source = replace(fitted.calibration.source, path=path)
    changed = replace(fitted, calibration=replace(fitted.calibration, source=source))
    (tmp_path / "config.yaml").write_text("question: what did patient Jane Miller take?\n")
    hits = list(searching.of_run(changed, tmp_path))
    assert letters(hits) == {"A", "C"}
    with pytest.raises(TrialError) as refused:
        searching.refuse([], hits, given())
    told = str(refused.value)
    assert "4 findings" in told
    assert "real.csv column DOB: its name says so (C: " in told
    assert "config.yaml: 1 passages have the form (A: names)" in told
    assert "Miller" not in told
    searching.refuse([], hits, given(cleared={"A": "a made-up name", "C": "made up"}))
    with pytest.raises(TrialError, match="1 findings"):
        searching.refuse([], hits, given(cleared={"C": "made up"}))


def test_reasons_and_overrides_in_the_log_are_searched(fitted, tmp_path):
    from trials.trust import audit

    (tmp_path / "config.yaml").write_text("question: nothing\n")
    audit.append(tmp_path, "run started", "x", new={"overrides": ["title=call +49 30 901820"]}, actor="jo@example.org")
    audit.append(tmp_path, "run finished", "x", reason="for patient Jane Miller", actor="jo@example.org")
    hits = list(searching.of_run(fitted, tmp_path))
    assert [(hit.kind.letter, hit.place) for hit in hits] == [("D", "audit.jsonl line 1"), ("A", "audit.jsonl line 2")]


def test_texts_of_a_table_that_people_are_drawn_from_are_searched(tmp_path):
    import numpy as np

    from cohorts.covariates.resampling import TableRows

    (tmp_path / "config.yaml").write_text("question: nothing\n")
    rows = {"weight": np.array([70.0, 80.0]), "called": np.array(["Miller, Jane", "Smith, John"])}
    drawn = object.__new__(TableRows)
    for name, value in {"table": "real.csv", "rows": rows}.items():
        object.__setattr__(drawn, name, value)
    trial = SimpleNamespace(calibration=None, protocol=SimpleNamespace(population=SimpleNamespace(covariates=[drawn])))
    assert [hit.place for hit in searching.of_run(trial, tmp_path)] == ["real.csv column called"]


def test_a_fitted_run_of_shipped_data_is_clean(fitted, tmp_path):
    (tmp_path / "config.yaml").write_text("question: nothing\n")
    assert list(searching.of_run(fitted, tmp_path)) == []
