"""Parallel design whose size is raised at an interim look where the conditional power is promising."""

from __future__ import annotations

from dataclasses import dataclass

from trials.boundaries.base import Boundary
from trials.checks import Number, Optional, Whole, fields, label, refuse
from trials.designs.blinded_reestimation import check_stages
from trials.designs.parallel import ParallelGroups
from trials.monitoring.looks import read_boundary
from trials.monitoring.reestimation import Reestimation, Unblinded


@dataclass(frozen=True, slots=True)
class UnblindedReestimation(ParallelGroups):
    """Parallel groups in two stages, combined by the inverse normal method with the weights of the plan."""

    arms: tuple[str, ...]
    n: int
    """Subjects at most, all arms together."""
    monitored: str
    """Analysis, one-sided, whose test of each stage decides."""
    boundary: Boundary
    """At the interim look and at the end; one that does not stop at the interim look is ``final_only``."""
    planned: int
    """Subjects of both stages, if nothing is changed."""
    interim: int
    """Subjects of the first stage, whose endpoint is waited for."""
    power: float = 0.9
    """Conditional power that the second stage is to have."""
    promising: float = 0.3
    """Conditional power of the planned size from which the size is changed."""
    drift: float | None = None
    """Expected statistic at the planned size that conditional power assumes; None: by the effect seen."""
    least: int | None = None
    """Subjects at least; None: the planned number."""
    lag: float = 0.0
    """From the last endpoint of the first stage to the decision, while subjects still enrol."""
    allocation: tuple[int, ...] = ()
    block: int = 0

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        self.check_groups()
        fields(self, "design", monitored=label, boundary=read_boundary, planned=Whole(2), interim=Whole(2))
        fields(self, "design", power=Number(above=0, below=1), promising=Number(least=0, below=1), lag=Number(least=0))
        fields(self, "design", drift=Optional(Number(above=0)), least=Optional(Whole(2)))
        check_stages(self.interim, self.planned, self.n, self.least)
        if not self.promising < self.power:
            raise refuse("design.promising", self.promising, f"less than design.power, {self.power:g}")

    @property
    def reestimation(self) -> Reestimation:
        """The plan of the interim look."""
        bounds = self.boundary((self.interim / self.planned, 1.0))
        efficacy = (float(bounds.efficacy[0]), float(bounds.efficacy[1]))
        rule = Unblinded(
            first=self.interim,
            planned=self.planned,
            least=self.planned if self.least is None else self.least,
            most=self.n,
            power=self.power,
            promising=self.promising,
            drift=self.drift,
            efficacy=efficacy,
            futility=float(bounds.futility[0]),
        )
        return Reestimation(self.monitored, self.interim, self.lag, rule)
