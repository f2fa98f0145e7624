"""The simulation's folder: scenarios, seeds, operating characteristics with their errors, stories of example trials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from trials.evidence.writing import write_csv, write_text
from trials.storytelling import Witness

if TYPE_CHECKING:
    from trials.evidence.study import Example, Study

TOLD = 6
"""Patients told of each example trial."""


def write_scenarios(study: Study, answers: object, folder: Path) -> None:  # noqa: ARG001
    """Write ``simulation/scenarios.yaml``: each with what it changes, what is null in it and how often it was run."""
    made = {
        one.name: {
            "description": one.description,
            "changes": dict(one.settings),
            "null_hypothesis_true_for": list(one.null),
            "replicates": study.manifest["replicates"],
        }
        for one in study.trial.scenarios
    }
    text = yaml.safe_dump({"scenarios": made}, sort_keys=False, allow_unicode=True, width=120)
    write_text(folder / "simulation" / "scenarios.yaml", f"# SIMULATED DATA: all subjects are virtual.\n{text}")


def write_seeds(study: Study, answers: object, folder: Path) -> None:  # noqa: ARG001
    """Write ``simulation/seeds.csv``: a row a scenario; scenarios share their random numbers."""
    manifest = study.manifest
    head = ("scenario", "seed", "first_replicate", "last_replicate", "generator", "numpy")
    rows = [
        (
            one.name,
            manifest["seed"],
            0,
            manifest["replicates"] - 1,
            manifest["random_numbers"],
            manifest["versions"]["numpy"],
        )
        for one in study.trial.scenarios
    ]
    write_csv(folder / "simulation" / "seeds.csv", head, rows)


def write_characteristics(study: Study, answers: object, folder: Path) -> None:  # noqa: ARG001
    """Write ``simulation/operating-characteristics.csv``: value, Monte Carlo standard error and replicates of each."""
    head = ("scenario", "analysis", "characteristic", "value", "mcse", "replicates")
    rows = [
        (scenario, analysis, name, entry["value"], entry["mcse"], entry["replicates"])
        for scenario, analyses in study.characteristics.items()
        for analysis, names in analyses.items()
        for name, entry in names.items()
    ]
    write_csv(folder / "simulation" / "operating-characteristics.csv", head, rows)


def write_examples(study: Study, answers: object, folder: Path) -> None:  # noqa: ARG001
    """Write ``simulation/example-trials/``: what happened to several patients of each example, and why these."""
    for example in study.examples:
        name = f"example-{example.number}.txt"
        write_text(folder / "simulation" / "example-trials" / name, "\n".join(_told(study, example)))


def _told(study: Study, example: Example) -> Iterator[str]:
    yield "SIMULATED DATA: virtual subjects. What is true, and not only measured, is known because it was simulated."
    yield f"{study.trial.title}"
    yield f"Data sets: {example.study}; scenario {example.scenario.name}, replicate {example.replicate}: {example.why}."
    yield example.scenario.description
    yield ""
    yield from _outcome(study, example)
    for subject in chosen(example):
        witness = Witness(example.work, example.course, subject)
        yield from ("", f"---- Subject {subject}", *witness.who(), "", *witness.story(), "", *witness.analysed())


def _outcome(study: Study, example: Example) -> Iterator[str]:
    """What every analysis of the trial found, as in the outcomes of the run."""
    found = study.outcomes.sel(scenario=example.scenario.name, replicate=example.replicate)
    for name in found["analysis"].values:
        one = found.sel(analysis=name)
        said = [f"{key} {float(one[key]):.4g}" for key in ("estimate", "lower", "upper", "p") if _there(one[key])]
        decision = f"decision {'yes' if float(one['decision']) > 0.5 else 'no'}" if bool(one["decides"]) else ""
        yield f"{name}: {', '.join([*said, *([decision] if decision else [])])}"


def _there(value: Any) -> bool:
    return bool(np.isfinite(float(value)))


def chosen(example: Example) -> list[int]:
    """Patients to tell: the first of every arm, the first with each intercurrent event, the first who left early."""
    course = example.course
    arms = course.arms[0, :, 0]
    found = [int(np.flatnonzero(arms == arm)[0]) for arm in np.unique(arms[arms >= 0])]
    for times in (*course.events.values(), course.left):
        happened = np.flatnonzero(np.isfinite(times[0]))
        found += [int(happened[0])] if happened.size else []
    return sorted(set(list(dict.fromkeys(found))[:TOLD]))
