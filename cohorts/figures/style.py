"""How every figure of this package looks: plain `matplotlib.figure.Figure` objects, no pyplot, no global state.

Colours are those of Okabe & Ito, which colour-blind readers tell apart. The same numbers give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#22272e", "#6b7480", "#e4e7eb"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
BLUE, ORANGE, GREEN = PALETTE[:3]
DASHES = (0, (4, 2))
POINT: dict[str, Any] = {"ls": "none", "marker": "o", "ms": 3.2, "mfc": "none", "mec": MUTED, "mew": 0.7}

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
    """Run `draw` under this style and leave matplotlib's own settings as they were.

    A picture of an approximate posterior, or of what was made of one, says so.
    """

    @wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(RC):
            made = draw(*args, **kwargs)
            title = getattr(made, "suptitle", None)
            if title and (name := _approximation(args[0] if args else None)):
                title(f"approximate posterior ({name})", x=0.99, ha="right", fontsize=7.5, color=ORANGE)
            return made

    return wrapped


def _approximation(given: Any) -> str:
    """By what method the posterior is an approximation that a picture is made of; empty if it is none."""
    parts = list(given.values()) if isinstance(given, dict) else [given]
    names = {str(getattr(one, "attrs", {}).get("approximation", "")) for one in parts} - {""}
    return ", ".join(sorted(names))


def canvas(size: tuple[float, float], rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """Empty figure of `size` inches with a (rows, columns) array of axes; `options` as `Figure.subplots` has them."""
    from cohorts.figures.picture import Picture

    figure = Picture(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def panels(count: int, *, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, list[Axes]]:
    """Figure with `count` axes of `size` inches each, at most `columns` a row."""
    columns = min(columns, count)
    rows = ceil(count / columns)
    figure, axes = canvas((size[0] * columns + 0.2, size[1] * rows + 0.3), rows, columns, **options)
    for spare in axes.flat[count:]:
        spare.set_axis_off()
    return figure, list(axes.flat[:count])


def key(figure: Figure, text: str) -> None:
    """Say in small grey letters under the figure what its marks are."""
    figure.supxlabel(text, fontsize=7, color=MUTED, linespacing=1.5)


def shown(name: str) -> str:
    """A population-level name as a picture has it: `omega_ka` is ω ka, `ka_pop` is ka."""
    for prefix, letter in LETTERS.items():
        if name.startswith(prefix):
            return f"{letter} {name.removeprefix(prefix).replace('_', ' ')}"
    return name.removesuffix("_pop").replace("_", " ")


LETTERS = {
    "omega_": "ω",
    "gamma_": "γ",
    "tau_": "τ",
    "beta_": "β",
    "rho_": "ρ",
    "sigma_additive_": "σ add.",
    "sigma_proportional_": "σ prop.",
    "sigma_lognormal_": "σ log",
    "sigma_": "σ",
    "nu_": "ν",
}


def smooth(x: NDArray[np.float64], y: NDArray[np.float64], share: float = 0.7) -> Sequence[NDArray[np.float64]]:
    """Trend of y over x: local straight lines with tricube weights on the nearest `share` of the points.

    Cleveland 1979, doi:10.1080/01621459.1979.10481038, without its robustness steps. Fewer than four distinct x have
    none: empty arrays.
    """
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(np.unique(x)) < 4:
        return np.empty(0), np.empty(0)
    at = np.linspace(x.min(), x.max(), 60)
    reach = max(2, ceil(share * len(x)))
    made = [_local(x, y, point, reach) for point in at]
    return at, np.array(made)


def _local(x: NDArray[np.float64], y: NDArray[np.float64], point: float, reach: int) -> float:
    away = np.abs(x - point)
    width = max(float(np.partition(away, reach - 1)[reach - 1]), np.finfo(float).tiny)
    weights = np.clip(1.0 - (away / (1.001 * width)) ** 3, 0.0, None) ** 3
    middle = np.average(x, weights=weights)
    spread = np.average((x - middle) ** 2, weights=weights)
    mean = np.average(y, weights=weights)
    if spread <= 1e-12 * width**2:
        return float(mean)
    slope = np.average((x - middle) * (y - mean), weights=weights) / spread
    return float(mean + slope * (point - middle))


@styled
def save(figure: Figure, path: Path) -> Path:
    """Write a figure to a file, its kind told by the ending (svg, pdf, png); the same figure gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds: dict[str, Any] = {
        ".svg": {"Date": None, "Creator": None},
        ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        ".png": {"Software": None},
    }
    figure.savefig(path, metadata=kinds.get(path.suffix))
    return path
