"""A typical patient under a regimen: one panel an output, the doses marked below."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trials.figures.picture import clock, labelled
from trials.figures.style import MUTED, canvas, colour, note, styled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from engine import Model, Regimen
    from engine.dosing.regimen import Dose

KEY = "simulated, virtual patient"


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """One model output over time: `values` (time,), and its `label` with unit."""

    label: str
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Given:
    """A dose given at `time` over a `length` of time (0 for at once) into a place, with the words that name it."""

    time: float
    length: float
    text: str
    into: str


def typical(
    model: Model,
    given: Sequence[Given],
    times: NDArray[np.float64],
    outputs: Mapping[str, NDArray[np.float64]],
    *,
    title: str,
) -> Figure:
    """Figure of one simulated patient.

    Parameters
    ----------
    model
        Whose outputs are shown, in its order.
    given
        Doses in the model's units (`administered`, `chosen`); those outside of `times` are not shown.
    times, outputs
        Times (time,), and by output the values (time,).
    title
        What stands above.
    """
    shown, unit = clock(times, model.time)
    factor = float(shown[-1] / times[-1]) if times[-1] else 1.0
    within = sorted((d for d in given if times[0] <= d.time <= times[-1]), key=lambda dose: dose.time)
    scaled = [replace(dose, time=dose.time * factor, length=dose.length * factor) for dose in within]
    traces = [Trace(labelled(output.name, output.unit), outputs[output.name]) for output in model.outputs]
    return whatif(shown, traces, scaled, time_label=f"time ({unit})", title=title)


def administered(model: Model, regimen: Regimen) -> list[Given]:
    """Every administration of a regimen."""
    return [given for dose in regimen.doses for given in doses(model, dose)]


def doses(model: Model, dose: Dose) -> Iterator[Given]:
    """Every administration of a dose, in the model's units; an infusion the model itself times is shown as at once."""
    from engine.dosing.regimen import in_units

    state = next(state for state in model.states if state.name == dose.into)
    plain = in_units(dose, state.unit, model.time)
    by_rate = plain.amount / plain.rate if isinstance(plain.rate, float) else 0.0
    length = plain.duration if isinstance(plain.duration, float) else by_rate
    for number in range(plain.times):
        yield Given(plain.at + number * (plain.every or 0.0), length, f"{plain.amount:g} {state.unit}", dose.into)


def chosen(model: Model, into: str, times: NDArray[np.float64], amounts: NDArray[np.float64]) -> list[Given]:
    """The `amounts` (administration,) a policy gave one patient at `times` (administration,)."""
    unit = next(state.unit for state in model.states if state.name == into)
    pairs = zip(times.tolist(), amounts.tolist(), strict=True)
    return [Given(time, 0.0, f"{amount:.3g} {unit}", into) for time, amount in pairs if amount > 0]


@styled
def whatif(
    times: NDArray[np.float64], traces: Sequence[Trace], given: Sequence[Given], *, time_label: str, title: str
) -> Figure:
    """Outputs over time, one panel each; doses are marked on a strip below, named where they change."""
    places = list(dict.fromkeys(dose.into for dose in given))
    heights = [1.0] * len(traces) + [0.13 * max(1, len(places))]
    figure, axes = canvas((6.6, 0.9 + 1.75 * sum(heights)), len(traces) + 1, 1, share="x", height_ratios=heights)
    for index, trace in enumerate(traces):
        axes[index, 0].plot(times, trace.values, color=colour(index), lw=1.5)
        axes[index, 0].set(ylabel=trace.label)
    axes[0, 0].set_title(title)
    for row, place in enumerate(places):
        _doses(axes[-1, 0], [dose for dose in given if dose.into == place], row)
    _strip(axes[-1, 0], places)
    axes[-1, 0].set(xlabel=time_label, xlim=(float(times[0]), float(times[-1])))
    note(figure, KEY)
    return figure


def _doses(axes: Axes, given: Sequence[Given], row: int) -> None:
    """Mark doses into one place: a triangle at once, a bar over time, named where the amount changes."""
    for dose, last in zip(given, (None, *given[:-1]), strict=True):
        if dose.length:
            axes.plot([dose.time, dose.time + dose.length], [row, row], color=MUTED, lw=4, solid_capstyle="butt")
        else:
            axes.plot(dose.time, row, "^", ms=4.5, color=MUTED, clip_on=False)
        if last is None or dose.text != last.text:
            axes.annotate(dose.text, (dose.time, row), (-2, 4), textcoords="offset points", fontsize=7, color=MUTED)


def _strip(axes: Axes, places: Sequence[str]) -> None:
    axes.set_yticks(range(len(places)), list(places))
    axes.set_ylim(len(places) - 0.6, -1.0)
    axes.tick_params(axis="y", length=0, labelcolor=MUTED)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
