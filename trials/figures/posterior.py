"""What the data taught: posterior densities over their priors, and the chains they came from."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from trials.figures.style import GRID, INK, MUTED, canvas, colour, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

GRID_POINTS = 256
RANK_BINS = 20
LETTERS = {
    "omega_": "ω",
    "gamma_": "γ",
    "beta_": "β",
    "sigma_additive_": "σ add.",
    "sigma_proportional_": "σ prop.",
    "sigma_": "σ",
}


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Draws of one parameter: `values` (chain, draw); `prior` draws of any shape, and a published `reference`."""

    name: str
    unit: str
    values: NDArray[np.float64]
    prior: NDArray[np.float64] | None = None
    reference: float | None = None

    @property
    def label(self) -> str:
        """Short name with its unit, as axes show it: `omega_ka` gets its Greek letter, `ka_pop` is ka."""
        return " ".join(self.lines)

    @property
    def lines(self) -> tuple[str, ...]:
        """The label in the lines it may be broken into."""
        unit = f" ({self.unit})" if self.unit not in ("", "1") else ""
        for prefix, letter in LETTERS.items():
            if self.name.startswith(prefix):
                rest = self.name.removeprefix(prefix).replace("_", " ", 1) + unit
                return (letter, rest) if " " in letter else (f"{letter} {rest}",)
        return (self.name.removesuffix("_pop") + unit,)


def density(values: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kernel density of `values` on `grid`; values that are all positive are reflected at zero, so none leaks below."""
    from scipy.stats import gaussian_kde

    kernel = gaussian_kde(values)
    estimate: NDArray[np.float64] = kernel(grid)
    if values.min() <= 0:
        return estimate
    return np.where(grid >= 0, estimate + kernel(-grid), 0.0)


@styled
def densities(parameters: Sequence[Draws], *, columns: int = 4) -> Figure:
    """Posterior density of each parameter (filled) over its prior (grey), with mean, 90 % interval and reference."""
    columns = min(columns, len(parameters))
    rows = ceil(len(parameters) / columns)
    figure, axes = canvas((1.9 * columns + 0.2, 1.55 * rows + 0.25), rows, columns)
    for panel, parameter in zip(axes.flat, parameters, strict=False):
        _density_panel(panel, parameter)
    for empty in axes.flat[len(parameters) :]:
        empty.set_axis_off()
    figure.supxlabel(_density_key(parameters), fontsize=7, color=MUTED)
    return figure


def _density_panel(axes: Axes, parameter: Draws) -> None:
    values = parameter.values.ravel()
    low, high = np.quantile(values, [0.001, 0.999])
    pad = 0.25 * (high - low)
    grid = np.linspace(max(0.0, low - pad) if values.min() > 0 else low - pad, high + pad, GRID_POINTS)
    height = density(values, grid)
    if parameter.prior is not None:
        prior = parameter.prior.ravel()
        axes.plot(grid, density(prior, grid), color=MUTED, lw=1.0, ls=(0, (3, 2)))
    axes.fill_between(grid, height, color=colour(0), alpha=0.25)
    axes.plot(grid, height, color=colour(0))
    lower, upper = np.quantile(values, [0.05, 0.95])
    axes.plot([lower, upper], [0, 0], color=colour(0), lw=3.5, clip_on=False, zorder=4)
    axes.plot(values.mean(), 0, "o", color="white", mec=colour(0), ms=5, mew=1.4, clip_on=False, zorder=5)
    if parameter.reference is not None:
        axes.axvline(parameter.reference, color=colour(1), lw=1.2)
    axes.set(yticks=[], ylim=(0, None), xlim=(grid[0], grid[-1]))
    axes.set_title(parameter.label, fontsize=8)
    axes.locator_params(axis="x", nbins=4)
    axes.spines["left"].set_visible(False)


def _density_key(parameters: Sequence[Draws]) -> str:
    words = ["filled: posterior", "circle and bar: mean, 90 % interval"]
    if any(parameter.prior is not None for parameter in parameters):
        words.append("grey dashes: prior")
    if any(parameter.reference is not None for parameter in parameters):
        words.append("orange line: another fit to the same data")
    return "   ".join(words)


@styled
def chains(parameters: Sequence[Draws]) -> Figure:
    """Trace of each chain (left) and rank histograms by chain (right; flat when the chains agree).

    Rank plots: Vehtari et al. 2021, doi:10.1214/20-BA1221.
    """
    rows = len(parameters)
    figure, axes = canvas((6.6, 0.82 * rows + 0.5), rows, 2, width_ratios=[2, 1])
    for (trace, rank), parameter in zip(axes, parameters, strict=True):
        _trace_panel(trace, parameter)
        _rank_panel(rank, parameter.values)
    for panel in axes[:-1].flat:
        panel.set_xticklabels([])
    axes[0, 0].set_title("Trace, one colour a chain")
    axes[0, 1].set_title("Ranks by chain")
    axes[-1, 0].set_xlabel("draw")
    axes[-1, 1].set_xlabel("rank among all chains")
    return figure


def _trace_panel(axes: Axes, parameter: Draws) -> None:
    step = max(1, parameter.values.shape[1] // 250)  # more points than pixels only make the file larger
    draws = np.arange(0, parameter.values.shape[1], step)
    for chain, values in enumerate(parameter.values):
        axes.plot(draws, values[::step], color=colour(chain), lw=0.45, alpha=0.8)
    axes.set_ylabel("\n".join(parameter.lines), rotation=0, ha="right", va="center")
    axes.locator_params(axis="y", nbins=3)


def _rank_panel(axes: Axes, values: NDArray[np.float64]) -> None:
    from scipy.stats import rankdata

    ranks = rankdata(values).reshape(values.shape)
    edges = np.linspace(0, values.size, RANK_BINS + 1)
    expected = values.shape[1] / RANK_BINS
    spread = 1.645 * np.sqrt(expected * (1 - 1 / RANK_BINS))
    axes.axhspan(1 - spread / expected, 1 + spread / expected, color=GRID, zorder=0)
    counts = np.array([np.histogram(row, edges)[0] for row in ranks]) / expected
    for chain, row in enumerate(counts):
        axes.stairs(row, edges, color=colour(chain), lw=1.0)
    axes.axhline(1, color=INK, lw=0.6)
    axes.set(ylim=(0, max(2.0, 1.05 * float(counts.max()))), xlim=(0, values.size))
    axes.locator_params(axis="y", nbins=2)
    axes.grid(visible=False)
