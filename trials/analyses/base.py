"""What an analysis promises: the trial data of many replicates to one estimate and one decision each."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr

from trials.checks import refuse

OUTPUTS: Mapping[str, type] = {
    "estimate": float,
    "se": float,
    "df": float,
    "statistic": float,
    "p": float,
    "probability": float,
    "lower": float,
    "upper": float,
    "decision": bool,
    "n": int,
    "failed": bool,
}
"""Variables (replicate,) of every analysis; a number it does not have is NaN, a failed replicate decides nothing."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A true effect found by simulation: its value, Monte Carlo standard error, and the number of independent draws."""

    value: float
    mcse: float
    replicates: int


class Analysis(ABC):
    """From trial data to an estimate, an interval and a decision, for all replicates at once.

    Members are frozen dataclasses with the fields annotated here.
    """

    __slots__ = ()

    measure: ClassVar[str] = "continuous"
    """What the endpoint is: ``continuous``, ``binary``, ``ordinal``, ``count``, ``survival`` or ``repeated``."""
    layout: ClassVar[str] = "parallel"
    """How subjects get their arms: ``parallel``, ``crossover`` or ``replicate`` (a crossover that repeats an arm)."""

    name: str
    """Coordinate of the analysis in the outcomes."""
    endpoint: str
    """Variable of the trial data that is analysed."""

    @property
    @abstractmethod
    def scale(self) -> str:
        """Scale of estimate, se and interval: ``difference``, ``log-ratio``, ``mean`` or ``log-mean``."""

    @property
    @abstractmethod
    def level(self) -> float:
        """Level of the interval from ``lower`` to ``upper``: 0.90, 0.95."""

    @property
    @abstractmethod
    def decides(self) -> bool:
        """Whether it takes a decision; a description does not, and has no power."""

    @property
    def has_p(self) -> bool:
        """Whether each decision comes with the p-value of a test; a Bayesian one has a posterior probability."""
        return self.decides

    @abstractmethod
    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate.

        Parameters
        ----------
        data
            Dims (replicate, subject) and, where a subject has more than one, period. Variables: the endpoint, NaN where
            missing; ``arm``, an index with names in ``attrs["names"]``; covariates (replicate, subject) if asked for.

        Returns
        -------
        Dataset (replicate,) with the variables of `OUTPUTS` and possibly others of this analysis' own.

        Raises
        ------
        TrialError
            When the data lack a variable, a dim or an arm.
        """

    @abstractmethod
    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return what each subject adds to the true effect, which is the mean of the contributions.

        Parameters
        ----------
        values
            The endpoint without measurement error, for each arm, of the same subjects in the same order: any shape.
            A time to event is a structured array with the fields ``time`` and ``event`` (`survival.data.events` makes
            one), censored at the end of the protocol's follow-up and for no other reason; plain numbers are times of
            events. A repeated endpoint is a DataArray (…, subject, visit_<endpoint>) with the planned times as
            coordinate (`repeated.at_visit`); plain numbers are those at the visit compared.
        """

    @abstractmethod
    def null(self, effect: float, tolerance: float = 0.0) -> bool:
        """Whether a true effect lies in the null hypothesis, so that a decision would be a type I error.

        ``tolerance`` widens the null: a boundary found by simulation has an error of its own, three MCSE are usual.
        """

    def truth(self, values: Mapping[str, np.ndarray]) -> Effect:
        """Return the true effect of a scenario from the endpoint of the same virtual subjects under every arm.

        Parameters
        ----------
        values
            For each arm (subject,) or (replicate, subject). With replicates, each its own draw of the population, the
            error is that of the replicates' means.
        """
        each = np.asarray(self.contribution(values), dtype=float)
        draws = each.mean(axis=-1) if each.ndim > 1 and each.shape[0] > 1 else each.ravel()
        return Effect(float(draws.mean()), float(draws.std(ddof=1) / np.sqrt(draws.size)), int(draws.size))


def analyse(analyses: Sequence[Analysis], data: xr.Dataset) -> xr.Dataset:
    """Return the outcomes of several analyses of the same data: Dataset (replicate, analysis).

    A variable only some analyses have is NaN for the others. Coordinates ``scale``, ``level`` and ``decides``
    (analysis) say what the numbers are.
    """
    parts = [analysis(data) for analysis in analyses]
    names = [*OUTPUTS, *sorted({str(name) for part in parts for name in part.data_vars} - set(OUTPUTS))]
    blank = np.full(data.sizes["replicate"], np.nan)
    columns = {name: [part[name].values if name in part else blank for part in parts] for name in names}
    stacked = {name: (("replicate", "analysis"), np.stack(column, axis=-1)) for name, column in columns.items()}
    coords = {
        "analysis": [analysis.name for analysis in analyses],
        "scale": ("analysis", [analysis.scale for analysis in analyses]),
        "level": ("analysis", [analysis.level for analysis in analyses]),
        "decides": ("analysis", [analysis.decides for analysis in analyses]),
    }
    replicate = {"replicate": data["replicate"]} if "replicate" in data.coords else {}
    return xr.Dataset(stacked, coords=coords | replicate)


def outcome(analysis: Analysis, data: xr.Dataset, values: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Return the Dataset (replicate,) of an analysis from its arrays.

    ``values`` has at least ``n`` and ``failed``. Other outputs that are absent are NaN, and so is everything of a
    failed replicate but its count.
    """
    replicates, failed = data.sizes["replicate"], np.asarray(values["failed"], dtype=bool)
    columns: dict[str, np.ndarray] = {}
    for name in [*OUTPUTS, *(extra for extra in values if extra not in OUTPUTS)]:
        kind = OUTPUTS.get(name, float)
        column = np.asarray(values.get(name, False if kind is bool else np.nan))
        columns[name] = _mask(np.broadcast_to(column, replicates), kind, name, failed)
    coords = {"replicate": data["replicate"]} if "replicate" in data.coords else {}
    attrs = {"analysis": analysis.name, "endpoint": analysis.endpoint, "scale": analysis.scale, "level": analysis.level}
    return xr.Dataset({name: ("replicate", column) for name, column in columns.items()}, coords=coords, attrs=attrs)


def _mask(column: np.ndarray, kind: type, name: str, failed: np.ndarray) -> np.ndarray:
    """Return a column in its type, without the numbers of failed replicates."""
    if kind is float:
        return np.where(failed, np.nan, column.astype(float))
    return column & ~failed if name == "decision" else column.astype(kind)


def measurements(data: xr.Dataset, endpoint: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the endpoint and the arm index, each (replicate, subject, period); one period when the data have no such.

    Raises
    ------
    TrialError
        When a variable is absent or has other dims.
    """
    dims = ("replicate", "subject", "period")
    arrays = []
    for name in (endpoint, "arm"):
        if name not in data.variables:
            raise refuse("analysis.endpoint", endpoint, f"data with {name!r}; the data have {_names(data)}")
        variable = data[name].expand_dims("period", -1) if "period" not in data[name].dims else data[name]
        if set(variable.dims) != set(dims):
            raise refuse("analysis.endpoint", (name, *data[name].dims), f"{name!r} with dims {dims} or {dims[:2]}")
        arrays.append(variable.transpose(*dims).values)
    values, arm = np.broadcast_arrays(*arrays)
    return values.astype(float), arm


def arm_index(data: xr.Dataset, arm: str, where: str) -> int:
    """Return the index of an arm by its name.

    Raises
    ------
    TrialError
        Naming the field ``where`` and the arms there are.
    """
    names = list(data["arm"].attrs.get("names", ()))
    if arm not in names:
        raise refuse(where, arm, f"one of the arms {', '.join(map(str, names))}")
    return names.index(arm)


def _names(data: xr.Dataset) -> str:
    return ", ".join(str(name) for name in data.variables)


def logged(values: np.ndarray) -> np.ndarray:
    """Return natural logarithms; NaN where there is none, so that such a value counts as missing."""
    positive = values > 0
    return np.log(np.where(positive, values, 1.0), where=positive, out=np.full(values.shape, np.nan))
