"""MCP-Mod: a dose-response signal tested over candidate shapes, then a curve fitted and a dose found."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses import hypothesis
from trials.analyses.base import arm_index, measurements, outcome
from trials.analyses.contrast import Contrast
from trials.analyses.dose_response.contrasts import largest, optimal
from trials.analyses.dose_response.fitting import Fit, Means, fit
from trials.analyses.dose_response.shapes import SHAPES, standard
from trials.analyses.groups import difference, moments
from trials.checks import Choice, Labels, Number, fields, label, refuse

GRID = 401
"""Doses at which a curve is followed to find where it first reaches an effect."""
HALVINGS = 45


@dataclass(frozen=True, slots=True)
class MCPMod(Contrast):
    """Multiple comparisons and modelling (Bretz, Pinheiro & Branson 2005, doi:10.1111/j.1541-0420.2005.00344.x).

    The means of the arms are tested by one optimal contrast a candidate shape; ``statistic`` is the largest t, ``p``
    its multiplicity-adjusted p-value from the exact joint distribution. Curves are then fitted to the candidates whose
    contrast is significant, to all when none is; the estimate is the fitted effect of the highest dose over the first
    arm's, of the curve with the lowest AIC or averaged with AIC weights. Its standard error is the delta method's,
    that of an average after Buckland, Burnham & Augustin (1997), doi:10.2307/2533961, and its interval
    ignores that the curve was chosen.

    Outputs of its own: ``t_<shape>`` and ``p_<shape>`` of each candidate, with its guess; ``target_dose``, the least
    dose whose effect reaches ``delta``, and ``effective_dose``, the least that reaches ``share`` of the greatest
    effect in the range: NaN when nothing is significant or the range does not reach it; ``selected``, the number of
    the chosen curve among the distinct shapes, from 0 (NaN for an average).
    """

    name: str
    endpoint: str
    arms: tuple[str, ...]
    """The arms compared, one a dose, the control first."""
    doses: tuple[float, ...]
    """Dose of each arm, ascending from 0."""
    models: tuple[tuple[Any, ...], ...]
    """Candidate shapes with what fixes them: ``[linear]``, ``[emax, 0.2]``, ``[sigEmax, 0.3, 2]``."""
    delta: float
    """Effect over the control that the target dose has: above 0, in the direction of the alternative."""
    alternative: str = "greater"
    """``greater`` or ``less``: whether a higher or a lower mean is better."""
    alpha: float = 0.025
    selection: str = "aic"
    """``aic`` or ``average``."""
    share: float = 0.9
    """Of the greatest effect, for the effective dose."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        directions, selections = Choice(hypothesis.ALTERNATIVES[1:]), Choice(("aic", "average"))
        fields(self, "analysis", name=label, endpoint=label, arms=Labels(2), doses=_doses, models=_models)
        fields(self, "analysis", delta=Number(above=0), alternative=directions, alpha=Number(above=0, below=0.5))
        fields(self, "analysis", selection=selections, share=Number(above=0, below=1))
        if len(self.doses) != len(self.arms):
            raise refuse("analysis.doses", self.doses, f"one for each arm of {', '.join(self.arms)}")

    @property
    def scale(self) -> str:
        """Estimates are differences of means."""
        return "difference"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; one with an empty arm or without residual variation has failed."""
        means, n, df = self._means(data)
        failed = _failed(means, df)
        t, p, curves, weight = self._fitted(means, df, failed)
        estimate, se = _averaged(curves, weight, float(self.doses[-1]))
        half = special.stdtrit(np.where(failed, 1, df), 0.5 + self.level / 2) * se
        sign = 1 if self.alternative == "greater" else -1
        found = {
            "estimate": sign * estimate,
            "se": se,
            "lower": sign * estimate - half,
            "upper": sign * estimate + half,
        }
        decision = p.min(axis=1) < self.alpha
        found |= {"statistic": t.max(axis=1), "p": p.min(axis=1), "df": df, "n": n, "failed": failed}
        labels = ["_".join(map(str, model)) for model in self.models]
        found |= {f"{what}_{name}": values[:, place] for what, values in (("t", t), ("p", p))
                  for place, name in enumerate(labels)}  # fmt: skip
        chosen = weight.argmax(axis=1) if self.selection == "aic" else np.full(len(n), np.nan)
        doses = _found_doses(curves, weight, self.delta, self.share)
        target, effective = (np.where(decision, dose, np.nan) for dose in doses)
        found |= {"decision": decision, "selected": chosen, "target_dose": target, "effective_dose": effective}
        return outcome(self, data, found)

    def curve(self, size: np.ndarray, mean: np.ndarray, sd: np.ndarray, dose: np.ndarray) -> np.ndarray:
        """Return the chosen or averaged curve of each replicate (replicate, dose), NaN where the analysis fails.

        Parameters
        ----------
        size, mean, sd
            Subjects, means and standard deviations of the arms (replicate, arm).
        dose
            Doses (dose,) from 0 to the highest at which it is asked for.
        """
        sign = 1 if self.alternative == "greater" else -1
        squares = np.where(size > 1, (size - 1) * np.where(size > 1, sd, 0.0) ** 2, 0.0).sum(axis=1)
        means = Means(np.array(self.doses), sign * mean, size, squares)
        df = size.sum(axis=1) - len(self.arms)
        failed = _failed(means, df)
        _, _, curves, weight = self._fitted(means, df, failed)
        path = np.sum([each.curve(dose[None]) * weight[:, at, None] for at, each in enumerate(curves)], axis=0)
        return np.where(failed[:, None], np.nan, sign * path)

    def _fitted(
        self, means: Means, df: np.ndarray, failed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, list[Fit], np.ndarray]:
        """Return t statistics and p-values (replicate, model), the curves and their weights (replicate, curve)."""
        safe = _repaired(means, failed)
        t, p = self._contrasts(safe, np.where(failed, 1, df))
        curves = {name: fit(name, safe) for name in dict.fromkeys(str(model[0]) for model in self.models)}
        return t, p, list(curves.values()), self._weights(curves, p)

    def _means(self, data: xr.Dataset) -> tuple[Means, np.ndarray, np.ndarray]:
        """Return the arms' means, turned so that more is better, the subjects and the degrees of freedom."""
        values, arm = measurements(data, self.endpoint)
        if values.shape[-1] != 1:
            raise refuse("analysis.endpoint", self.endpoint, f"one period a subject, not {values.shape[-1]}")
        values, arm = values[..., 0] * (1 if self.alternative == "greater" else -1), arm[..., 0]
        groups = [arm == arm_index(data, name, "analysis.arms") for name in self.arms]
        each = [moments(values, group & np.isfinite(values)) for group in groups]
        size, mean, squares = (np.stack(part, axis=-1) for part in zip(*each, strict=True))
        n = size.sum(axis=1)
        return Means(np.array(self.doses), mean, size, squares.sum(axis=1)), n, n - len(self.arms)

    def _contrasts(self, means: Means, df: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return t statistics and adjusted p-values (replicate, model)."""
        curves = [standard(str(model[0]), model[1:], means.dose) for model in self.models]
        contrast = np.stack([optimal(curve, means.size) for curve in curves], axis=1)
        spread = np.sqrt((contrast**2 / means.size[:, None, :]).sum(axis=-1) * (means.within / df)[:, None])
        t = (contrast * means.mean[:, None, :]).sum(axis=-1) / spread
        return t, largest(t, contrast, means.size, df)

    def _weights(self, curves: Mapping[str, Fit], p: np.ndarray) -> np.ndarray:
        """Return the weight of each fitted shape (replicate, shape)."""
        significant = np.stack(
            [
                np.logical_or.reduce(
                    [p[:, place] < self.alpha for place, model in enumerate(self.models) if model[0] == name]
                )
                for name in curves
            ],
            axis=-1,
        )
        allowed = significant | ~significant.any(axis=1, keepdims=True)
        aic = np.where(allowed, np.stack([curve.aic for curve in curves.values()], axis=-1), np.inf)
        weight: np.ndarray = np.exp(-(aic - aic.min(axis=1, keepdims=True)) / 2)
        if self.selection == "aic":
            weight = (np.arange(aic.shape[1]) == aic.argmin(axis=1)[:, None]).astype(float)
        weight /= weight.sum(axis=1, keepdims=True)
        return weight

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the highest dose less the control of each subject, in the direction of the endpoint."""
        return difference(values, self.arms[-1], self.arms[0], log=False)


def _failed(means: Means, df: np.ndarray) -> np.ndarray:
    """Return which replicates have an empty arm or nothing that tells noise (replicate,)."""
    failed: np.ndarray = (means.size == 0).any(axis=1) | (df <= 0) | ~(means.within > 0)
    return failed


def _repaired(means: Means, failed: np.ndarray) -> Means:
    """Return the means with failed replicates made harmless."""
    size = np.where(failed[:, None], 2, means.size)
    return Means(means.dose, np.where(failed[:, None], 0.0, means.mean), size, np.where(failed, 1.0, means.within))


def _averaged(curves: Sequence[Fit], weight: np.ndarray, dose: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted effect at a dose and its standard error (replicate,)."""
    effects = np.stack([curve.effect(np.array([[dose]]))[:, 0] for curve in curves], axis=-1)
    errors = np.stack([curve.effect_error(dose) for curve in curves], axis=-1)
    estimate = (weight * effects).sum(axis=1)
    return estimate, (weight * np.hypot(errors, effects - estimate[:, None])).sum(axis=1)


class _Curve(NamedTuple):
    """The chosen or averaged curve."""

    curves: Sequence[Fit]
    weight: np.ndarray

    def __call__(self, dose: np.ndarray) -> np.ndarray:
        """Return the effect at doses (replicate, dose) or (1, dose)."""
        each = [curve.effect(dose) * self.weight[:, place, None] for place, curve in enumerate(self.curves)]
        total: np.ndarray = np.sum(each, axis=0)
        return total


def _found_doses(
    curves: Sequence[Fit], weight: np.ndarray, delta: float, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the least doses with an effect of ``delta`` and with a share of the greatest effect (replicate,)."""
    curve = _Curve(curves, weight)
    dose = np.linspace(0.0, curves[0].top, GRID)
    path = curve(dose[None])
    return _first(curve, dose, path, np.full(len(path), delta)), _first(curve, dose, path, share * _peak(path))


def _peak(path: np.ndarray) -> np.ndarray:
    """Return the greatest value along a path (replicate, dose), by a parabola through it and its neighbours."""
    place = path.argmax(axis=1)
    inside = np.clip(place, 1, path.shape[1] - 2)
    rows = np.arange(len(path))
    before, here, after = (path[rows, inside + step] for step in (-1, 0, 1))
    bend = before - 2 * here + after
    risen = here - (after - before) ** 2 / np.where(bend < 0, 8 * bend, -np.inf)
    return np.where((place == inside) & (bend < 0), risen, path[rows, place])


def _first(curve: _Curve, dose: np.ndarray, path: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Return the least dose at which the curve reaches a level above 0 (replicate,); NaN when it does not."""
    reached = (path >= level[:, None]) & (level > 0)[:, None]
    place = reached.argmax(axis=1)
    low, high = dose[np.maximum(place - 1, 0)], dose[place]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = curve(middle[:, None])[:, 0] >= level
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.where(reached.any(axis=1), high, np.nan)


def _doses(where: str, value: object) -> tuple[float, ...]:
    """Return doses: two or more numbers, ascending from 0."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise refuse(where, value, "a list of doses")
    doses = tuple(Number(least=0)(where, dose) for dose in value)
    if len(doses) < 2 or doses[0] != 0 or any(after <= before for before, after in itertools.pairwise(doses)):
        raise refuse(where, value, "two or more doses, 0 first and ascending")
    return doses


def _models(where: str, value: object) -> tuple[tuple[Any, ...], ...]:
    """Return candidate shapes: distinct, each a name with its guesses."""
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise refuse(where, value, "a list of shapes such as [emax, 0.2]")
    found = tuple(_model(where, model) for model in value)
    if len(set(found)) < len(found):
        raise refuse(where, value, "distinct shapes")
    return found


def _model(where: str, model: object) -> tuple[Any, ...]:
    if isinstance(model, str) or not isinstance(model, Sequence) or not model:
        raise refuse(where, model, "a list of a shape and its guesses, such as [emax, 0.2]")
    name = Choice(tuple(SHAPES))(where, model[0])
    guess = tuple(Number()(where, part) for part in model[1:])
    if len(guess) != SHAPES[name].guesses or (name != "quadratic" and any(part <= 0 for part in guess)):
        raise refuse(where, list(model), f"{name} with {SHAPES[name].guesses} number(s), above 0 but for quadratic")
    return (name, *guess)
