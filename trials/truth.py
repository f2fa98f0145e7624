"""The true effect of every scenario: the same virtual patients under each arm.

What the analyses estimate is the protocol's own endpoint, at the protocol's own visits, in patients of the population
averaged over its uncertainty: of the true course, or of the course as it is measured when the trial says so. A policy
always sees noisy measurements: that is part of the treatment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from trials.analyses.base import Effect
from trials.analyses.repeated import dim
from trials.block import draw
from trials.conduct import Conduct, Course, noise
from trials.endpoints.base import Found
from trials.protocol import Protocol, Truth
from trials.streams import TRUTH_FIRST

type Values = np.ndarray | xr.DataArray


@dataclass(frozen=True, slots=True, eq=False)
class TruthWork:
    """Virtual patients under every arm of one protocol: draws of the population times patients of each."""

    protocol: Protocol
    size: Truth
    seed: int
    posterior: xr.DataTree | None


class Truths(NamedTuple):
    """What is true under one protocol."""

    effects: tuple[Effect, ...]
    """Behind each analysis, in their order."""
    means: np.ndarray
    """Mean of each endpoint and estimand in each arm, and its Monte Carlo error: (variable, arm, 2).

    Of a repeated endpoint that at its last visit; NaN of a time to an event, and of an arm an estimand is not about.
    """


def true_effects(work: TruthWork) -> tuple[Effect, ...]:
    """Find the true effect behind each analysis of a protocol, in the order of the analyses."""
    return true_values(work).effects


def true_values(work: TruthWork) -> Truths:
    """Find the true effects and the true means of the arms, in the same patients under every arm."""
    replicates, count = range(TRUTH_FIRST, TRUTH_FIRST + work.size.draws), work.size.patients
    patients = draw(work.protocol, count, replicates, seed=work.seed, posterior=work.posterior, occasions=1)
    conduct = Conduct(work.protocol, patients, noise(work.protocol, work.seed, replicates, count, 1))
    variables = _variables(conduct, measured=work.size.measured)
    analyses, arms = work.protocol.analyses, work.protocol.design.arms
    effects = tuple(analysis.truth(_complete(variables[analysis.endpoint])) for analysis in analyses)
    means = [[_mean(values.get(arm)) for arm in arms] for values in variables.values()]
    return Truths(effects, np.array(means))


def _mean(values: Values | None) -> tuple[float, float]:
    """Mean over patients of an endpoint (draw, patient[, visit]), and its error by the means of the draws."""
    found = None if values is None else np.asarray(values)
    if found is None or found.dtype.names is not None:
        return np.nan, np.nan
    found = found[..., -1] if found.ndim > 2 else found
    there = np.isfinite(found)
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = np.where(there, found, 0.0).sum(axis=1) / there.sum(axis=1)
    draws = draws[np.isfinite(draws)]
    if draws.size < 2:
        return np.nan, np.nan
    return float(draws.mean()), float(draws.std(ddof=1) / np.sqrt(draws.size))


def _complete(values: Mapping[str, Values]) -> Mapping[str, Any]:
    """Leave out patients who failed under some arm; the others are then no longer told apart by draw."""
    there = np.logical_and.reduce([_known(np.asarray(each)) for each in values.values()])
    return values if there.all() else {arm: _of(each, there) for arm, each in values.items()}


def _of(values: Values, there: np.ndarray) -> Values:
    """Values of some patients, (patient[, visit])."""
    if isinstance(values, xr.DataArray):
        return xr.DataArray(values.values[there], dims=values.dims[1:], coords=values.coords)
    chosen: np.ndarray = values[there]
    return chosen


def _known(values: np.ndarray) -> np.ndarray:
    """Whether a patient's endpoint is known (draw, patient): one number, a record of some, or one a visit."""
    first = values if values.dtype.names is None else values[values.dtype.names[0]]
    there = np.isfinite(first)
    return there if there.ndim == 2 else there.all(axis=-1)


def _labelled(name: str, found: Found) -> Values:
    """True values (draw, patient), or (draw, patient, visit) with the times of the visits for an analysis to choose."""
    values = found.truth[:, :, 0]
    if found.visits is None:
        return values
    return xr.DataArray(values, dims=("draw", "patient", dim(name)), coords={dim(name): found.visits})


def _variables(conduct: Conduct, *, measured: bool) -> Mapping[str, Mapping[str, Values]]:
    """Every endpoint and estimand, by arm (draw, patient[, visit]); NaN for a failed patient or one it is not about.

    An event whose strategy is hypothetical does not happen to the patients of its estimand.
    """
    protocol, arms = conduct.protocol, conduct.protocol.design.arms
    shape = (conduct.patients.sizes["replicate"], conduct.patients.sizes["subject"], 1)

    @cache
    def course(arm: str, without: frozenset[str] = frozenset()) -> Course:
        return conduct.course(np.full(shape, arms.index(arm)), without=without)

    found = {
        one.name: {arm: _labelled(one.name, one.find(course(arm).seen(measured=measured))) for arm in arms}
        for one in protocol.endpoints
    }
    for estimand in protocol.estimands:
        endpoint, without = protocol.endpoint(estimand.variable), frozenset(estimand.events_by("hypothetical"))
        found[estimand.name] = {
            arm: _labelled(estimand.name, estimand.find(endpoint, course(arm, without), measured=measured))
            for arm in estimand.treatment
        }
    return found
