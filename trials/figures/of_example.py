"""Pictures of one simulated trial: from a result to the numbers the drawings take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.outcomes import TimeInRange
from trials.analyses.crossover_anova import AverageBioequivalence
from trials.endpoints.course import Course
from trials.figures.example import Group, Profiles, Ratios, Target, crossover, distributions, responses
from trials.figures.picture import Picture, clock, labelled

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from trials.endpoints.base import Endpoint
    from trials.protocol import Measurement, Protocol, Result, Scenario


def example_pictures(result: Result) -> Iterator[Picture]:
    """First replicate of the first scenario: profiles and ratios of a crossover, or responses and endpoints by arm."""
    scenario = result.trial.scenarios[0]
    example = result.example.sel(scenario=scenario.name)
    words = f"First simulated trial under scenario {scenario.name}."
    pair = [a for a in scenario.protocol.analyses if isinstance(a, AverageBioequivalence)]
    if pair:
        yield _crossover(result, scenario, example, pair, words)
        return
    for measurement in scenario.protocol.measurements:
        yield _response(scenario.protocol, example, measurement, words)
    for endpoint in scenario.protocol.endpoints:
        if example[f"endpoint_{endpoint.name}"].ndim > 2 or f"event_{endpoint.name}" in example:
            continue  # a repeated endpoint is shown by the measurement it is of, a time to an event by its curve
        yield _endpoint(result, scenario, example, endpoint, words)


def profiles(protocol: Protocol, example: xr.Dataset, measurement: Measurement) -> list[Profiles]:
    """Observed profiles by arm, (subject, time): whoever was in the arm, in whichever period."""
    times, _ = clock(np.asarray(measurement.times), protocol.model.time)
    seen = example[f"observed_{measurement.name}"].transpose("subject", "period", ...).values
    arm = example["arm"].transpose("subject", "period").values
    return [Profiles(name, times, seen[arm == index]) for index, name in enumerate(example["arm"].attrs["arms"])]


def by_arm(example: xr.Dataset, endpoint: str) -> dict[str, NDArray[np.float64]]:
    """Endpoint of every subject (subject,) by arm; NaN for a subject who was not in the arm."""
    values = example[f"endpoint_{endpoint}"].transpose("subject", "period").values
    arm = example["arm"].transpose("subject", "period").values
    there = [np.where(arm == index, values, np.nan) for index in range(len(example["arm"].attrs["arms"]))]
    found = [np.where(np.isfinite(rows).any(axis=1), np.nansum(rows, axis=1), np.nan) for rows in there]
    return dict(zip(example["arm"].attrs["arms"], found, strict=True))


def _crossover(
    result: Result, scenario: Scenario, example: xr.Dataset, pair: Sequence[AverageBioequivalence], words: str
) -> Picture:
    protocol, first = scenario.protocol, pair[0]
    measurement = protocol.measurement(protocol.endpoint(first.endpoint).measures[0])
    shown = {profile.arm: profile for profile in profiles(protocol, example, measurement)}
    ratios = [_ratios(result, scenario, example, analysis) for analysis in pair]
    limits = Target(first.lower, first.upper, f"{100 * first.lower:.0f}-{100 * first.upper:.0f} %")
    figure = crossover(
        [shown[first.test], shown[first.reference]],
        ratios,
        labels=_axes(protocol, measurement),
        limits=limits,
    )
    interval = f"{100 * first.level:.0f} % interval"
    caption = f"{words} Left: every subject's profile by formulation. Right: individual ratios with the {interval}."
    return Picture("example_crossover", "One simulated crossover", caption, figure)


def _ratios(result: Result, scenario: Scenario, example: xr.Dataset, analysis: AverageBioequivalence) -> Ratios:
    """Individual ratios of one endpoint, and what the analysis made of this replicate."""
    found = by_arm(example, analysis.endpoint)
    outcome = result.outcomes.sel(scenario=scenario.name, analysis=analysis.name).isel(replicate=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = found[analysis.test] / found[analysis.reference]
    estimate, lower, upper = (float(np.exp(outcome[name])) for name in ("estimate", "lower", "upper"))
    return Ratios(analysis.name, ratios[np.isfinite(ratios) & (ratios > 0)], estimate, lower, upper)


def _response(protocol: Protocol, example: xr.Dataset, measurement: Measurement, words: str) -> Picture:
    figure = responses(
        profiles(protocol, example, measurement),
        labels=_axes(protocol, measurement),
        target=_target(protocol, measurement),
    )
    caption = f"{words} Bold: median; band: 5th to 95th percentile of subjects; thin: six subjects, as measured."
    return Picture(f"example_{measurement.name}", f"{measurement.name.replace('_', ' ')} by arm", caption, figure)


def _target(protocol: Protocol, measurement: Measurement) -> Target | None:
    """Range an endpoint of this measurement counts time in, if there is one."""
    for endpoint in protocol.endpoints:
        metric = endpoint.metric if isinstance(endpoint, Course) else None
        if isinstance(metric, TimeInRange) and measurement.name in endpoint.measures:
            return Target(metric.low, metric.high, f"range {metric.low:g}-{metric.high:g}")
    return None


def _endpoint(result: Result, scenario: Scenario, example: xr.Dataset, endpoint: Endpoint, words: str) -> Picture:
    published = [p for p in result.trial.published if p.endpoint == endpoint.name and p.scenario == scenario.name]
    groups = [
        Group(arm, values[np.isfinite(values)], tuple((p.trial, p.value) for p in published if p.arm == arm))
        for arm, values in by_arm(example, endpoint.name).items()
    ]
    figure = distributions(groups, label=labelled(endpoint.name, endpoint.unit))
    return Picture(
        f"example_{endpoint.name}",
        f"{endpoint.name.replace('_', ' ')} by arm",
        f"{words} One dot a subject.",
        figure,
    )


def _axes(protocol: Protocol, measurement: Measurement) -> tuple[str, str]:
    _, unit = clock(np.asarray(measurement.times), protocol.model.time)
    output = next(output for output in protocol.model.outputs if output.name == measurement.output)
    return f"time ({unit})", labelled(measurement.name, output.unit)
