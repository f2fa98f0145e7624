"""Rules scored on stored outcomes, and thresholds found that keep a type I error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
import yaml
from scipy import stats

from trials.checks import refuse
from trials.errors import TrialError
from trials.outcomes import read
from trials.rules.rule import Rule, column, read_rules

if TYPE_CHECKING:
    from trials.operating import Characteristics
    from trials.protocol import Result

type Source = "Result | str | Path"


def score(source: Source, rules: Mapping[str, Any] | Sequence[Rule] | None = None) -> Characteristics:
    """Return how often each rule makes a trial a success, over the replicates that a run left.

    Parameters
    ----------
    source
        A result, or the folder of a run; nothing is simulated again.
    rules
        None for the trial's own; else by name, as a trial's ``rules:`` holds them:
        ``{"both": {"all": [{"analysis": "auc"}, {"analysis": "cmax"}]}}``.

    Returns
    -------
    ``{scenario: {rule: {"power" or "type_1_error": {"value", "mcse", "replicates"}}}}``; a rule of all is in error as
    soon as one of its null hypotheses is true, a rule of any when all are.

    Raises
    ------
    TrialError
        When a rule names what the outcomes do not have.
    """
    if rules is not None and not rules:
        raise TrialError("rules: got none, wants at least one")
    rules = own_rules(source) if rules is None else _rules(rules)
    return scored(*stored(source), rules)


def scored(outcomes: xr.Dataset, truth: xr.Dataset, rules: Sequence[Rule]) -> Characteristics:
    """As `score`, from outcomes (scenario, replicate, analysis) and truth (scenario, analysis)."""
    from trials.operating import share

    made = decisions(outcomes, rules) if rules else None
    nulls = {str(name): truth["null"].sel(analysis=name).values for name in outcomes["analysis"].values}
    found: Characteristics = {str(name): {} for name in outcomes["scenario"].values}
    for rule in rules:
        for scenario, null in zip(found, rule.node.null(nulls), strict=True):
            assert made is not None, "there is a rule"
            events = made.sel(scenario=scenario, rule=rule.name).values
            found[scenario][rule.name] = {"type_1_error" if null else "power": share(events)}
    return found


def decisions(outcomes: xr.Dataset, rules: Mapping[str, Any] | Sequence[Rule]) -> xr.DataArray:
    """Return whether each rule makes each simulated trial a success: bool (scenario, replicate, rule)."""
    read_ = _rules(rules)
    values = np.stack([rule.node.holds(outcomes) for rule in read_], axis=-1)
    coords = {"scenario": outcomes["scenario"].values, "replicate": outcomes["replicate"].values}
    return xr.DataArray(
        values, dims=("scenario", "replicate", "rule"), coords=coords | {"rule": [rule.name for rule in read_]}
    )


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold that keeps a type I error, found on simulated trials.

    Attributes
    ----------
    value
        Decide when the variable lies beyond it.
    lower, upper
        95 % interval of the value: order statistics about the quantile, by the binomial distribution.
    type_1_error, mcse, replicates
        Share of the replicates it was found on that lie beyond it, its Monte Carlo error, and their number.
    """

    value: float
    lower: float
    upper: float
    type_1_error: float
    mcse: float
    replicates: int


def threshold(
    source: Source, analysis: str, scenario: str, *, target: float, variable: str = "probability",
    direction: str = "above",
) -> Threshold:  # fmt: skip
    """Find the threshold of a variable that lets at most the target share of a scenario's trials succeed.

    Parameters
    ----------
    source
        A result, or the folder of a run.
    analysis, scenario
        Whose outcomes, and under which (null) scenario.
    target
        Type I error that is allowed, in (0, 0.5].
    variable
        An outcome with many values: ``probability``, ``p``, ``statistic``, ``estimate``.
    direction
        ``above`` when large values mean success, ``below`` when small ones do.

    Notes
    -----
    A failed replicate is no success and counts in the denominator. The threshold is one of the simulated values, so
    that ties lie on its safe side.

    Raises
    ------
    TrialError
        When a name is unknown or too few replicates were simulated for the target.
    """
    outcomes, _ = stored(source)
    if not 0 < target <= 0.5:
        raise refuse("threshold.target", target, "a share in (0, 0.5]")
    if direction not in ("above", "below"):
        raise refuse("threshold.direction", direction, "above or below")
    names = [str(name) for name in outcomes["scenario"].values]
    if scenario not in names:
        raise refuse("threshold.scenario", scenario, f"one of {', '.join(names)}")
    row = names.index(scenario)
    sign = 1.0 if direction == "above" else -1.0
    values = sign * column(outcomes, analysis, variable)[row]
    failed = (column(outcomes, analysis, "failed")[row] > 0) | ~np.isfinite(values)
    ordered = np.sort(np.where(failed, -np.inf, values))[::-1]
    total, allowed = ordered.size, int(np.floor(target * ordered.size))
    if allowed < 1:
        raise refuse("threshold.target", target, f"at least 1/{total}, or more than {total} replicates")
    places = [int(allowed), *map(int, stats.binom.interval(0.95, total, target))]
    if not np.isfinite(ordered[allowed]):
        raise refuse("threshold.variable", variable, f"an outcome with numbers in more than {allowed} replicates")
    value, high, low = (float(ordered[min(max(place, 0), total - 1)]) for place in places)
    share = float((ordered > value).mean())
    lower, upper = sorted((sign * low, sign * high))
    return Threshold(sign * value, lower, upper, share, float(np.sqrt(share * (1 - share) / total)), total)


def own_rules(source: Source) -> tuple[Rule, ...]:
    """Rules of the trial that a result or a run's folder belongs to."""
    if not isinstance(source, str | Path):
        return source.trial.rules
    config = yaml.safe_load((Path(source) / "config.yaml").read_text(encoding="utf-8"))
    return read_rules(config.get("rules") or {})


def stored(source: Source) -> tuple[xr.Dataset, xr.Dataset]:
    """Outcomes (scenario, replicate, analysis) and truth (scenario, analysis) of a result or of a run's folder."""
    if not isinstance(source, str | Path):
        return source.outcomes, source.truth
    path = Path(source) / "outcomes.parquet"
    if not path.is_file():
        raise TrialError(f"run: {source} has no outcomes.parquet; name the folder of a finished run")
    return read(path)


def _rules(rules: Mapping[str, Any] | Sequence[Rule]) -> tuple[Rule, ...]:
    return read_rules(rules) if isinstance(rules, Mapping) else tuple(rules)
