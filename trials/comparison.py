"""Designs side by side: characteristics of several runs and their differences, replicate by replicate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from trials.errors import TrialError
from trials.operating import ADJUSTED, Estimate, mean, share
from trials.rules.scoring import stored

if TYPE_CHECKING:
    from trials.rules.scoring import Source

type Cells = dict[tuple[str, str], float | None]

SKIPPED = ("df", "lower", "upper", "p", "statistic", "subjects_failed", *ADJUSTED[1:])
"""Outcomes whose mean over replicates says nothing about a design."""


def compare(runs: Mapping[str, Source]) -> pd.DataFrame:
    """Return what each design achieves under the scenarios and analyses that all have, and what it adds to the first.

    Parameters
    ----------
    runs
        Results, or folders of runs, by the name the table gives them. Runs of one seed share their random numbers:
        the same patients, so that a difference has a much smaller error than its two parts.

    Returns
    -------
    One row for each scenario, analysis and characteristic (``power`` or ``type_1_error``, ``estimate``, ``n``,
    ``duration``, ``failed`` and what else all designs have). Columns: a pair (name, ``value``), (name, ``mcse``) for
    each run; and (name, ``difference``), (name, ``difference_mcse``) for each but the first, over the replicates that
    both have. The error of a difference is that of the mean of the replicates' differences.

    Raises
    ------
    TrialError
        With fewer than two runs, or when they have no scenario and analysis in common.
    """
    if len(runs) < 2:
        raise TrialError(f"compare: wants two runs or more by name, got {', '.join(runs) or 'none'}")
    found = {str(name): stored(source) for name, source in runs.items()}
    index, rows = [], []
    for scenario, analysis in _shared(found):
        cells = {name: _columns(outcomes, scenario, analysis) for name, (outcomes, _) in found.items()}
        null = all(bool(truth["null"].sel(scenario=scenario, analysis=analysis)) for _, truth in found.values())
        first = next(iter(cells.values()))
        for variable in [name for name in first if all(name in other for other in cells.values())]:
            label = ("type_1_error" if null else "power") if variable == "decision" else variable
            index.append((scenario, analysis, label))
            values = {name: columns[variable] for name, columns in cells.items()}
            rows.append(_row(values, share if variable == "decision" else mean))
    names = pd.MultiIndex.from_tuples(index, names=("scenario", "analysis", "characteristic"))
    return pd.DataFrame(rows, index=names, columns=pd.MultiIndex.from_tuples(rows[0]))


def _shared(found: Mapping[str, tuple[xr.Dataset, xr.Dataset]]) -> Iterator[tuple[str, str]]:
    """Scenarios and analyses that every run has, in the first one's order."""
    first = next(iter(found.values()))[0]
    common = {
        dim: [str(name) for name in first[dim].values
              if all(name in outcomes[dim].values for outcomes, _ in found.values())]
        for dim in ("scenario", "analysis")
    }  # fmt: skip
    if not common["scenario"] or not common["analysis"]:
        lacking = [dim for dim, shared in common.items() if not shared]
        lists = "; ".join(
            f"{name}: {', '.join(map(str, outcomes[dim].values))}"
            for dim in lacking
            for name, (outcomes, _) in found.items()
        )
        raise TrialError(f"compare: the runs share no scenario or no analysis ({lists})")
    return ((scenario, analysis) for scenario in common["scenario"] for analysis in common["analysis"])


def _columns(outcomes: xr.Dataset, scenario: str, analysis: str) -> dict[str, np.ndarray]:
    """Numbers of one analysis in one scenario (replicate,), those that exist."""
    chosen = outcomes.sel(scenario=scenario, analysis=analysis)
    columns = {str(name): np.asarray(values.values, float) for name, values in chosen.data_vars.items()}
    failed = columns["failed"] > 0
    columns["decision"] = np.where(failed, 0.0, columns["decision"])
    if not bool(chosen["decides"]):
        del columns["decision"]
    shown = {name: values for name, values in columns.items() if name not in SKIPPED and np.isfinite(values).any()}
    return {name: shown[name] for name in sorted(shown, key=lambda name: (name != "decision", name != "estimate"))}


def _row(
    values: Mapping[str, np.ndarray], summary: Callable[[np.ndarray], Estimate]
) -> dict[tuple[str, str], float | None]:
    """Values of one characteristic in every run, and the differences from the first."""
    row: Cells = {}
    first = next(iter(values.values()))
    for number, (name, column) in enumerate(values.items()):
        row |= _pair(name, ("value", "mcse"), summary(column))
        if number:
            count = min(first.size, column.size)
            row |= _pair(name, ("difference", "difference_mcse"), mean(column[:count] - first[:count]))
    return row


def _pair(name: str, labels: tuple[str, str], found: Estimate) -> Cells:
    return {(name, labels[0]): found["value"], (name, labels[1]): found["mcse"]}
