"""Pictures of dose response: from a result to the numbers the drawing takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from trials.analyses.mcp_mod import MCPMod
from trials.figures.dose_response import DoseResponse, dose_response
from trials.figures.picture import Picture, labelled

if TYPE_CHECKING:
    import xarray as xr

    from trials.protocol import Result

POINTS = 101
BAND = (0.025, 0.975)


def dose_response_pictures(result: Result) -> Iterator[Picture]:
    """Draw the fitted curves of each analysis that fits any, under every scenario."""
    found = [analysis for analysis in result.trial.protocol.analyses if isinstance(analysis, MCPMod)]
    for analysis in found:
        own = [scenario.protocol.analysis(analysis.name) for scenario in result.trial.scenarios]
        panels = [
            _panel(result.arms.sel(scenario=scenario.name), each, scenario.name)
            for scenario, each in zip(result.trial.scenarios, own, strict=True)
            if isinstance(each, MCPMod)
        ]
        endpoint = result.trial.protocol.endpoint(analysis.endpoint)
        figure = dose_response(panels, labels=("dose", labelled(analysis.endpoint, endpoint.unit)))
        count = result.arms.sizes["replicate"]
        caption = (
            f"The curve that {analysis.name.replace('_', ' ')} chooses or averages in each of {count} simulated "
            "trials: mean, and central 95 % at each dose. Diamonds: true means at the doses of the trial. "
            "Dashes and circles: the first of the trials."
        )
        name = "dose_response" if len(found) == 1 else f"dose_response_{analysis.name}"
        yield Picture(name, "Dose response", caption, figure)


def _panel(arms: xr.Dataset, analysis: MCPMod, scenario: str) -> DoseResponse:
    there = arms.sel(endpoint=analysis.endpoint, arm=list(analysis.arms))
    size, mean, sd = (there[name].transpose("replicate", "arm").values for name in ("n", "mean", "sd"))
    given = np.array(analysis.doses)
    dose = np.linspace(0.0, given[-1], POINTS)
    curves = analysis.curve(size, mean, sd, dose)
    fitted = curves[np.isfinite(curves).all(axis=1)]
    lower, upper = np.quantile(fitted, BAND, axis=0) if len(fitted) else np.full((2, POINTS), np.nan)
    middle = fitted.mean(axis=0) if len(fitted) else lower
    error = sd[0] / np.sqrt(size[0])
    return DoseResponse(
        scenario, dose, middle, lower, upper, example=curves[0], given=given, mean=mean[0], error=error,
        truth=there["truth"].values,
    )  # fmt: skip
