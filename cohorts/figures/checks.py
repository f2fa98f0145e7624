"""Predictive checks drawn: percentiles over bands, test statistics among replicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from cohorts.figures.style import BLUE, DASHES, INK, ORANGE, PALETTE, POINT, canvas, key, panels, styled
from cohorts.judgement.discrepancy import ppc
from cohorts.judgement.visual import vpc

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def plot_vpc(
    given: xr.DataTree | xr.Dataset, *, xlabel: str = "", ylabel: str = "", log: bool = False, **options: Any
) -> Figure:
    """Visual predictive check: observed percentiles over the band predicted for each; the share below quantification.

    Parameters
    ----------
    given
        Result of `calibrate`, or of `vpc`.
    xlabel, ylabel
        Names of the axes; by default time and the output with the units that the tree has.
    log
        Whether the measurements stand on a logarithmic axis.
    **options
        What `vpc` takes, when `given` is a tree.
    """
    bands = vpc(given, **options) if isinstance(given, xr.DataTree) else given
    hidden = "blq_observed" in bands
    count = bands.sizes["stratum"]
    wide = min(count, 3)
    blocks = -(-count // wide)
    heights = [2.6, 1.0] * blocks if hidden else [2.6] * blocks
    size = (max(6.6, 3.1 * wide) if wide > 1 else 6.6, sum(heights) * (1.35 if wide == 1 else 1.1) + 0.5)
    figure, axes = canvas(size, len(heights), wide, height_ratios=heights, sharex="all", sharey="row")
    for spare in axes.flat:
        spare.set_visible(False)
    for i in range(count):
        block, column = divmod(i, wide)
        rows = (2 * block, 2 * block + 1) if hidden else (block,)
        own = [axes[row, column] for row in rows]
        for axis in own:
            axis.set_visible(True)
        _stratum(own, bands.isel(stratum=i), i, bands, log=log)
        own[-1].set_xlabel(xlabel or str(bands.attrs["time_axis"]))
        own[0].set_ylabel(_ylabel(ylabel, bands) if column == 0 else "")
        if hidden and column == 0:
            own[1].set_ylabel("share\nbelow LLOQ")
    key(figure, _vpc_key(bands, hidden))
    return figure


def _ylabel(ylabel: str, bands: xr.Dataset) -> str:
    name = ylabel or str(bands.attrs["axis"])
    return f"prediction-corrected {name}" if bands.attrs["corrected"] else name


def _vpc_key(bands: xr.Dataset, hidden: bool) -> str:
    q = [f"{100 * v:g}" for v in bands["quantile"].values]
    level = f"{100 * bands.attrs['level']:g} %"
    words = f"○ observed   lines: observed percentiles ({', '.join(q)} %)   bands: {level} predictive interval of each"
    return words + ("\nbelow: share under the limit of quantification, observed (line) and predicted" if hidden else "")


def _stratum(axes: list[Axes], band: xr.Dataset, number: int, bands: xr.Dataset, *, log: bool) -> None:
    band = band.isel(bin=np.flatnonzero(np.isfinite(band["time"].values)))
    if bands.sizes["stratum"] > 1:
        axes[0].set_title(str(band["stratum"].values))
    mine = bands["point_stratum"].values == number
    for q in bands["quantile"].values:
        _percentile(axes[0], band.sel(quantile=q), middle=bool(q == 0.5))
    axes[0].plot(bands["point_time"].values[mine], bands["point"].values[mine], **POINT, zorder=2.2)
    if log:
        axes[0].set_yscale("log")
    else:
        axes[0].set_ylim(bottom=min(0.0, float(np.nanmin(band["lower"])), float(np.nanmin(bands["point"]))))
    if len(axes) > 1:
        time = band["time"]
        axes[1].fill_between(time, band["blq_lower"], band["blq_upper"], color=BLUE, alpha=0.28)
        axes[1].plot(time, band["blq_observed"], color=INK, lw=1.2, marker=".", ms=4)
        axes[1].set_ylim(-0.02, 1.02)


def _percentile(axes: Axes, band: xr.Dataset, *, middle: bool) -> None:
    axes.fill_between(
        band["time"], band["lower"], band["upper"], color=BLUE if middle else PALETTE[5], alpha=0.28, zorder=2
    )
    style: dict[str, Any] = {"lw": 1.3} if middle else {"lw": 1.0, "ls": DASHES}
    axes.plot(band["time"], band["observed"], color=INK, marker=".", ms=3.5, zorder=2.5, **style)


@styled
def plot_ppc(given: xr.DataTree | xr.Dataset, **options: Any) -> Figure:
    """Test statistics of the data (orange) among those of replicated data (blue), with the share of larger ones.

    Parameters
    ----------
    given
        Result of `calibrate`, or of `ppc`.
    **options
        What `ppc` takes, when `given` is a tree.
    """
    check = ppc(given, **options) if isinstance(given, xr.DataTree) else given
    figure, axes = panels(check.sizes["statistic"], columns=4, size=(1.75, 1.6))
    for axis, name in zip(axes, check["statistic"].values, strict=True):
        own = check.sel(statistic=name)
        values = own["replicated"].values
        low, high = np.quantile(values, [0.005, 0.995])
        inside = values[(values >= low) & (values <= high)]
        axis.hist(inside, bins=24, color=BLUE, alpha=0.4)
        axis.axvline(float(own["observed"]), color=ORANGE, lw=1.6)
        axis.set(yticks=[])
        axis.grid(visible=False)
        axis.spines["left"].set_visible(False)
        axis.locator_params(axis="x", nbins=4)
        axis.set_title(f"{name}   p = {float(own['p']):.2f}", fontsize=8)
    words = {
        "prior_predictive": "the prior",
        "posterior_predictive": "the same people",
        "predictive_check": "new people",
    }
    source = words.get(str(check.attrs["group"]), str(check.attrs["group"]))
    key(
        figure,
        f"{check.attrs['axis']}   orange: data   blue: replicated data of {source}   p: share of larger replicates",
    )
    return figure
