"""Where the values of SDTM variables come from, for Define-XML."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_CLOCK = (
    "Simulated time since randomisation on a virtual calendar: the trial opens on 2000-01-03, a subject is randomised "
    "at 08:00 of the day of enrolment"
)
_SIMULATED = "SIMULATED: drawn from the model of the trial with its residual error; no human being was measured"

BY_NAME: Mapping[str, tuple[str, str]] = MappingProxyType({
    "STUDYID": ("Assigned", ""),
    "DOMAIN": ("Assigned", ""),
    "SUBJID": ("Assigned", "Number of the virtual subject in the order of enrolment"),
    "USUBJID": ("Derived", "STUDYID, a hyphen and SUBJID"),
    "SITEID": ("Assigned", "Simulated site; 0 where the trial simulates none"),
    "COUNTRY": ("Assigned", "ZZZ, a user-assigned code of ISO 3166: virtual subjects have no country"),
    "AGE": ("Collected", "SIMULATED: drawn from the virtual population"),
    "AGEU": ("Assigned", ""),
    "SEX": ("Collected", "SIMULATED: drawn from the virtual population; U where it has no sex"),
    "RACE": ("Collected", "SIMULATED: drawn from the virtual population; UNKNOWN where it has no race"),
    "RFSTDTC": ("Derived", "Time of randomisation, which is the start of treatment"),
    "RFENDTC": ("Derived", "End of participation"),
    "RFXSTDTC": ("Derived", "Earliest EXSTDTC of the subject"),
    "RFXENDTC": ("Derived", "Latest EXENDTC of the subject"),
    "RFICDTC": ("Assigned", "Empty: virtual subjects give no consent"),
    "RFPENDTC": ("Derived", "End of participation: planned end, leaving, death or the trial's data cut-off"),
    "DTHDTC": ("Derived", _CLOCK),
    "DTHFL": ("Derived", "Y of a simulated death"),
    "ARMCD": ("Assigned", "Randomised arm or sequence"),
    "ARM": ("Assigned", "Randomised arm or sequence"),
    "ACTARMCD": ("Assigned", "As ARMCD: a virtual subject receives what it was randomised to"),
    "ACTARM": ("Assigned", "As ARM"),
    "ARMNRS": ("Assigned", ""),
    "ACTARMUD": ("Assigned", ""),
    "VISITNUM": ("Protocol", ""),
    "VISIT": ("Protocol", ""),
    "VISITDY": ("Protocol", ""),
    "EPOCH": ("Derived", "Epoch of the element in TA during which it happened"),
    "TAETORD": ("Protocol", ""),
    "ETCD": ("Protocol", ""),
    "ELEMENT": ("Protocol", ""),
    "EXTRT": ("Protocol", ""),
    "EXDOSE": ("Collected", "SIMULATED: amount that was taken"),
    "EXDOSFRQ": ("Derived", "Interval of equal doses that follow each other; ONCE of a single dose"),
    "PCLLOQ": ("Protocol", ""),
})  # fmt: skip

BY_END: Mapping[str, tuple[str, str]] = MappingProxyType({
    "SEQ": ("Derived", "Order of the subject's records by the keys of the data set"),
    "ORRES": ("Collected", _SIMULATED),
    "STRESC": ("Derived", "As --ORRES"),
    "STRESN": ("Derived", "The number behind --STRESC, in double precision; empty where that begins with <"),
    "LOBXFL": ("Derived", "Y of the last value at or before the start of treatment"),
    "ELTM": ("Protocol", ""),
    "TPT": ("Protocol", ""),
    "TPTNUM": ("Protocol", ""),
    "TPTREF": ("Protocol", ""),
    "DTC": ("Derived", _CLOCK),
    "DY": ("Derived", "Date part of the time less that of DM.RFSTDTC, plus 1 from that day on"),
    "TERM": ("Collected", "SIMULATED"),
    "OCCUR": ("Collected", "SIMULATED"),
})  # fmt: skip

PARAMETERS = ("Derived", "Noncompartmental analysis of the subject's values in PC, linear-up log-down")


def origin(domain: str, name: str) -> tuple[str, str]:
    """Origin and source of a variable."""
    if domain == "PP" and name in ("PPORRES", "PPSTRESC", "PPSTRESN"):
        return PARAMETERS
    if domain in ("TS", "TA", "TE", "TV", "TI", "TD") and name not in ("STUDYID", "DOMAIN"):
        return ("Protocol", "")
    if name in BY_NAME:
        return BY_NAME[name]
    ends = (found for end, found in BY_END.items() if name[2:].endswith(end) and len(name) > len(end))
    return next(ends, ("Assigned", ""))
