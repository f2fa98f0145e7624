"""How every figure looks, which is how those of cohorts look: `cohorts.figures.style` has the colours and the rc table.

Figures are plain `matplotlib.figure.Figure` objects: no pyplot, no global state, no display needed. Two drawings of the
same numbers give the same bytes (fixed SVG salt, no dates).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cohorts.figures.style import GRID, INK, MUTED, PALETTE, RC, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BAND",
    "EDGE",
    "GRID",
    "INK",
    "LIMIT",
    "MUTED",
    "PALETTE",
    "RC",
    "SIMULATED",
    "canvas",
    "colour",
    "label_ends",
    "note",
    "save",
    "styled",
]

BAND = "#e8f3ee"
EDGE = "#3c7d5d"
LIMIT = 1.96  # half-width of a Monte Carlo band in standard errors
SIMULATED = "Simulated data: virtual subjects"


def canvas(
    size: tuple[float, float],
    rows: int = 1,
    columns: int = 1,
    *,
    share: str = "",
    width_ratios: Sequence[float] | None = None,
    height_ratios: Sequence[float] | None = None,
) -> tuple[Figure, np.ndarray]:
    """Empty figure of `size` inches with a (rows, columns) array of axes that `share` "x", "y", both or neither."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex="x" in share, sharey="y" in share,
                           width_ratios=width_ratios, height_ratios=height_ratios)  # fmt: skip
    return figure, axes


def colour(index: int) -> str:
    """Palette colour of the `index`-th series (arm, analysis, chain); repeats after the last."""
    return PALETTE[index % len(PALETTE)]


def note(figure: Figure, text: str = SIMULATED) -> None:
    """Write `text` in small grey letters under the figure."""
    figure.supxlabel(text, x=0.995, ha="right", fontsize=6.8, color=MUTED, linespacing=1.5)


def label_ends(axes: Axes, labels: Sequence[tuple[float, float, str, str]], *, gap: float = 0.06) -> None:
    """Name curves at their ends: rows of (x, y, text, colour), pushed apart to `gap` of the axis height."""
    low, high = axes.get_ylim()
    rows = sorted(labels, key=lambda row: row[1])
    heights: list[float] = []
    for row in rows:
        heights.append(max(row[1], heights[-1] + gap * (high - low)) if heights else row[1])
    for height, (x, _, text, paint) in zip(heights, rows, strict=True):
        axes.annotate(text, (x, height), (4, 0), textcoords="offset points", color=paint, va="center",
                      fontweight="bold", fontsize=8, annotation_clip=False)  # fmt: skip


@styled
def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write `figure` as `folder/name.svg` and `folder/name.png`; the same figure gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    vector, raster = folder / f"{name}.svg", folder / f"{name}.png"
    figure.savefig(vector, format="svg", metadata={"Date": None, "Creator": None})
    figure.savefig(raster, format="png", metadata={"Software": None})
    return vector, raster
