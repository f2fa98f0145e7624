"""Labelled results from the arrays of finished blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

import engine
from trials.analyses.base import Effect
from trials.block import SUMMARY
from trials.protocol import PowerCurve, Protocol, Scenario, Trial
from trials.truth import Truths

type Arrays = Mapping[str, np.ndarray]


def joined(blocks: Mapping[range, Arrays], replicates: int) -> dict[str, np.ndarray]:
    """Put the blocks of one part in the order of their replicates, the first so many of them."""
    within = [(block, arrays) for block, arrays in blocks.items() if block.stop <= replicates]
    ordered = [arrays for _, arrays in sorted(within, key=lambda item: item[0].start)]
    whole = {name: np.concatenate([arrays[name] for arrays in ordered]) for name in ordered[0]}
    assert len(whole["status"]) == replicates, "every replicate was simulated once"
    return whole


def outcomes(trial: Trial, parts: Sequence[Arrays]) -> xr.Dataset:
    """Outcomes of all scenarios: Dataset (scenario, replicate, analysis)."""
    data = _stacked(parts, "outcome.", ("scenario", "replicate", "analysis"))
    coords = {"scenario": [scenario.name for scenario in trial.scenarios], "replicate": np.arange(_count(parts[0]))}
    made = xr.Dataset(data, coords=coords | _of_analyses(trial.protocol))
    made["duration"].attrs["units"] = trial.protocol.model.time
    if "cost" in made and trial.protocol.costs is not None:
        made["cost"].attrs["units"] = trial.protocol.costs.unit
    return made


def looks(trial: Trial, parts: Sequence[Arrays]) -> xr.Dataset | None:
    """What every look found, whether or not the trial had stopped before: (scenario, replicate, look, analysis).

    None when no scenario has looks; NaN where a scenario has fewer than another, or a look was never due.
    """
    most = max((part["look.p"].shape[1] for part in parts if "look.p" in part), default=0)
    if not most:
        return None
    data = _stacked([_as_many(part, most) for part in parts], "look.", ("scenario", "replicate", "look", "analysis"))
    coords = {"scenario": [scenario.name for scenario in trial.scenarios], "replicate": np.arange(_count(parts[0]))}
    return xr.Dataset(data, coords=coords | {"look": np.arange(1, most + 1)} | _of_analyses(trial.protocol))


def arms(trial: Trial, parts: Sequence[Arrays], true: Sequence[Truths]) -> xr.Dataset:
    """Count, mean, SD and geometric mean of what was observed: Dataset (scenario, replicate, endpoint, arm).

    Endpoints and after them estimands. ``truth`` and ``truth_mcse`` (scenario, endpoint, arm) are the true means.
    """
    dims = ("scenario", "replicate", "endpoint", "arm")
    protocol = trial.protocol
    names = protocol.variables
    coords = {
        "scenario": [scenario.name for scenario in trial.scenarios],
        "replicate": np.arange(_count(parts[0])),
        "endpoint": list(names),
        "units": ("endpoint", [protocol.endpoint(name).unit for name in names]),
        "arm": list(protocol.design.arms),
    }
    made = {name: (dims, np.stack([part[f"arm.{name}"] for part in parts])) for name in SUMMARY}
    means = np.stack([each.means for each in true])
    of_truth = {name: ((dims[0], *dims[2:]), means[..., at]) for at, name in enumerate(("truth", "truth_mcse"))}
    return xr.Dataset(made | of_truth, coords)


def truth(scenarios: Sequence[Scenario], effects: Sequence[Sequence[Effect]]) -> xr.Dataset:
    """True effects: Dataset (scenario, analysis) of effect, mcse and null."""
    dims, analyses = ("scenario", "analysis"), scenarios[0].protocol.analyses
    null = [[analysis.name in scenario.null for analysis in analyses] for scenario in scenarios]
    data = {
        "effect": (dims, [[effect.value for effect in row] for row in effects]),
        "mcse": (dims, [[effect.mcse for effect in row] for row in effects]),
        "null": (dims, null),
    }
    coords = {"scenario": [scenario.name for scenario in scenarios], "analysis": [one.name for one in analyses]}
    return xr.Dataset(data, coords=coords)


def power_curve(curve: PowerCurve, parts: Sequence[Arrays], effects: Sequence[Sequence[Effect]]) -> xr.Dataset:
    """Outcomes along the curve: Dataset (value, replicate, analysis), and true effect and mcse (value, analysis)."""
    data = _stacked(parts, "outcome.", ("value", "replicate", "analysis"))
    true = {
        "effect": (("value", "analysis"), [[effect.value for effect in row] for row in effects]),
        "mcse": (("value", "analysis"), [[effect.mcse for effect in row] for row in effects]),
    }
    coords = {"value": list(curve.values), "replicate": np.arange(_count(parts[0]))}
    about = {"parameter": curve.parameter, "label": curve.label}
    return xr.Dataset(data | true, coords=coords | _of_analyses(curve.protocols[0]), attrs=about)


def failures(made: xr.Dataset, trial: Trial, parts: Sequence[Arrays]) -> dict[str, dict[str, dict[str, int]]]:
    """Count what failed under each scenario: replicates of each analysis, patient-periods by the engine's status."""
    return {
        scenario.name: {
            "replicates": {str(name): int(made["failed"].sel(scenario=scenario.name, analysis=name).sum())
                           for name in made["analysis"].values},
            "patient_periods": {engine.Status(code).name: int(count)
                                for code, count in enumerate(part["status"].sum(axis=0)) if code and count},
        }
        for scenario, part in zip(trial.scenarios, parts, strict=True)
    }  # fmt: skip


def _stacked(parts: Sequence[Arrays], prefix: str, dims: tuple[str, ...]) -> dict[str, tuple[Any, np.ndarray]]:
    """Variables of several parts, by name without the prefix; NaN where a part does not have one."""
    names = list(dict.fromkeys(name for part in parts for name in part if name.startswith(prefix)))
    made: dict[str, tuple[Any, np.ndarray]] = {}
    for name in names:
        shape = next(part[name].shape for part in parts if name in part)
        made[name.removeprefix(prefix)] = (dims, np.stack([part.get(name, np.full(shape, np.nan)) for part in parts]))
    return made


def _as_many(part: Arrays, most: int) -> Arrays:
    """The looks of a part, missing ones added at the end."""
    return {
        name: np.pad(values.astype(float), ((0, 0), (0, most - values.shape[1]), (0, 0)), constant_values=np.nan)
        for name, values in part.items()
        if name.startswith("look.")
    }


def _of_analyses(protocol: Protocol) -> dict[str, object]:
    return {
        "analysis": [analysis.name for analysis in protocol.analyses],
        "scale": ("analysis", [analysis.scale for analysis in protocol.analyses]),
        "level": ("analysis", [analysis.level for analysis in protocol.analyses]),
        "decides": ("analysis", [analysis.decides for analysis in protocol.analyses]),
    }


def _count(part: Arrays) -> int:
    return len(part["status"])
