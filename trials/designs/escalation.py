"""Rule that stops the escalation of an ascending-dose trial."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from trials.analyses.tables import binary
from trials.checks import Whole, fields, label, refuse


@dataclass(frozen=True, slots=True)
class EscalationRule:
    """Go on to the next dose unless ``most`` or more subjects of the cohort on this dose have the event.

    The rule looks at one cohort at a time and never at those on placebo; a missing event counts as none.
    """

    endpoint: str
    """Binary variable of the trial data, 1 for a dose-limiting event."""
    most: int = 2
    """Subjects with the event, of those on the dose, that stop the escalation."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "rule", endpoint=label, most=Whole(1))

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Apply the rule to every replicate.

        Parameters
        ----------
        data
            Trial data (replicate, subject) of an `AscendingDose` design: arms in order, the placebo first.

        Returns
        -------
        Dataset (replicate,): ``given``, doses that were given, the lowest counted 1; ``cleared``, the highest dose
        after which the rule would have gone on, 0 when there is none; ``stopped``; ``n``, subjects treated.
        """
        names = list(data["arm"].attrs.get("names", ()))
        if len(names) < 2:
            raise refuse("rule", names, "a placebo and at least one dose")
        events = np.stack([_events(data, self.endpoint, dose, names[0]) for dose in names[1:]], axis=-1)
        over = events >= self.most
        given = np.where(over.any(axis=1), over.argmax(axis=1) + 1, over.shape[1])
        stopped = over.any(axis=1)
        found = {"given": given, "cleared": given - stopped, "stopped": stopped}
        found["n"] = given * (data.sizes["subject"] // (len(names) - 1))
        coords = {"replicate": data["replicate"]} if "replicate" in data.coords else {}
        return xr.Dataset({name: ("replicate", column) for name, column in found.items()}, coords=coords)


def _events(data: xr.Dataset, endpoint: str, dose: str, placebo: str) -> np.ndarray:
    """Return how many subjects on a dose have the event (replicate,)."""
    events, test, _ = binary(data, endpoint, test=dose, control=placebo)
    count: np.ndarray = (events & test).sum(axis=1)
    return count
