"""Analysis data sets of an example trial, from its SDTM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trials.evidence.adam.efficacy import efficacy, times
from trials.evidence.adam.exposure import exposure
from trials.evidence.adam.making import find
from trials.evidence.adam.measured import measured
from trials.evidence.adam.pharmacokinetics import parameters, population
from trials.evidence.adam.recording import recorded
from trials.evidence.adam.selecting import EFFICACY, PARAMETERS, TIMES, Selection, selections
from trials.evidence.adam.subjects import subject_level
from trials.evidence.table import Table

if TYPE_CHECKING:
    from trials.evidence.adam.recorded import Recorded
    from trials.evidence.sdtm.plan import Plan
    from trials.evidence.study import Example


def tables(example: Example, sdtm: Sequence[Table], plan: Plan | None = None) -> tuple[Table, ...]:
    """Analysis data sets of an example trial.

    Parameters
    ----------
    example
        The trial: what was planned, never what happened, which SDTM alone tells.
    sdtm
        Its SDTM data sets.
    plan
        In which domains its data stand; None: what ``conf/sdtm`` has for the trial.

    Returns
    -------
    ADSL first; ADEX, the data sets of measurements (ADPC, ADLB, ADVS ...), ADPP, ADPPK, ADEFF and ADTTE where the trial
    has what they hold.
    """
    seen = recorded(example, sdtm, plan)
    chosen = selections(seen.protocol, seen.homes)
    adsl = subject_level(seen)
    return (adsl, *_given(seen, adsl), *_found(seen, adsl, chosen))


def selected(example: Example, sdtm: Sequence[Table], plan: Plan | None = None) -> dict[str, Selection]:
    """Where in `tables` every endpoint and estimand is."""
    seen = recorded(example, sdtm, plan)
    return selections(seen.protocol, seen.homes)


def _given(seen: Recorded, adsl: Table) -> tuple[Table, ...]:
    """Data sets of doses, and of doses with concentrations."""
    made = (exposure(seen, adsl),) if len(seen.doses) else ()
    return (*made, population(seen, adsl)) if find(seen.sdtm.values(), "PC") is not None else made


def _found(seen: Recorded, adsl: Table, chosen: Mapping[str, Selection]) -> tuple[Table, ...]:
    """Data sets of measurements and endpoints."""
    domains = dict.fromkeys(seen.homes[one.name].domain for one in seen.protocol.measurements)
    made = []
    for domain in domains:
        mine = [one for one in chosen.values() if one.dataset == f"AD{domain}"]
        made.append(measured(seen, adsl, domain, mine))
    makers = {PARAMETERS: parameters, EFFICACY: efficacy, TIMES: times}
    for name, make in makers.items():
        if mine := [one for one in chosen.values() if one.dataset == name]:
            made.append(make(seen, adsl, mine))
    return tuple(made)
