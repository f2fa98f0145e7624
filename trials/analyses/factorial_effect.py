"""Main effect of one factor of a factorial design, or its interaction with another."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from trials.analyses import hypothesis
from trials.analyses.base import logged, measurements, outcome
from trials.analyses.contrast import Contrast
from trials.analyses.groups import moments
from trials.analyses.roles import check_roles
from trials.checks import Labels, Number, Whole, fields, flag, label, refuse


@dataclass(frozen=True, slots=True)
class FactorialEffect(Contrast):
    """One level of a factor against another, averaged over the arms of the other factors, each as heavy.

    Arms are named by their levels, as in the `Factorial` design. The means of the arms and their pooled variance are
    used, so other factors and all interactions are in the model. With ``within`` the effect is instead how much the
    difference is larger at its first level of another factor than at its second: the interaction.
    """

    name: str
    endpoint: str
    test: str
    """Level of the factor that is compared."""
    control: str
    """Level that it is compared with."""
    factor: int = 1
    """Which part of an arm's name the factor is, from 1."""
    within: tuple[str, ...] = ()
    """Two levels of one other factor for the interaction; none for the main effect."""
    separator: str = "+"
    alternative: str = "two-sided"
    margin: float = 0.0
    """Effect under the null hypothesis, on the scale of the estimate."""
    alpha: float = 0.05
    log: bool = False
    """Analyse logarithms: the estimate is the log ratio of geometric means."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_roles(self)
        fields(self, "analysis", factor=Whole(1), within=Labels(), separator=label, margin=Number(), log=flag)
        if len(self.within) not in (0, 2):
            raise refuse("analysis.within", self.within, "two levels of another factor, or none")

    @property
    def scale(self) -> str:
        """Estimates are differences of means, or logarithms of ratios."""
        return "log-ratio" if self.log else "difference"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; ``n`` counts the arms that enter the effect, the variance is of all arms.

        A replicate in which an arm of the effect is empty has failed.
        """
        values, arm = measurements(data, self.endpoint)
        if values.shape[-1] != 1:
            raise refuse("analysis.endpoint", self.endpoint, f"one period a subject, not {values.shape[-1]}")
        values, arm = (logged(values) if self.log else values)[..., 0], arm[..., 0]
        names = list(data["arm"].attrs.get("names", ()))
        weight = np.array(list(self._weights(names).values()))
        each = [moments(values, (arm == index) & np.isfinite(values)) for index in range(len(names))]
        size, mean, squares = (np.stack(part, axis=-1) for part in zip(*each, strict=True))
        used = weight != 0
        there = (size[:, used] > 0).all(axis=1)
        df = np.where(there, (size - (size > 0)).sum(axis=1), 0)
        variance = squares.sum(axis=1) / np.maximum(df, 1)
        se = np.sqrt(variance * (weight**2 / np.maximum(size, 1)).sum(axis=1))
        fit = {"estimate": (weight * mean).sum(axis=1), "se": se, "df": df, "n": size[:, used].sum(axis=1)}
        found = hypothesis.student(fit, margin=self.margin, alternative=self.alternative, alpha=self.alpha)
        return outcome(self, data, found)

    def _weights(self, names: list[str]) -> dict[str, float]:
        """Return the weight of each arm's mean in the effect."""
        parts = {name: name.split(self.separator) for name in names}
        place = self.factor - 1
        for role in ("test", "control"):
            if not any(len(part) > place and part[place] == getattr(self, role) for part in parts.values()):
                wanted = f"a level that part {self.factor} of an arm's name has: {', '.join(names)}"
                raise refuse(f"analysis.{role}", getattr(self, role), wanted)
        sign = {self.test: 1.0, self.control: -1.0}
        raw = {name: sign.get(part[place], 0.0) * self._side(part, names) for name, part in parts.items()}
        count = sum(value != 0 for value in raw.values())
        return {name: value * (4 if self.within else 2) / count for name, value in raw.items()}

    def _side(self, part: list[str], names: list[str]) -> float:
        """Return 1 for an arm of a main effect; of an interaction 1, -1 or 0 by its level of the other factor."""
        if not self.within:
            return 1.0
        others = [level for index, level in enumerate(part) if index != self.factor - 1]
        levels = {level for name in names for level in name.split(self.separator)}
        for level in self.within:
            if level not in levels:
                raise refuse("analysis.within", self.within, f"levels in the names of the arms: {', '.join(names)}")
        return float((self.within[0] in others) - (self.within[1] in others))

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the effect in each subject: the weighted sum over the arms."""
        parts = [
            weight * (logged(np.asarray(values[name], float)) if self.log else np.asarray(values[name], float))
            for name, weight in self._weights(list(values)).items()
            if weight
        ]
        effect: np.ndarray = np.sum(parts, axis=0)
        return effect
