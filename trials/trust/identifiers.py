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
    value
        Form of a value of a table that is one; empty where only the column tells.
    text
        Form within a text, where that differs; empty: none is searched for in texts.
    """

    letter: str
    name: str
    columns: str
    value: str = ""
    text: str = ""


MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
DATE = (
    r"(?:(?:19|20)\d\d-[01]\d-[0-3]\d|(?:19|20)\d\d[01]\d[0-3]\d|[0-3]?\d[./-][0-3]?\d[./-](?:19|20)?\d\d"
    rf"|[0-3]?\d[ -]{MONTH}[ -,]*(?:19|20)\d\d|{MONTH} [0-3]?\d,? (?:19|20)\d\d)"
)
EMAIL = r"[\w.+-]+@[\w-]+\.[\w.-]*[a-z]"
SSN = r"\d{3}-\d{2}-\d{4}"
PHONE = r"(?:\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,4}\d{2,4}|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4})"
BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
ADDRESS = rf"{BYTE}(?:\.{BYTE}){{3}}|(?:[0-9a-f]{{1,4}}:){{7}}[0-9a-f]{{1,4}}"
WEB = r"(?:https?://|www\.)\S+"
NUMBER = r"(?: number| no\.?| id)?\W{1,3}\w*\d+"
KINDS: tuple[Kind, ...] = (
    Kind("A", "names", "name firstname lastname surname forename initials", "",
         r"\b(?:[Pp]atient|Mr|Mrs|Ms)\.? [A-Z][a-z]+ [A-Z][a-z]+"),
    Kind("B", "geographic units smaller than a state", "address street city town county zip zipcode postcode postal "
         "latitude longitude lat lon geocode precinct", r"\d{5}-\d{4}"),
    Kind("C", "dates finer than a year, ages over 89", "date dob birthdate birthday birth admission discharge death",
         DATE, rf"\b(?:born|birth|dob|admitted|discharged|died)\W+(?:\w+\W+){{0,3}}{DATE}"),
    Kind("D", "telephone numbers", "phone telephone tel mobile", PHONE, rf"(?<![\w./+-]){PHONE}(?![\w-])"),
    Kind("E", "fax numbers", "fax", "", rf"\bfax\W+{PHONE}"),
    Kind("F", "e-mail addresses", "email mail", EMAIL, EMAIL),
    Kind("G", "social security numbers", "ssn", SSN, rf"(?<![\w.-]){SSN}(?![\w-])"),
    Kind("H", "medical record numbers", "mrn chart record", r"mrn\W*\d+", rf"\b(?:mrn|medical record){NUMBER}"),
    Kind("I", "health plan beneficiary numbers", "insurance beneficiary medicare medicaid healthplan", "",
         rf"\b(?:beneficiary|insurance|medicare){NUMBER}"),
    Kind("J", "account numbers", "account iban", r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", rf"\baccount{NUMBER}"),
    Kind("K", "certificate and licence numbers", "licence license certificate", "",
         rf"\b(?:driving licence|driver's license|certificate){NUMBER}"),
    Kind("L", "vehicle identifiers", "vehicle vin plate", r"(?=[A-Z0-9]*\d)(?=[A-Z0-9]*[A-Z])[A-HJ-NPR-Z0-9]{17}"),
    Kind("M", "device identifiers", "device serial udi imei mac", r"\(01\)\d{14}.*|(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}",
         rf"\b(?:serial|imei){NUMBER}"),
    Kind("N", "web addresses", "url website homepage", WEB),
    Kind("O", "IP addresses", "ip ipaddress", ADDRESS, rf"(?<![\w.])(?:{ADDRESS})(?![\w.])"),
    Kind("P", "biometric identifiers", "fingerprint voiceprint retina iris biometric"),
    Kind("Q", "full-face photographs", "photo photograph face image picture"),
    Kind("R", "other unique numbers", "passport nhs cpr personnummer aadhaar nino", r"\d{9,}",
         rf"\bpassport{NUMBER}"),
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
        words = set(re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", str(name)).lower()))
        words.add("".join(sorted(words, key=str(name).lower().find)))
        for kind in KINDS:
            if words & set(kind.columns.split()):
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

    if re.fullmatch(r"age(_?y(ea)?rs?)?", name.lower()):
        ages = pd.to_numeric(values, errors="coerce")
        if count := int((ages > OLDEST).sum()):
            kind = next(each for each in KINDS if each.letter == "C")
            yield Hit(f"{where} column {name}", kind, f"{count} ages are over {OLDEST}")
