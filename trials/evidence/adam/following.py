"""Times of events, of leaving and of intercurrent events, as DM, DS and CE have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from trials.endpoints.base import Endpoint, Found
from trials.endpoints.composite import First
from trials.endpoints.event import TimeToEvent
from trials.errors import TrialError
from trials.evidence.adam.reader import Reader
from trials.evidence.sdtm.findings import UNSIMULATED

type Array = np.ndarray


def events(base: Reader) -> tuple[Array, dict[str, Array]]:
    """Time of leaving, and of every intercurrent event (subject,); infinite of those without."""
    frame = base.sdtm["DS"].frame
    subject = base.place(frame)
    times = base.exact(base.since(subject, frame["DSSTDTC"]))
    left, events = np.full(len(base.subjects), np.inf), {}
    for event in base.protocol.intercurrent:
        about = base.plan.events[event.name]
        kind = "DISPOSITION EVENT" if event.leaves else "OTHER EVENT"
        mine = (frame["DSCAT"] == kind) & (frame["DSTERM"] == about.term) & (frame["DSDECOD"] == about.decode)
        found = np.full(len(base.subjects), np.inf)
        here = np.flatnonzero(mine & _can(base, event.arms, subject))
        found[subject[here]] = times[here]
        events[event.name] = found
        left = np.minimum(left, found) if event.leaves else left
    return left, events


def _can(base: Reader, names: Sequence[str], subject: Array) -> Array:
    """Whether an event that can happen in some arms (none: all) can happen to the subject of each record."""
    if not names:
        return np.ones(len(subject), dtype=bool)
    indices = [list(base.protocol.design.arms).index(name) for name in names]
    return np.asarray(np.isin(base.arms[subject], indices).any(axis=1))


def followed(base: Reader) -> tuple[dict[str, Found], dict[str, pd.DataFrame]]:
    """Times to events: of deaths from DM, of others from CE; censored at the end of participation (DM.RFPENDTC)."""
    given: dict[str, Found] = {}
    sources: dict[str, pd.DataFrame] = {}
    for endpoint in _watching(base.protocol.endpoints):
        if not isinstance(endpoint, TimeToEvent):
            raise TrialError(f"adam: {endpoint.name} is a {type(endpoint).__name__}, of which SDTM holds nothing")
        death = endpoint.name == base.plan.death
        event, source = _died(base) if death else _happened(base, endpoint)
        everyone = np.arange(len(base.subjects))
        ended = base.exact(base.since(everyone, base.people["RFPENDTC"]))
        died = (base.people["DTHFL"] == "Y").to_numpy() if "DTHFL" in base.people else np.zeros(len(everyone), bool)
        last = np.minimum(np.where(died & ~np.isfinite(event), np.inf, ended), endpoint.until)
        happened = (event <= endpoint.until) & ~_lost(base)
        values = np.where(_lost(base), np.nan, np.where(happened, event, last))
        given[endpoint.name] = Found(values[None, :, None], event=happened[None, :, None])
        sources[endpoint.name] = source.where(happened, ("DM", "RFPENDTC", np.nan)).frame()
    return given, sources


def _watching(endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
    """Endpoints that follow an output closely, those within others too."""
    parts = [part for one in endpoints for part in (one.of if isinstance(one, First) else (one,))]
    return list({one.name: one for one in parts if one.watches}.values())


def _died(base: Reader) -> tuple[Array, Source]:
    texts = base.people["DTHDTC"] if "DTHDTC" in base.people else pd.Series("", index=base.people.index)
    times = base.exact(base.since(np.arange(len(texts)), texts))
    return np.where(np.isnan(times), np.inf, times), Source(["DM"], ["DTHDTC"], np.full(len(times), np.nan))


def _happened(base: Reader, endpoint: TimeToEvent) -> tuple[Array, Source]:
    found, number = np.full(len(base.subjects), np.inf), np.full(len(base.subjects), np.nan)
    if "CE" in base.sdtm:
        frame = base.sdtm["CE"].frame
        frame = frame[frame["CETERM"] == endpoint.name.replace("_", " ").upper()]
        subject = base.place(frame)
        found[subject] = base.exact(base.since(subject, frame["CESTDTC"]))
        number[subject] = frame["CESEQ"]
    return found, Source(["CE"], ["CESTDTC"], number)


def _lost(base: Reader) -> Array:
    """Whom the solver failed (subject,): of them nothing is known."""
    found = np.zeros(len(base.subjects), dtype=bool)
    for domain in {one.domain for one in base.plan.measurements.values()}:
        frame = base.sdtm[domain].frame
        if f"{domain}REASND" in frame:
            found[base.place(frame[frame[f"{domain}REASND"] == UNSIMULATED])] = True
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Domain, variable and sequence number behind a value of each subject."""

    domain: Sequence[str]
    variable: Sequence[str]
    number: Array

    def where(self, known: Array, other: tuple[str, str, float]) -> Source:
        """Take this where it is known, else another."""
        count = len(known)
        domain, variable = (
            np.broadcast_to(np.asarray(each, dtype=object), count) for each in (self.domain, self.variable)
        )
        return Source(
            np.where(known, domain, other[0]).tolist(),
            np.where(known, variable, other[1]).tolist(),
            np.where(known, self.number, other[2]),
        )

    def frame(self) -> pd.DataFrame:
        """As a frame by (subject, period) of the only period."""
        index = pd.MultiIndex.from_product([range(len(self.number)), [0]], names=["subject", "period"])
        return pd.DataFrame({"SRCDOM": self.domain, "SRCVAR": self.variable, "SRCSEQ": self.number}, index=index)
