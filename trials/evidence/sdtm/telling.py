"""Every domain of an example trial."""

from __future__ import annotations

from trials.evidence.sdtm.design import assessments, criteria, trial_arms, trial_elements, trial_visits
from trials.evidence.sdtm.domains import DOMAINS
from trials.evidence.sdtm.exposure import exposure
from trials.evidence.sdtm.findings import findings
from trials.evidence.sdtm.parameters import parameters
from trials.evidence.sdtm.plan import Plan, read
from trials.evidence.sdtm.record import Record
from trials.evidence.sdtm.subjects import (
    clinical_events,
    demographics,
    disposition,
    subject_elements,
    subject_visits,
)
from trials.evidence.sdtm.summary import summary
from trials.evidence.sdtm.visits import planned
from trials.evidence.study import Example
from trials.evidence.table import Table


def tables(example: Example, plan: Plan | None = None) -> tuple[Table, ...]:
    """SDTM of an example trial (SDTMIG 3.4).

    Parameters
    ----------
    example
        The trial.
    plan
        In which domains its data stand; None: what ``conf/sdtm`` has for the trial.

    Returns
    -------
    One table a domain: trial design, then subjects, then what was observed.

    Raises
    ------
    TrialError
        When the plan is not of this trial, or something has no place in SDTM.
    """
    stated = read(example.trial.name) if plan is None else plan
    stated.check(example.protocol)
    record = Record(example, stated)
    visits = planned(record.protocol, record.example.course.starts)
    taken, found = exposure(record), list(findings(record, visits))
    made = [
        summary(record), trial_arms(record), trial_elements(record), trial_visits(record, visits), criteria(record),
        assessments(record), demographics(record, taken), subject_elements(record),
        subject_visits(record, visits, found), taken, disposition(record), clinical_events(record),
        parameters(record), *found,
    ]  # fmt: skip
    order = list(DOMAINS)
    return tuple(sorted((one for one in made if one is not None), key=lambda one: order.index(one.name)))
