"""Dosing that answers to what is measured: a policy decides, visit by visit, and the solver goes on from there.

At a visit the measurement comes first, then the decision, then the dose of that time: a trough. A policy sees only the
outputs it names, at its own visits, through whatever the protocol puts between (assay noise, limits of detection).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import DosingError

if TYPE_CHECKING:
    import xarray as xr

    from engine.dosing.events import EventTable

type Floats = NDArray[np.float64]
type Observe = Callable[[str, int, Floats], Floats]
"""What the protocol lets a policy see of an output at a visit, given its true values, (subject)."""


class Policy(ABC):
    """Abstract rule of dosing: a frozen dataclass with the fields below and the two methods.

    Attributes
    ----------
    into
        State the doses go into, each a bolus.
    every, until
        Doses are given at 0, ``every``, 2 ``every`` ... before ``until``.
    visits
        Times after 0, increasing, at which the policy measures and decides.
    observes
        Outputs of the model it measures.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        # Read-only for whoever uses a policy; a subclass has them as fields or properties, as it likes.

        @property
        def into(self) -> str:
            """State the doses go into."""

        @property
        def every(self) -> float:
            """Time between doses."""

        @property
        def until(self) -> float:
            """End of dosing."""

        @property
        def visits(self) -> tuple[float, ...]:
            """Times of measuring and deciding."""

        @property
        def observes(self) -> tuple[str, ...]:
            """Outputs that are measured."""

    @abstractmethod
    def initial(self, covariates: Mapping[str, NDArray[Any]]) -> Floats:
        """Amount of each dose until the first visit, (subject), from what is known beforehand."""

    @abstractmethod
    def decide(self, visit: int, seen: Mapping[str, Floats], given: Floats) -> Floats:
        """Amount of each dose from this visit to the next, (subject).

        Parameters
        ----------
        visit
            Number of the visit, from 0.
        seen
            Measurements of each output so far, (subject, visit + 1).
        given
            Amount of each dose before each visit so far, (subject, visit + 1).
        """


def replay(result: "xr.Dataset") -> "EventTable":
    """Fixed schedule of what a policy gave; simulating it gives the same trajectories.

    Parameters
    ----------
    result
        What :func:`engine.simulate` gave for a policy.
    """
    from engine.dosing.events import EventTable

    if "amount" not in result or "dose_into" not in result.attrs:
        raise DosingError("replay: the result of simulating a policy is wanted; this one has no variable 'amount'")
    return EventTable.from_amounts(
        result["amount"].to_numpy(), result["dose_time"].to_numpy(), result.attrs["dose_into"],
        ids=result["subject"].to_numpy(), stops=result["visit_time"].to_numpy().tolist(),
    )  # fmt: skip
