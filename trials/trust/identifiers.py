"""Search for what names real people: the 18 classes of identifiers of 45 CFR 164.514(b)(2)(i) (HIPAA, Safe Harbor).

Names of columns and forms of values are searched; that finds what is written as such identifiers usually are, and
cannot prove that there is nothing else: somebody who knows the data says so in the answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

OLDEST = 89
"""Years; greater ages are identifiers."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of identifiers.

    Attributes
    ----------
    letter, name
        Its letter in the rule, and what it is.
    columns
        Words of which one in the name of a column suggests it.
    stems
        Form of what suggests it anywhere in the letters of the name of a column; empty: only whole words do.
    value
        Form of a value of a table that is one; empty where only the column tells.
    text
        Form within a text, where that differs; empty: none is searched for in texts.
    """

    letter: str
    name: str
    columns: str
    stems: str = ""
    value: str = ""
    text: str = ""


MONTH = (
    "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|m\u00e4r|mai|okt|dez|f\u00e9v|avr|juin|ao\u00fbt|ene|abr|ago|dic)"
    "[a-z\u00e9]*\\.?"
)
CLOCK = r"(?:[T ][0-2]\d(?::[0-5]\d(?::[0-5]\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
DATE = (
    rf"(?:(?:19|20)\d\d[-/.][01]\d[-/.][0-3]\d{CLOCK}|(?:19|20)\d\d[01]\d[0-3]\d"
    rf"|[0-3]?\d[./-][0-3]?\d[./-](?:19|20)?\d\d{CLOCK}"
    rf"|[0-3]?\d\.?[ -]?{MONTH}[ ,-]*(?:19|20)?\d\d{CLOCK}|{MONTH} [0-3]?\d,? (?:19|20)\d\d)"
)
MONTHLY = r"(?:19|20)\d\d-(?:0[1-9]|1[0-2])|(?:0?[1-9]|1[0-2])/(?:19|20)\d\d"
EMAIL = r"(?:mailto:)?[\w.+-]+(?:@| ?[\[(]at[\])] ?| at )[\w-]+\.[\w.-]*[a-z]"
SSN = r"\d{3}[- ]\d{2}[- ]\d{4}"
PHONE = (
    r"(?:\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,4}\d{2,4}|(?:1[ .-])?(?:\(\d{3}\)[ .-]?|\d{3}[ .-])\d{3}[ .-]\d{4}"
    r"|0\d{2,4}[ /-]\d{5,8})"
)
BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
ADDRESS = rf"{BYTE}(?:\.{BYTE}){{3}}|(?:[0-9a-f]{{1,4}}:){{7}}[0-9a-f]{{1,4}}"
WEB = r"(?:(?:https?|ftp)://|www\.)\S+"
SITE = r"(?:[\w-]+\.)+(?:com|org|net|edu|gov|info|io|eu|de|uk|fr|ch)/\S+"
PLACE = r"-?\d{1,3}\.\d{3,}, ?-?\d{1,3}\.\d{3,}"
STREET = (
    r"\d+\w? (?:[\w.'-]+ )*(?:street|st|avenue|ave|road|rd|lane|ln|boulevard|blvd|drive|court|square)\b\.?.*"
    r"|\w+(?:stra(?:ss|\u00df)e|str\.) ?\d+.*"
)
NAME = r"[A-Z\u00c0-\u00de][\w'\u2019-]+"
NUMBER = r"(?: number| no\.?| id)?\W{1,3}\w*\d+"
KINDS: tuple[Kind, ...] = (
    Kind("A", "names", "name fname lname surname forename initials",
         "(?:first|last|given|family|maiden|full|patient|subj|subject)name|^(?:subj|pat)init", "",
         rf"\b(?:[Pp]atient|[Ss]ubject|Mr|Mrs|Ms|Dr|Prof)\.? (?:[A-Z]\.? )?{NAME} (?:[A-Z]\.? )?{NAME}"),
    Kind("B", "geographic units smaller than a state",
         "addr address street city town county zip plz district precinct latitude longitude lat lon geocode",
         "zipcode|postcode|postal|address|neighbou?rhood",
         rf"\d{{5}}-\d{{4}}|[A-Z]{{1,2}}\d[A-Z\d]? \d[A-Z]{{2}}|{PLACE}|{STREET}"),
    Kind("C", "dates finer than a year, ages over 89", "date dob admission discharge death",
         "birth|brth|^[a-z]+dt[cm]?$",
         f"{DATE}|{MONTHLY}", rf"\b(?:born|birth|dob|admitted|discharged|died)\W+(?:\w+\W+){{0,3}}{DATE}"),
    Kind("D", "telephone numbers", "tel mobile", "phone|^cell$", rf"{PHONE}|\d{{3}}-\d{{4}}",
         rf"(?<![\w./+-]){PHONE}(?![\w-])"),
    Kind("E", "fax numbers", "fax", "faxn", "", rf"\bfax\W+{PHONE}"),
    Kind("F", "e-mail addresses", "mail", "email", EMAIL, r"[\w.+-]+@[\w-]+\.[\w.-]*[a-z]"),
    Kind("G", "social security numbers", "ssn", "soc(?:ial)?sec", SSN, r"(?<![\w.-])\d{3}-\d{2}-\d{4}(?![\w-])"),
    Kind("H", "medical record numbers", "mrn chart record casefile hospital", "medrec|medicalrecord", r"mrn\W*\d+",
         rf"\b(?:mrn|medical record){NUMBER}"),
    Kind("I", "health plan beneficiary numbers", "insurance beneficiary subscriber medicare medicaid",
         "healthplan|insur|policyn|memberid", r"[1-9][A-Z][A-Z0-9]\d-?[A-Z][A-Z0-9]\d-?[A-Z]{2}\d{2}",
         rf"\b(?:beneficiary|insurance|medicare){NUMBER}"),
    Kind("J", "account numbers", "acct bank iban", "account|creditcard",
         r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7} ?[A-Z0-9]{0,4}|(?:\d{4}[ -]){3}\d{4}", rf"\baccount{NUMBER}"),
    Kind("K", "certificate and licence numbers", "cert", "licen[cs]e|certificate|dlnumber", "",
         rf"\b(?:driving licence|driver's license|certificate){NUMBER}"),
    Kind("L", "vehicle identifiers", "vin plate car", "vehicle|plateno",
         r"(?=[A-Z0-9]*\d)(?=[A-Z0-9]*[A-Z])[A-HJ-NPR-Z0-9]{17}"),
    Kind("M", "device identifiers", "serial udi imei mac", "device|serialn|pacemaker|implant(?:id|n)",
         r"\(01\)\d{14}.*|(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}", rf"\b(?:serial|imei){NUMBER}"),
    Kind("N", "web addresses", "url web link homepage facebook twitter instagram", "website", f"{WEB}|{SITE}"),
    Kind("O", "IP addresses", "ip ipv ipaddr", "ipaddress",
         rf"(?:{BYTE}(?:\.{BYTE}){{3}})(?::\d+)?|{ADDRESS}|(?=[0-9a-f:]*::)[0-9a-f:]{{3,39}}",
         rf"(?<![\w.])(?:{ADDRESS})(?![\w.])"),
    Kind("P", "biometric identifiers", "retina iris dna genome", "fingerprint|voiceprint|biometric|faceid"),
    Kind("Q", "full-face photographs", "photo face image img picture selfie", "photo",
         r".+\.(?:jpe?g|png|heic|tiff?|bmp|gif|dcm)"),
    Kind("R", "other unique numbers", "nhs cpr nino",
         "passport|personnummer|aadhaar|nhsn|(?:national|personal|tax|employee|citizen)id",
         r"\d{9,}|[A-CEGHJ-PR-TW-Z]{2} ?(?:\d{2} ?){3}[A-D]", rf"\bpassport{NUMBER}"),
)  # fmt: skip
"""The 18 classes in the rule's order."""


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that looks like an identifier.

    Attributes
    ----------
    place
        File and column, or field.
    kind
        Which class.
    why
        What was seen, never the value itself.
    """

    place: str
    kind: Kind
    why: str

    def __str__(self) -> str:
        """One line, without the value."""
        return f"{self.place}: {self.why} ({self.kind.letter}: {self.kind.name})"


def in_columns(names: Iterable[str], where: str) -> Iterator[Hit]:
    """Columns whose names suggest an identifier."""
    for name in names:
        words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", str(name)).lower())
        letters = "".join(words)
        for kind in KINDS:
            if {*words, letters} & set(kind.columns.split()) or (kind.stems and re.search(kind.stems, letters)):
                yield Hit(f"{where} column {name}", kind, "its name says so")


def in_table(frame: pd.DataFrame, where: str) -> Iterator[Hit]:
    """Columns of a table whose names or values are those of identifiers; numbers are searched as they are written."""
    yield from in_columns(map(str, frame.columns), where)
    for name in map(str, frame.columns):
        values = frame[name].dropna().astype(str).str.strip()
        for kind in KINDS:
            if kind.value and (count := int(values.str.fullmatch(kind.value, flags=re.IGNORECASE).sum())):
                yield Hit(f"{where} column {name}", kind, f"{count} values have the form")
        yield from _old(name, values, where)
        yield from _called(name, values, where)
        yield from in_text("\n".join(values[~values.str.fullmatch(r"[-+.\deE]*")].unique()), f"{where} column {name}")


def in_text(text: str, where: str) -> Iterator[Hit]:
    """Identifiers within a text, digital object identifiers aside."""
    text = re.sub(r"\b10\.\d{4,}/\S+", "", text)
    for kind in KINDS:
        pattern = kind.text
        flags = re.NOFLAG if kind.letter == "A" else re.IGNORECASE
        if pattern and (count := len(re.findall(pattern, text, flags))):
            yield Hit(where, kind, f"{count} passages have the form")


def _old(name: str, values: pd.Series[str], where: str) -> Iterator[Hit]:
    """Ages over 89, in a column of that name."""
    import pandas as pd

    if re.match(r"a?age(?!_?m)(?![a-z])|age_?y(ea)?rs?", name.lower()):
        ages = pd.to_numeric(values, errors="coerce")
        if count := int((ages > OLDEST).sum()):
            kind = next(each for each in KINDS if each.letter == "C")
            yield Hit(f"{where} column {name}", kind, f"{count} ages are over {OLDEST}")


def _called(name: str, values: pd.Series[str], where: str) -> Iterator[Hit]:
    """Names of people: surname, comma, given name; or two words with capitals, nearly another in every record."""
    reverse = values.str.fullmatch(rf"{NAME}(?: {NAME})?, ?{NAME}.*")
    pairs = values.str.fullmatch(rf"{NAME} (?:[A-Z]\.? |{NAME} )?{NAME}")
    different = len(values) > 2 and values.nunique() > 0.9 * len(values) and bool(pairs.mean() > 0.5)
    if count := int(reverse.sum()) or (int(pairs.sum()) if different else 0):
        yield Hit(f"{where} column {name}", KINDS[0], f"{count} values have the form")
