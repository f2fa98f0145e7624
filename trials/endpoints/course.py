"""Endpoints that are a metric of a measured course: noncompartmental parameters, time in range, change, nadir."""

from dataclasses import dataclass

import numpy as np

from engine.outcomes import Metric
from trials.checks import fields, label, refuse
from trials.endpoints.base import Profile


@dataclass(frozen=True, slots=True)
class Course(Profile):
    """A metric of the course of one measurement; :mod:`engine.outcomes` has the metrics."""

    name: str
    unit: str
    measure: str
    metric: Metric

    def __post_init__(self) -> None:
        """Check the fields."""
        fields(self, "endpoint", name=label, unit=label, measure=label)
        if not isinstance(self.metric, Metric):
            raise refuse("endpoint.metric", self.metric, "a metric of engine.outcomes, such as NCA or TimeInRange")

    def __call__(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the metric of every profile (...)."""
        return self.metric(values, times)
