"""Operating characteristics as a table for the terminal, every number with its Monte Carlo standard error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from trials.multiplicity.families import Family
    from trials.protocol import Published, Result

MIDDLE = (0.025, 0.975)
"""Quantiles between which the middle 95 % of the trials lie."""
NOISE = 1e-9
"""Relative errors below this are rounding, not Monte Carlo."""
FINEST = 5e-5
"""Errors below this would be 0 in four decimals."""
COLUMNS = ("bias", "coverage")
RATIO = "log-ratio"
RATIOS = "Effects of ratio analyses are ratios; their bias is of the natural logarithm."
STOPPING = ("bias", "bias_adjusted", "coverage", "coverage_adjusted")
"""Characteristics of an estimate at an early stop."""
KINDS = {
    "familywise_error": "familywise error", "disjunctive_power": "power of any", "conjunctive_power": "power of all",
    "rejected": "mean number rejected", "power": "power", "type_1_error": "type I error",
}  # fmt: skip
"""What the characteristics of a family of hypotheses are called in tables."""
WIDTHS = {"": 13, "power or error": 21, "true effect": 16, "bias": 16, "coverage": 14}
"""Columns of the table and their widths: a terminal of 80 holds them."""


def characteristics_table(result: Result, found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Lay out `trials.characteristics`: a block a scenario, a row an analysis, each entry value±Monte Carlo error."""
    about = f"{result.manifest['replicates']} trials under each scenario; values with their Monte Carlo standard errors"
    lines = [result.trial.title, about, "", _row(list(WIDTHS)), "─" * sum(WIDTHS.values())]
    scales = {str(name): str(scale) for name, scale in result.outcomes["scale"].to_series().items()}
    for scenario, analyses in found.items():
        lines.append(scenario)
        for analysis, entries in analyses.items():
            if analysis not in scales:
                continue  # a family of hypotheses, which has a table of its own
            cells = (effect(entries, scales[analysis]), *(entry(entries.get(name)) for name in COLUMNS))
            lines.append(_row([f"  {analysis}", decided(entries), *cells]))
    return "\n".join([*lines, *([RATIOS] if RATIO in scales.values() else [])])


def _row(cells: Sequence[str]) -> str:
    first, *rest = zip(cells, WIDTHS.values(), strict=True)
    return f"{first[0]:<{first[1]}}" + "".join(f"{cell:>{width}}" for cell, width in rest)


def decided(entries: Mapping[str, Any]) -> str:
    """Write how often the analysis decided for an effect, and whether that is an error."""
    if "type_1_error" in entries:
        return f"type I {entry(entries['type_1_error'])}"
    return f"power {entry(entries['power'])}" if "power" in entries else ""


def effect(entries: Mapping[str, Any], scale: str) -> str:
    """Write the true effect, one on the logarithmic scale as the ratio it stands for."""
    truth = entries.get("truth")
    if scale == RATIO and truth is not None and truth["value"] is not None:
        ratio = math.exp(truth["value"])
        truth = {"value": ratio, "mcse": None if truth["mcse"] is None else ratio * truth["mcse"]}
    return entry(truth)


def comparison_table(table: pd.DataFrame) -> str:
    """Lay out `trials.compare`: a block a scenario and analysis, a row a characteristic, each entry value±error."""
    runs = list(table.columns.get_level_values(0).unique())
    head = [*runs, *(f"{name} - {runs[0]}" for name in runs[1:])]
    widths = [max(18, len(word) + 2) for word in head]
    lines = [f"{'':<26}" + "".join(f"{word:>{width}}" for word, width in zip(head, widths, strict=True))]
    before = ""
    for place, (scenario, analysis, name) in enumerate(table.index.tolist()):
        block, row = f"{scenario}, {analysis}", table.iloc[place]
        lines += [block] if block != before else []
        before = block
        pairs = [(run, "value", "mcse") for run in runs]
        pairs += [(run, "difference", "difference_mcse") for run in runs[1:]]
        cells = [entry({"value": row[run, value], "mcse": row[run, mcse]}) for run, value, mcse in pairs]
        shown = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        lines.append(f"  {name.replace('_', ' '):<24}{shown}")
    return "\n".join(lines)


def rules_table(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Lay out `trials.score`: a row a rule under each scenario; empty without rules."""
    rows = [(scenario, name, decided(entries)) for scenario, by in found.items() for name, entries in by.items()]
    width = max((len(name) for _, name, _ in rows), default=0) + 2
    lines = [f"  {scenario:<24}{name:<{width}}{share}" for scenario, name, share in rows]
    return "\n".join(["Decision rules", *lines]) if lines else ""


def stopping_table(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Lay out estimates of trials that may stop early, naive and allowing for the looks; empty without such trials."""
    head = f"  {'':<24}{'bias':>14}{'adjusted':>14}{'coverage':>14}{'adjusted':>14}"
    rows = [
        f"  {scenario:<24}" + "".join(f"{entry(by[name]):>14}" for name in STOPPING)
        for scenario, analyses in found.items()
        for by in analyses.values()
        if STOPPING[-1] in by
    ]
    return "\n".join(["Monitored effect, as it stands and allowing for the looks", head, *rows]) if rows else ""


def families_table(families: Sequence[Family], found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Lay out what families of hypotheses achieve under each scenario; empty without any."""
    lines = []
    for family in families:
        lines.append(f"Hypotheses tested together: {family.name} ({procedure(family)})")
        for scenario, by in found.items():
            labels = [scenario] + [""] * (len(by[family.name]) - 1)
            rows = zip(labels, by[family.name].items(), strict=True)
            lines += [f"  {label:<24}{_achieved(name):<32}{entry(each)}" for label, (name, each) in rows]
    return "\n".join(lines)


def _achieved(name: str) -> str:
    """Write the name of a family's characteristic."""
    kind, _, hypothesis = name.partition(": ")
    return f"{hypothesis}, {KINDS[kind]}" if hypothesis else KINDS[kind]


def procedure(family: Family) -> str:
    """Write the procedure of a family and its level: ``Holm at 0.025``."""
    words = "".join(f" {letter}" if letter.isupper() else letter for letter in type(family.procedure).__name__).strip()
    return f"{words[0]}{words[1:].lower()} at {family.alpha:g}"


def failures(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """Say in which scenarios replicates of an analysis failed; nothing when none did."""
    return [
        f"{scenario}, {analysis}: {entries['failed']['value']:g} of {entries['failed']['replicates']} replicates failed"
        for scenario, analyses in found.items()
        for analysis, entries in analyses.items()
        if "failed" in entries and entries["failed"]["value"]
    ]


def published_table(result: Result) -> str:
    """Set published results beside the simulated numbers; empty when the trial names none."""
    lines = []
    for row in result.trial.published:
        values = counterpart(result, row)
        mcse = float(values.std(ddof=1)) / math.sqrt(values.size) if values.size > 1 else None
        within = f"95 % of trials {_range(values)}, {'with' if holds(values, row) else 'without'} the published value"
        lines += [
            f"{row.trial}: {row.quantity}: {published_value(row)}{_spaced(row.unit)}",
            f"    here, {_beside(row)}: {number(float(values.mean()), mcse, plus=True)}; {within}",
        ]
    return "\n".join(["Beside published results", *lines]) if lines else ""


def counterpart(result: Result, row: Published) -> np.ndarray:
    """Return the number of each simulated trial that stands beside a published one (replicate,), failures left out.

    Of an analysis of a ratio it is the ratio, not its logarithm.
    """
    if row.analysis is None:
        found = result.arms["mean"].sel(scenario=row.scenario, endpoint=row.endpoint, arm=row.arm).values
    else:
        found = result.outcomes["estimate"].sel(scenario=row.scenario, analysis=row.analysis).values
        if str(result.outcomes["scale"].sel(analysis=row.analysis).item()) == RATIO:
            found = np.exp(found)
    return np.asarray(found[np.isfinite(found)], dtype=float)


def holds(values: np.ndarray, row: Published) -> bool:
    """Whether the middle 95 % of the simulated trials hold the published value."""
    low, high = np.quantile(values, MIDDLE)
    return bool(low <= row.value <= high)


def published_value(row: Published) -> str:
    """Write a published value with its interval, if it has one: ``40 (95 % CI 35 to 45)``."""
    if row.lower is None or row.upper is None:
        return f"{row.value:g}"
    level = f"{100 * row.level:g} % CI " if row.level else ""
    return f"{row.value:g} ({level}{row.lower:g} to {row.upper:g})"


def _range(values: np.ndarray) -> str:
    low, high = np.quantile(values, MIDDLE)
    return f"{low:.3g} to {high:.3g}"


def _spaced(unit: str) -> str:
    return "" if unit in ("", "1") else f" {unit}"


def entry(found: Mapping[str, Any] | None) -> str:
    """Write one characteristic, to two digits of its Monte Carlo error; empty when it does not exist."""
    if found is None:
        return ""
    return "–" if found["value"] is None else number(found["value"], found["mcse"], plus=True)


def number(value: float, mcse: float | None, *, plus: bool = False) -> str:
    """Write a number to two digits of its error, four decimals at most; an error that is but rounding is 0."""
    if mcse is None or not mcse > NOISE * abs(value):
        return f"{value:.4g}" + ("±0" if plus and mcse is not None else "")
    if plus and mcse < FINEST:
        return f"{value:.2g}±{mcse:.1g}"
    digits = min(4, max(0, 1 - math.floor(math.log10(mcse))))
    shown = round(value, digits) + 0.0  # no negative zero
    return f"{shown:.{digits}f}±{mcse:.{digits}f}" if plus else f"{shown:.{digits}f}"


def _beside(row: Published) -> str:
    what = row.analysis if row.analysis is not None else f"{row.endpoint}, {row.arm} arm"
    return f"{row.scenario}: {what}"
