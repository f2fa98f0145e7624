"""Times to an event drawn: the curve of the data over what is predicted for new people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

from cohorts.figures.style import BLUE, INK, key, panels, styled
from cohorts.judgement.events import kaplan_meier_check

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def plot_kaplan_meier(given: xr.DataTree | xr.Dataset, *, xlabel: str = "", **options: Any) -> Figure:
    """Share of people without an event: Kaplan-Meier curve of the data over the band predicted for new people.

    Parameters
    ----------
    given
        Result of `event_check`, or of `kaplan_meier_check`.
    xlabel
        Name of time; by default with the unit that the tree has.
    **options
        What `kaplan_meier_check` takes, when `given` is a tree.
    """
    check = kaplan_meier_check(given, **options) if isinstance(given, xr.DataTree) else given
    figure, axes = panels(check.sizes["stratum"], columns=3, size=(3.2, 2.5), sharex=True, sharey=True)
    for axis, name in zip(axes, check["stratum"].values, strict=True):
        own = check.sel(stratum=name)
        axis.fill_between(own["time"], own["lower"], own["upper"], color=BLUE, alpha=0.28, step="post")
        axis.step(own["time"], own["median"], where="post", color=BLUE, lw=1.0)
        axis.step(own["time"], own["observed"], where="post", color=INK, lw=1.5)
        axis.set(ylim=(-0.02, 1.02), xlabel=xlabel or str(check.attrs["time_axis"]))
        if check.sizes["stratum"] > 1:
            axis.set_title(str(name))
    shown = str(check.attrs["output"]).replace("_", " ")
    axes[0].set_ylabel(f"share without {shown}")
    level = f"{100 * check.attrs['level']:g} %"
    key(figure, f"black: data (Kaplan-Meier)   blue: {level} interval and median of new people")
    return figure
