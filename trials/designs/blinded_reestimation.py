"""Parallel design whose size is re-estimated from the blinded variance."""

from __future__ import annotations

from dataclasses import dataclass

from trials.checks import Number, Optional, Whole, fields, label, refuse
from trials.designs.parallel import ParallelGroups
from trials.monitoring.reestimation import Blinded, Reestimation


@dataclass(frozen=True, slots=True)
class BlindedReestimation(ParallelGroups):
    """Parallel groups; at an interim look the size is scaled by the variance seen; nobody is unblinded."""

    arms: tuple[str, ...]
    n: int
    """Subjects at most, all arms together."""
    monitored: str
    """Analysis whose endpoint's variance is looked at (of its logarithm, where the analysis is of logarithms)."""
    planned: int
    """Subjects that the assumed standard deviation asks for."""
    interim: int
    """Subjects whose endpoint is waited for."""
    sd: float
    """Assumed standard deviation of the endpoint, of all arms together."""
    least: int | None = None
    """Subjects at least; None: the planned number."""
    lag: float = 0.0
    """From the last endpoint of the interim look to the decision, while subjects still enrol."""
    allocation: tuple[int, ...] = ()
    block: int = 0

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        self.check_groups()
        fields(self, "design", monitored=label, planned=Whole(2), interim=Whole(2), sd=Number(above=0))
        fields(self, "design", lag=Number(least=0), least=Optional(Whole(2)))
        check_stages(self.interim, self.planned, self.n, self.least)

    @property
    def reestimation(self) -> Reestimation:
        """The plan of the interim look."""
        rule = Blinded(self.planned, self.planned if self.least is None else self.least, self.n, self.sd)
        return Reestimation(self.monitored, self.interim, self.lag, rule)


def check_stages(interim: int, planned: int, n: int, least: int | None) -> None:
    """Refuse sizes that are not in the order interim < planned <= n, and a least size beyond the first two."""
    if not interim < planned:
        raise refuse("design.interim", interim, f"fewer than the planned {planned}")
    if not planned <= n:
        raise refuse("design.planned", planned, f"at most design.n, {n}")
    if least is not None and not interim < least <= planned:
        raise refuse(
            "design.least", least, f"more than design.interim, {interim}, and at most design.planned, {planned}"
        )
