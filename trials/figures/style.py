"""How every figure looks: one rc table, a colour-blind-safe palette, and deterministic files.

Figures are plain `matplotlib.figure.Figure` objects: no pyplot, no global state, no display needed. Two drawings of the
same numbers give the same bytes (fixed SVG salt, no dates).
"""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#22272e"
MUTED = "#6b7480"
GRID = "#e4e7eb"
BAND = "#e8f3ee"
EDGE = "#3c7d5d"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe & Ito, the darker ones first
LIMIT = 1.96  # half-width of a Monte Carlo band in standard errors
SIMULATED = "Simulated data: virtual subjects"

RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.color": INK,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 8.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.xmargin": 0.02,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.4,
    "lines.solid_capstyle": "round",
    "patch.linewidth": 0,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.handlelength": 1.6,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "trialtwin",
}


def styled[**P, R](draw: Callable[P, R]) -> Callable[P, R]:
    """Run `draw` under this style and leave matplotlib's own settings as they were."""

    @wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(RC):
            return draw(*args, **kwargs)

    return wrapped


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
