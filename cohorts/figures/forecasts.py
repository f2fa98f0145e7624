"""What a twin foretells, drawn over what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from cohorts.errors import PopulationError
from cohorts.figures.style import BLUE, DASHES, GREEN, INK, MUTED, ORANGE, canvas, key, styled
from cohorts.judgement.seen import labelled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cohorts.twins.patient import Twin
    from cohorts.twins.records import PatientRecord

POINTS = 240
"""Times on the way of a forecast, where none are given."""
BEYOND = 0.5
"""How far a forecast goes past what is known, as a share of that, where no times are given."""


@styled
def plot_forecast(
    given: Twin | xr.Dataset,
    times: ArrayLike | None = None,
    doses: Any = None,
    *,
    record: PatientRecord | None = None,
    target: tuple[float, float] | Mapping[str, tuple[float, float]] | None = None,
    log: bool = False,
    **options: Any,
) -> Figure:
    """What a patient's values were and will be: median and intervals, measurements, doses, and a range to be met.

    Parameters
    ----------
    given
        A twin; or what its `forecast` gave.
    times, doses
        As `Twin.forecast` takes them, when `given` is a twin. By default from 0 to half as far again as the record
        goes.
    record
        The patient's record, when `given` is a forecast; its measurements and doses are drawn.
    target
        Limits of the only output, or of some by name; they are shaded.
    log
        Whether the values stand on logarithmic axes.
    **options
        What `Twin.forecast` takes besides, when `given` is a twin.

    Raises
    ------
    PopulationError
        If a forecast is of several patients, or the target is of an output that is not drawn.
    """
    found, seen = _found(given, times, doses, record, options)
    names = [str(n) for n in found["output"].values]
    limits = target if isinstance(target, Mapping) else {} if target is None else {names[0]: target}
    if odd := sorted(set(limits) - set(names)) or (len(names) > 1 and not isinstance(target, Mapping | None)):
        raise PopulationError(f"target: got {odd if odd is not True else target!r}, wanted limits by name, of {names}")
    figure, axes = canvas((6.6, 2.5 * len(names) + 0.5), len(names), 1, sharex="all")
    for axis, name in zip(axes[:, 0], names, strict=True):
        _output(axis, found.sel(output=name), log=log)
        if seen is not None:
            _measured(axis, seen, name, alone=len(names) == 1)
        if name in limits:
            axis.axhspan(*limits[name], color=GREEN, alpha=0.12, zorder=0)
        axis.set_ylabel(labelled(name, str(found["units"].sel(output=name).item()) if "units" in found.coords else ""))
    if seen is not None:
        _doses(axes[-1, 0], [*seen.doses["time"], *_times(doses)])
    axes[-1, 0].set_xlabel(labelled("time", str(found["time"].attrs.get("units", ""))))
    level = f"{100 * found.attrs['level']:g} %"
    words = f"line: median   dark: {level} interval of the true value   light: of a measurement"
    words += (
        ""
        if seen is None
        else "\n● measured   ○ below the limit of quantification   ▲ dose   dashes: end of the record"
    )
    key(figure, words + ("   green: target" if limits else ""))
    return figure


def _found(
    given: Twin | xr.Dataset, times: ArrayLike | None, doses: Any, record: PatientRecord | None, options: dict[str, Any]
) -> tuple[xr.Dataset, PatientRecord | None]:
    if isinstance(given, xr.Dataset):
        if "subject" in given.dims or "time" not in given.coords:
            raise PopulationError("forecast: got several patients, wanted one, such as forecast.isel(subject=0)")
        return given, record
    end = max([given.record.end, *_times(doses)])
    when = np.linspace(0.0, (1.0 + BEYOND) * (end or 1.0), POINTS) if times is None else times
    return given.forecast(when, doses, **options), given.record


def _times(doses: Any) -> list[float]:
    """Times of the doses to come, additional ones written out."""
    if doses is None:
        return []
    from cohorts.twins.records import PatientRecord

    given = PatientRecord(None, doses, {}).doses
    each = zip(given["time"], given["addl"], given["ii"], strict=True)
    return [float(t + i * step) for t, more, step in each for i in range(int(more) + 1)]


def _output(axis: Axes, band: xr.Dataset, *, log: bool) -> None:
    time = band["time"].values
    if "measured_lower" in band and np.isfinite(band["measured_lower"].values).any():
        axis.fill_between(time, band["measured_lower"], band["measured_upper"], color=BLUE, alpha=0.14, lw=0)
    axis.fill_between(time, band["lower"], band["upper"], color=BLUE, alpha=0.3, lw=0)
    axis.plot(time, band["median"], color=BLUE, lw=1.5)
    if log:
        axis.set_yscale("log")
    else:
        axis.set_ylim(bottom=min(0.0, float(band["lower"].min())))


def _measured(axis: Axes, record: PatientRecord, output: str, *, alone: bool) -> None:
    seen = record.observations
    mine = (seen["output"] == output) | (alone & (seen["output"] == ""))
    for below, fill in ((False, ORANGE), (True, "none")):
        rows = mine & (seen["blq"] == below)
        value = np.where(seen["blq"], seen["lloq"], seen["dv"])[rows]
        axis.plot(seen["time"][rows], value, ls="none", marker="o", ms=4.5, mfc=fill, mec=ORANGE, zorder=3)
    if len(seen["time"]):
        axis.axvline(float(seen["time"].max()), color=MUTED, lw=0.8, ls=DASHES)


def _doses(axis: Axes, times: list[float]) -> None:
    """Marks at the foot of the axis."""
    foot = axis.get_xaxis_transform()
    axis.plot(times, np.full(len(times), 0.02), ls="none", marker="^", ms=4, color=INK, transform=foot, clip_on=False)
