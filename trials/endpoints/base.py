"""What an endpoint promises: one number from the measurements of a subject."""

from abc import ABC, abstractmethod

import numpy as np


class Endpoint(ABC):
    """One number from one profile of one measurement.

    Members are frozen dataclasses with the fields annotated here.
    """

    __slots__ = ()

    name: str
    """Name of the variable in the trial data, and what an analysis asks for."""
    unit: str
    """Unit of the value."""
    measure: str
    """Which measurement of the protocol it reads."""

    @abstractmethod
    def __call__(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the endpoint of every profile.

        Parameters
        ----------
        values
            Measurements (..., time); NaN where one is missing. Leading axes are free.
        times
            Time since the start of the period (time,), or (..., time) when each profile has its own; increasing.

        Returns
        -------
        ndarray (...); NaN where the profile does not determine the endpoint.
        """
