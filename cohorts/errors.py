"""What can go wrong between evidence and virtual patients."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


class PopulationError(ValueError):
    """A population, the data for it or a request to draw from it is wrong; the message names the field."""


class CalibrationError(RuntimeError):
    """A fit finished but may not be used; the message names the failed checks and what to do.

    Attributes
    ----------
    posterior
        What the fit gave, for a look at what went wrong; None when it gave nothing.
    """

    def __init__(self, message: str, posterior: "xr.DataTree | None" = None) -> None:
        super().__init__(message)
        self.posterior = posterior
