"""Simulating some replicates of a packaged run again, at their addresses, and comparing every bit of their outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from trials.bag import RUN
from trials.errors import TOLD
from trials.manifest import machine, source_digest, versions
from trials.trust.finding import Finding, Outcome
from trials.trust.run_folder import read_manifest

if TYPE_CHECKING:
    import xarray as xr

    from trials.protocol import Trial

TOLERANCE = 1e-6
"""Largest relative difference where another version of the program or of a library, or another machine, simulates."""
NUMERICAL = ("numpy", "scipy", "heyoka", "python")
"""Libraries whose version may change the last bits."""


@dataclass(frozen=True, slots=True)
class Rerun:
    """The check that simulates again.

    Attributes
    ----------
    count
        Replicates of each scenario; 0: it is not asked for.
    seed
        Which ones follows from it.
    """

    count: int = 0
    seed: int = 0

    name = "rerun"
    what = "replicates drawn at random come out again"

    def __call__(self, bag: Path) -> Outcome:
        """Make the check."""
        if self.count == 0:
            return self.undone("not asked for; `--rerun N` simulates N replicates of each scenario again")
        try:
            return self._made(bag / RUN)
        except (*TOLD, OSError) as error:
            return Outcome(self.name, self.what, "failed", "", (Finding(RUN, f"cannot be repeated: {error}"),), "rerun")

    def undone(self, why: str) -> Outcome:
        """Say that it was not made, and why."""
        return Outcome(self.name, self.what, "not done", why)

    def _made(self, folder: Path) -> Outcome:
        from trials import outcomes

        manifest, trial = read_manifest(folder), trial_of(folder)
        found, _ = outcomes.read(folder / "outcomes.parquet")
        differs = differences(manifest)
        chosen = sample(int(found.sizes["replicate"]), self.count, self.seed)
        thin, findings = _posterior(folder, trial), list[Finding]()
        for scenario in trial.scenarios:
            stored = found.sel(scenario=scenario.name)
            for replicate in chosen:
                again = _simulated(trial, scenario.name, replicate, int(manifest["seed"]), thin)
                tolerance = TOLERANCE if differs else 0.0
                where = f"{RUN}/outcomes.parquet {scenario.name}, replicate {replicate}"
                findings += _unequal(stored.sel(replicate=replicate), again, tolerance, where)
        how = f"to {TOLERANCE:g}, since these differ: {', '.join(differs)}" if differs else "to the last bit"
        note = f"{len(chosen)} replicates of each of {len(trial.scenarios)} scenarios compared {how}: {chosen}"
        return Outcome(self.name, self.what, "failed" if findings else "passed", note, tuple(findings), "rerun")


def trial_of(folder: Path) -> Trial:
    """Build the trial of a run folder without the data its population was fitted to: the draws of it are at hand."""
    from trials.build import build

    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    return build({name: value for name, value in config.items() if name not in ("data", "calibration")})


def sample(replicates: int, count: int, seed: int) -> list[int]:
    """Choose some of the replicates, in order; the same for the same seed."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, replicates]))
    return sorted(int(n) for n in rng.choice(replicates, size=min(count, replicates), replace=False))


def differences(manifest: Mapping[str, Any]) -> list[str]:
    """What is another here than where the run was made: the code, libraries, the processor."""
    here, there = versions(), manifest["versions"]
    code = [] if source_digest() == manifest["digests"].get("code") else ["the program's code"]
    same = [machine()[part] == manifest.get("machine", {}).get(part) for part in ("machine", "processor")]
    processor = [] if all(same) else ["the processor"]
    return code + processor + [name for name in NUMERICAL if here.get(name) != there.get(name)]


def _posterior(folder: Path, trial: Trial) -> xr.DataTree | None:
    import xarray as xr

    from trials.calibration import thinned

    path = folder / "posterior.nc"
    if not path.is_file():
        return None
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        return thinned(trial.protocol, tree.load())


def _simulated(
    trial: Trial, scenario: str, replicate: int, seed: int, thin: xr.DataTree | None
) -> dict[str, np.ndarray]:
    """Outcomes of one replicate by name: (analysis,)."""
    from trials.block import Work, simulate_block

    made = simulate_block(Work("", trial.scenario(scenario).protocol, range(replicate, replicate + 1), seed, thin))
    prefix = "outcome."
    return {name.removeprefix(prefix): values[0] for name, values in made.items() if name.startswith(prefix)}


def _unequal(stored: xr.Dataset, again: Mapping[str, np.ndarray], tolerance: float, where: str) -> Iterator[Finding]:
    for name in map(str, stored.data_vars):
        before = np.asarray(stored[name].values, float)
        after = np.asarray(again[name], float) if name in again else np.full_like(before, np.nan)
        equal = np.isclose(after, before, rtol=tolerance, atol=tolerance, equal_nan=True)
        for analysis in stored["analysis"].values[~equal].tolist():
            place = stored["analysis"].values.tolist().index(analysis)
            yield Finding(where, f"{name} of {analysis} was {before[place]!r} and is {after[place]!r}")
