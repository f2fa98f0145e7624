"""One simulated trial as its investigator would see it: profiles, individual ratios, responses by arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trials.figures.style import BAND, EDGE, INK, MUTED, canvas, colour, label_ends, note, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Profiles:
    """Measurements of one arm: `values` (subject, time) at `times` (time,), in the order of the arms of the trial."""

    arm: str
    times: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ratios:
    """Individual test/reference `ratios` (subject,) of one endpoint with the analysis' estimate and interval."""

    endpoint: str
    ratios: NDArray[np.float64]
    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Target:
    """A band to aim for (therapeutic range, acceptance limits) and its name."""

    lower: float
    upper: float
    label: str


@styled
def crossover(
    profiles: Sequence[Profiles], ratios: Sequence[Ratios], *, labels: tuple[str, str], limits: Target
) -> Figure:
    """Concentrations of each subject by arm with the geometric mean, and individual ratios with the interval."""
    widths = [1.0] * len(profiles) + [0.5 + 0.25 * len(ratios)]
    figure, axes = canvas((7.2, 3.3), 1, len(widths), width_ratios=widths)
    top = max(float(np.nanmax(profile.values)) for profile in profiles)
    for index, profile in enumerate(profiles):
        _profile_panel(axes[0, index], profile, colour(index))
        axes[0, index].set(ylim=(0, 1.04 * top), xlabel=labels[0])
    axes[0, 0].set_ylabel(labels[1])
    for panel in axes[0, 1 : len(profiles)]:
        panel.tick_params(labelleft=False)
    _ratio_panel(axes[0, -1], ratios, limits)
    note(figure, "○ individual ratio   ◆ estimate and confidence interval   simulated, virtual subjects")
    return figure


def _profile_panel(axes: Axes, profile: Profiles, paint: str) -> None:
    axes.plot(profile.times, profile.values.T, color=paint, lw=0.6, alpha=0.4)
    axes.plot(profile.times, np.nanmean(profile.values, axis=0), color=paint, lw=2.2)
    axes.set_title(profile.arm)
    axes.title.set_color(paint)
    axes.annotate(f"{profile.values.shape[0]} subjects, mean in bold", (0.97, 0.97), xycoords="axes fraction",
                  ha="right", va="top", fontsize=7, color=MUTED)  # fmt: skip


def _ratio_panel(axes: Axes, ratios: Sequence[Ratios], limits: Target) -> None:
    from matplotlib.ticker import NullLocator, ScalarFormatter

    axes.set_yscale("log")
    axes.axhspan(limits.lower, limits.upper, color=BAND, zorder=0)
    for index, row in enumerate(ratios):
        order = np.argsort(np.argsort(row.ratios))
        spread = index - 0.14 + 0.18 * (order / max(1, len(order) - 1) - 0.5)
        axes.plot(spread, row.ratios, "o", ms=3, mfc="none", mec=MUTED, mew=0.7)
        axes.errorbar(index + 0.18, row.estimate, yerr=[[row.estimate - row.lower], [row.upper - row.estimate]],
                      fmt="D", ms=4.5, color=INK, capsize=3, elinewidth=1.4)  # fmt: skip
    axes.set_xticks(range(len(ratios)), [row.endpoint for row in ratios])
    axes.set(xlim=(-0.5, len(ratios) - 0.5), title="Test / reference")
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_yticks(_ratio_ticks(ratios, limits))
    axes.grid(visible=False, axis="x")
    axes.annotate(limits.label, (0.98, limits.lower), (0, 2), xycoords=("axes fraction", "data"), ha="right",
                  textcoords="offset points", fontsize=7, color=MUTED)  # fmt: skip


def _ratio_ticks(ratios: Sequence[Ratios], limits: Target) -> list[float]:
    low = min(float(np.nanmin(row.ratios)) for row in ratios)
    high = max(float(np.nanmax(row.ratios)) for row in ratios)
    steps = (0.25, 0.4, 0.5, 0.6, 0.7, limits.lower, 1.0, limits.upper, 1.4, 1.6, 2.0, 2.5, 4.0)
    return [step for step in steps if low <= step <= high or limits.lower <= step <= limits.upper]


@styled
def responses(profiles: Sequence[Profiles], *, labels: tuple[str, str], target: Target | None = None) -> Figure:
    """Response over time by arm: median, central 90 % of subjects and a few single subjects, over the target range."""
    figure, axes = canvas((7.2, 3.1), 1, len(profiles), share="xy")
    for index, (panel, profile) in enumerate(zip(axes[0], profiles, strict=True)):
        if target is not None:
            _target(panel, target)
        _response_panel(panel, profile, colour(index))
        panel.set_xlabel(labels[0])
    axes[0, 0].set_ylabel(labels[1])
    note(figure)
    return figure


def _target(axes: Axes, target: Target) -> None:
    axes.axhspan(target.lower, target.upper, color=BAND, zorder=0)
    for edge in (target.lower, target.upper):
        axes.axhline(edge, color=EDGE, lw=0.8, ls=(0, (4, 2)), zorder=2.5)
    axes.annotate(target.label, (0.99, target.lower), (0, 2), xycoords=("axes fraction", "data"), ha="right",
                  textcoords="offset points", fontsize=7, color=EDGE)  # fmt: skip


def _response_panel(axes: Axes, profile: Profiles, paint: str) -> None:
    lower, middle, upper = np.nanpercentile(profile.values, [5, 50, 95], axis=0)
    axes.fill_between(profile.times, lower, upper, color=paint, alpha=0.18)
    few = profile.values[:: max(1, len(profile.values) // 6)][:6]
    axes.plot(profile.times, few.T, color=paint, lw=0.6, alpha=0.55)
    axes.plot(profile.times, middle, color=paint, lw=2.0)
    axes.set_title(f"{profile.arm} ({profile.values.shape[0]} subjects)")
    axes.title.set_color(paint)
    end = float(profile.times[-1])
    label_ends(axes, [(end, float(middle[-1]), "median", paint), (end, float(upper[-1]), "95 %", paint),
                      (end, float(lower[-1]), "5 %", paint)])  # fmt: skip


KEY = "dots: subjects   bar: quartiles and median   ◆ mean, 95 % interval   ◇ published   simulated, virtual subjects"


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Endpoint `values` (subject,) of one arm, and published means (name, value) to show beside them."""

    arm: str
    values: NDArray[np.float64]
    published: tuple[tuple[str, float], ...] = ()


@styled
def distributions(groups: Sequence[Group], *, label: str) -> Figure:
    """Endpoint by arm: every subject as a dot, quartiles as a bar, the mean with its 95 % interval, published means."""
    figure, ((axes,),) = canvas((6.6, 0.9 + 0.95 * len(groups)))
    for index, group in enumerate(groups):
        _distribution_row(axes, group, -index, colour(index))
    axes.set_yticks([-index for index in range(len(groups))], [group.arm for group in groups])
    for tick, paint in zip(axes.get_yticklabels(), map(colour, range(len(groups))), strict=True):
        tick.set(color=paint, fontweight="bold")
    axes.set(xlabel=label, ylim=(-len(groups) + 0.48, 0.58))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    note(figure, KEY)
    return figure


def _distribution_row(axes: Axes, group: Group, height: float, paint: str) -> None:
    values = group.values[np.isfinite(group.values)]
    if values.size:
        _observed(axes, values, height, paint)
    for step, (name, value) in enumerate(group.published):
        axes.plot(value, height + 0.32 + 0.13 * step, "D", ms=4, mfc="white", mec=INK, mew=1.0)
        axes.annotate(f"{name} {value:.3g}", (value, height + 0.32 + 0.13 * step), (6, 0), textcoords="offset points",
                      va="center", fontsize=7, color=INK)  # fmt: skip


def _observed(axes: Axes, values: NDArray[np.float64], height: float, paint: str) -> None:
    """Dots, quartiles and mean of one value or more; one alone has no interval."""
    axes.plot(values, height - 0.12 - 0.26 * _spread(len(values)), "o", ms=2.2, color=paint, alpha=0.45, mew=0)
    low, middle, high = np.percentile(values, [25, 50, 75])
    axes.plot([low, high], [height] * 2, color=paint, lw=6, alpha=0.3, solid_capstyle="butt")
    axes.plot([middle] * 2, [height - 0.05, height + 0.05], color=paint, lw=2, solid_capstyle="butt")
    error = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    axes.errorbar(values.mean(), height + 0.17, xerr=error, fmt="D", ms=4, color=INK, capsize=2.5, elinewidth=1.2)
    axes.annotate(f"{values.mean():.3g}", (values.mean() - error, height + 0.17), (-4, 0), ha="right",
                  textcoords="offset points", va="center", fontsize=7, color=INK)  # fmt: skip


def _spread(count: int) -> NDArray[np.float64]:
    """Heights in [0, 1) that look random and are not: the golden-ratio sequence."""
    heights: NDArray[np.float64] = np.mod(np.arange(count) * 0.6180339887498949, 1.0)
    return heights
