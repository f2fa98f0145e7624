"""Who may enter a trial: criteria on covariates, and what screening against them costs.

Everything here is a pure function of candidates, so that whoever draws the candidates at addresses of their own keeps
the property that a patient does not depend on how many others are drawn.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohorts.covariates.base import Drawn, Values, Variable
from cohorts.errors import PopulationError
from cohorts.specification.nodes import Node, guess, number

Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]

LEAST = 0.001
"""Share of candidates that a criterion, and all of them together, must accept."""

PROBE = 32_768
"""Candidates that are enough to see whether `LEAST` is met: 33 are expected to pass at that share."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One inclusion or exclusion criterion.

    Attributes
    ----------
    name
        What the protocol calls it.
    covariate
        What it looks at.
    minimum, maximum
        Limits that still qualify; infinite for none.
    levels
        Levels of the covariate; empty for one on a scale.
    within
        Levels that qualify, as codes; empty where the criterion is one of limits.
    exclude
        Whether `within` was written as ``not_in``: kept so that the specification reads back as it was written.
    """

    name: str
    covariate: str
    minimum: float = -math.inf
    maximum: float = math.inf
    levels: tuple[str, ...] = ()
    within: tuple[int, ...] = ()
    exclude: bool = False

    def passes(self, drawn: Drawn) -> Flags:
        """Which candidates meet it; values and answer have one shape."""
        seen = drawn[self.covariate]
        if self.levels:
            allowed = np.zeros(len(self.levels), dtype=bool)
            allowed[list(self.within)] = True
            return np.asarray(allowed[seen.astype(np.intp)])
        return np.asarray((seen >= self.minimum) & (seen <= self.maximum))

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping that reads back to an equal criterion."""
        made: dict[str, Any] = {"name": self.name, "covariate": self.covariate}
        if self.levels:
            wanted = [i for i in range(len(self.levels)) if (i in self.within) != self.exclude]
            return {**made, "not_in" if self.exclude else "in": [self.levels[i] for i in wanted]}
        limits = {"min": self.minimum, "max": self.maximum}
        return {**made, **{k: v for k, v in limits.items() if math.isfinite(v)}}


@dataclass(frozen=True, slots=True, eq=False)
class Enrolment:
    """Those who passed, and what it took.

    Attributes
    ----------
    values
        Covariates of the patients by name, each (group, size); what stands past the wanted number of a group is 0.
    screened
        Candidates looked at up to the last one enrolled, (group).
    first_failed
        Candidates by the first criterion they failed, in the order of the criteria, (group, criterion).
    any_failed
        Candidates that failed a criterion, whatever else they failed, (group, criterion).
    position
        Which candidate of the group each patient was, from 1, (group, size); 0 past the wanted number.
    """

    values: dict[str, Values]
    screened: Counts
    first_failed: Counts
    any_failed: Counts
    position: Counts


def read_eligibility(
    written: object, known: Mapping[str, Variable], where: str = "eligibility"
) -> tuple[Criterion, ...]:
    """Criteria from the list under ``eligibility:`` of a population.

    Parameters
    ----------
    written
        A list of ``{name, covariate, min, max, in, not_in}``, or None.
    known
        The covariates of the population by name.
    where
        Path of the list.

    Raises
    ------
    PopulationError
        Naming the field, what it got and what it wanted.
    """
    if written is None:
        return ()
    if not isinstance(written, list | tuple):
        raise PopulationError(f"{where}: got {written!r}, wanted a list of criteria")
    made = tuple(_criterion(Node(f"{where}[{i}]", w), known) for i, w in enumerate(written))
    names = [c.name for c in made]
    for name in names:
        if names.count(name) > 1:
            raise PopulationError(f"{where}: the name {name!r} stands twice; failures are counted by name")
    return made


def _criterion(node: Node, known: Mapping[str, Variable]) -> Criterion:
    node.only("name", "covariate", "min", "max", "in", "not_in")
    name, covariate = node.text("name"), node.text("covariate")
    if covariate not in known:
        raise PopulationError(
            f"{node.path('covariate')}: got {covariate!r}, wanted one of {list(known)}{guess(covariate, list(known))}"
        )
    variable = known[covariate]
    limits, lists = ({"min", "max"} & set(node.value), {"in", "not_in"} & set(node.value))
    if variable.levels:
        if limits or len(lists) != 1:
            raise PopulationError(f"{node.where}: {covariate} has levels; wanted either in or not_in")
        exclude = "not_in" in lists
        return Criterion(
            name, covariate, levels=variable.levels, within=_within(node, variable.levels, exclude), exclude=exclude
        )
    if lists or not limits:
        raise PopulationError(f"{node.where}: {covariate} is on a scale; wanted min, max or both")
    low, high = (
        number(node.value[k], node.path(k)) if k in limits else end
        for k, end in (("min", -math.inf), ("max", math.inf))
    )
    if low > high:
        raise PopulationError(f"{node.where}: got a range from {low:g} to {high:g}, wanted min <= max")
    return Criterion(name, covariate, low, high)


def _within(node: Node, levels: tuple[str, ...], exclude: bool) -> tuple[int, ...]:
    key = "not_in" if exclude else "in"
    named = node.need(key)
    listed = [str(n) for n in (named if isinstance(named, list | tuple) else [named])]
    for one in listed:
        if one not in levels:
            raise PopulationError(f"{node.path(key)}: got {one!r}, wanted levels among {list(levels)}")
    found = tuple(i for i, level in enumerate(levels) if (level in listed) != exclude)
    if not found or len(found) == len(levels):
        raise PopulationError(
            f"{node.path(key)}: got {listed}, which {'keeps' if found else 'lets in'} "
            f"{'everybody' if found else 'nobody'}"
        )
    return found


def passes(criteria: Sequence[Criterion], drawn: Drawn) -> Flags:
    """Which candidates meet which criterion, (criterion, ...)."""
    return np.stack([c.passes(drawn) for c in criteria])


def require_acceptance(criteria: Sequence[Criterion], drawn: Drawn) -> None:
    """Refuse criteria that next to nobody meets, judged on a sample of candidates (`PROBE` of them, say).

    Raises
    ------
    PopulationError
        Naming the criterion that accepts less than `LEAST` of the candidates, with the share it accepts and the range
        of what it saw; or, if no single one does, what they accept together.
    """
    if not criteria:
        return
    met = passes(criteria, drawn).reshape(len(criteria), -1)
    for criterion, share in zip(criteria, met.mean(axis=1), strict=True):
        if share < LEAST:
            raise PopulationError(
                f"eligibility.{criterion.name}: accepts {100 * share:.3g} % of {met.shape[1]} candidates, wanted at "
                f"least {100 * LEAST:g} %; {_seen(criterion, drawn)}; draw from a population nearer to it, "
                "such as rows of a table filtered by it"
            )
    together = met.all(axis=0).mean()
    if together < LEAST:
        shares = ", ".join(f"{c.name} {100 * s:.3g} %" for c, s in zip(criteria, met.mean(axis=1), strict=True))
        raise PopulationError(
            f"eligibility: the criteria together accept {100 * together:.3g} % of {met.shape[1]} candidates, wanted at "
            f"least {100 * LEAST:g} %; each alone accepts: {shares}"
        )


def _seen(criterion: Criterion, drawn: Drawn) -> str:
    seen = drawn[criterion.covariate]
    if criterion.levels:
        shares = np.bincount(seen.astype(np.intp).ravel(), minlength=len(criterion.levels)) / seen.size
        listed = ", ".join(f"{level} {100 * s:.3g} %" for level, s in zip(criterion.levels, shares, strict=True))
        return f"{criterion.covariate} among them: {listed}"
    return f"{criterion.covariate} among them runs from {seen.min():g} to {seen.max():g}, wanted {_range(criterion)}"


def _range(criterion: Criterion) -> str:
    return f"{criterion.minimum:g} to {criterion.maximum:g}"


def enrol(
    criteria: Sequence[Criterion],
    candidates: Callable[[int, NDArray[np.intp]], Drawn],
    wanted: Sequence[int],
    size: int,
) -> Enrolment:
    """Enrol the first candidates that meet all criteria, group by group.

    Patient i of a group is the i-th of its candidates to pass, in the order in which they come: it depends neither on
    how many are wanted nor on other groups.

    Parameters
    ----------
    criteria
        One or more.
    candidates
        ``candidates(attempt, groups)``: covariates by name, each (len(groups), any number), of the attempt-th batch
        (from 0) of candidates of these groups (blocks of patients that share a generator). A batch depends on nothing
        but its attempt and its group.
    wanted
        Patients wanted of each group.
    size
        The most patients of a group.

    Raises
    ------
    PopulationError
        If the share that passes is so small that a group is not full after ten times the candidates `LEAST` allows.
    """
    target = np.asarray(wanted, dtype=np.int64)
    groups, count = len(target), len(criteria)
    filled = np.zeros(groups, dtype=np.int64)
    made = Enrolment(
        {},
        np.zeros(groups, np.int64),
        np.zeros((groups, count), np.int64),
        np.zeros((groups, count), np.int64),
        np.zeros((groups, size), np.int64),
    )
    attempt, most = 0, 10.0 * size / LEAST
    while (open_ := np.flatnonzero(filled < target)).size:
        batch = candidates(attempt, open_)
        met = passes(criteria, batch)
        _place(made, batch, met, open_, filled, target, size=size)
        attempt += 1
        if attempt * met.shape[-1] > most and (filled < target).any():
            raise PopulationError(
                f"eligibility: {attempt * met.shape[-1]} candidates gave {int(filled[open_[0]])} of "
                f"{int(target[open_[0]])} patients; the criteria accept less than {100 * LEAST:g} %"
            )
    return made


def _place(
    made: Enrolment,
    batch: Drawn,
    met: Flags,
    groups: NDArray[np.intp],
    filled: Counts,
    target: Counts,
    *,
    size: int,
) -> None:
    """Put those of a batch who pass into the next places of their groups, and count those looked at."""
    passed = met.all(axis=0)
    place = filled[groups, None] + np.cumsum(passed, axis=1) - 1
    enrolled = passed & (place < target[groups, None])
    # Screening of a group stops with its last patient: those after are not looked at.
    seen = place + ~passed < target[groups, None]
    row, column = np.nonzero(enrolled)
    made.position[groups[row], place[row, column]] = made.screened[groups[row]] + column + 1
    made.screened[groups] += seen.sum(axis=1)
    failed = ~met & seen
    made.any_failed[groups] += failed.sum(axis=-1).T
    first = failed & (np.cumsum(failed, axis=0) == 1)
    made.first_failed[groups] += first.sum(axis=-1).T
    for name, found in batch.items():
        if name not in made.values:
            made.values[name] = np.zeros((len(target), size), dtype=found.dtype)
        made.values[name][groups[row], place[row, column]] = found[row, column]
    filled[groups] += enrolled.sum(axis=1)
