"""The true effect of every scenario: the same virtual patients under each arm, without measurement error.

What the analyses estimate is the protocol's own endpoint, at the protocol's own visits, in patients of the population
averaged over its uncertainty. A policy still sees noisy measurements: that is part of the treatment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trials.analyses.base import Effect
from trials.block import draw
from trials.conduct import Conduct, noise
from trials.protocol import Protocol
from trials.streams import TRUTH_FIRST

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, slots=True, eq=False)
class TruthWork:
    """Virtual patients under every arm of one protocol: draws of the population times patients of each."""

    protocol: Protocol
    draws: int
    patients: int
    seed: int
    posterior: xr.DataTree | None


def true_effects(work: TruthWork) -> tuple[Effect, ...]:
    """Find the true effect behind each analysis of a protocol, in the order of the analyses."""
    replicates = range(TRUTH_FIRST, TRUTH_FIRST + work.draws)
    patients = draw(work.protocol, work.patients, replicates, seed=work.seed, posterior=work.posterior, occasions=1)
    conduct = Conduct(work.protocol, patients, noise(work.protocol, work.seed, replicates, work.patients, 1))
    values = {name: _endpoints(conduct, index) for index, name in enumerate(work.protocol.design.arms)}
    return tuple(
        analysis.truth({arm: found[analysis.endpoint] for arm, found in values.items()})
        for analysis in work.protocol.analyses
    )


def _endpoints(conduct: Conduct, arm: int) -> Mapping[str, np.ndarray]:
    """Every endpoint (draw, patient) with all patients in one arm; a failed patient is left out by NaN."""
    protocol = conduct.protocol
    shape = (conduct.patients.sizes["replicate"], conduct.patients.sizes["subject"], 1)
    true = conduct.course(np.full(shape, arm)).true
    times = {measurement.name: np.asarray(measurement.times) for measurement in protocol.measurements}
    return {one.name: one(true[one.measure], times[one.measure])[..., 0] for one in protocol.endpoints}
