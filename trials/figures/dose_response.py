"""Response against dose: fitted curves with their band over simulated trials, beside the truth and one trial's data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trials.figures.style import INK, LIMIT, canvas, colour, note, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class DoseResponse:
    """What a panel shows.

    Attributes
    ----------
    scenario
        Its name.
    dose
        Doses along the curves (point,).
    middle, lower, upper
        Mean and central 95 % of the curves fitted in all simulated trials (point,).
    example
        The curve of one of them (point,).
    given
        Doses of the arms (arm,).
    mean, error
        Means of the arms in that trial, and their standard errors (arm,).
    truth
        True means of the arms (arm,), NaN where there is none.
    """

    scenario: str
    dose: NDArray[np.float64]
    middle: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    example: NDArray[np.float64]
    given: NDArray[np.float64]
    mean: NDArray[np.float64]
    error: NDArray[np.float64]
    truth: NDArray[np.float64]


@styled
def dose_response(panels: Sequence[DoseResponse], *, labels: tuple[str, str]) -> Figure:
    """Estimated dose-response curves, one panel a scenario; ``labels`` are those of the axes."""
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure, axes = canvas((1.0 + 2.7 * max(columns, 1.5), 0.9 + 2.5 * rows), rows, columns, share="xy")
    for place, panel in zip(axes.flat, panels, strict=False):
        _panel(place, panel)
    for place in axes.flat[len(panels) :]:
        place.set_axis_off()
    for place in axes.flat[max(len(panels) - columns, 0) : len(panels)]:
        place.set_xlabel(labels[0])
        place.tick_params(labelbottom=True)
    for place in axes[:, 0]:
        place.set_ylabel(labels[1])
    words = "line, band: mean and central 95 % of the fitted curves   ◆ truth"
    note(figure, f"{words}\ndashes, ○: curve and means of one trial, 95 % intervals   simulated, virtual subjects")
    return figure


def _panel(axes: Axes, panel: DoseResponse) -> None:
    paint = colour(0)
    axes.fill_between(panel.dose, panel.lower, panel.upper, color=paint, alpha=0.2, lw=0, zorder=1)
    axes.plot(panel.dose, panel.middle, color=paint, lw=2, zorder=3)
    axes.plot(panel.dose, panel.example, color=INK, lw=1, ls=(0, (4, 2)), zorder=4)
    axes.errorbar(panel.given, panel.mean, LIMIT * panel.error, fmt="o", ms=5, mfc="white", color=INK, capsize=2.5,
                  elinewidth=1, zorder=5)  # fmt: skip
    axes.plot(panel.given, panel.truth, "D", ms=5, color=colour(1), mec="white", mew=0.7, zorder=6)
    axes.set_title(panel.scenario.replace("_", " "))
