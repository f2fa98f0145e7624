"""Whether the data sets and results of all replicates are the outcomes and characteristics of the run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trials.bag import RUN
from trials.trust.finding import Finding

if TYPE_CHECKING:
    from trials.evidence.table import Table

TINY = 5.4e-79
"""Least positive number of a transport file; smaller ones are 0 there."""


def replicates(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """Compare ADSIM, record by record and bit by bit, with the outcomes of the run."""
    from trials import outcomes as stored
    from trials.evidence.adam.simulated import SOURCE, named, outcomes
    from trials.evidence.transport import xpt

    wanted, _ = stored.read(bag / RUN / "outcomes.parquet")
    names = {number.name: outcome for outcome, number in named(map(str, wanted.data_vars)).items()}
    for path in paths:
        where, table = path.relative_to(bag).as_posix(), xpt.read(path)
        columns = tuple(
            replace(c, source=f"{SOURCE}:outcome.{names[c.name]}" if c.name in names else "") for c in table.columns
        )
        found, _ = outcomes(replace(table, columns=columns))
        for name in map(str, wanted.data_vars):
            if name not in found or found[name].shape != wanted[name].shape:
                yield Finding(where, f"has not the {name} of every replicate")
                continue
            one, other = found[name].values.astype(float), wanted[name].values.astype(float)
            equal = (one == other) | (np.isnan(one) & np.isnan(other)) | ((np.abs(other) < TINY) & (one == 0))
            if not equal.all():
                yield Finding(where, f"has another {name} than the run in {int((~equal).sum())} records")


def characteristics(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """Compare ADOC with the characteristics of the run."""
    from trials.evidence.transport import xpt

    wanted = _wanted(bag)
    for path in paths:
        said = dict(_records(xpt.read(path)))
        yield from _differences(said, wanted, path.relative_to(bag).as_posix())


def results(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """Compare the reporting event of all replicates with the characteristics of the run."""
    wanted = {key: {n: v for n, v in entry.items() if v is not None} for key, entry in _wanted(bag).items()}
    for path in paths:
        event = json.loads(path.read_bytes())
        if all(" in " not in analysis["name"] for analysis in event["analyses"]):
            continue  # the results of an example trial, which are those of one replicate
        yield from _differences(dict(_analyses(event)), wanted, path.relative_to(bag).as_posix())


def _wanted(bag: Path) -> dict[tuple[str, str, str], dict[str, float | None]]:
    """Value, error and replicates of every characteristic that has a value."""
    found = json.loads((bag / RUN / "characteristics.json").read_bytes())
    return {
        (scenario, analysis, name): {"value": entry["value"], "mcse": entry["mcse"], "replicates": entry["replicates"]}
        for scenario, analyses in found.items()
        for analysis, names in analyses.items()
        for name, entry in names.items()
    }


def _records(table: Table) -> Iterator[tuple[tuple[str, str, str], dict[str, float | None]]]:
    for row in table.frame.to_dict("records"):
        numbers = {"value": row["AVAL"], "mcse": row["MCSE"], "replicates": row["NREP"]}
        plain = {name: None if np.isnan(number) else float(number) for name, number in numbers.items()}
        yield (row["SCENARIO"], row["ANALYSIS"], row["CHARACT"]), plain


def _analyses(event: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, str], dict[str, float | None]]]:
    steps = {one["id"]: one["name"] for method in event["methods"] for one in method["operations"]}
    for each in event["analyses"]:
        analysis, _, scenario = each["name"].partition(" in ")
        parts: dict[str, dict[str, float | None]] = {}
        for one in each["results"]:
            name, _, part = steps[one["operationId"]].rpartition(" ")
            parts.setdefault(name, {})[part] = float(one["rawValue"])
        yield from (((scenario, analysis, name), numbers) for name, numbers in parts.items())


def _differences(
    said: Mapping[tuple[str, str, str], Mapping[str, float | None]],
    wanted: Mapping[tuple[str, str, str], Mapping[str, float | None]],
    where: str,
) -> Iterator[Finding]:
    for key in sorted({*said, *wanted}):
        there, run = said.get(key, {}), wanted.get(key, {})
        if {n: v for n, v in there.items() if v is not None} != {n: v for n, v in run.items() if v is not None}:
            if not there and run.get("value") is None:
                continue  # a characteristic without a value is no result
            yield Finding(where, f"says {dict(there)} of {' '.join(key)}, the run {dict(run)}")
