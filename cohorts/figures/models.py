"""Models compared and their priors questioned, drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from cohorts.figures.style import BLUE, DASHES, INK, MUTED, ORANGE, POINT, canvas, key, panels, shown, styled
from cohorts.judgement.information import compare, loo
from cohorts.judgement.power_scaling import prior_sensitivity

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMED = 5
"""Most points that are named in a picture."""


@styled
def plot_loo(given: xr.DataTree | xr.Dataset, **options: Any) -> Figure:
    """Leave-one-out cross-validation: the contribution of each observation or person, and how far to trust it.

    Parameters
    ----------
    given
        Result of `calibrate`, or of `loo`.
    **options
        What `loo` takes, when `given` is a tree.
    """
    table = loo(given, **options) if isinstance(given, xr.DataTree) else given
    by, good = str(table.attrs["by"]), float(table.attrs["good_k"])
    figure, axes = canvas((6.6, 4.4), 2, 1, sharex="all")
    place, k, elpd = np.arange(table.sizes[by]), table["pareto_k"].values, table["elpd"].values
    bad = k > good
    for axis, values in ((axes[0, 0], k), (axes[1, 0], elpd)):
        axis.plot(place[~bad], values[~bad], **POINT)
        axis.plot(place[bad], values[bad], **{**POINT, "mec": ORANGE, "mfc": ORANGE})
    names = table[by].values if by in table.coords else place
    for i in np.argsort(-k)[: min(NAMED, int(bad.sum()))]:
        axes[0, 0].annotate(
            str(names[i]), (place[i], k[i]), (4, 2), textcoords="offset points", fontsize=7, color=ORANGE
        )
    axes[0, 0].axhline(good, color=INK, lw=0.9, ls=DASHES)
    axes[0, 0].set(ylabel="Pareto k", ylim=(min(0.0, float(k.min()) - 0.05), max(1.0, float(k.max()) + 0.1)))
    axes[1, 0].set(ylabel=f"elpd of each {by}", xlabel=f"{by}, in the order of the data")
    a = table.attrs
    key(
        figure,
        f"elpd {a['elpd']:.1f} (SE {a['se']:.1f})   effective parameters {a['p']:.1f}\n"
        f"orange: k above {good:.2f}, estimate unreliable ({a['unreliable']} of {len(k)})",
    )
    return figure


@styled
def plot_compare(given: Mapping[str, xr.DataTree] | xr.Dataset, **options: Any) -> Figure:
    """Models of the same data: expected log predictive density, and the difference from the best.

    Parameters
    ----------
    given
        Results of `calibrate` by name, or the result of `compare`.
    **options
        What `compare` takes, when `given` are trees.
    """
    table = given if isinstance(given, xr.Dataset) else compare(given, **options)
    names = [str(n) for n in table["model"].values]
    figure, (axis,) = panels(1, columns=1, size=(6.2, 0.45 * len(names) + 0.7))
    places = np.arange(len(names))[::-1]
    axis.errorbar(
        table["elpd"] - table["elpd"][0],
        places + 0.12,
        xerr=table["se"],
        fmt="o",
        color=BLUE,
        ms=5,
        lw=1.2,
        label="elpd, ± SE",
    )
    later = slice(1, None)
    axis.errorbar(
        table["difference"][later],
        places[later] - 0.12,
        xerr=table["difference_se"][later],
        fmt="^",
        color=ORANGE,
        ms=5,
        lw=1.2,
        label="difference, ± SE",
    )
    axis.axvline(0.0, color=MUTED, lw=0.9, ls=DASHES)
    axis.set(yticks=places, yticklabels=names, xlabel="expected log predictive density, less that of the best model")
    axis.set_ylim(-0.6, len(names) - 0.4)
    axis.grid(visible=False, axis="y")
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    weights = "   ".join(f"{n} {float(w):.2f}" for n, w in zip(names, table["weight"].values, strict=True))
    key(figure, f"left out: one {table.attrs['by']} at a time   stacking weights: {weights}")
    return figure


@styled
def plot_prior_sensitivity(given: xr.DataTree | xr.Dataset, **options: Any) -> Figure:
    """Sensitivity of each value to power scaling of prior and likelihood, with one Monte Carlo standard error.

    Parameters
    ----------
    given
        Result of `calibrate`, or of `prior_sensitivity`.
    **options
        What `prior_sensitivity` takes, when `given` is a tree.
    """
    table = prior_sensitivity(given, **options) if isinstance(given, xr.DataTree) else given
    names = [shown(str(n)) for n in table["parameter"].values]
    figure, (axis,) = panels(1, columns=1, size=(6.2, 0.34 * len(names) + 0.7))
    places = np.arange(len(names))[::-1]
    for which, paint, mark, shift in (("prior", ORANGE, "o", 0.1), ("likelihood", BLUE, "s", -0.1)):
        axis.errorbar(
            table[which],
            places + shift,
            xerr=table[f"{which}_mcse"],
            fmt=mark,
            color=paint,
            ms=4.5,
            lw=1.1,
            label=which,
        )
    axis.axvline(table.attrs["threshold"], color=INK, lw=0.9, ls=DASHES)
    for place, words in zip(places, table["diagnosis"].values, strict=True):
        if words:
            axis.annotate(str(words), (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=7.5)
    axis.set(yticks=places, yticklabels=names, xlabel="sensitivity to power scaling", ylim=(-0.6, len(names) - 0.4))
    axis.set_xlim(left=0.0)
    axis.grid(visible=False, axis="y")
    axis.legend(loc="lower right")
    key(figure, f"dashes: {table.attrs['threshold']:g}, above which the posterior responds   bars: ± 1 Monte Carlo SE")
    return figure
