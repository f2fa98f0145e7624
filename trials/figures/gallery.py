"""Which pictures a result has, drawn from it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials.figures.of_dose_response import dose_response_pictures
from trials.figures.of_example import example_pictures
from trials.figures.of_monitoring import monitoring_pictures
from trials.figures.of_outcomes import forest_picture, power_pictures
from trials.figures.of_posterior import posterior_pictures
from trials.figures.picture import Picture
from trials.operating import characteristics

if TYPE_CHECKING:
    from trials.protocol import Result


def draw(result: Result) -> tuple[Picture, ...]:
    """Every picture this result has: calibration if there was one, example trial, power, operating characteristics."""
    found = characteristics(result)
    calibrated = posterior_pictures(result) if result.posterior is not None else ()
    shown = (*example_pictures(result), *monitoring_pictures(result), *power_pictures(result, found))
    return (*calibrated, *shown, *dose_response_pictures(result), forest_picture(result, found))
