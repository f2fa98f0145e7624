"""Decisions on several hypotheses from stored outcomes, and what they amount to over the replicates."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from trials.checks import Number, refuse
from trials.multiplicity.base import Procedure
from trials.operating import Estimate


def adjust(
    outcomes: xr.Dataset, procedure: Procedure, *, alpha: float, hypotheses: Sequence[str] | None = None
) -> xr.Dataset:
    """Apply a procedure to the p-values of a run.

    Parameters
    ----------
    outcomes
        Outcomes (..., replicate, analysis) with ``p``; where an analysis failed it has none, which counts as 1.
    procedure
        How the p-values are adjusted.
    alpha
        Familywise level; of one-sided p-values a one-sided one.
    hypotheses
        Names of the analyses, in the order the procedure takes them; none is all that decide, in their order.

    Returns
    -------
    Dataset (..., replicate, hypothesis): ``p``, ``p_adjusted`` and ``decision``.

    Raises
    ------
    TrialError
        When an analysis is not there or has no p-values.
    """
    alpha = Number(above=0, below=1)("alpha", alpha)
    p = outcomes["p"].sel(analysis=list(_named(outcomes, hypotheses))).rename(analysis="hypothesis")
    dims = [str(dim) for dim in p.dims if dim != "hypothesis"]
    p = p.transpose(*dims, "hypothesis").reset_coords(drop=True)
    for name in p["hypothesis"].values.tolist():
        if p.size and np.isnan(p.sel(hypothesis=name)).all():
            raise refuse("hypotheses", name, "an analysis with p-values")
    known = p.fillna(1.0)
    adjusted = known.copy(data=procedure(known.values))
    return xr.Dataset({"p": p, "p_adjusted": adjusted, "decision": adjusted <= alpha}, attrs={"alpha": alpha})


def _named(outcomes: xr.Dataset, hypotheses: Sequence[str] | None) -> Sequence[str]:
    known = outcomes["analysis"].values.tolist()
    if hypotheses is None:
        decides = outcomes["decides"].values if "decides" in outcomes.coords else np.ones(len(known), dtype=bool)
        return [name for name, does in zip(known, decides, strict=True) if does]
    for name in hypotheses:
        if name not in known:
            raise refuse("hypotheses", name, f"analyses of the outcomes: {', '.join(known)}")
    return hypotheses


def familywise(decisions: xr.Dataset, null: xr.DataArray) -> dict[str, dict[str, Estimate]]:
    """Return what a procedure achieves in each scenario, with Monte Carlo standard errors.

    Parameters
    ----------
    decisions
        As `adjust` returns them, (scenario, replicate, hypothesis); without scenarios there is one, called ``only``.
    null
        Whether a hypothesis is true: bool (scenario, analysis) or (scenario, hypothesis), as in the truth of a result.

    Returns
    -------
    ``{scenario: {name: estimate}}`` with ``familywise_error``, the share of replicates in which a true null hypothesis
    was rejected; ``disjunctive_power`` and ``conjunctive_power``, in which any or every false one was; ``rejected``,
    their mean number of rejected false ones; and ``power: <hypothesis>`` or ``type_1_error: <hypothesis>``. What a
    scenario has no hypotheses for is left out.
    """
    decided = decisions["decision"]
    null = null.rename(analysis="hypothesis") if "analysis" in null.dims else null
    if "scenario" not in decided.dims:
        decided = decided.expand_dims(scenario=["only"])
        null = null if "scenario" in null.dims else null.expand_dims(scenario=["only"])
    found = {}
    for scenario in decided["scenario"].values.tolist():
        rows = decided.sel(scenario=scenario).transpose("replicate", "hypothesis")
        true = null.sel(scenario=scenario, hypothesis=rows["hypothesis"]).values.astype(bool)
        found[scenario] = _characteristics(rows.values, true, rows["hypothesis"].values.tolist())
    return found


def _characteristics(rejected: np.ndarray, true: np.ndarray, names: list[str]) -> dict[str, Estimate]:
    """Return the characteristics of one scenario from decisions (replicate, hypothesis)."""
    found: dict[str, Estimate] = {}
    if true.any():
        found["familywise_error"] = _mean(rejected[:, true].any(axis=1))
    if not true.all():
        wanted = rejected[:, ~true]
        found["disjunctive_power"] = _mean(wanted.any(axis=1))
        found["conjunctive_power"] = _mean(wanted.all(axis=1))
        found["rejected"] = _mean(wanted.sum(axis=1))
    for place, name in enumerate(names):
        found[f"{'type_1_error' if true[place] else 'power'}: {name}"] = _mean(rejected[:, place])
    return found


def _mean(values: np.ndarray) -> Estimate:
    """Return a mean over replicates and its standard error, the binomial one for a share."""
    count = values.size
    spread = float(np.asarray(values, float).std(ddof=0 if values.dtype == bool else 1)) if count > 1 else 0.0
    return {"value": float(values.mean()), "mcse": float(spread / np.sqrt(count)), "replicates": count}
