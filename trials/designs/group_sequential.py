"""Group-sequential design: parallel arms, looked at while the trial is under way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trials.checks import fields
from trials.designs.parallel import ParallelGroups
from trials.monitoring.looks import Looks, read_boundary


@dataclass(frozen=True, slots=True)
class GroupSequential(ParallelGroups):
    """Parallel groups in permuted blocks, with looks that may stop the trial.

    ``n`` is the most that are randomised; :class:`trials.monitoring.looks.Looks` has the meaning of the other fields.
    """

    arms: tuple[str, ...]
    n: int
    monitored: str
    boundary: Any
    at: tuple[float, ...]
    by: str = "events"
    endpoint: str = ""
    lag: float = 0.0
    maximum: float | None = None
    observed: bool = False
    allocation: tuple[int, ...] = ()
    block: int = 0

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        self.check_groups()
        fields(self, "design", boundary=read_boundary)
        looks = self.looks
        for name in ("at", "lag", "maximum"):
            object.__setattr__(self, name, getattr(looks, name))

    @property
    def looks(self) -> Looks:
        """The plan of the monitoring."""
        return Looks(
            self.monitored, self.boundary, self.at, by=self.by, endpoint=self.endpoint, lag=self.lag,
            maximum=self.maximum, observed=self.observed,
        )  # fmt: skip
