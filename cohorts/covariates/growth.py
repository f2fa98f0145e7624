"""Size of children from growth charts: L, M and S by age and sex, and z-scores that go together."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from cohorts.covariates import derived, shelf, tables
from cohorts.covariates.base import CovariateModel, Drawn, Values, Variable
from cohorts.covariates.equations.catalogue import factor
from cohorts.covariates.scores import correlated, correlation_matrix
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node
from cohorts.specification.quantities import Array

MEASURES: dict[str, tuple[str, str, tuple[tuple[str, float], ...]]] = {
    "weight": ("kg", "body weight", (("weight", 0.0),)),
    "height": ("cm", "height; recumbent length before 24 months", (("length", 0.0), ("stature", 24.0))),
    "bmi": ("kg/m^2", "body mass index", (("bmi", 24.0),)),
    "head": ("cm", "head circumference", (("head", 0.0),)),
}
"""For each measure its unit, meaning and the curves that say it, with the age in months from which each does."""

Curves = dict[tuple[str, bool], Array]
"""By curve and whether for girls: rows of age (months), L, M and S."""


def size_at(z: Array, box: Array, median: Array, spread: Array) -> Array:
    """Measure at a z-score, by the LMS method; NaN where no size has that z-score.

    Cole TJ, Green PJ. Stat Med 1992;11:1305-1319. doi:10.1002/sim.4780111005

    Parameters
    ----------
    z
        Z-scores, any shape.
    box, median, spread
        L, M and S of that age and sex.
    """
    near = np.abs(box) < 1e-8
    safe = np.where(near, 1.0, box)
    inner = 1.0 + safe * spread * z
    with np.errstate(invalid="ignore"):
        power = np.where(inner > 0.0, inner, np.nan) ** (1.0 / safe)
    return np.asarray(median * np.where(near, np.exp(spread * z), power))


def score_of(size: Array, box: Array, median: Array, spread: Array) -> Array:
    """Z-score of a measure: the inverse of `size_at`, whose arguments it shares."""
    near = np.abs(box) < 1e-8
    safe = np.where(near, 1.0, box)
    ratio = size / median
    return np.asarray(np.where(near, np.log(ratio) / spread, (ratio**safe - 1.0) / (safe * spread)))


@dataclass(frozen=True, slots=True)
class Growth(CovariateModel):
    """Measures of a child's size given age and sex.

    Attributes
    ----------
    name
        The entry it was read from.
    chart, sha256
        Name or path of the growth chart, and the digest of its content.
    age
        The covariate and the factor from its unit to months.
    sex
        The covariate and, for each of its levels, whether the chart of girls holds.
    measures
        Name of each covariate and the measure it is.
    correlation
        Of the z-scores before they are cut at `limit`.
    limit
        Z-scores beyond it are not drawn: far out the charts rest on no data, and some have no size at all.
    """

    name: str
    chart: str
    sha256: str
    age: tuple[str, float]
    sex: tuple[str, tuple[bool, ...]]
    measures: tuple[tuple[str, str], ...]
    correlation: tuple[tuple[float, ...], ...]
    limit: float
    source: str
    curves: Curves = field(compare=False, repr=False)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """One covariate a measure."""
        return tuple(Variable(n, MEASURES[m][0], MEASURES[m][1], self.source) for n, m in self.measures)

    @property
    def width(self) -> int:
        """One uniform number a measure."""
        return len(self.measures)

    def values(self, u: Array, drawn: Drawn) -> dict[str, Values]:
        """Sizes at the ages and sexes drawn before; `CovariateModel.values` says what the arguments are."""
        months = np.asarray(drawn[self.age[0]], dtype=np.float64) * self.age[1]
        girls = np.array(self.sex[1])[drawn[self.sex[0]].astype(np.intp)]
        scores = self.scores(u)
        return {
            name: self._size(name, measure, scores[..., i], months, girls)
            for i, (name, measure) in enumerate(self.measures)
        }

    def scores(self, u: Array) -> Array:
        """Correlated standard normal z-scores within the limit, (..., measure), at uniform numbers of that shape."""
        z = correlated(special.ndtri(u), self.correlation)
        tail = special.ndtr(-self.limit)
        return np.asarray(special.ndtri(tail + special.ndtr(z) * (1.0 - 2.0 * tail)))

    def _size(self, name: str, measure: str, z: Array, months: Array, girls: Values) -> Array:
        made = np.full(np.shape(z), np.nan)
        pieces = MEASURES[measure][2]
        ends = [start for _, start in pieces[1:]] + [math.inf]
        for (curve, start), end in zip(pieces, ends, strict=True):
            for girl in (False, True):
                at, box, median, spread = self.curves[curve, girl]
                inside = (months >= start) & (months < end) & (months <= at[-1] + 0.5) & (girls == girl)
                age = months[inside]
                lms = (np.interp(age, at, row) for row in (box, median, spread))
                made[inside] = size_at(z[inside], *lms)
        if np.isnan(made).any():
            self._refuse(name, measure, months, np.isnan(made))
        return made

    def _refuse(self, name: str, measure: str, months: Array, wrong: Values) -> None:
        last = min(self.curves[curve, girl][0][-1] for curve, _ in MEASURES[measure][2][-1:] for girl in (False, True))
        first, seen = MEASURES[measure][2][0][1], months[wrong]
        if seen.min() >= first and seen.max() <= last + 0.5:
            raise PopulationError(
                f"covariates.{self.name}.limit: at {seen.min():g} months no {measure} has a z-score as far out as "
                f"{self.limit:g}; take a smaller limit"
            )
        raise PopulationError(
            f"covariates.{self.name}: got {self.age[0]} from {seen.min():g} to {seen.max():g} months for {name}, "
            f"wanted {first:g} to {last + 0.5:g}: the chart {self.chart} of {measure} says nothing of others"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping that `read` reads back to an equal model."""
        return {
            "model": "growth",
            "chart": self.chart,
            "sha256": self.sha256,
            "age": self.age[0],
            "sex": self.sex[0],
            "measures": dict(self.measures),
            "correlation": [list(row) for row in self.correlation],
            "limit": self.limit,
            "source": self.source,
        }


def read(name: str, node: Node, before: Mapping[str, Variable]) -> Growth:
    """Read an entry with ``model: growth``; `cohorts.covariates.reading.read_model` says what the arguments are.

    Keys: ``chart``, a name in ``conf/growth`` or a path (cdc_2000); ``age`` and ``sex``, covariates that stand before
    (age and sex); ``measures``, covariate to measure (weight, height, bmi, head), or a list; ``correlation`` of their
    z-scores, a number for two or a matrix, needed from two on; ``limit`` of the z-scores (2.5, beyond which
    older adolescents have no body mass index); ``source``; ``sha256``.
    """
    node.only("model", "chart", "sha256", "age", "sex", "measures", "correlation", "limit", "source")
    chart = node.text("chart", "cdc_2000")
    curves, digest, source = load_chart(chart, node.path("chart"))
    if node.text("sha256", digest) != digest:
        raise PopulationError(f"{node.path('sha256')}: {chart} has {digest}: the chart has changed")
    measures = _measures(node)
    limit = node.number("limit") if "limit" in node.value else 2.5
    if limit <= 0.0:
        raise PopulationError(f"{node.path('limit')}: got {limit!r}, wanted a number > 0")
    _, sex, girls = derived.flag(Node(node.where, {"sex": node.text("sex", "sex")}), "female", before)
    return Growth(
        name, chart, digest, _age(node, before), (sex, girls), measures, _correlation(node, len(measures)), limit,
        node.text("source", source), curves,
    )  # fmt: skip


def load_chart(source: str, where: str = "chart") -> tuple[Curves, str, str]:
    """Curves of a growth chart, the digest of its file and its source.

    Raises
    ------
    PopulationError
        If it is not there, is not what its digest says, or lacks a curve.
    """
    path = shelf.find("growth", source, where)
    node = shelf.read(path).only("name", "title", "file", "sha256", "columns", "provenance")
    frame = tables.read_csv(path, node)
    curves: Curves = {}
    for (curve, sex), rows in frame.groupby(["measure", "sex"], sort=True):
        numbers = rows[["age", "L", "M", "S"]].astype(float).sort_values("age", kind="stable")
        curves[str(curve), sex == "female"] = numbers.to_numpy().T.copy()
    needed = {(curve, girl) for _, _, pieces in MEASURES.values() for curve, _ in pieces for girl in (False, True)}
    if lacking := needed - set(curves):
        raise PopulationError(f"{where}: {source} lacks the curve {min(lacking)[0]!r}")
    return curves, node.text("sha256"), node.inner("provenance").text("source")


def _measures(node: Node) -> tuple[tuple[str, str], ...]:
    written = node.need("measures")
    pairs = {str(m): m for m in written} if isinstance(written, list | tuple) else node.inner("measures").value
    made = tuple((n, Node(node.path("measures"), {n: m}).choice(n, MEASURES)) for n, m in pairs.items())
    kinds = [m for _, m in made]
    if len(set(kinds)) != len(kinds) or {"weight", "height", "bmi"} <= set(kinds) or not kinds:
        raise PopulationError(
            f"{node.path('measures')}: got {kinds}, wanted distinct measures, two of weight, height and bmi at most; "
            "derive the third from them (equation bmi or weight_of_bmi)"
        )
    return made


def _age(node: Node, before: Mapping[str, Variable]) -> tuple[str, float]:
    name = node.text("age", "age")
    scale = factor(before[name].unit, "month") if name in before else None
    if scale is None:
        raise PopulationError(
            f"{node.path('age')}: got {name!r}, wanted a covariate in years, months, weeks or days that stands before: "
            f"{list(before)}"
        )
    return name, scale


def _correlation(node: Node, size: int) -> tuple[tuple[float, ...], ...]:
    written = node.value.get("correlation")
    if isinstance(written, int | float) and not isinstance(written, bool) and size == 2:
        written = [[1.0, written], [written, 1.0]]
    if written is None and size == 1:
        written = [[1.0]]
    return correlation_matrix(written, size, node.path("correlation"))
