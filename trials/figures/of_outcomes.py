"""Pictures of operating characteristics: from a result to the numbers the drawings take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trials.analyses.crossover_anova import AverageBioequivalence
from trials.effects import called
from trials.figures.forest import Column, Row, forest
from trials.figures.picture import Picture, labelled
from trials.figures.power import Curve, EffectAxis, Panel, Point, power
from trials.operating import Characteristics, interval

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from trials.analyses.base import Analysis
    from trials.operating import Estimate
    from trials.protocol import Result

CURVE_POINTS = 121


def power_pictures(result: Result, found: Characteristics) -> Iterator[Picture]:
    """Decisions against the true effect, one panel an analysis that decides; ratio and other analyses apart."""
    deciding = [a for a in result.trial.protocol.analyses if a.decides]
    for scale in dict.fromkeys(analysis.scale for analysis in deciding):
        group = [analysis for analysis in deciding if analysis.scale == scale]
        figure = power([_panel(result, found, analysis) for analysis in group], _axis(result, group))
        name = "power" if scale == deciding[0].scale else f"power_{scale.replace('-', '_')}"
        yield Picture(name, "Power against the true effect", _power_words(result, group), figure)
    yield from _along(result, deciding)


def _along(result: Result, deciding: Sequence[Analysis]) -> Iterator[Picture]:
    """Power over what the power curve varies, where that leaves the true effect as it is: the number of patients."""
    source = result.power_curve
    if source is None or not deciding or any(_simulated(result, analysis) is not None for analysis in deciding):
        return
    values, count = np.asarray(source["value"].values, dtype=np.float64), source.sizes["replicate"]
    panels = []
    for analysis in deciding:
        decided = _decided(source.sel(analysis=analysis.name))
        band = interval(decided.sum(axis=1), count)
        curve = Curve(f"{count} simulated trials a point", values, decided.mean(axis=1), band=(band[:, 0], band[:, 1]))
        panels.append(Panel(analysis.name, (), (curve,)))
    label = str(source.attrs.get("label") or source.attrs.get("parameter", "value"))
    words = f"Line and band: {count} simulated trials at each value with 95 % Monte Carlo intervals."
    yield Picture(
        "curve", f"Power: {label.lower()}", words, power(panels, EffectAxis(label, (), ratio=False, alpha=None))
    )


def _decided(walked: xr.Dataset) -> NDArray[np.bool_]:
    """Which trials of the power curve declare a success (value, replicate); failed replicates decide nothing."""
    decided: NDArray[np.bool_] = (walked["decision"] * (1 - walked["failed"])).transpose(
        "value", "replicate"
    ).values > 0
    return decided


def _power_words(result: Result, group: Sequence[Analysis]) -> str:
    words = ["Numbered dots: scenarios with 95 % Monte Carlo intervals."]
    if result.power_curve is not None and any(_simulated(result, analysis) is not None for analysis in group):
        words.append(f"Line: {result.power_curve.sizes['replicate']} simulated trials at each value.")
    if any(isinstance(analysis, AverageBioequivalence) for analysis in group):
        words.append("Dashes: exact power by Owen's Q at the pooled within-subject CV.")
    return " ".join(words)


def _panel(result: Result, found: Characteristics, analysis: Analysis) -> Panel:
    points = tuple(_point(scenario, by[analysis.name], analysis) for scenario, by in found.items())
    curves = [curve for curve in (_simulated(result, analysis), _exact(result, analysis)) if curve is not None]
    return Panel(analysis.name, points, tuple(curves))


def _point(scenario: str, names: dict[str, Estimate], analysis: Analysis) -> Point:
    share = names["power"] if "power" in names else names["type_1_error"]
    value, replicates, truth = share["value"] or 0.0, share["replicates"], names["truth"]
    low, high = interval(value * replicates, replicates)
    effect, mcse = truth["value"] or 0.0, truth["mcse"] or 0.0
    if analysis.scale == "log-ratio":
        effect, mcse = float(np.exp(effect)), float(np.exp(effect)) * mcse
    return Point(scenario, effect, value, lower=float(low), upper=float(high), truth_mcse=mcse)


def _simulated(result: Result, analysis: Analysis) -> Curve | None:
    """The power curve of the run with its Wilson band; failed replicates decide nothing."""
    if result.power_curve is None:
        return None
    walked = result.power_curve.sel(analysis=analysis.name)
    decided = _decided(walked)
    effect = _shown(walked["effect"].values, analysis)
    if not np.ptp(effect) > 1e-9 * np.abs(effect).max():
        return None  # the curve is over something that leaves the effect as it is, such as the number of patients
    order = np.argsort(effect)
    band = interval(decided.sum(axis=1), decided.shape[1])[order]
    label = f"simulated, {decided.shape[1]} trials a point"
    return Curve(label, effect[order], decided.mean(axis=1)[order], band=(band[:, 0], band[:, 1]))


def _exact(result: Result, analysis: Analysis) -> Curve | None:
    """Exact power of two one-sided tests at the within-subject variability the simulated trials had."""
    if not isinstance(analysis, AverageBioequivalence):
        return None
    from trials.power import bioequivalence

    source = result.outcomes if result.power_curve is None else result.power_curve
    variances = np.log1p(source["cv_within"].sel(analysis=analysis.name).values ** 2)
    cv = float(np.sqrt(np.expm1(np.nanmean(variances))))
    effect = np.geomspace(0.97 * analysis.lower, 1.03 * analysis.upper, CURVE_POINTS)
    power_at = bioequivalence(
        cv, _completers(source), effect, lower=analysis.lower, upper=analysis.upper, alpha=analysis.alpha
    )
    remark = f"within-subject CV {100 * cv:.1f} %"
    return Curve("exact, by Owen's Q", effect, power_at, remark=remark)


def _completers(source: xr.Dataset) -> int:
    """Subjects analysed in the usual replicate."""
    return int(np.nanmedian(source["n"].values))


def _shown(effect: NDArray[np.float64], analysis: Analysis) -> NDArray[np.float64]:
    return np.exp(effect) if analysis.scale == "log-ratio" else np.asarray(effect, dtype=np.float64)


def _axis(result: Result, group: Sequence[Analysis]) -> EffectAxis:
    first = group[0]
    units = {result.trial.protocol.endpoint(analysis.endpoint).unit for analysis in group}
    ratio = first.scale == "log-ratio"
    limits = (first.lower, first.upper) if isinstance(first, AverageBioequivalence) else (1.0 if ratio else 0.0,)
    names = {called(analysis) for analysis in group}
    words = f"true {names.pop() if len(names) == 1 else 'ratio' if ratio else 'difference'}"
    label = words if ratio else labelled(words, units.pop() if len(units) == 1 else "")
    return EffectAxis(label, limits, ratio, getattr(first, "alpha", None))


def forest_picture(result: Result, found: Characteristics) -> Picture:
    """Success, bias and coverage of every analysis under every scenario."""
    analyses = result.trial.protocol.analyses
    rows = [Row(scenario, one.name, _row(by[one.name])) for scenario, by in found.items() for one in analyses]
    levels = {analysis.level for analysis in analyses}
    columns = [
        Column("success", "Declared a success", limits=(-0.04, 1.04)),
        Column("bias", "Bias / SD of estimates", 0.0),
        Column("coverage", "Coverage of the interval", next(iter(levels)) if len(levels) == 1 else None),
    ]
    caption = (
        "Dots with 95 % Monte Carlo intervals. The bias is in standard deviations of the estimates between trials."
    )
    return Picture("characteristics", "Operating characteristics", caption, forest(rows, columns))


def _row(names: dict[str, Estimate]) -> dict[str, tuple[float, float]]:
    """Success, bias in units of the empirical standard error, and coverage, where they exist."""
    row = {}
    for name, shown in (("power", "success"), ("type_1_error", "success"), ("bias", "bias"), ("coverage", "coverage")):
        entry = names.get(name)
        if entry is not None and entry["value"] is not None and entry["mcse"] is not None:
            unit = (names["empirical_se"]["value"] or 1.0) if name == "bias" else 1.0
            row[shown] = (entry["value"] / unit, entry["mcse"] / unit)
    return row
