"""Simulation studies of a fit, drawn: ranks of the truth, and how well a known truth is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from scipy import stats

from cohorts.figures.style import BLUE, DASHES, GRID, INK, ORANGE, POINT, canvas, key, panels, shown, styled
from cohorts.judgement.seen import group

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 20


@styled
def plot_sbc(given: xr.DataTree | xr.Dataset) -> Figure:
    """Simulation-based calibration: for each value the histogram of ranks, and their distribution less the uniform one.

    Parameters
    ----------
    given
        Result of `simulation_based_calibration`, or a tree with it as group ``sbc``.
    """
    made = group(given, "sbc") if isinstance(given, xr.DataTree) else given
    names = [str(n) for n in made["parameter"].values]
    levels, count = int(made.attrs["levels"]), made.sizes["simulation"]
    figure, axes = canvas((6.6, 1.25 * len(names) + 0.6), len(names), 2, sharex="col", width_ratios=[1, 1.5])
    bins = next(b for b in range(min(BINS, max(2, count // 10)), 0, -1) if levels % b == 0)
    expected = count / bins
    low, high = stats.binom(count, 1.0 / bins).ppf([0.025, 0.975])
    points = np.array([0.0, *made["point"].values, 1.0])
    lower, upper = (np.array([0.0, *made[n].values, 1.0]) - points for n in ("ecdf_lower", "ecdf_upper"))
    for row, name in zip(axes, names, strict=True):
        own = made.sel(parameter=name)
        edges = np.linspace(0.0, levels, bins + 1)
        row[0].axhspan(low, high, color=GRID)
        row[0].axhline(expected, color=INK, lw=0.8)
        row[0].stairs(np.histogram(own["rank"], edges)[0], edges, fill=True, color=BLUE, alpha=0.45)
        row[0].set(yticks=[], xlim=(0, levels))
        row[0].set_ylabel(shown(name), rotation=0, ha="right", va="center")
        row[1].fill_between(points, lower, upper, color=GRID, step=None)
        row[1].plot(points, np.array([0.0, *own["ecdf"].values, 1.0]) - points, color=BLUE, lw=1.2)
        row[1].axhline(0.0, color=INK, lw=0.8)
        words = f"p = {float(own['p_chi_square']):.2f} (χ²), {float(own['p_ecdf']):.2f} (ECDF)"
        row[1].text(0.99, 0.96, words, transform=row[1].transAxes, ha="right", va="top", fontsize=7)
        row[1].margins(x=0.0)
    axes[0, 0].set_title("Ranks of the truth")
    axes[0, 1].set_title("ECDF difference")
    axes[-1, 0].set_xlabel(f"rank among {levels - 1} draws")
    axes[-1, 1].set_xlabel("share of ranks")
    level = f"{100 * made.attrs['level']:g} %"
    key(figure, f"{count} simulations   grey, left: 95 % interval of a bin; right: simultaneous {level} envelope")
    return figure


@styled
def plot_recovery(given: xr.DataTree | xr.Dataset) -> Figure:
    """Parameter recovery: estimates of each simulation about the truth, and coverage of the 90 % interval.

    Parameters
    ----------
    given
        Result of `parameter_recovery`, or a tree with it as group ``recovery``.
    """
    made = group(given, "recovery") if isinstance(given, xr.DataTree) else given
    names = [str(n) for n in made["parameter"].values]
    figure, axes = panels(len(names), columns=4, size=(1.9, 1.9))
    for axis, name in zip(axes, names, strict=True):
        own = made.sel(parameter=name)
        order = np.argsort(own["mean"].values)
        place = np.arange(len(order))
        low, high, mean = (own[n].values[order] for n in ("lower", "upper", "mean"))
        truth = float(own["truth"][0])
        missed = (truth < low) | (truth > high)
        axis.vlines(place[~missed], low[~missed], high[~missed], color=BLUE, lw=0.8, alpha=0.6)
        axis.vlines(place[missed], low[missed], high[missed], color=ORANGE, lw=0.8)
        axis.plot(place, mean, **{**POINT, "ms": 1.8, "mec": INK})
        axis.axhline(truth, color=INK, lw=1.0, ls=DASHES)
        unit = str(own["unit"].values)
        axis.set_title(shown(name) + (f" ({unit})" if unit not in ("1", "unit of the output") else ""), fontsize=8)
        bias, covered = (float(own[n]) for n in ("bias", "coverage"))
        error, covered_error = float(own["bias_mcse"]), float(own["coverage_mcse"])
        words = f"bias {bias:+.2g} ± {error:.1g}\ncoverage {100 * covered:.0f} ± {100 * covered_error:.0f} %"
        axis.set_xlabel(words, fontsize=7)
        axis.set_xticks([])
    key(
        figure,
        "90 % intervals in the order of their means; orange: truth (dashes) missed   ±: Monte Carlo standard error",
    )
    return figure
