"""How patients enter a trial: when and where they are randomised, in which stratum, to what."""

from __future__ import annotations

import numpy as np
import xarray as xr

from trials.checks import refuse
from trials.protocol import Protocol
from trials.streams import Stream, addressed

DIMS = ("replicate", "subject")

ENTERED = ("enrolled", "site", "region", "stratum")
"""Variables of the patients that `enrolled` and `randomised` add, and that the trial's data hold."""


def check_entry(protocol: Protocol) -> None:
    """Refuse a randomisation by what is not known of the patients when they are randomised.

    Raises
    ------
    TrialError
        Naming the variable, and those there are.
    """
    if protocol.randomisation is None:
        return
    sites = protocol.enrolment is not None and protocol.enrolment.site_names
    known = [*protocol.population.covariate_names, *(("site", "region") if sites else ())]
    for name in protocol.randomisation.variables:
        if name not in known:
            wanted = f"one of {', '.join(known)}" if known else "covariates, or an enrolment with sites"
            raise refuse("randomisation.factors", name, wanted)


def enrolled(protocol: Protocol, patients: xr.Dataset, replicates: range, seed: int) -> xr.Dataset:
    """Give patients (replicate, subject) the calendar time of their randomisation, their site and region.

    Without an enrolment everybody is randomised at time 0. ``candidates`` (replicate, subject) among the patients is
    how many were screened for each; nobody fails screening without it.
    """
    shape = (patients.sizes["replicate"], patients.sizes["subject"])
    about = {"units": protocol.model.time}
    if protocol.enrolment is None:
        return patients.assign(enrolled=(DIMS, np.zeros(shape), about))
    screened = patients["candidates"].values if "candidates" in patients else np.ones(shape, dtype=np.int64)
    found = protocol.enrolment(addressed(seed, Stream.ENROLMENT, replicates), replicates, screened)
    made = patients.assign(enrolled=(DIMS, found.enrolled, about))
    if not protocol.enrolment.site_names:
        return made
    region = np.asarray(protocol.enrolment.region_of_site)[found.site]
    return made.assign(
        site=(DIMS, found.site, {"names": list(protocol.enrolment.site_names)}),
        region=(DIMS, region, {"names": list(protocol.enrolment.region_names)}),
    )


def randomised(protocol: Protocol, patients: xr.Dataset, replicates: range, seed: int) -> tuple[xr.Dataset, np.ndarray]:
    """Allocate enrolled patients: the patients with their ``stratum``, and arms int (replicate, subject, period)."""
    design, method = protocol.design, protocol.randomisation
    rng = addressed(seed, Stream.RANDOMISATION, replicates)
    if method is None:
        return patients, design.assign(rng, replicates)
    stratum, names = method.strata(patients)
    groups = method(rng, replicates, patients, ratio=design.ratio, block=design.block)
    arms: np.ndarray = np.asarray(design.orders, dtype=np.int64)[groups]
    return patients.assign(stratum=(DIMS, stratum, {"names": list(names)})), arms
