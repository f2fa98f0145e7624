"""Operating characteristics as a table for the terminal, every number with its Monte Carlo standard error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from trials.protocol import Published, Result

COLUMNS = ("truth", "estimate", "bias", "coverage", "empirical_se", "n", "failed")


def characteristics_table(title: str, found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    """Lay out `trials.characteristics`: one row a scenario and analysis, each entry value ± Monte Carlo error."""
    table = Table(title=f"{title}\neach value ± its Monte Carlo standard error", title_justify="left", pad_edge=False)
    for name in ("scenario", "analysis", "power", "type I error", "true effect", "mean estimate", *COLUMNS[2:]):
        table.add_column(name.replace("_", " "), justify="left" if name in ("scenario", "analysis") else "right")
    for scenario, analyses in found.items():
        table.add_section()
        for index, (analysis, entries) in enumerate(analyses.items()):
            cells = [entry(entries.get(name)) for name in ("power", "type_1_error", *COLUMNS)]
            table.add_row("" if index else scenario, analysis, *cells)
    return table


def published_table(result: Result) -> Table | None:
    """Lay out published results beside the simulated numbers; None when the trial names none."""
    if not result.trial.published:
        return None
    table = Table(title="Beside published results", title_justify="left", pad_edge=False)
    for name in ("published", "quantity", "value", "simulated here", "mean of the trials", "SD between trials"):
        table.add_column(name, justify="left" if name in ("published", "quantity", "simulated here") else "right")
    for row in result.trial.published:
        mean, mcse, sd = simulated(result, row)
        table.add_row(row.trial, row.quantity, _interval(row), _beside(row), number(mean, mcse), number(sd, mcse))
    return table


def simulated(result: Result, row: Published) -> tuple[float, float, float]:
    """Find the simulated number beside a published one: mean over replicates, its error, SD between replicates."""
    if row.analysis is not None:
        values = result.outcomes["estimate"].sel(scenario=row.scenario, analysis=row.analysis)
    else:
        values = result.arms["mean"].sel(scenario=row.scenario, endpoint=row.endpoint, arm=row.arm)
    sd = float(values.std("replicate", ddof=1))
    return float(values.mean("replicate")), sd / math.sqrt(int(values.count())), sd


def entry(found: Mapping[str, Any] | None) -> str:
    """Write one characteristic, to two digits of its Monte Carlo error; empty when it does not exist."""
    if found is None:
        return ""
    return "–" if found["value"] is None else number(found["value"], found["mcse"], plus=True)


def number(value: float, mcse: float | None, *, plus: bool = False) -> str:
    """Write a number to two digits of its error."""
    if mcse is None or not mcse > 0:
        return f"{value:g}"
    digits = min(8, max(0, 1 - math.floor(math.log10(mcse))))
    return f"{value:.{digits}f} ± {mcse:.{digits}f}" if plus else f"{value:.{digits}f}"


def _interval(row: Published) -> str:
    bounds = f" ({row.lower:g} to {row.upper:g})" if row.lower is not None and row.upper is not None else ""
    return f"{row.value:g} {row.unit}{bounds}"


def _beside(row: Published) -> str:
    what = row.analysis if row.analysis is not None else f"{row.endpoint}, {row.arm} arm"
    return f"{row.scenario}: {what}"
