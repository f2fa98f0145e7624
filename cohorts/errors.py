"""What can go wrong between evidence and virtual patients."""


class PopulationError(ValueError):
    """A population, the data for it or a request to draw from it is wrong; the message names the field."""


class CalibrationError(RuntimeError):
    """A fit finished but may not be used; the message names the failed checks and what to do."""
