"""Visual predictive check: what was observed over what the fitted model predicts for new people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials.figures.style import INK, MUTED, canvas, colour, label_ends, styled

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


@styled
def predictive_check(
    bands: xr.Dataset, time: NDArray[np.float64], observed: NDArray[np.float64], *, labels: tuple[str, str]
) -> Figure:
    """Observed points and their percentiles over the interval predicted for each percentile.

    Parameters
    ----------
    bands
        As `cohorts.predictive_check` gives: ``observed``, ``lower``, ``upper`` (bin, quantile), ``time`` (bin).
    time, observed
        Every observation.
    labels
        Names of the axes, with units.
    """
    figure, ((axes,),) = canvas((6.6, 3.9))
    for quantile in bands["quantile"].values:
        _percentile(axes, bands.sel(quantile=quantile), middle=bool(quantile == 0.5))
    axes.plot(time, observed, "o", ms=3.2, mfc="none", mec=MUTED, mew=0.7, zorder=3)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.set_ylim(bottom=min(0.0, float(bands["lower"].min())))
    last = bands.isel(bin=-1)
    ends = zip(last["observed"].values, bands["quantile"].values, strict=True)
    label_ends(axes, [(float(time.max()), float(y), _words(float(q)), INK) for y, q in ends])
    level = f"{100 * bands.attrs['level']:.0f} % predictive interval"
    key = f"○ observed   lines: observed percentiles\nbands: {level} of each percentile"
    axes.text(0.98, 0.97, key, transform=axes.transAxes, ha="right", va="top", fontsize=7.5, color=MUTED)
    return figure


def _percentile(axes: Axes, band: xr.Dataset, *, middle: bool) -> None:
    axes.fill_between(band["time"], band["lower"], band["upper"], color=colour(0 if middle else 5), alpha=0.28)
    style = {"lw": 1.3} if middle else {"lw": 1.0, "ls": (0, (4, 2))}
    axes.plot(band["time"], band["observed"], color=INK, **style)


def _words(quantile: float) -> str:
    return "median" if quantile == 0.5 else f"{100 * quantile:.0f} %"
