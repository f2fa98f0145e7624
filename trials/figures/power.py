"""Power against the true effect: simulated with its Monte Carlo band, exact where a formula exists."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, hypot
from typing import TYPE_CHECKING

import numpy as np

from trials.figures.style import INK, LIMIT, MUTED, canvas, colour, note, styled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

TICKS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.6, 2.0, 2.5)
NEAR = 0.06  # points closer than this share of the axes get one common number


@dataclass(frozen=True, slots=True)
class Point:
    """One scenario: its true effect, and the share of trials declared a success with its Monte Carlo interval."""

    scenario: str
    truth: float
    value: float
    lower: float
    upper: float
    truth_mcse: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Power over true effects; `band` (lower, upper), each (effect,), for a simulated curve, None for an exact one."""

    label: str
    effect: NDArray[np.float64]
    power: NDArray[np.float64]
    band: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    remark: str = ""
    """What is said of it in its own panel."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Power of one analysis: its scenarios and its curves."""

    analysis: str
    points: tuple[Point, ...]
    curves: tuple[Curve, ...] = ()


@dataclass(frozen=True, slots=True)
class EffectAxis:
    """How the true effect is shown: its name with unit, the limits to mark, and whether it is a ratio (log axis)."""

    label: str
    limits: tuple[float, ...] = ()
    ratio: bool = False
    alpha: float | None = None


@styled
def power(panels: Sequence[Panel], axis: EffectAxis) -> Figure:
    """Share of replicates declared a success against the true effect, one panel an analysis; scenarios are numbered."""
    columns = min(len(panels), 2)
    rows = ceil(len(panels) / columns)
    figure, axes = canvas((1.0 + 3.1 * max(columns, 1.4), 0.9 + 2.8 * rows), rows, columns, share="xy")
    numbers = _numbers(panels)
    for index, (panel, place) in enumerate(zip(panels, axes.flat, strict=False)):
        for curve in panel.curves:
            _curve(place, curve, colour(index))
        _scenarios(place, panel, colour(index))
        place.set_title(panel.analysis)
        place.title.set_color(colour(index))
    for place in axes.flat[len(panels) :]:
        place.set_axis_off()
    for place in axes.flat[: len(panels)]:
        _effect_axis(place, axis)
    for place in axes[:, 0]:
        place.set(ylim=(0, 1.06), ylabel="share declared a success")
    axes[0, 0].set_yticks(np.linspace(0, 1, 6))
    figure.draw_without_rendering()  # the numbers are placed by distance on the page
    for panel, place in zip(panels, axes.flat, strict=False):
        _write_numbers(place, panel, numbers)
    note(figure, _key(panels, numbers))
    return figure


def _numbers(panels: Sequence[Panel]) -> dict[str, int]:
    names = dict.fromkeys(point.scenario for panel in panels for point in panel.points)
    return {name: number for number, name in enumerate(names, 1)}


def _curve(axes: Axes, curve: Curve, paint: str) -> None:
    if curve.band is None:
        axes.plot(curve.effect, curve.power, color=MUTED, lw=1.1, ls=(0, (4, 2)), zorder=2)
        axes.annotate(curve.remark, (0.5, 0.16), xycoords="axes fraction", ha="center", fontsize=7.5, color=MUTED)
        return
    axes.plot(curve.effect, curve.power, color=paint, zorder=2)
    axes.fill_between(curve.effect, *curve.band, color=paint, alpha=0.2, zorder=1)


def _scenarios(axes: Axes, panel: Panel, paint: str) -> None:
    places = [point.truth for point in panel.points], [point.value for point in panel.points]
    below = [max(0.0, point.value - point.lower) for point in panel.points]
    above = [max(0.0, point.upper - point.value) for point in panel.points]
    sideways = [LIMIT * point.truth_mcse for point in panel.points]
    axes.errorbar(*places, (below, above), sideways, fmt="none", color=paint, elinewidth=1.2, capsize=2.5, zorder=4)
    axes.plot(*places, "o", ms=5.5, color=paint, mec="white", mew=0.8, zorder=5)


def _write_numbers(axes: Axes, panel: Panel, numbers: Mapping[str, int]) -> None:
    """Number the scenarios; those within reach of each other get one common label, at the rightmost."""
    spots = [(*_place(axes, point), numbers[point.scenario]) for point in panel.points]
    groups: list[list[tuple[float, float, int]]] = []
    for spot in sorted(spots):
        group = next((g for g in groups if any(hypot(spot[0] - o[0], spot[1] - o[1]) < NEAR for o in g)), None)
        if group is None:
            groups.append([spot])
        else:
            group.append(spot)
    for group in groups:
        left = group[-1][0] > 0.88
        axes.annotate(", ".join(str(number) for *_, number in sorted(group, key=lambda spot: spot[2])), group[-1][:2],
                      (-6 if left else 6, 4), xycoords="axes fraction", textcoords="offset points", fontsize=8,
                      ha="right" if left else "left", fontweight="bold", color=INK)  # fmt: skip


def _place(axes: Axes, point: Point) -> tuple[float, float]:
    """Where a point stands on the axes, as shares of their width and height."""
    x, y = axes.transAxes.inverted().transform(axes.transData.transform((point.truth, point.value)))
    return float(x), float(y)


def _effect_axis(axes: Axes, axis: EffectAxis) -> None:
    from matplotlib.ticker import NullLocator, ScalarFormatter

    axes.set_xlabel(axis.label)
    if axis.ratio:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks([tick for tick in TICKS if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]])
    for limit in axis.limits:
        axes.axvline(limit, color=INK, lw=0.8, ls=(0, (1, 2)))
    if axis.alpha is not None:
        axes.axhline(axis.alpha, color=INK, lw=0.8, ls=(0, (1, 2)))
        axes.annotate(f"α = {axis.alpha:g}", (0.5, axis.alpha), (0, 2), xycoords=("axes fraction", "data"),
                      textcoords="offset points", ha="center", fontsize=7, color=INK)  # fmt: skip


def _key(panels: Sequence[Panel], numbers: Mapping[str, int]) -> str:
    scenarios = "   ".join(f"{number} {name}" for name, number in numbers.items())
    curves = {curve.label: curve for panel in panels for curve in panel.curves}
    words = [f"{'line and band' if curve.band is not None else 'dashes'}: {label}" for label, curve in curves.items()]
    below = "   ".join([*words, "simulated, virtual subjects"])
    return f"scenarios (95 % Monte Carlo bars): {scenarios}\n{below}" if numbers else below
