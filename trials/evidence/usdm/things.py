"""Instances of USDM classes as plain mappings: identifiers in order of making, codes of CDISC's terminology."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from trials.errors import TrialError

type Thing = dict[str, Any]

VERSION = "2025-09-26"
"""Version of CDISC's terminology, of which there are both the DDF and the SDTM lists."""

CODES: Mapping[str, tuple[str, str]] = MappingProxyType({
    "interventional": ("C98388", "Interventional Study"),
    "parallel": ("C82639", "Parallel Study"),
    "crossover": ("C82637", "Crossover Study"),
    "factorial": ("C82638", "Factorial Study"),
    "sequential": ("C142568", "Group Sequential Design"),
    "single": ("C82640", "Single Group Study"),
    "randomised": ("C46079", "Randomized"),
    "stratified": ("C147145", "Stratified Randomisation"),
    "adaptive": ("C98704", "Adaptive"),
    "experimental arm": ("C174266", "Investigational Arm"),
    "comparator arm": ("C174267", "Active Comparator Arm"),
    "placebo arm": ("C174268", "Placebo Control Arm"),
    "synthetic": ("C176263", "Synthetic Data"),
    "treatment": ("C101526", "Treatment Epoch"),
    "visit": ("C25716", "Visit"),
    "inclusion": ("C25532", "Inclusion Criteria"),
    "primary objective": ("C85826", "Study Primary Objective"),
    "secondary objective": ("C85827", "Study Secondary Objective"),
    "primary endpoint": ("C94496", "Primary Endpoint"),
    "secondary endpoint": ("C139173", "Secondary Endpoint"),
    "after": ("C201356", "After"),
    "fixed": ("C201358", "Fixed Reference"),
    "start to start": ("C201355", "Start to Start"),
    "PHASE I TRIAL": ("C15600", "Phase I Trial"),
    "PHASE I/II TRIAL": ("C15693", "Phase I/II Trial"),
    "PHASE II TRIAL": ("C15601", "Phase II Trial"),
    "PHASE II/III TRIAL": ("C15694", "Phase II/III Trial"),
    "PHASE III TRIAL": ("C15602", "Phase III Trial"),
    "PHASE IV TRIAL": ("C15603", "Phase IV Trial"),
    "NOT APPLICABLE": ("C48660", "Not Applicable"),
    "DOUBLE BLIND": ("C15228", "Double Blind Study"),
    "SINGLE BLIND": ("C28233", "Single Blind Study"),
    "OPEN LABEL": ("C49659", "Open Label Study"),
    "title": ("C207616", "Official Study Title"),
    "sponsor": ("C70793", "Sponsor"),
    "drug": ("C1909", "Pharmacologic Substance"),
    "experimental": ("C41161", "Experimental Intervention"),
    "comparator": ("C68609", "Active Comparator"),
    "placebo": ("C753", "Placebo"),
    "female": ("C16576", "Female"),
    "male": ("C20197", "Male"),
    "administration": ("C25409", "Administration"),
    "s": ("C42535", "Second"),
    "min": ("C48154", "Minute"),
    "h": ("C25529", "Hour"),
    "d": ("C25301", "Day"),
    "day": ("C25301", "Day"),
    "week": ("C29844", "Week"),
    "month": ("C29846", "Month"),
    "year": ("C29848", "Year"),
})  # fmt: skip
"""Terms of the DDF and SDTM code lists that USDM 4.0 binds."""

SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "day": 86400, "week": 604800, "month": 2629800, "year": 31557600}
"""Seconds of the units of time that models have; a month and a year are those of the Julian calendar."""


@dataclass(slots=True)
class Maker:
    """Makes instances; each class has its own numbers, so that the same protocol gives the same identifiers."""

    made: Counter[str] = field(default_factory=Counter)

    def __call__(self, kind: str, **fields: Any) -> Thing:
        """Make an instance of a class."""
        self.made[kind] += 1
        return {"id": f"{kind}_{self.made[kind]}", **fields, "extensionAttributes": [], "instanceType": kind}

    def code(self, name: str) -> Thing:
        """Make a code."""
        code, decode = CODES[name]
        return self("Code", code=code, codeSystem="http://www.cdisc.org", codeSystemVersion=VERSION, decode=decode)

    def named(self, kind: str, name: str, about: str = "", **fields: Any) -> Thing:
        """Make an instance that has a name, a label and a description."""
        return self(kind, name=name, label=name.replace("_", " "), description=about or None, **fields)

    def alias(self, name: str) -> Thing:
        """Make a code that may have aliases."""
        return self("AliasCode", standardCode=self.code(name), standardCodeAliases=[])


def chained(things: Sequence[Thing]) -> list[Thing]:
    """Let each name the one before it and the one after it."""
    for before, after in pairwise(things):
        before["nextId"], after["previousId"] = after["id"], before["id"]
    for thing in things:
        thing.setdefault("nextId", None)
        thing.setdefault("previousId", None)
    return list(things)


def lasting(value: float, unit: str, make: Maker) -> Thing:
    """A duration that is the same for everybody."""
    return make("Duration", text=duration(value, unit), durationWillVary=False, reasonDurationWillVary=None,
                quantity=make("Quantity", value=float(value), unit=make.alias(unit)))  # fmt: skip


def html(text: str) -> str:
    """Text as USDM's templates want it."""
    return f"<p>{escape(' '.join(text.split()), quote=False)}</p>"


def duration(value: float, unit: str) -> str:
    """Time as an ISO 8601 duration in days, hours, minutes and seconds.

    Raises
    ------
    TrialError
        When the unit is none of time.
    """
    if unit not in SECONDS:
        raise TrialError(f"usdm: {unit!r} has no ISO 8601 duration; units of time are {', '.join(SECONDS)}")
    left = round(abs(value) * SECONDS[unit])
    parts = []
    for size, letter in ((86400, "D"), (3600, "H"), (60, "M"), (1, "S")):
        count, left = divmod(left, size)
        parts.append(f"{count}{letter}" if count else "")
    clock = "".join(parts[1:])
    return f"P{parts[0]}{f'T{clock}' if clock else ''}" if any(parts) else "PT0S"
