"""Intercurrent events of a protocol: what happens, why, to whom, and what follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trials.checks import Check, Labels, flag, label, refuse
from trials.conduct.causes.base import Cause, pairs
from trials.errors import TrialError

if TYPE_CHECKING:
    from engine import Regimen


@dataclass(frozen=True, slots=True)
class IntercurrentEvent:
    """Something that happens to a patient after the start of treatment, at most once (ICH E9(R1)).

    Doses due at the time of the event belong to what follows it; a visit at that time to what was before.
    """

    name: str
    cause: Cause
    arms: tuple[str, ...] = ()
    """Arms, as assigned, whose patients it can happen to; none is all."""
    stops: bool = False
    """No more doses of what was assigned, or switched to, are taken; a rescue goes on."""
    leaves: bool = False
    """The patient leaves the study: nothing is recorded afterwards, and no other event happens."""
    rescue: Regimen | None = None
    """Doses given besides, their times counted from the event."""
    modify: tuple[tuple[str, float], ...] = ()
    """Factor on parameters of the model from the event on, besides that of the arm: a mapping in YAML."""
    switch: str | None = None
    """Arm whose regimen, and factors on parameters, replace those of the patient's from the event on; its doses are
    counted from the event."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        where = f"intercurrent.{self.name}"
        checks: dict[str, Check] = {
            "name": label, "arms": Labels(), "stops": flag, "leaves": flag, "modify": pairs,
        }  # fmt: skip
        for field, check in checks.items():
            object.__setattr__(self, field, check(f"{where}.{field}", getattr(self, field)))
        if not isinstance(self.cause, Cause):
            raise refuse(f"{where}.cause", self.cause, "a cause, such as Hazard or Rule of trials.conduct.causes")
        if self.switch is not None and self.stops:
            raise TrialError(f"{where}.stops: wants false with `switch`, which ends what was assigned anyway")
        for name, factor in self.modify:
            if factor < 0:
                raise TrialError(f"{where}.modify.{name}: wants a factor of at least 0, got {factor:g}")

    @property
    def treats(self) -> bool:
        """Whether it changes how the patient is treated."""
        return self.stops or self.rescue is not None or bool(self.modify) or self.switch is not None
