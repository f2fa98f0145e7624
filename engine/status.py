"""What became of one subject's simulation, as a value with a sentence for the user."""

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


class Status(IntEnum):
    """Outcome of one subject; anything but ``ok`` leaves that subject's results NaN and nobody else's."""

    ok = 0
    bad_parameter = 1
    bad_dosing = 2
    diverged = 3
    too_many_steps = 4
    no_steady_state = 5
    switching = 6

    @property
    def message(self) -> str:
        """What happened and what to do, for the person who asked for the simulation."""
        return _MESSAGES[self]


_MESSAGES = {
    Status.ok: "The simulation reached its end.",
    Status.bad_parameter: "A parameter of this subject is not a finite number; look at how the cohort was made.",
    Status.bad_dosing: (
        "This subject's parameters give a dose a negative or infinite lag, bioavailability, rate or duration "
        "(or, at steady state, one of a thousand intervals); look at the lag, bioavailability, duration and rate "
        "of the model's states."
    ),
    Status.diverged: (
        "The equations gave a value that is not finite for this subject; check that its parameters are plausible and "
        "that no expression of the model divides by zero or takes the power or logarithm of a negative number."
    ),
    Status.too_many_steps: (
        "The solver ran out of steps for this subject; its parameters may make the equations stiff: "
        "use a solver for stiff equations, or raise max_steps of the solver."
    ),
    Status.no_steady_state: (
        "Repeating this subject's dose does not lead to a steady state; "
        "check that everything the dose reaches is eliminated."
    ),
    Status.switching: (
        "This subject's equations switch back and forth without end where a comparison is an equality; "
        "let the two sides of the comparison lead away from it, or replace the switch by a smooth function."
    ),
}


def summary(status: NDArray[np.int8]) -> dict[str, int]:
    """Count the subjects of each outcome that occurs."""
    values, counts = np.unique(status, return_counts=True)
    return {Status(int(value)).name: int(count) for value, count in zip(values, counts, strict=True)}


def failures(simulated: "xr.Dataset") -> "pd.DataFrame":
    """Who failed and why.

    Parameters
    ----------
    simulated
        What :func:`engine.simulate` or :func:`engine.stream` gave.

    Returns
    -------
    DataFrame
        One row for each subject that failed, by its name (index ``subject``): ``status``, the name of an
        :class:`engine.Status`, and ``message``, what happened and what to do. No rows when nobody failed.
    """
    import pandas as pd

    status = simulated["status"].to_numpy()
    bad = np.flatnonzero(status != Status.ok)
    found = [Status(int(code)) for code in status[bad]]
    return pd.DataFrame(
        {"status": [one.name for one in found], "message": [one.message for one in found]},
        index=pd.Index(simulated["subject"].to_numpy()[bad], name="subject"),
    )
