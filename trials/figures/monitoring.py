"""Where trials stop and how large they get: shares by look, and sizes and durations as they vary between trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trials.figures.style import GRID, INK, LIMIT, MUTED, canvas, colour, note, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

REASONS = ("efficacy", "futility", "end")
PAINTS = {"efficacy": colour(0), "futility": colour(1), "end": MUTED}


@dataclass(frozen=True, slots=True, eq=False)
class Stops:
    """Where the trials of a scenario stop.

    Attributes
    ----------
    scenario
        Its name.
    shares
        Share of trials that stop, by reason (efficacy, futility, the end without success) and look: (3, look).
    replicates
        Simulated trials.
    """

    scenario: str
    shares: NDArray[np.float64]
    replicates: int


@styled
def stopping(scenarios: Sequence[Stops]) -> Figure:
    """Bars by look and reason, one panel a scenario, each with its 95 % Monte Carlo interval."""
    columns = min(len(scenarios), 4)
    rows = -(-len(scenarios) // columns)
    figure, axes = canvas((0.8 + 1.6 * columns, 0.7 + 1.9 * rows), rows, columns, share="xy")
    for place, stops in zip(axes.flat, scenarios, strict=False):
        _bars(place, stops)
    for place in axes.flat[len(scenarios) :]:
        place.set_axis_off()
    for place in axes[:, 0]:
        place.set_ylabel("share of trials")
    for place in axes[-1]:
        place.set_xlabel("look")
    axes[0, 0].legend(fontsize=7, frameon=False)
    note(figure, "bars: 95 % Monte Carlo interval   simulated, virtual subjects")
    return figure


def _bars(axes: Axes, stops: Stops) -> None:
    looks = np.arange(1, stops.shares.shape[1] + 1)
    for number, reason in enumerate(REASONS):
        share = stops.shares[number]
        error = LIMIT * np.sqrt(share * (1 - share) / stops.replicates)
        axes.bar(looks + 0.27 * (number - 1), share, 0.25, yerr=error, color=PAINTS[reason], label=reason,
                 error_kw={"elinewidth": 1.0, "ecolor": INK})  # fmt: skip
    axes.set(xticks=looks, ylim=(0, 1.03))
    axes.set_title(stops.scenario, fontsize=8)
    axes.grid(visible=False, axis="x")


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Values of one quantity in the trials of a scenario (replicate,)."""

    scenario: str
    values: NDArray[np.float64]


@styled
def spreads(panels: Sequence[tuple[str, Sequence[Spread]]]) -> Figure:
    """How a quantity varies between trials, one panel a quantity: steps of its distribution, a line a scenario."""
    figure, axes = canvas((1.6 + 1.85 * len(panels), 2.9), 1, len(panels), share="y")
    for place, (label, scenarios) in zip(axes.flat, panels, strict=True):
        for number, spread in enumerate(scenarios):
            ordered = np.sort(spread.values[np.isfinite(spread.values)])
            height = np.arange(1, ordered.size + 1) / max(ordered.size, 1)
            place.step(np.r_[ordered[:1], ordered], np.r_[0, height], where="post", color=colour(number),
                       label=spread.scenario)  # fmt: skip
        place.set(xlabel=label, ylim=(0, 1.02))
    axes[0, 0].set_ylabel("share of trials at or below")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=4, fontsize=7, frameon=False)
    note(figure)
    return figure


@styled
def enrolment(days: NDArray[np.float64], unit: str, looks: Sequence[float]) -> Figure:
    """Patients randomised against the calendar time of one trial; dashes where its looks were."""
    figure, axes = canvas((4.6, 2.8))
    place = axes[0, 0]
    ordered = np.sort(days[np.isfinite(days)])
    place.step(np.r_[0, ordered], np.arange(ordered.size + 1), where="post", color=colour(0))
    for number, look in enumerate(looks, 1):
        place.axvline(look, color=INK, lw=0.8, ls=(0, (4, 3)))
        place.annotate(f"look {number}", (look, 0.02), (-3, 0), xycoords=("data", "axes fraction"),
                       textcoords="offset points", rotation=90, ha="right", va="bottom", fontsize=7)  # fmt: skip
    place.set(xlabel=f"calendar time ({unit})", ylabel="patients randomised", ylim=(0, None))
    note(figure)
    return figure


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Survival of one arm: times and whether they are events (subject,), and the estimate (time,) with its band."""

    arm: str
    times: NDArray[np.float64]
    survival: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    censored: NDArray[np.float64]
    """Times of censoring (censored subject,)."""
    followed: NDArray[np.float64]
    """Times of all subjects (subject,), for the numbers at risk."""


@styled
def kaplan_meier(curves: Sequence[Curve], label: str) -> Figure:
    """Kaplan-Meier curves with 95 % bands, ticks where subjects are censored, and the numbers at risk below."""
    figure, axes = canvas((5.0, 2.6 + 0.22 * len(curves)), 2, 1, share="x", height_ratios=(6, 0.35 + 0.6 * len(curves)))
    above, below = axes[0, 0], axes[1, 0]
    for number, curve in enumerate(curves):
        paint = colour(number)
        above.step(curve.times, curve.survival, where="post", color=paint, label=curve.arm)
        above.fill_between(curve.times, curve.lower, curve.upper, step="post", color=paint, alpha=0.15, lw=0)
        height = np.interp(curve.censored, curve.times, curve.survival)
        above.plot(curve.censored, height, "|", color=paint, ms=4, mew=0.7)
    above.set(ylim=(0, 1.02), ylabel="share without event")
    above.legend(fontsize=7.5, frameon=False, loc="lower left")
    _at_risk(below, curves, above.get_xticks())
    below.set_xlabel(label)
    note(figure)
    return figure


def _at_risk(axes: Axes, curves: Sequence[Curve], ticks: NDArray[np.float64]) -> None:
    """Numbers of subjects still followed, an arm a line."""
    last = max(float(curve.followed.max()) for curve in curves)
    for number, curve in enumerate(curves):
        for tick in ticks[(ticks >= 0) & (ticks <= last)]:
            axes.annotate(str(int((curve.followed >= tick).sum())), (tick, -number), ha="center", va="center",
                          fontsize=7, color=colour(number))  # fmt: skip
    axes.set(ylim=(-len(curves) + 0.4, 0.6), yticks=-np.arange(len(curves)))
    axes.set_yticklabels([curve.arm for curve in curves], fontsize=7)
    axes.set_title("at risk", fontsize=7, loc="left", color=GRID if not curves else INK)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
