"""Operating characteristics of simulated trials, each with its Monte Carlo standard error.

Formulas: Morris, White & Crowther (2019), Statistics in Medicine 38:2074, doi:10.1002/sim.8086, table 6. Failed
replicates count as trials without a decision, and are counted; what is averaged over estimates says over how many.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses.base import OUTPUTS
from trials.checks import refuse
from trials.errors import TrialError

if TYPE_CHECKING:
    from trials.multiplicity.families import Family
    from trials.protocol import Result


class Estimate(TypedDict):
    """One characteristic: its value, Monte Carlo standard error, and how many replicates it rests on.

    ``value`` and ``mcse`` are None when too few replicates are left to compute them.
    """

    value: float | None
    mcse: float | None
    replicates: int


type Characteristics = dict[str, dict[str, dict[str, Estimate]]]
"""``{scenario: {analysis: {name: {"value": ..., "mcse": ..., "replicates": ...}}}}``."""

TRIAL = ("n", "duration")
"""Outcomes that exist whether or not the analysis failed."""


def characteristics(
    source: "Result | xr.Dataset", truth: xr.Dataset | None = None, *, families: "Sequence[Family] | None" = None
) -> Characteristics:
    """Return the operating characteristics of every analysis, and of every family of hypotheses, in every scenario.

    Parameters
    ----------
    source
        A result of `trials.run`; or its outcomes (scenario, replicate, analysis), with the coordinate ``decides``
        (analysis), when ``truth`` is given.
    truth
        Dataset (scenario, analysis): ``effect``, its ``mcse`` and ``null``, whether a decision is a type I error (for a
        result, what its scenarios declare); optionally ``replicates``, the draws of the population behind the effect.
    families
        Families of hypotheses that are tested together; None: those of the result's trial, none of a Dataset.

    Returns
    -------
    For each scenario and family: what `trials.multiplicity.familywise` gives. For each scenario and analysis:

    power or type_1_error
        Share of all replicates with a decision for an effect; failed ones have none. Absent from a description.
    truth, estimate, bias, coverage, mse
        True effect; mean estimate; its distance from the truth; how often the interval holds the truth; mean squared
        error. The error of the truth is in their MCSE.
    estimate_adjusted, bias_adjusted, coverage_adjusted, mse_adjusted
        The same of the estimate and interval that allow for the looks of a group-sequential design.
    empirical_se, model_se, relative_error_se
        Standard deviation of the estimates, root mean square of the standard errors, the latter's excess in percent.
    n, duration, failed, failure_rate
        Mean number of subjects analysed and mean duration over all replicates; how many replicates failed; their share.
    others
        The mean of every further numeric outcome that has values: probability, cv_within.

    Raises
    ------
    TrialError
        When a dim, variable or coordinate is missing.
    """
    if families is None:
        families = () if isinstance(source, xr.Dataset) else source.trial.families
    outcomes, truth = _checked(source, truth)
    found = {
        scenario: {
            analysis: _one(outcomes.sel(scenario=scenario, analysis=analysis), truth, scenario, analysis)
            for analysis in outcomes["analysis"].values.tolist()
        }
        for scenario in outcomes["scenario"].values.tolist()
    }
    if not families:
        return found
    from trials.multiplicity.families import scored

    together = scored(outcomes, truth, families)
    return {scenario: by | together[scenario] for scenario, by in found.items()}


def differences(source: "Result | xr.Dataset", scenario: str, against: str) -> dict[str, dict[str, Estimate]]:
    """Return what ``scenario`` adds to ``against``, replicate by replicate: ``{analysis: {name: Estimate}}``.

    Scenarios of one run share their random numbers, so a difference has a much smaller error than its two parts. The
    names are ``decision`` (the difference in power), ``estimate`` and ``n``; a replicate that failed on either side is
    left out of ``estimate`` and has no decision on that side.

    Raises
    ------
    TrialError
        When there is no such scenario.
    """
    outcomes = source if isinstance(source, xr.Dataset) else source.outcomes
    known = outcomes["scenario"].values.tolist()
    for name in (scenario, against):
        if name not in known:
            raise refuse("scenario", name, f"one of {', '.join(known)}")
    one, other = (outcomes.sel(scenario=name) for name in (scenario, against))
    return {
        analysis: {
            name: mean(_column(one, name, analysis) - _column(other, name, analysis))
            for name in ("decision", "estimate", "n")
        }
        for analysis in outcomes["analysis"].values.tolist()
    }


def interval(successes: np.ndarray | float, replicates: np.ndarray | int, level: float = 0.95) -> np.ndarray:
    """Return the Wilson interval of a simulated proportion, (..., 2).

    It has width even when no or every replicate decided, where the MCSE is zero (Wilson 1927,
    doi:10.1080/01621459.1927.10502953).
    """
    count, total = np.broadcast_arrays(np.asarray(successes, float), np.asarray(replicates, float))
    z = float(special.ndtri(0.5 + level / 2))
    centre = (count + z**2 / 2) / (total + z**2)
    half = z * np.sqrt(count * (total - count) / total + z**2 / 4) / (total + z**2)
    bounds: np.ndarray = np.clip(np.stack([centre - half, centre + half], axis=-1), 0.0, 1.0)
    return bounds


def exact_interval(successes: np.ndarray | int, replicates: np.ndarray | int, level: float = 0.95) -> np.ndarray:
    """Return the Clopper-Pearson interval of a simulated proportion, (..., 2): it covers with ``level`` or more."""
    count, total = np.broadcast_arrays(np.asarray(successes, float), np.asarray(replicates, float))
    tail = (1 - level) / 2
    low = special.betaincinv(np.maximum(count, 1), total - np.maximum(count, 1) + 1, tail)
    high = special.betaincinv(np.minimum(count, total - 1) + 1, np.maximum(total - count, 1), 1 - tail)
    return np.stack([np.where(count == 0, 0.0, low), np.where(count == total, 1.0, high)], axis=-1)


@dataclass(frozen=True, slots=True)
class _Truth:
    """True effect of one analysis in one scenario."""

    effect: float
    mcse: float
    null: bool
    replicates: int


def _one(outcomes: xr.Dataset, truth: xr.Dataset, scenario: str, analysis: str) -> dict[str, Estimate]:
    """Return the characteristics of one analysis in one scenario, from its outcomes (replicate,)."""
    there = truth.sel(scenario=scenario, analysis=analysis)
    draws = int(there["replicates"]) if "replicates" in there else 0
    true = _Truth(float(there["effect"]), float(there["mcse"]), bool(there["null"]), draws)
    columns = {str(name): np.asarray(array.values, float) for name, array in outcomes.data_vars.items()}
    failed = columns["failed"] > 0
    found: dict[str, Estimate] = {}
    if bool(outcomes["decides"]):
        found["type_1_error" if true.null else "power"] = share((columns["decision"] > 0) & ~failed)
    found |= _against_truth(columns, ~failed, true) | _standard_errors(columns, ~failed)
    if ADJUSTED[0] in columns and np.isfinite(columns[ADJUSTED[0]]).any():
        inner = _against_truth({name.removesuffix("_adjusted"): columns[name] for name in ADJUSTED}, ~failed, true)
        found |= {f"{name}_adjusted": inner[name] for name in ("estimate", "bias", "coverage", "mse")}
    found |= {name: mean(columns[name]) for name in TRIAL if name in columns}
    found |= {"failed": _count(failed), "failure_rate": share(failed)}
    extra = {name: column[~failed] for name, column in columns.items() if name not in _REPORTED}
    return found | {name: mean(column) for name, column in extra.items() if np.isfinite(column).any()}


ADJUSTED = ("estimate_adjusted", "lower_adjusted", "upper_adjusted", "p_adjusted")
"""Outcomes of a monitored analysis that allow for its looks."""
_REPORTED = frozenset(OUTPUTS) - {"probability"} | frozenset(TRIAL) | frozenset(ADJUSTED)


def _against_truth(columns: Mapping[str, np.ndarray], used: np.ndarray, true: _Truth) -> dict[str, Estimate]:
    """Return what compares estimates with the truth, the truth's own error propagated to first order."""
    estimate, lower, upper = (columns[name][used] for name in ("estimate", "lower", "upper"))
    error = estimate - true.effect
    bias, square = mean(error), mean(error**2)
    return {
        "truth": _estimate(true.effect, true.mcse, true.replicates),
        "estimate": mean(estimate),
        "bias": _widened(bias, true.mcse),
        "coverage": _coverage(lower, upper, true),
        "mse": _widened(square, 2 * (bias["value"] or 0.0) * true.mcse),
    }


def _coverage(lower: np.ndarray, upper: np.ndarray, true: _Truth) -> Estimate:
    """Return the share of intervals that hold the truth; its slope in the truth carries the truth's error over."""
    known = ~(np.isnan(lower) | np.isnan(upper) | np.isnan(true.effect))
    at, above, below = (
        share((lower[known] <= effect) & (effect <= upper[known]))
        for effect in (true.effect, true.effect + true.mcse, true.effect - true.mcse)
    )
    return _widened(at, ((above["value"] or 0.0) - (below["value"] or 0.0)) / 2)


def _standard_errors(columns: Mapping[str, np.ndarray], used: np.ndarray) -> dict[str, Estimate]:
    """Return the empirical standard error, the model's and the latter's relative error in percent."""
    there = used & np.isfinite(columns["estimate"]) & np.isfinite(columns["se"])  # an odds ratio may have neither
    estimate, variance = columns["estimate"][there], columns["se"][there] ** 2
    count = estimate.size
    if count < 2:
        return dict.fromkeys(("empirical_se", "model_se", "relative_error_se"), _none(count))
    empirical, model = float(estimate.std(ddof=1)), float(np.sqrt(variance.mean()))
    spread = float(variance.var(ddof=1)) / (4 * count * variance.mean() ** 2) if model else 0.0
    ratio = model / empirical if empirical else np.nan
    error = 100 * ratio * np.sqrt(spread + 1 / (2 * (count - 1)))
    return {
        "empirical_se": _estimate(empirical, empirical / np.sqrt(2 * (count - 1)), count),
        "model_se": _estimate(model, model * np.sqrt(spread), count),
        "relative_error_se": _estimate(100 * (ratio - 1), error, count),
    }


def mean(values: np.ndarray) -> Estimate:
    """Return the mean of the finite values and its standard error."""
    finite = values[np.isfinite(values)]
    if finite.size < 2:
        return _none(finite.size)
    return _estimate(finite.mean(), finite.std(ddof=1) / np.sqrt(finite.size), finite.size)


def share(events: np.ndarray) -> Estimate:
    """Return a proportion and its binomial standard error."""
    if not events.size:
        return _none(0)
    value = float(events.mean())
    return _estimate(value, np.sqrt(value * (1 - value) / events.size), events.size)


def _count(events: np.ndarray) -> Estimate:
    """Return how many there were, with the binomial standard error of the count."""
    value = float(events.mean())
    return _estimate(float(events.sum()), np.sqrt(events.size * value * (1 - value)), events.size)


def _widened(found: Estimate, other: float) -> Estimate:
    """Return a characteristic with an independent error added to its own."""
    mcse = None if found["mcse"] is None else float(np.hypot(found["mcse"], other))
    return {"value": found["value"], "mcse": mcse, "replicates": found["replicates"]}


def _estimate(value: float, mcse: float, replicates: int) -> Estimate:
    if not (np.isfinite(value) and np.isfinite(mcse)):
        return _none(replicates)
    return {"value": float(value), "mcse": float(mcse), "replicates": int(replicates)}


def _none(replicates: int) -> Estimate:
    return {"value": None, "mcse": None, "replicates": int(replicates)}


def _column(outcomes: xr.Dataset, name: str, analysis: str) -> np.ndarray:
    return np.asarray(outcomes[name].sel(analysis=analysis).values, float)


def _checked(source: "Result | xr.Dataset", truth: xr.Dataset | None) -> tuple[xr.Dataset, xr.Dataset]:
    """Return outcomes and truth with all that is read from them, or say what is missing."""
    if isinstance(source, xr.Dataset):
        outcomes = source
        if truth is None:
            raise TrialError("truth: got None, wanted a Dataset (scenario, analysis) beside outcomes; or pass a Result")
    else:
        outcomes, truth = source.outcomes, source.truth if truth is None else truth
        truth = truth.assign(null=_nulls(source)) if "null" not in truth else truth
        outcomes = outcomes.assign_coords(decides=("analysis", _decides(source)))
    _need("outcomes", outcomes, ("decides", *OUTPUTS), ("scenario", "replicate", "analysis"))
    _need("truth", truth, ("effect", "mcse", "null"), ("scenario", "analysis"))
    return outcomes, truth


def _nulls(result: "Result") -> xr.DataArray:
    """Return which analyses' null hypothesis the scenarios declare true: bool (scenario, analysis)."""
    truth = result.truth
    declared = {scenario.name: scenario.null for scenario in result.trial.scenarios}
    analyses = truth["analysis"].values.tolist()
    values = [[name in declared[scenario] for name in analyses] for scenario in truth["scenario"].values.tolist()]
    coords = {"scenario": truth["scenario"], "analysis": truth["analysis"]}
    return xr.DataArray(values, dims=("scenario", "analysis"), coords=coords)


def _decides(result: "Result") -> list[bool]:
    """Return which of the outcomes' analyses take a decision, from the protocol."""
    return [bool(result.trial.protocol.analysis(name).decides) for name in result.outcomes["analysis"].values.tolist()]


def _need(what: str, data: xr.Dataset, names: tuple[str, ...], dims: tuple[str, ...]) -> None:
    """Refuse a Dataset without the variables and dims that are read."""
    lacking = [name for name in names if name not in data.variables] + [dim for dim in dims if dim not in data.dims]
    if lacking:
        raise TrialError(f"{what}: got {', '.join(map(str, data.variables))}, wanted {', '.join(lacking)} as well")
