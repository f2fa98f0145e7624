"""What a run has reached of the 13 credibility factors, as far as a program can know, and in what gap that leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trials.evidence.factors import FACTORS
from trials.evidence.verifying import exact_solutions, refined
from trials.verification import check

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study

type Reached = tuple[str, str]
"""Level and the evidence for it."""

SMALL, TINY = 1e-3, 1e-6
"""Relative effect of tolerances below which the error of the solver reaches b and c."""
PEOPLE = 10
"""Individuals from which on data are more than summaries."""


@dataclass(frozen=True, slots=True)
class Assessed:
    """A factor with its goal, what was reached, and the evidence; levels are empty where nobody answered."""

    name: str
    goal: str
    reached: str
    evidence: str

    @property
    def gap(self) -> int | None:
        """How many levels are missing to the goal; None where either is not known."""
        return max(0, ord(self.goal) - ord(self.reached)) if self.goal and self.reached else None


def assess(study: Study, answers: Answers) -> tuple[Assessed, ...]:
    """All 13 factors in the order of the standard."""
    return tuple(_one(study, answers, name) for name in FACTORS)


def _one(study: Study, answers: Answers, name: str) -> Assessed:
    stated = answers.factors.get(name)
    goal = stated.goal if stated is not None else ""
    if name in COMPUTED:
        return Assessed(name, goal, *COMPUTED[name](study))
    reached, evidence = (stated.reached or "", stated.evidence or "") if stated is not None else ("", "")
    return Assessed(name, goal, reached, evidence)


def _software(study: Study) -> Reached:
    git, version = study.manifest.get("git", {}), study.manifest["versions"]["trialtwin"]
    if not git:
        return "b", f"Version {version} as installed, source digest in the manifest."
    state = "with changes that no version holds" if git["changed"] else "unchanged"
    said = f"Version {version}, commit {git['commit'][:12]}, {state}; dependencies are locked, tests are with it."
    return "a" if git["changed"] else "b", said


def _code(study: Study) -> Reached:
    found = exact_solutions(study)
    if not found:
        return "a", "The model's file brings no exact solution or published value along."
    passed = sum(one.passed for one in found)
    return "c" if passed == len(found) else "b", f"{passed} of {len(found)} numbers found without this program agree."


def _discretization(study: Study) -> Reached:
    found = refined(study)
    if not found:
        return "c", f"None: the solver is {study.manifest['solver']['name']}, {study.manifest['solver']['reason']}."
    return "b", _changes(study)


def _solver(study: Study) -> Reached:
    found = refined(study)
    if not found:
        return "c", "No iterative solver is involved."
    largest = max(one.difference for one in found)
    return "c" if largest < TINY else "b" if largest < SMALL else "a", _changes(study)


def _changes(study: Study) -> str:
    said = ", ".join(f"{one.measurement} {one.difference:.1e}" for one in refined(study))
    return f"Largest change with tolerances a hundred times smaller, relative to the largest value: {said}."


def _use(study: Study) -> Reached:
    found = check(study.run).findings
    if found:
        return "a", f"The run's folder is not as its run left it: {found[0]}"
    return "b", "Every field of the configuration is checked when it is read; the run's files are as its run left them."


def _inputs(study: Study) -> Reached:
    scenarios = study.trial.scenarios
    if any(one.protocol.uncertainty for one in scenarios):
        source = "the posterior of a fit" if study.posterior is not None else "standard errors of the literature"
        where = [one.name for one in scenarios if one.protocol.uncertainty]
        every = len(where) == len(scenarios)
        said = "every scenario" if every else f"scenario {', '.join(where)} only"
        return "c" if every else "b", f"Uncertainty from {source} is carried into {said}."
    return ("b" if len(scenarios) > 1 else "a"), f"Single values, and {len(scenarios)} scenarios around them."


def _samples(study: Study) -> Reached:
    if study.posterior is not None:
        count = _individuals(study)
        return ("c" if count >= PEOPLE else "a"), f"Data of {count} individuals."
    count = len({(one.trial, one.quantity) for one in study.trial.published})
    return ("b" if count > 1 else "a"), f"{count} published summaries of trials."


def _individuals(study: Study) -> int:
    assert study.posterior is not None, "the caller has looked"
    observed = study.posterior["observed_data"] if "observed_data" in study.posterior.children else None
    names = ("subject", "id", "individual")
    for node in study.posterior.subtree:
        for name in names:
            if name in node.coords and (observed is None or node.path.startswith(("/posterior", "/observed"))):
                return int(np.unique(node.coords[name].values).size)
    return 0


def _output(study: Study) -> Reached:
    published = study.trial.published
    with_interval = sum(one.lower is not None for one in published)
    if with_interval:
        return (
            "d",
            f"{with_interval} of {len(published)} published results have an interval; beside them stand the middle 95 "
            "% of trials.",
        )
    if published:
        return (
            "c",
            f"{len(published)} published results without intervals beside the middle 95 % of the simulated trials.",
        )
    if study.posterior is not None:
        return "c", "Observed percentiles beside the intervals that the fitted model predicts for them."
    return "a", "Nothing observed stands beside the simulation."


COMPUTED: Mapping[str, Callable[[Study], Reached]] = {
    "software_quality": _software,
    "code_verification": _code,
    "discretization_error": _discretization,
    "solver_error": _solver,
    "use_error": _use,
    "model_inputs": _inputs,
    "test_samples": _samples,
    "output_comparison": _output,
}
"""Factors whose level the program finds."""
