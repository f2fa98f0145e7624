"""From evidence to a population: fit it to data once, keep the posterior, recognise it again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

import cohorts
import engine
from cohorts.calibration.data import covariate_values
from cohorts.drawing.cohort import fitted, learned
from trials.checks import Choice
from trials.data import DataSource, read_source
from trials.errors import TrialError
from trials.making import known, number, whole
from trials.manifest import source_digest
from trials.reference import Reference, read_references

if TYPE_CHECKING:
    from trials.protocol import Protocol, Trial

type Tell = Callable[[str, int, int], None]

SAMPLER = ("chains", "tune", "draws", "target_accept", "allow")
METHODS = ("nuts", "laplace", "pathfinder")
CHECKS = ("rhat_max", "ess_min", "divergences", "ebfmi_min", "pareto_k")
LIBRARIES = ("pymc", "pytensor", "nutpie", "numba", "numpy")
"""What a posterior depends on besides our own code."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a trial's population is fitted to data before the trial is simulated."""

    source: DataSource
    chains: int
    tune: int
    draws: int
    target_accept: float
    allow: tuple[str, ...]
    """Checks of the fit (rhat, ess, divergences, ebfmi; pareto_k of an approximation) that may fail; recorded."""
    posterior: Path | None
    """A posterior saved before, taken instead of a fit."""
    references: tuple[Reference, ...] = ()
    """Fits of the same model to the same data by others; shown, never used."""
    method: str = "nuts"
    """``nuts``, or an approximation for a first look: ``laplace``, ``pathfinder``."""

    @property
    def sampler(self) -> dict[str, Any]:
        """Settings of the sampler by name; the method where it is an approximation."""
        method = {} if self.method == "nuts" else {"method": self.method}
        return {name: getattr(self, name) for name in SAMPLER} | method


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a trial's population rests on: a posterior, or nothing but the literature."""

    posterior: xr.DataTree | None = None
    thin: xr.DataTree | None = None
    """The draws of the population-level values alone: all that drawing patients needs, small enough to travel."""
    digests: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=lambda: {"population": "literature"})

    @property
    def digest(self) -> str:
        """Digest of the posterior; empty without one."""
        return self.digests.get("posterior", "")

    def save(self, path: Path) -> None:
        """Write the posterior, if there is one, at once or not at all."""
        if self.posterior is not None and not path.exists():
            temporary = path.with_name(f".{path.name}.tmp")
            self.posterior.to_netcdf(temporary, engine="h5netcdf")
            temporary.rename(path)


def read_calibration(
    data: Mapping[str, Any], spec: Mapping[str, Any], protocol: Protocol, folders: Sequence[Path]
) -> Calibration:
    """Calibration from its configuration; the data file is read and checked.

    Raises
    ------
    TrialError, DataError, ModelError
        Naming what is wrong with the data, or why the model cannot be fitted.
    """
    known("calibration", spec, (*SAMPLER, "posterior", "method"))
    if missing := [key for key in SAMPLER if spec.get(key) is None]:
        raise TrialError(f"calibration.{missing[0]}: missing")
    method = Choice(METHODS)("calibration.method", spec.get("method", "nuts"))
    source = read_source(data, protocol.model, folders)
    events = source.events(protocol.model)
    individuals = source.individuals(events)
    covariate_values(protocol.population, individuals)
    asked = sorted(set(cohorts.requests(protocol.population, individuals, source.output)["output"].values.tolist()))
    if strange := [name for name in asked if name not in protocol.model.output_names]:
        raise TrialError(f"data.outputs: model {protocol.model.name} has no output {strange[0]!r}")
    saved = spec.get("posterior")
    places = [] if saved is None else [Path(saved), *(folder / str(saved) for folder in folders)]
    there = next((path for path in places if path.is_file()), None)
    if saved is not None and there is None:
        raise TrialError(f"calibration.posterior: there is no file {saved!r}")
    names = [coefficient.name for coefficient in protocol.population.coefficients]
    references = read_references(data.get("reference_fits") or (), names)
    return Calibration(
        source,
        chains=whole("calibration.chains", spec["chains"], 1),
        tune=whole("calibration.tune", spec["tune"], 1),
        draws=whole("calibration.draws", spec["draws"], 1),
        target_accept=number("calibration.target_accept", spec["target_accept"]),
        allow=tuple(spec["allow"]),
        posterior=there,
        references=references,
        method=method,
    )


def gather(trial: Trial, seed: int, root: Path | None, tell: Tell) -> Evidence:
    """Fit the population of a trial, or find the posterior of the same fit in `root`; nothing to do without data.

    Raises
    ------
    CalibrationError
        When the fit does not pass its checks.
    PopulationError
        When a saved posterior belongs to another population.
    """
    calibration, protocol = trial.calibration, trial.protocol
    if calibration is None:
        return Evidence()
    events = calibration.source.events(protocol.model)
    about = {"population": "calibrated", "data": calibration.source.name, "sampler": calibration.sampler}
    if calibration.posterior is not None:
        tell(f"taking the posterior {calibration.posterior.name}", 1, 1)
        return _evidence(protocol, _read(calibration.posterior), {**about, "fit": "posterior given"})
    key = fit_key(protocol, calibration, events, seed)
    kept = None if root is None else root / "posteriors" / f"{protocol.population.name}-{key[:16]}.nc"
    if kept is not None and kept.is_file():
        tell(f"taking the posterior of the same fit, {kept}", 1, 1)
        return _evidence(protocol, _read(kept), {**about, "fit": "taken from an earlier run", "key": key})
    fitted = _fit(protocol, calibration, events, seed, tell)
    found = _evidence(protocol, fitted, {**about, "fit": "made for this run", "key": key})
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        found.save(kept)
    return found


def fit_key(protocol: Protocol, calibration: Calibration, events: engine.EventTable, seed: int) -> str:
    """Digest of everything a posterior depends on: population, model, records, sampler, seed, libraries, code."""
    parts = [
        protocol.population.fitted_digest,
        protocol.model.digest,
        records_digest(events),
        calibration.source.output,
        repr(calibration.source.outputs),
        repr(calibration.sampler),
        str(seed),
        *(f"{name} {version(name)}" for name in LIBRARIES),
        source_digest("engine", "cohorts"),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def records_digest(events: engine.EventTable) -> str:
    """SHA-256 of the records that are fitted: doses, observations and covariates."""
    sha = hashlib.sha256()
    for name in ("ids", "subject", "time", "evid", "amt", "cmt", "addl", "ii", "ss", "rate", "mdv", "dv"):
        values = np.asarray(getattr(events, name))
        sha.update(f"{name}:{[*map(str, values.tolist())]}\n".encode())
    for name, values in sorted(events.columns.items()):
        sha.update(f"{name}:{[*map(str, values.tolist())]}\n".encode())
    return sha.hexdigest()


def posterior_digest(thin: xr.DataTree) -> str:
    """SHA-256 of the draws of the population-level values."""
    sha, group = hashlib.sha256(), thin["posterior"].to_dataset()
    for name in sorted(map(str, group.data_vars)):
        sha.update(name.encode() + np.ascontiguousarray(group[name].values, dtype="<f8").tobytes())
    return sha.hexdigest()


def thinned(protocol: Protocol, posterior: xr.DataTree) -> xr.DataTree:
    """Keep of a posterior what drawing patients needs, after checking that it is this population's."""
    group = fitted(protocol.population, posterior)
    small = xr.DataTree.from_dict({"posterior": group[learned(protocol.population, posterior)].load()})
    small.attrs = dict(posterior.attrs)
    return small


def _fit(protocol: Protocol, calibration: Calibration, events: engine.EventTable, seed: int, tell: Tell) -> xr.DataTree:
    from engine.gradients.graph import prediction

    output, data = calibration.source.output, calibration.source.individuals(events)
    rows = cohorts.requests(protocol.population, data, output)
    predict = prediction(protocol.model, events, rows, subjects=events.ids.tolist())
    return cohorts.calibrate(
        protocol.population, data, predict, seed=seed, output=output, progress=tell, **calibration.sampler
    )


def _evidence(protocol: Protocol, posterior: xr.DataTree, about: Mapping[str, Any]) -> Evidence:
    thin = thinned(protocol, posterior)
    checks = {name: float(posterior.attrs[name]) for name in CHECKS if name in posterior.attrs}
    digests = {"data": str(posterior.attrs["data_digest"]), "posterior": posterior_digest(thin)}
    nature = {name: str(posterior.attrs[name]) for name in ("approximation",) if name in posterior.attrs}
    return Evidence(posterior, thin, digests, {**about, "checks": checks, **nature})


def _read(path: Path) -> xr.DataTree:
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        return tree.load()
