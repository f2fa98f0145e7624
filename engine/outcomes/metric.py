"""What a metric promises: one number from a course of values over time."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]


class Metric(ABC):
    """One number from one course of one output; members are frozen dataclasses.

    The number of one course depends on that course alone, to the last bit.
    """

    __slots__ = ()

    @abstractmethod
    def __call__(self, values: Floats, times: Floats) -> Floats:
        """Give the number of every course.

        Parameters
        ----------
        values
            Values (..., time); NaN where one is missing. Leading axes are free.
        times
            Times (time,), or (..., time) when each course has its own; increasing.

        Returns
        -------
        ndarray (...); NaN where the course does not determine the number.
        """

    @abstractmethod
    def unit_of(self, value: str, time: str) -> str:
        """Unit of the number, from the units of the values and of time."""
