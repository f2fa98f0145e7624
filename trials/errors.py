"""What can be wrong with a trial, told in one sentence."""

from cohorts.errors import CalibrationError, PopulationError
from engine.errors import ClusterError, DataError, DosingError, ModelError, SizeError, SolverError, StoreError


class TrialError(ValueError):
    """A trial that cannot be run as written: names the field, what it got and what it wanted."""


class Interrupted(Exception):  # noqa: N818 - it is no error: the person stopped the run and can continue it
    """A run its user stopped; the message says how to continue it."""


TOLD = (
    TrialError, PopulationError, CalibrationError, ModelError, DosingError, DataError, SolverError, ClusterError,
    SizeError, StoreError,
)  # fmt: skip
"""Errors whose message is all a user needs; anything else is a fault of the program and keeps its traceback."""
