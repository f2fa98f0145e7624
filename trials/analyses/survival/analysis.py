"""What the analyses of times to event have in common: who is compared, and what the true effect is."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import numpy as np
import xarray as xr

from trials.analyses import hypothesis
from trials.analyses.base import Analysis, Effect, arm_index
from trials.analyses.survival.data import separate, survival
from trials.checks import Choice, Number, fields, label, refuse
from trials.errors import TrialError

GROUPS = 32
"""Groups of virtual patients behind the Monte Carlo error of a true effect."""
ALONE = 1000
"""Patients an arm from which a group has an effect of its own."""


class Group(NamedTuple):
    """Times to event of those analysed, and to which arm they belong; each (replicate, subject)."""

    time: np.ndarray
    event: np.ndarray
    used: np.ndarray
    test: np.ndarray

    def of(self, row: slice) -> "Group":
        """Return some of the replicates."""
        return Group(*(array[row] for array in self))

    def within(self, kept: np.ndarray) -> "Group":
        """Return those who are kept (replicate, subject)."""
        return Group(self.time, self.event, self.used & kept, self.test & kept)

    @property
    def n(self) -> np.ndarray:
        """How many are analysed (replicate,)."""
        return np.asarray(self.used.sum(axis=1))

    @property
    def events(self) -> np.ndarray:
        """How many of them have the event (replicate,)."""
        return np.asarray((self.event & self.used).sum(axis=1))

    @property
    def both(self) -> np.ndarray:
        """Whether test and control both have a subject (replicate,)."""
        return np.asarray(self.test.any(axis=1) & (self.used & ~self.test).any(axis=1))


class TimeToEvent(Analysis):
    """An analysis of times to event, whose true effect is the estimand in a large number of virtual patients.

    The true effect is `pooled` of all virtual patients under every arm together, followed up to the end of the protocol
    and not censored before: averages over the population and its uncertainty, not over trials. Its Monte Carlo error
    is that of groups of draws of the population, or of subjects when there is one draw: of their own effects when they
    are large, else by a jackknife (Efron & Stein 1981, doi:10.1214/aos/1176345462).
    """

    __slots__ = ()

    measure: ClassVar[str] = "survival"

    @property
    @abstractmethod
    def arms_analysed(self) -> tuple[str, ...]:
        """Names of the arms: test and control, or one alone."""

    @abstractmethod
    def pooled(self, time: np.ndarray, event: np.ndarray, arm: np.ndarray) -> np.ndarray:
        """Return the estimand (replicate,), on the scale of the estimate, as it is in subjects of `arms_analysed`.

        Times, events and the index of the arm are (replicate, subject); who has no time is in no arm, -1.
        """

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:  # noqa: ARG002 - there is none to compute
        """Refuse: the effect is no mean over subjects; see `truth`."""
        raise TrialError(f"analysis {self.name}: an effect on times to event is no mean of contributions")

    def truth(self, values: Mapping[str, np.ndarray]) -> Effect:
        """Return the true effect, from the times of the same virtual subjects under every arm.

        Parameters
        ----------
        values
            For each arm (subject,) or (replicate, subject): structured arrays with ``time`` and ``event``
            (`survival.data.events`), or plain numbers, times of events.
        """
        units = [_by_draw(np.asarray(values[arm])) for arm in self.arms_analysed]
        draws = len(units[0])
        parts = np.array_split(np.arange(draws), min(GROUPS, draws))
        return Effect(self._effect(units), self._error(units, parts), draws)

    def _error(self, units: list[np.ndarray], parts: list[np.ndarray]) -> float:
        """Return the standard error of the effect from groups of draws: each alone when large, else each left out."""
        groups = len(parts)
        if groups < 2:
            return float("nan")
        if units[0][parts[-1]].size >= ALONE:
            return float(np.std([self._effect([unit[part] for unit in units]) for part in parts]) / np.sqrt(groups - 1))
        return float(
            np.std([self._effect([np.delete(unit, part, axis=0) for unit in units]) for part in parts])
            * np.sqrt(groups - 1)
        )

    def _effect(self, units: list[np.ndarray]) -> float:
        """Return the effect in the subjects of all draws, from one array (draw, subject) for each arm."""
        pairs = [separate(unit.reshape(1, -1)) for unit in units]
        time, event = (np.concatenate(parts, axis=1) for parts in zip(*pairs, strict=True))
        arm = np.repeat(np.arange(len(units)), [unit.size for unit in units])[None, :]
        return float(self.pooled(time, event, np.where(np.isfinite(time), arm, -1))[0])


def _by_draw(values: np.ndarray) -> np.ndarray:
    """Return values as (draw, subject); a single draw gives each of its subjects a row."""
    return values if values.ndim > 1 and values.shape[0] > 1 else values.reshape(-1, 1)


class TwoArms(TimeToEvent):
    """A comparison of a test with a control arm."""

    __slots__ = ()

    test: str
    control: str
    alternative: str
    alpha: float

    def check(self) -> None:
        """Coerce and check the fields every comparison has."""
        fields(self, "analysis", name=label, endpoint=label, test=label, control=label)
        fields(self, "analysis", alternative=Choice(hypothesis.ALTERNATIVES), alpha=Number(above=0, below=0.5))
        if self.test == self.control:
            raise refuse("analysis.control", self.control, "another arm than analysis.test")

    @property
    def arms_analysed(self) -> tuple[str, ...]:
        """Test, control."""
        return self.test, self.control

    @abstractmethod
    def effect(self, group: Group) -> np.ndarray:
        """Return the estimand (replicate,), on the scale of the estimate, as it is in these subjects."""

    def pooled(self, time: np.ndarray, event: np.ndarray, arm: np.ndarray) -> np.ndarray:
        """Return the estimand in test and control together (replicate,)."""
        return self.effect(Group(time, event, arm >= 0, arm == 0))

    @property
    def level(self) -> float:
        """Level of the interval that agrees with the test."""
        return hypothesis.level(self.alternative, self.alpha)

    @property
    def decides(self) -> bool:
        """Decides for an effect beyond that of the null hypothesis."""
        return True

    def group(self, data: xr.Dataset) -> Group:
        """Return who is compared.

        Raises
        ------
        TrialError
            When the data lack the endpoint or an arm.
        """
        time, event, arm = survival(data, self.endpoint)
        test, control = (
            (arm == arm_index(data, name, f"analysis.{role}")) & np.isfinite(time)
            for name, role in ((self.test, "test"), (self.control, "control"))
        )
        return Group(time, event, test | control, test)


class AgainstMargin(TwoArms):
    """A comparison decided by a test against a margin."""

    __slots__ = ()

    margin: float

    def check(self) -> None:
        """Coerce and check the fields every such comparison has."""
        super().check()
        fields(self, "analysis", margin=Number())

    def null(self, effect: float, tolerance: float = 0.0) -> bool:
        """Whether a true effect is not beyond the margin."""
        return hypothesis.null(effect, self.margin, self.alternative, tolerance)


class OneArm(TimeToEvent):
    """A description of one arm, which decides nothing."""

    __slots__ = ()

    arm: str

    @property
    def arms_analysed(self) -> tuple[str, ...]:
        """The arm."""
        return (self.arm,)

    @abstractmethod
    def effect(self, group: Group) -> np.ndarray:
        """Return what is estimated (replicate,), as it is in these subjects."""

    def pooled(self, time: np.ndarray, event: np.ndarray, arm: np.ndarray) -> np.ndarray:
        """Return what is estimated in all subjects (replicate,)."""
        return self.effect(Group(time, event, arm >= 0, arm >= 0))

    @property
    def scale(self) -> str:
        """Estimates are what they say, of one arm."""
        return "mean"

    @property
    def decides(self) -> bool:
        """Describes only."""
        return False

    def null(self, effect: float, tolerance: float = 0.0) -> bool:  # noqa: ARG002 - a description has no hypothesis
        """Return False: there is no null hypothesis."""
        return False

    def group(self, data: xr.Dataset) -> Group:
        """Return who is described.

        Raises
        ------
        TrialError
            When the data lack the endpoint or the arm.
        """
        time, event, arm = survival(data, self.endpoint)
        used = (arm == arm_index(data, self.arm, "analysis.arm")) & np.isfinite(time)
        return Group(time, event, used, used)
