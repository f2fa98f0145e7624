"""Whether anything that would enter a package names real people, and whether their data may be in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.errors import TrialError
from trials.trust import audit
from trials.trust.identifiers import KINDS, Hit, in_columns, in_table, in_text

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study
    from trials.protocol import Trial

PLACE = "audit/identifiers.json"
LIMITS = "Names of columns and forms of values were searched. This cannot prove that nobody can be identified."
PEOPLE_WHO_SIGN = ("people", "sponsor", "protocol", "missing", "digest", "verdict")
"""Answers that name those who stand for the package, as they must."""


def write_search(study: Study, answers: Answers, folder: Path) -> None:
    """Write ``audit/identifiers.json``: what was searched, what looked like an identifier, and by which leave it is in.

    Raises
    ------
    TrialError
        When data of real people would enter the package without leave, or something that looks like an identifier was
        not cleared; lists all of it.
    """
    from trials.evidence.writing import write_json

    leave, held = answers.source_data, sources(study.trial)
    hits = [*of_run(study.trial, study.run), *of_answers(answers)]
    refuse(held, hits, leave)
    write_json(
        folder / PLACE,
        {
            "rule": "45 CFR 164.514(b)(2)(i)",
            "classes": {kind.letter: kind.name for kind in KINDS},
            "real_people": held,
            "searched": [*held, "config.yaml", "audit.jsonl", "answers"],
            "found": [{"class": hit.kind.letter, "where": hit.place, "seen": hit.why} for hit in hits],
            "leave": None if leave is None else dataclasses.asdict(leave),
            "limits": LIMITS,
        },
    )


def refuse(held: list[str], hits: list[Hit], leave: Any) -> None:
    """Refuse data of real people without leave, and identifiers that nobody cleared.

    Raises
    ------
    TrialError
        Listing them.
    """
    if held and (leave is None or not leave.allowed):
        listed = "\n  ".join(held)
        raise TrialError(
            f"package: data of real people would be in it:\n  {listed}\n"
            "Whoever may give leave does so in the answers: source_data with allowed, licence and why."
        )
    cleared = {} if leave is None else leave.cleared
    if left := [hit for hit in hits if not cleared.get(hit.kind.letter)]:
        listed = "\n  ".join(map(str, left))
        raise TrialError(
            f"package: {len(left)} findings look like identifiers of real people:\n  {listed}\n"
            "Take them out, or say in the answers, source_data.cleared, by the letter of the class, why they are none."
        )


def sources(trial: Trial) -> list[str]:
    """Describe what of real people a run holds: the data its population was fitted to, rows of tables."""
    from cohorts.covariates.resampling import TableRows

    found = []
    if trial.calibration is not None:
        source = trial.calibration.source
        found.append(f"{source.path.name}: {source.title}, in posterior.nc")
    tables = [one for one in trial.protocol.population.covariates if isinstance(one, TableRows)]
    return [*found, *(f"{one.table}: rows of a table of people, in cohort.zarr" for one in tables)]


def of_run(trial: Trial, run: Path) -> Iterator[Hit]:
    """Search the data a population was fitted to, the tables it was drawn from, and the configuration."""
    import pandas as pd

    from cohorts.covariates.resampling import TableRows

    if trial.calibration is not None:
        path = trial.calibration.source.path
        yield from in_table(pd.read_csv(path, dtype=str, comment="#"), path.name)
    for one in trial.protocol.population.covariates:
        if isinstance(one, TableRows):
            yield from in_table(pd.DataFrame(dict(one.rows)), one.table)
    yield from of_package(run, run / audit.LOG)


def of_package(run: Path, log: Path) -> Iterator[Hit]:
    """Search what a packaged run and its log hold: configuration, reasons, what the posterior says of each person."""
    import pandas as pd
    import xarray as xr

    for entry in audit.Log(log).entries() if log.is_file() else ():
        changed = entry.new.get("overrides") if isinstance(entry.new, Mapping) else None
        words = [entry.reason, *(map(str, changed) if isinstance(changed, list) else ())]
        yield from in_text("\n".join(words), f"{log.name} line {entry.seq}")
    yield from in_text((run / "config.yaml").read_text(encoding="utf-8"), "config.yaml")
    path = run / "posterior.nc"
    if path.is_file():
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            people = tree["constant_data"].to_dataset() if "constant_data" in tree.children else xr.Dataset()
            names = [str(name) for name in people.data_vars]
            yield from in_columns(names, path.name)
            if "subject" in people.coords:
                yield from in_table(pd.DataFrame({"subject": people["subject"].values.astype(str)}), path.name)


def of_answers(answers: Answers) -> Iterator[Hit]:
    """Search the free texts of the answers."""
    content = {name: value for name, value in dataclasses.asdict(answers).items() if name not in PEOPLE_WHO_SIGN}
    for where, text in _texts(content, "answers"):
        yield from in_text(text, where)


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(item, f"{where}.{name}")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _texts(item, f"{where}[{number}]")
