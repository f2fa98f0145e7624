"""Pictures of trials under way: from a result to where trials stop, how large they get, and the calendar of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from trials.analyses.survival.curve import bounds, curve
from trials.figures.monitoring import Curve, Spread, Stops, enrolment, kaplan_meier, spreads, stopping
from trials.figures.picture import Picture, labelled

if TYPE_CHECKING:
    import xarray as xr

    from trials.protocol import Result

LEVEL = 0.95


def monitoring_pictures(result: Result) -> Iterator[Picture]:
    """Stopping, sizes and durations where they vary; accrual and survival of the first trial where there are such."""
    if result.looks is not None:
        yield _stopping(result)
    yield from _spreads(result)
    scenario = result.trial.scenarios[0].name
    example = result.example.sel(scenario=scenario)
    words = f"First simulated trial under scenario {scenario}"
    if "enrolled" in example and float(example["enrolled"].max()) > 0:
        yield _enrolment(result, example, words)
    yield from _survival(result, example, words)


def _stopping(result: Result) -> Picture:
    outcomes = result.outcomes.isel(analysis=0)
    looks = np.arange(1, result.looks.sizes["look"] + 1) if result.looks is not None else np.arange(0)
    rows = []
    for scenario in outcomes["scenario"].values.tolist():
        found = outcomes.sel(scenario=scenario)
        at = found["look"].values[:, None] == looks
        won, lost = found["efficacy"].values > 0, found["futility"].values > 0
        kinds = [won, lost & ~won, ~won & ~lost]
        shares = np.stack([(at & kind[:, None]).mean(axis=0) for kind in kinds])
        rows.append(Stops(scenario, shares, len(won)))
    caption = (
        "Share of simulated trials that stop at each look, for success, for futility, or at the end without success."
    )
    return Picture("stopping", "Where trials stop", caption, stopping(rows))


def _spreads(result: Result) -> Iterator[Picture]:
    """Number randomised and duration, if any of them differs between trials of a scenario."""
    outcomes, unit = result.outcomes.isel(analysis=0), result.trial.protocol.model.time
    labels = {"n": "patients", "duration": labelled("duration", unit), "events": "events"}
    panels = []
    for name, label in labels.items():
        if name in outcomes and float(outcomes[name].std("replicate").max()) > 0 and _whole(result, name):
            scenarios = outcomes["scenario"].values.tolist()
            panels.append(
                (label, [Spread(one, outcomes[name].sel(scenario=one).values.astype(float)) for one in scenarios])
            )
    if panels:
        yield Picture("sizes", "Size and duration", "How they vary between simulated trials.", spreads(panels))


def _whole(result: Result, name: str) -> bool:
    """Whether a quantity belongs to the trial and not to one analysis: sizes without looks are of who was analysed."""
    return name == "duration" or result.looks is not None


def _enrolment(result: Result, example: xr.Dataset, words: str) -> Picture:
    looks = np.array([])
    if result.looks is not None:
        day = result.looks["day"].isel(analysis=0, replicate=0).sel(scenario=result.trial.scenarios[0].name).values
        looks = day[np.isfinite(day)]
    figure = enrolment(example["enrolled"].values, result.trial.protocol.model.time, looks.tolist())
    return Picture("enrolment", "Enrolment", f"{words}: patients randomised by calendar time.", figure)


def _survival(result: Result, example: xr.Dataset, words: str) -> Iterator[Picture]:
    """Kaplan-Meier curves of every endpoint that is a time to an event, by the arm of the first period."""
    arms, names = example["arm"].isel(period=0).values, list(example["arm"].attrs["arms"])
    for endpoint in result.trial.protocol.endpoints:
        if f"event_{endpoint.name}" not in example:
            continue
        times = example[f"endpoint_{endpoint.name}"].isel(period=0).values
        events = example[f"event_{endpoint.name}"].isel(period=0).values > 0
        curves = [_curve(name, times[arms == index], events[arms == index]) for index, name in enumerate(names)]
        figure = kaplan_meier(curves, labelled("time since randomisation", endpoint.unit))
        title = f"Time to event: {endpoint.name.replace('_', ' ')}"
        caption = f"{words}, with all its follow-up. Kaplan-Meier estimates with 95 % intervals (log-log)."
        yield Picture(f"survival_{endpoint.name}", title, caption, figure)


def _curve(arm: str, times: np.ndarray, events: np.ndarray) -> Curve:
    known = np.isfinite(times)
    found = curve(times[None, known], events[None, known], np.ones((1, int(known.sum())), bool))
    there = np.isfinite(found.time[0])
    survival = np.r_[1.0, found.survival[0, there]]
    low, high = bounds(survival, np.r_[0.0, found.hazards[0, there]], LEVEL, "log-log")
    return Curve(
        arm,
        np.r_[0.0, found.time[0, there]],
        survival,
        np.where(np.isfinite(low), low, survival),
        np.where(np.isfinite(high), high, survival),
        times[known & ~events],
        times[known],
    )
