"""Goodness of fit drawn: predictions, residuals, prediction errors, random effects and their shrinkage."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import special, stats

from cohorts.errors import PopulationError
from cohorts.figures.style import BLUE, DASHES, GRID, INK, ORANGE, POINT, canvas, key, panels, smooth, styled
from cohorts.judgement.decorrelation import npde
from cohorts.judgement.goodness import gof, shrinkage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Column = NDArray[np.float64]


@styled
def plot_gof(
    given: xr.DataTree | xr.Dataset, *, xlabel: str = "", ylabel: str = "", log: bool = False, **options: Any
) -> Figure:
    """Goodness of fit: measurements over predictions; weighted residuals over prediction and time.

    Parameters
    ----------
    given
        Result of `calibrate`, or of `gof`.
    xlabel, ylabel
        Names of time and of the output; by default with the units that the tree has.
    log
        Whether measurements and predictions stand on logarithmic axes.
    **options
        What `gof` takes, when `given` is a tree.
    """
    table = gof(given, **options) if isinstance(given, xr.DataTree) else given
    name, clock = ylabel or str(table.attrs["axis"]), xlabel or str(table.attrs["time_axis"])
    if np.isnan(table["iwres"].values).all():
        raise PopulationError(f"{table.attrs['output']}: no measurement on a scale, it has no residuals; see plot_ppc")
    figure, axes = canvas((7.2, 4.9), 2, 3)
    seen = ~table["censored"].values
    dv, pred, ipred, time = (table[n].values[seen] for n in ("dv", "pred", "ipred", "time"))
    for axis, predicted, words in (
        (axes[0, 0], pred, "typical prediction (PRED)"),
        (axes[0, 1], ipred, "individual prediction (IPRED)"),
    ):
        _identity(axis, predicted, dv, log=log)
        axis.set(xlabel=words, ylabel=name)
    iwres, cwres = table["iwres"].values[seen], table["cwres"].values[seen]
    rows = (
        (axes[0, 2], ipred, np.abs(iwres), "individual prediction (IPRED)", "|IWRES|", log),
        (axes[1, 0], time, iwres, clock, "IWRES", False),
        (axes[1, 1], time, cwres, clock, "CWRES", False),
        (axes[1, 2], pred, cwres, "typical prediction (PRED)", "CWRES", log),
    )
    for axis, x, y, across, up, logged in rows:
        _residuals(axis, x, y, log=logged, centred=up[0] != "|")
        axis.set(xlabel=across, ylabel=up)
    key(figure, "○ observation   orange: trend (local lines)   grey: identity, or zero; shaded: ±1.96")
    return figure


def _identity(axis: Axes, x: Column, y: Column, *, log: bool) -> None:
    axis.plot(x, y, **POINT)
    whole = np.concatenate([x, y])
    whole = whole[whole > 0.0] if log else whole
    low, high = float(whole.min()), float(whole.max())
    axis.plot([low, high], [low, high], color=INK, lw=0.9)
    if log:
        axis.set(xscale="log", yscale="log")
    _trend(axis, x, y, log=log, both=log)


def _residuals(axis: Axes, x: Column, y: Column, *, log: bool, centred: bool) -> None:
    if centred:
        axis.axhspan(-1.96, 1.96, color=GRID, alpha=0.6, zorder=0)
        axis.axhline(0.0, color=INK, lw=0.9)
        reach = 1.08 * max(3.0, float(np.nanmax(np.abs(y))))
        axis.set_ylim(-reach, reach)
    axis.plot(x, y, **POINT)
    if log:
        axis.set_xscale("log")
    _trend(axis, x, y, log=log)


def _trend(axis: Axes, x: Column, y: Column, *, log: bool = False, both: bool = False) -> None:
    """Trend over x, on the scale of the axes: x logarithmic, or both."""
    use = ((x > 0.0) | (not log)) & ((y > 0.0) | (not both))
    at, line = smooth(np.log(x[use]) if log else x[use], np.log(y[use]) if both else y[use])
    axis.plot(np.exp(at) if log else at, np.exp(line) if both else line, color=ORANGE, lw=1.5)


@styled
def plot_npde(given: xr.DataTree | xr.Dataset, *, xlabel: str = "", **options: Any) -> Figure:
    """Normalised prediction distribution errors: quantiles, histogram, and the errors over time and prediction.

    Parameters
    ----------
    given
        Result of `calibrate`, or of `npde`.
    xlabel
        Name of time; by default with the unit that the tree has.
    **options
        What `npde` takes, when `given` is a tree.
    """
    table = npde(given, **options) if isinstance(given, xr.DataTree) else given
    errors = table["npde"].values
    figure, axes = canvas((6.8, 5.2), 2, 2)
    _quantiles(axes[0, 0], errors)
    _histogram(axes[0, 1], errors)
    for axis, x, words in (
        (axes[1, 0], table["time"], xlabel or str(table.attrs["time_axis"])),
        (axes[1, 1], table["mean"], f"predicted mean {table.attrs['axis']}"),
    ):
        _residuals(axis, np.asarray(x.values, dtype=np.float64), errors, log=False, centred=True)
        axis.set(xlabel=words, ylabel="npde")
    about = table.attrs
    words = f"mean {about['mean']:.3f} (p = {about['p_mean']:.3f})   variance {about['variance']:.3f} "
    words += (
        f"(p = {about['p_variance']:.3f})   normality p = {about['p_normal']:.3f}   global p = {about['p_global']:.3f}"
    )
    key(figure, f"{words}\n○ observation   orange: trend   shaded: where 95 % should lie")
    return figure


def _quantiles(axis: Axes, errors: Column) -> None:
    """Ordered errors over normal quantiles, with the 95 % limits of each order statistic."""
    n = len(errors)
    order = np.arange(1, n + 1)
    expected = special.ndtri((order - 0.5) / n)
    low, high = (special.ndtri(stats.beta.ppf(q, order, n + 1 - order)) for q in (0.025, 0.975))
    axis.fill_between(expected, low, high, color=BLUE, alpha=0.2)
    axis.plot(expected, expected, color=INK, lw=0.9)
    axis.plot(expected, np.sort(errors), **POINT)
    axis.set(xlabel="standard normal quantile", ylabel="npde")


def _histogram(axis: Axes, errors: Column) -> None:
    bins = np.arange(-4.0, 4.01, 0.5).tolist()
    axis.hist(np.clip(errors, -3.99, 3.99), bins=bins, density=True, color=BLUE, alpha=0.4)
    grid = np.linspace(-4.0, 4.0, 161)
    axis.plot(grid, stats.norm.pdf(grid), color=INK, lw=1.1)
    axis.set(xlabel="npde", ylabel="density")


@styled
def plot_etas(given: xr.DataTree | xr.Dataset, **options: Any) -> Figure:
    """Random effects: their distribution beside the estimated one, and each over every covariate.

    Parameters
    ----------
    given
        Result of `calibrate`, or of `gof`.
    **options
        What `gof` takes, when `given` is a tree.
    """
    table = gof(given, **options) if isinstance(given, xr.DataTree) else given
    effects = [str(e) for e in table["effect"].values]
    covariates = [str(c) for c in np.atleast_1d(table.attrs["covariates"]) if str(c)]
    figure, axes = canvas(
        (1.9 * (1 + len(covariates)) + 0.6, 1.75 * len(effects) + 0.4), len(effects), 1 + len(covariates)
    )
    for row, name in zip(axes, effects, strict=True):
        own = table.sel(effect=name)
        eta, omega = own["eta"].values, float(own["omega"])
        _distribution(row[0], eta, omega)
        row[0].set(xlabel=f"η {name}", ylabel="density")
        for axis, covariate in zip(row[1:], covariates, strict=True):
            _over(axis, table[covariate], eta)
            axis.set_ylabel(f"η {name}")
    key(
        figure,
        "○ conditional mean of a person   blue: their distribution   black: the estimated one   orange: trend, or mean",
    )
    return figure


def _distribution(axis: Axes, eta: Column, omega: float) -> None:
    axis.hist(eta, bins=max(6, min(20, ceil(np.sqrt(len(eta))) + 2)), density=True, color=BLUE, alpha=0.4)
    grid = np.linspace(-3.5 * omega, 3.5 * omega, 121)
    axis.plot(grid, stats.norm.pdf(grid, scale=omega), color=INK, lw=1.1)


def _over(axis: Axes, covariate: xr.DataArray, eta: Column) -> None:
    """Random effects over a covariate: as points with a trend, or side by side for one with levels."""
    values, levels = covariate.values, covariate.attrs.get("levels")
    unit = str(covariate.attrs.get("units", "1"))
    axis.axhline(0.0, color=INK, lw=0.9)
    shown = str(covariate.name).replace("_", " ")
    numeric = np.issubdtype(values.dtype, np.number)
    if levels is not None or not numeric:
        names, codes = np.unique(values, return_inverse=True)
        words = [str(np.atleast_1d(levels)[int(v)]) if levels is not None else str(v) for v in names]
        spread = 0.5 * (np.argsort(np.argsort(eta)) * 0.618034 % 1.0 - 0.5)  # side by side, the same each time
        axis.plot(codes + spread, eta, **POINT)
        for code in range(len(names)):
            axis.plot([code - 0.3, code + 0.3], [eta[codes == code].mean()] * 2, color=ORANGE, lw=1.8)
        axis.set(xticks=range(len(names)), xticklabels=words, xlabel=shown, xlim=(-0.6, len(names) - 0.4))
        return
    axis.plot(values, eta, **POINT)
    at, line = smooth(values.astype(np.float64), eta, 0.9)
    axis.plot(at, line, color=ORANGE, lw=1.5)
    axis.set_xlabel(f"{shown} ({unit})" if unit not in ("", "1") else shown)


@styled
def plot_shrinkage(given: xr.DataTree | xr.Dataset, **options: Any) -> Figure:
    """Shrinkage of each random effect and of the residuals, on the scale of SDs and of variances.

    Parameters
    ----------
    given
        Result of `calibrate`, or of `shrinkage`.
    **options
        What `shrinkage` takes, when `given` is a tree.
    """
    table = shrinkage(given, **options) if isinstance(given, xr.DataTree) else given
    effects = [f"η {e}" for e in table["effect"].values] if "eta_sd" in table else []
    residuals = ["ε"] if np.isfinite(float(table["epsilon_sd"])) else []
    names = [*effects, *residuals]
    parts = [name for name, there in (("eta", effects), ("epsilon", residuals)) if there]
    columns = {
        label: np.concatenate([np.atleast_1d(table[f"{part}_{kind}"].values) for part in parts])
        for label, kind in (("SD", "sd"), ("variance", "variance"))
    }
    figure, (axis,) = panels(1, columns=1, size=(5.0, 0.42 * len(names) + 0.6))
    places = np.arange(len(names))[::-1]
    for (label, values), paint, shift in zip(columns.items(), (BLUE, ORANGE), (0.16, -0.16), strict=True):
        axis.barh(places + shift, 100.0 * np.array(values), height=0.28, color=paint, alpha=0.75, label=label)
        for place, value in zip(places + shift, values, strict=True):
            axis.annotate(
                f"{100 * value:.0f}", (100 * value, place), (3, 0), textcoords="offset points", va="center", fontsize=7
            )
    axis.axvline(30.0, color=INK, lw=0.8, ls=DASHES)
    axis.set(
        yticks=places,
        yticklabels=names,
        xlabel="shrinkage (%)",
        xlim=(min(0.0, 110 * min(min(v) for v in columns.values())), 105.0),
    )
    axis.grid(visible=False, axis="y")
    axis.legend(loc="lower right", title="of the", title_fontsize=7.5)
    key(figure, "dashes: 30 %, above which diagnostics of individual estimates mislead (Savic & Karlsson 2009)")
    return figure
