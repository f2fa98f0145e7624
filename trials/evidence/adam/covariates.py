"""What is known of subjects when they enter: covariates of the population, site, region and stratum, day of entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from trials.evidence.adam.making import Variable, ascii_text, derived
from trials.evidence.adam.recorded import Recorded
from trials.evidence.table import Table
from trials.protocol import Protocol

type Array = np.ndarray

PLACES = {"site": ("SITENAM", "Site"), "region": ("REGION1", "Geographic Region 1"), "stratum": ("STRATUM", "Stratum")}
"""Columns of ADSL that tell where subjects were randomised, and their labels."""
CLOCKS = {"enrolled": ("RANDTM", "Time of Randomisation on the Calendar"),
         "discontinued": ("DISCTM", "Time of Leaving after Randomisation")}  # fmt: skip
"""Columns of ADSL with times in the trial's unit."""


def column_of(name: str) -> str:
    """Column of ADSL that holds a covariate, a place or a time: ``WEIGHTBL`` for weight."""
    if name in PLACES:
        return PLACES[name][0]
    if name in CLOCKS:
        return CLOCKS[name][0]
    letters = "".join(letter for letter in name.upper() if letter.isascii() and letter.isalnum())
    return f"{letters[:6]}BL"


def columns(protocol: Protocol) -> dict[str, tuple[str, tuple[str, ...]]]:
    """For each covariate of a protocol its column of ADSL, and its levels (none: a number)."""
    made: dict[str, tuple[str, tuple[str, ...]]] = {}
    taken: set[str] = set()
    for variable in protocol.population.variables:
        column = column_of(variable.name)
        number = 1
        while column in taken:
            number += 1
            column = f"{column_of(variable.name)[: 5 - len(str(number)) + 1]}{number}BL"
        taken.add(column)
        made[variable.name] = (column, variable.levels)
    return made


def covariates(seen: Recorded) -> Iterator[Variable]:
    """Covariates of the population: numbers as they are in SDTM, levels by their names."""
    about = {variable.name: variable for variable in seen.protocol.population.variables}
    for name, (column, levels) in columns(seen.protocol).items():
        if name not in seen.course.patients:
            continue
        values = seen.course.patients[name].values[0]
        unit = f" ({about[name].unit})" if about[name].unit not in ("", "1") else ""
        label = ascii_text(f"Baseline {name.replace('_', ' ')}{unit}")[:40].rstrip()
        source = seen.origins.get(name, "")
        if levels:
            yield derived(column, label, source), np.asarray(levels, dtype=object)[values.astype(int)]
        else:
            yield derived(column, label, source, "float"), values


def entry(seen: Recorded) -> Iterator[Variable]:
    """Where and when subjects were randomised, and when they left, in the trial's unit of time."""
    unit = seen.protocol.model.time
    for name, (column, label) in PLACES.items():
        if name in seen.course.patients:
            names = np.asarray(seen.course.patients[name].attrs["names"], dtype=object)
            yield (
                derived(column, label, seen.origins.get(name, "")),
                names[seen.course.patients[name].values[0].astype(int)],
            )
    for name, (column, label) in CLOCKS.items():
        values = seen.course.patients["enrolled"].values[0] if name == "enrolled" else seen.course.left[0]
        if np.isfinite(values).any():
            source = f"{seen.origins.get(name, 'DS.DSSTDTC')}; in the trial's unit of time ({unit})"
            yield derived(column, f"{label} ({unit})"[:40], source, "float", format="12.4"), values
    for number, (name, when) in enumerate(seen.course.events.items(), 1):
        label = ascii_text(f"Time of {name.replace('_', ' ')} ({unit})")[:40]
        source = f"{seen.origins.get(f'ice_{name}', '')}; in the trial's unit of time ({unit}), missing: never"
        yield derived(f"ICE{number:02d}TM", label, source, "float", format="12.4"), when[0]


def numeric(seen: Recorded, adsl: Table, who: Array) -> Iterator[Variable]:
    """Covariates as numbers, as a population model wants them: a level is its place, from 0."""
    frame = adsl.frame.set_index("USUBJID").reindex(who)
    for column, levels in columns(seen.protocol).values():
        if column not in frame:
            continue
        about: Mapping[str, int] = {level: place for place, level in enumerate(levels)}
        values = frame[column].map(about).to_numpy(float) if levels else frame[column].to_numpy(float)
        told = ", ".join(f"{place} {level}" for level, place in about.items())
        source = f"ADSL.{column}{f': {told}' if told else ''}"
        yield derived(column, adsl.column(column).label, ascii_text(source), "float"), values
