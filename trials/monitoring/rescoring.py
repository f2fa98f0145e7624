"""Other boundaries on looks that were simulated once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from trials.errors import TrialError
from trials.monitoring.inference import adjusted
from trials.monitoring.plan import sides
from trials.monitoring.stopping import outcomes, statistic, stopped

if TYPE_CHECKING:
    from trials.boundaries.base import Boundary
    from trials.protocol import Result, Scenario, Trial

LABELS = ("scenario", "replicate", "look", "analysis")


def rescore(source: Result | str | Path, boundary: Boundary, *, observed: bool | None = None) -> xr.Dataset:
    """Return the outcomes that the same simulated trials would have had with another boundary.

    Parameters
    ----------
    source
        A result of a design with looks, or the folder of such a run; nothing is simulated again.
    boundary
        Of `trials.boundaries`; what it may not stop at is infinite, so it can also leave looks out.
    observed
        Whether it is computed at the observed information; None: as the design does.

    Returns
    -------
    Outcomes (scenario, replicate, analysis), as `Result.outcomes`; `trials.characteristics` takes them with the
    result's ``truth``. ``subjects_failed`` is that of the whole trial.

    Raises
    ------
    TrialError
        When the run had no looks, or the boundary has other sides than the monitored analysis.
    """
    trial, looks, before = _stored(source)
    made = [_rescored(scenario, looks.sel(scenario=scenario.name), boundary, observed) for scenario in trial.scenarios]
    joined = xr.concat(made, before["scenario"]).assign_coords({name: before[name] for name in before.coords})
    joined["subjects_failed"] = before["subjects_failed"]
    whole = [name for name in joined.data_vars if name in before and not joined[name].isnull().any()]
    return joined.assign({name: joined[name].astype(before[name].dtype) for name in whole})


def _rescored(scenario: Scenario, looks: xr.Dataset, boundary: Boundary, observed: bool | None) -> xr.Dataset:
    """Outcomes (replicate, analysis) of one scenario."""
    plan = scenario.protocol.design.looks
    if plan is None:
        raise TrialError(f"rescore: the design of scenario {scenario.name} has no looks")
    analysis = scenario.protocol.analysis(plan.monitored)
    alternative = sides(analysis)
    if (boundary.sided == 2) != (alternative == "two-sided"):
        raise TrialError(f"boundary.sided: got {boundary.sided}, but analysis {plan.monitored} is {alternative}")
    plan = replace(plan, boundary=boundary, observed=plan.observed if observed is None else observed)
    found = looks.isel(look=slice(len(plan.at)))
    efficacy, futility = plan.critical(found["information"].values[..., 0])
    due = found["due"].values[..., 0] > 0
    stop = stopped(statistic(found, plan.monitored, alternative), due, efficacy, futility)
    made = outcomes(found, stop, plan.monitored, adjusted(plan, analysis, found, stop))
    return xr.Dataset({name: (("replicate", "analysis"), values) for name, values in made.items()})


def read_looks(path: Path) -> xr.Dataset:
    """Read ``looks.parquet``: Dataset (scenario, replicate, look, analysis)."""
    table = pd.read_parquet(path).set_index(list(LABELS))
    shape = [table.index.unique(name) for name in LABELS]
    sizes = tuple(len(labels) for labels in shape)
    numbers = [name for name in table.columns if table[name].dtype.kind in "fbiu"]
    data = {name: (LABELS, table[name].to_numpy().reshape(sizes)) for name in numbers}
    coords = {name: np.asarray(labels) for name, labels in zip(LABELS, shape, strict=True)}
    return xr.Dataset(data, coords=coords)


def _stored(source: Result | str | Path) -> tuple[Trial, xr.Dataset, xr.Dataset]:
    """Trial, looks and outcomes of a run."""
    if not isinstance(source, str | Path):
        if source.looks is None:
            raise TrialError(f"rescore: the design of {source.trial.name} has no looks")
        return source.trial, source.looks, source.outcomes
    from trials.compose import load
    from trials.outcomes import read

    folder = Path(source)
    path = folder / "looks.parquet"
    if not path.is_file():
        raise TrialError(f"rescore: there is no {path}; wants the folder of a run of a design with looks")
    return load(folder / "config.yaml"), read_looks(path), read(folder / "outcomes.parquet")[0]
