"""Operating characteristics of every scenario and analysis, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trials.figures.style import INK, LIMIT, canvas, colour, note, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the forest: where it stands and, by characteristic, its value and Monte Carlo standard error."""

    scenario: str
    analysis: str
    values: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Column:
    """One panel: the characteristic it shows, its title and the nominal value to mark."""

    name: str
    title: str
    nominal: float | None = None
    limits: tuple[float, float] | None = None


@styled
def forest(rows: Sequence[Row], columns: Sequence[Column]) -> Figure:
    """Every scenario and analysis by characteristic: dots with 95 % Monte Carlo bars; a missing one stays empty."""
    groups = len({row.scenario for row in rows})
    size = (2.2 + 1.75 * len(columns), 0.8 + 0.21 * (len(rows) + groups))
    figure, axes = canvas(size, 1, len(columns), share="y")
    heights = _heights(rows)
    analyses = dict.fromkeys(row.analysis for row in rows)
    paints = {analysis: colour(index) for index, analysis in enumerate(analyses)}
    for panel, column in zip(axes[0], columns, strict=True):
        _panel(panel, rows, heights, column, paints)
    _names(axes[0, 0], rows, heights, paints)
    note(figure, "dots and bars: estimate, 95 % Monte Carlo interval   dashes: nominal   simulated, virtual subjects")
    return figure


def _heights(rows: Sequence[Row]) -> list[float]:
    heights: list[float] = []
    for index, row in enumerate(rows):
        new = index > 0 and row.scenario != rows[index - 1].scenario
        heights.append((heights[-1] - (2.0 if new else 1.0)) if heights else 0.0)
    return heights


def _panel(
    axes: Axes, rows: Sequence[Row], heights: Sequence[float], column: Column, paints: Mapping[str, str]
) -> None:
    for row, height in zip(rows, heights, strict=True):
        if column.name in row.values:
            value, mcse = row.values[column.name]
            axes.errorbar(value, height, xerr=LIMIT * mcse, fmt="o", ms=4.5, color=paints[row.analysis],
                          elinewidth=1.2, capsize=2)  # fmt: skip
    axes.set_title(column.title)
    if column.nominal is not None:
        axes.axvline(column.nominal, color=INK, lw=0.8, ls=(0, (4, 3)), zorder=1)
    if column.limits is not None:
        axes.set_xlim(*column.limits)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    axes.locator_params(axis="x", nbins=4)


def _names(axes: Axes, rows: Sequence[Row], heights: Sequence[float], paints: Mapping[str, str]) -> None:
    axes.set_yticks(heights, [row.analysis for row in rows])
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(paints[row.analysis])
    first = {row.scenario: height for row, height in zip(reversed(rows), reversed(heights), strict=True)}
    for scenario, height in first.items():
        axes.annotate(scenario, (0, height + 0.8), (-4, 0), xycoords=("axes fraction", "data"), ha="right",
                      textcoords="offset points", va="center", fontsize=8, fontweight="bold", color=INK)  # fmt: skip
    axes.set_ylim(heights[-1] - 0.7, 1.4)
