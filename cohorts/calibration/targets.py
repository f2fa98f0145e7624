"""Published summaries as targets: of what, which statistic, how sure; and each statistic as a smooth function."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
import yaml
from pytensor.tensor.sort import sort
from scipy import stats

from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node
from cohorts.specification.quantities import Array

Value = Any
"""A PyTensor variable."""


class Summary(NamedTuple):
    """A statistic of virtual patients and the variance that one observed patient would contribute to it."""

    value: Value
    variance: Value


class Statistic(NamedTuple):
    """One row: how a statistic is worked out, on which scale it is compared, and what else it needs."""

    of: Callable[[Value, Mapping[str, float]], Summary]
    """Values of patients (patient) and numbers to the statistic on its scale."""
    scale: Callable[[float], float]
    """The published number on that scale."""
    slope: Callable[[float], float]
    """Derivative of `scale`, which takes the standard error there."""
    needs: tuple[str, ...] = ()
    positive: bool = False
    """Whether patients' values must be greater than 0."""


def _same(x: float) -> float:
    return x


def _one(_: float) -> float:
    return 1.0


def _mean(x: Value, _: Mapping[str, float]) -> Summary:
    return Summary(x.mean(), x.var())


def _sd(x: Value, _: Mapping[str, float]) -> Summary:
    """Variance of an SD is (m4 - s^4) / (4 s^2 n): Kendall & Stuart, The Advanced Theory of Statistics, 10.9."""
    apart = x - x.mean()
    variance = (apart**2).mean() * (x.shape[0] / (x.shape[0] - 1.0))
    fourth = (apart**4).mean()
    return Summary(pt.sqrt(variance), (fourth - variance**2) / (4.0 * variance))


def quantile_weights(count: int, probability: float) -> Array:
    """Weights of the order statistics in the quantile of Harrell & Davis 1982, doi:10.1093/biomet/69.3.635."""
    beta = stats.beta(probability * (count + 1), (1.0 - probability) * (count + 1))
    return np.diff(beta.cdf(np.arange(count + 1) / count))


def _percentile(x: Value, at: Mapping[str, float]) -> Summary:
    """A weighted mean of order statistics, smooth in them; its variance is p (1 - p) over the squared density."""
    p, count = at["probability"], int(at["patients"])
    ordered, step = sort(x), min(0.05, 0.5 * at["probability"], 0.5 * (1.0 - at["probability"]))
    low, middle, high = ((quantile_weights(count, q) * ordered).sum() for q in (p - step, p, p + step))
    return Summary(middle, p * (1.0 - p) * ((high - low) / (2.0 * step)) ** 2)


def _rate(x: Value, at: Mapping[str, float]) -> Summary:
    """Share beyond a limit, each patient spread over a normal kernel of `KERNEL` spreads so that it is smooth."""
    width = KERNEL * at["patients"] ** (-1.0 / 3.0) * x.std()
    sign, limit = (1.0, at["above"]) if "above" in at else (-1.0, at["below"])
    share = (0.5 * pt.erfc(-sign * (x - limit) / width / math.sqrt(2.0))).mean()
    share = pt.clip(share, 1e-6, 1.0 - 1e-6)
    return Summary(share, share * (1.0 - share))


def _of_log(row: Callable[[Value, Mapping[str, float]], Summary]) -> Callable[[Value, Mapping[str, float]], Summary]:
    return lambda x, at: row(pt.log(x), at)


def _log_sd(cv: float) -> float:
    return math.sqrt(math.log1p(cv**2))


KERNEL = 0.5
"""Width of the kernel of a rate, in standard deviations of the patients over the cube root of their number."""

STATISTICS: dict[str, Statistic] = {
    "mean": Statistic(_mean, _same, _one),
    "sd": Statistic(_sd, _same, _one),
    "median": Statistic(_percentile, _same, _one),
    "percentile": Statistic(_percentile, _same, _one, ("probability",)),
    "geometric_mean": Statistic(_of_log(_mean), math.log, lambda x: 1.0 / x, positive=True),
    "geometric_cv": Statistic(_of_log(_sd), _log_sd, lambda cv: cv / (1.0 + cv**2) / _log_sd(cv), positive=True),
    "event_rate": Statistic(_rate, _same, _one),
}
"""``geometric_cv`` is a share, sqrt(exp(s^2) - 1) with s the SD of the logarithm; ``event_rate`` the share of patients
``above`` or ``below`` a limit."""

METRICS: dict[str, Callable[[Value, Array], Value]] = {
    "at": lambda y, _: y[:, 0],
    "max": lambda y, _: y.max(axis=1),
    "min": lambda y, _: y.min(axis=1),
    "auc": lambda y, t: (0.5 * (y[:, 1:] + y[:, :-1]) * np.diff(t)).sum(axis=1),
}
"""Values of an output (patient, time) and the times to one number a patient; ``auc`` by trapezoids."""


@dataclass(frozen=True, slots=True)
class SummaryTarget:
    """One published number.

    Attributes
    ----------
    name, source
        What it is called, and where it was published.
    statistic
        Row of `STATISTICS`.
    value
        The number.
    se, n
        Its standard error, or the number of patients it comes from (0 for none), from which the error follows under
        the population itself.
    parameter
        Which parameter it is of; empty where it is of an output.
    output, metric, times
        Which output, row of `METRICS`, at which times.
    numbers
        What the statistic needs: ``probability``, ``above``, ``below``.
    covariate, level, low, high
        Subgroup: patients of a level, or with a covariate from `low` to `high`; an empty `covariate` for all.
    study, design
        In which study it was found, and under which of several designs (doses); both may be empty.
    measured
        Whether patients' values have the residual error in them.
    """

    name: str
    source: str
    statistic: str
    value: float
    se: float
    n: float
    parameter: str
    output: str
    metric: str
    times: tuple[float, ...]
    numbers: tuple[tuple[str, float], ...]
    covariate: str
    level: str
    low: float
    high: float
    study: str
    design: str
    measured: bool

    @property
    def scaled(self) -> float:
        """The number on the scale it is compared on."""
        return STATISTICS[self.statistic].scale(self.value)

    @property
    def scaled_se(self) -> float:
        """Its standard error there; 0 where it follows from `n`."""
        return abs(STATISTICS[self.statistic].slope(self.value)) * self.se

    def summary(self, x: Value, patients: int) -> Summary:
        """The statistic of patients' values `x` (patient), of whom there are `patients`."""
        numbers = {**dict(self.numbers), "patients": float(patients)}
        return STATISTICS[self.statistic].of(x, numbers)


_KEYS = (
    "name", "statistic", "value", "se", "n", "of", "where", "study", "design", "measured", "source", "probability",
    "above", "below",
)  # fmt: skip


def load_targets(source: str | Path | Sequence[Mapping[str, Any]]) -> tuple[SummaryTarget, ...]:
    """Targets from a YAML file with a list ``targets``, or from such a list.

    Each has ``name``, ``statistic`` (row of `STATISTICS`; ``probability`` for a percentile, ``above`` or ``below`` for
    an event rate), ``value``, ``se`` or ``n``, ``source``, and ``of``: ``{parameter: cl}``, ``{output: concentration,
    at: 12}`` or ``{output: concentration, metric: auc, times: [0, 1, 2, 4]}``. It may have ``where`` (``{covariate:
    sex, level: female}`` or ``{covariate: age, min: 65, max: 80}``), ``study``, ``design``, and ``measured: true``
    where the values have the residual error in them.

    Raises
    ------
    PopulationError
        Naming the field, what it got and what it wanted.
    """
    written: Any = source
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.is_file():
            raise PopulationError(f"targets: no file {str(path)!r}")
        written = Node("", yaml.safe_load(path.read_text(encoding="utf-8"))).only("targets").need("targets")
    if not isinstance(written, Sequence) or isinstance(written, str) or not written:
        raise PopulationError(f"targets: got {written!r}, wanted a list")
    made = tuple(_target(Node(f"targets[{i}]", one)) for i, one in enumerate(written))
    names = [one.name for one in made]
    if twice := [n for n in names if names.count(n) > 1]:
        raise PopulationError(f"targets: {twice[0]!r} stands twice, wanted different names")
    return made


def _target(node: Node) -> SummaryTarget:
    node.only(*_KEYS)
    statistic = node.choice("statistic", STATISTICS)
    se, n = (node.number(k) if k in node.value else 0.0 for k in ("se", "n"))
    if (se > 0.0) == (n > 0.0):
        raise PopulationError(f"{node.where}: wanted either se > 0 or n > 0")
    value, parts = node.number("value"), node.inner("of").only("parameter", "output", "at", "metric", "times")
    if value <= 0.0 and (STATISTICS[statistic].positive or statistic == "sd"):
        raise PopulationError(f"{node.path('value')}: got {value!r}, wanted a number > 0 for {statistic}")
    if statistic == "event_rate" and not 0.0 <= value <= 1.0:
        raise PopulationError(f"{node.path('value')}: got {value!r}, wanted a share from 0 to 1")
    where = node.inner("where").only("covariate", "level", "min", "max")
    measured = node.value.get("measured", False)
    if not isinstance(measured, bool):
        raise PopulationError(f"{node.path('measured')}: got {measured!r}, wanted true or false")
    metric, times = _times(parts)
    return SummaryTarget(
        node.text("name"), node.text("source"), statistic, value, se, n, parts.optional("parameter"),
        parts.optional("output"), metric, times, _numbers(node, statistic), where.optional("covariate"),
        where.optional("level"), where.number("min") if "min" in where.value else -math.inf,
        where.number("max") if "max" in where.value else math.inf, node.optional("study"), node.optional("design"),
        measured,
    )  # fmt: skip


def _times(parts: Node) -> tuple[str, tuple[float, ...]]:
    if ("parameter" in parts.value) == ("output" in parts.value):
        raise PopulationError(f"{parts.where}: wanted either parameter or output")
    if "parameter" in parts.value:
        parts.only("parameter")
        return "", ()
    if ("at" in parts.value) == ("metric" in parts.value):
        raise PopulationError(f"{parts.where}: wanted either at, or metric with times")
    if "at" in parts.value:
        return "at", (parts.number("at"),)
    metric = parts.choice("metric", METRICS)
    written = parts.need("times")
    times = np.asarray(written, dtype=np.float64) if isinstance(written, list | tuple) else np.empty(0)
    if times.ndim != 1 or len(times) < 2 or not (np.diff(times) > 0.0).all():
        raise PopulationError(f"{parts.path('times')}: got {written!r}, wanted two or more rising times")
    return metric, tuple(times.tolist())


def _numbers(node: Node, statistic: str) -> tuple[tuple[str, float], ...]:
    given = {k: node.number(k) for k in ("probability", "above", "below") if k in node.value}
    if statistic == "median":
        given = {**given, "probability": given.get("probability", 0.5)}
    wanted = {"percentile": {"probability"}, "median": {"probability"}}.get(statistic, set())
    if statistic == "event_rate":
        if len(given) != 1 or "probability" in given:
            raise PopulationError(f"{node.where}: wanted either above or below")
    elif set(given) != wanted:
        raise PopulationError(f"{node.where}: got {sorted(given)}, wanted {sorted(wanted) or 'none of them'}")
    if not 0.0 < given.get("probability", 0.5) < 1.0:
        raise PopulationError(f"{node.path('probability')}: got {given['probability']!r}, wanted between 0 and 1")
    return tuple(sorted(given.items()))
