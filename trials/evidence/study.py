"""A finished run as the parts of an evidence package read it, and example trials of it simulated again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from trials import outcomes as table
from trials.block import Work, simulate, trial_data
from trials.compose import load
from trials.conduct import follow_up, noise
from trials.conduct.course import Course
from trials.conduct.doses import Given, doses
from trials.monitoring.conclusion import concluded
from trials.protocol import Protocol, Scenario, Trial
from trials.verification import read_manifest

type Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Example:
    """One simulated trial of a run, simulated again at its address: the very numbers its outcomes came from.

    Attributes
    ----------
    number
        1 for the first example of the package.
    study
        Study identifier: STUDYID of its data sets.
    scenario, replicate
        Which simulated trial it is.
    why
        Why it was chosen, in words.
    work
        Its address.
    trial
        The trial it is of.
    """

    number: int
    study: str
    scenario: Scenario
    replicate: int
    why: str
    work: Work
    trial: Trial

    @property
    def protocol(self) -> Protocol:
        """What was planned."""
        return self.work.protocol

    @cached_property
    def course(self) -> Course:
        """What happened to its patients; the axis of replicates has one entry."""
        return simulate(self.work)

    @cached_property
    def data(self) -> xr.Dataset:
        """What the analyses saw: (replicate, subject[, period][, visit_<endpoint>]), as in `trial_data`."""
        made = trial_data(self.work, self.course)
        return concluded(self.protocol, made, follow_up(self.protocol))[1]

    def doses(self, subject: int) -> list[Given]:
        """Doses of a patient in order of time since randomisation, those not taken too."""
        return doses(self.protocol, self.course, self._noise, subject)

    @cached_property
    def _noise(self) -> Mapping[str, Array]:
        return noise(self.protocol, self.work.seed, self.work.replicates, *self.course.arms.shape[1:])


@dataclass(frozen=True, eq=False)
class Study:
    """A finished run.

    Attributes
    ----------
    run
        Its folder.
    manifest, trial
        Its manifest, and the trial of its ``config.yaml``.
    examples
        Trials told in full: at least one of the first scenario, and one that came out the other way where there is one.
    """

    run: Path
    manifest: Mapping[str, Any]
    trial: Trial
    examples: tuple[Example, ...] = field(default=())

    @cached_property
    def _results(self) -> tuple[xr.Dataset, xr.Dataset]:
        return table.read(self.run / "outcomes.parquet")

    @property
    def outcomes(self) -> xr.Dataset:
        """Outcomes of every replicate, as `trials.Result.outcomes`."""
        return self._results[0]

    @property
    def truth(self) -> xr.Dataset:
        """True effects, as `trials.Result.truth`."""
        return self._results[1]

    @cached_property
    def characteristics(self) -> dict[str, Any]:
        """Operating characteristics: scenario, analysis, name to value, mcse and replicates."""
        found: dict[str, Any] = json.loads((self.run / "characteristics.json").read_text(encoding="utf-8"))
        return found

    @cached_property
    def posterior(self) -> xr.DataTree | None:
        """Draws of the fitted population with prior, predictive check and diagnostics; None when nothing was fitted."""
        path = self.run / "posterior.nc"
        if not path.is_file():
            return None
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            return tree.load()

    @property
    def finished(self) -> str:
        """UTC time at which the run ended, ISO 8601; the only clock that a package reads."""
        return str(self.manifest["finished"])


def open_study(run: str | Path) -> Study:
    """Open a finished run with its example trials."""
    folder = Path(run)
    manifest, trial = read_manifest(folder), load(folder / "config.yaml")
    bare = Study(folder, manifest, trial)
    return Study(folder, manifest, trial, tuple(_examples(bare)))


def identifier(trial: Trial, manifest: Mapping[str, Any]) -> str:
    """STUDYID of a run: ``TT-``, the initials of the trial's name and 8 digits of its configuration's digest."""
    initials = "".join(word[0] for word in trial.name.split("_")).upper()
    return f"TT-{initials}-{manifest['digests']['config'][:8].upper()}"


def _examples(study: Study) -> list[Example]:
    """The first replicate of the first scenario, and the first that came out the other way in the first analysis."""
    scenario = study.trial.scenarios[0]
    decision = study.outcomes["decision"].sel(scenario=scenario.name).isel(analysis=0).values
    other = np.flatnonzero((decision > 0.5) != (decision[0] > 0.5))
    chosen = [(0, "the first simulated trial"), *((int(n), "the first that came out the other way") for n in other[:1])]
    thin = None
    if study.posterior is not None:
        from trials.calibration import thinned

        thin = thinned(study.trial.protocol, study.posterior)
    seed, name = int(study.manifest["seed"]), identifier(study.trial, study.manifest)
    return [
        Example(
            number, f"{name}-E{number}", scenario, replicate, why,
            Work("", scenario.protocol, range(replicate, replicate + 1), seed, thin), study.trial,
        )
        for number, (replicate, why) in enumerate(chosen, 1)
    ]  # fmt: skip
