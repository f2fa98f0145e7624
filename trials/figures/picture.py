"""A figure on its way into a report, and the words and axes all figures share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trials.figures.style import save

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

DAYS_FROM = 96.0
"""Hours from which on time is shown in days."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A figure with the name of its file and the words under it."""

    name: str
    title: str
    caption: str
    figure: Figure


def write(pictures: Sequence[Picture], folder: Path) -> dict[str, Path]:
    """Write each picture as SVG and PNG into `folder`; returns the SVG by name."""
    return {picture.name: save(picture.figure, folder, picture.name)[0] for picture in pictures}


def clock(times: NDArray[np.float64], unit: str) -> tuple[NDArray[np.float64], str]:
    """Times as they are shown, and their unit: hours become days when there are many."""
    if unit == "h" and times.size and float(times.max()) > DAYS_FROM:
        return times / 24.0, "days"
    return times, unit


def labelled(name: str, unit: str) -> str:
    """Name with its unit, as axes show it: ``concentration (mg/L)``."""
    shown = name.replace("_", " ")
    return f"{shown} ({unit})" if unit not in ("", "1", "dimensionless") and unit.lower() != shown.lower() else shown
