"""The folder of a run: made once, filled block by block, finished by its manifest and never overwritten.

While a run is under way its folder holds ``config.yaml`` and ``partial/`` with one file for each finished block. The
same configuration started again continues there; the numbers of a block do not depend on when it was made.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
import yaml

from engine.locking import hold
from trials.errors import TrialError
from trials.protocol import POSTERIOR, Trial

type Arrays = Mapping[str, np.ndarray]

HOME = "runs"
"""Folder of runs where nobody names another."""
LOCK = "partial/.lock"
"""File in a run's folder that the process working there holds."""


@dataclass(frozen=True, slots=True, eq=False)
class RunFolder:
    """An unfinished run's folder, held by this process alone."""

    path: Path
    lock: IO[str]

    @property
    def partial(self) -> Path:
        """Where finished blocks wait for the rest."""
        return self.path / "partial"

    def claim(self, identity: Mapping[str, Any]) -> bool:
        """Keep finished blocks only if they were made by the same configuration, posterior and code; say whether so."""
        mark, text = self.partial / "identity.json", json.dumps(identity, sort_keys=True)
        same = mark.exists() and mark.read_text(encoding="utf-8") == text
        if not same:
            for path in (*self.partial.glob("*.npz"), *self.path.glob("posterior.nc")):
                path.unlink()
            mark.write_text(text, encoding="utf-8")
        return same

    def identity(self) -> dict[str, str] | None:
        """What the blocks that lie here were made by; None before there can be any."""
        mark = self.partial / "identity.json"
        found: dict[str, str] | None = json.loads(mark.read_text(encoding="utf-8")) if mark.exists() else None
        return found

    def save(self, part: str, replicates: range, arrays: Arrays) -> None:
        """Keep a finished block, at once or not at all."""
        name = f"{part}-{replicates.start}-{replicates.stop}"
        temporary = self.partial / f".{name}.tmp"
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **dict(arrays))
        temporary.rename(self.partial / f"{name}.npz")

    def saved(self, part: str) -> dict[range, dict[str, np.ndarray]]:
        """Finished blocks of one part of the run, in order of their replicates."""
        found: dict[range, dict[str, np.ndarray]] = {}
        for path in self.partial.glob(f"{part}-*-*.npz"):
            _, start, stop = path.stem.rsplit("-", 2)
            with np.load(path, allow_pickle=False) as file:
                found[range(int(start), int(stop))] = dict(file)
        return dict(sorted(found.items(), key=lambda item: item[0].start))

    def finish(self) -> None:
        """Drop the blocks: what they held now stands in the run's own files."""
        self.release()
        shutil.rmtree(self.partial)

    def release(self) -> None:
        """Let others continue the run."""
        self.lock.close()


def open_folder(root: Path, trial: Trial) -> tuple[RunFolder, bool]:
    """Find the unfinished folder of this configuration, or make one: ``<root>/<trial>/<UTC time>-<digest8>``.

    Returns
    -------
    The folder, and whether it was there already. A folder another process is working in is left alone.
    """
    home, short = root / trial.name, trial.digest[:8]
    for path in sorted(home.glob(f"*-{short}"), reverse=True):
        if not (path / "manifest.json").exists() and (path / "partial").is_dir() and (held := hold(path / LOCK)):
            return RunFolder(path, held), True
    path = _fresh(home, short)
    (path / "partial").mkdir(parents=True)
    write_config(trial, path)
    held = hold(path / LOCK)
    assert held is not None, "nobody else knows this folder yet"
    return RunFolder(path, held), False


def writable(root: Path) -> None:
    """Refuse a folder of runs that cannot be made or written; nothing is left there.

    Raises
    ------
    TrialError
        Naming the folder and what the system says.
    """
    there = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        reason = "is not a folder" if not there.is_dir() else "cannot be written"
        raise TrialError(f"runs: got {str(root)!r}, but {there} {reason}; name another folder")


def write_config(trial: Trial, folder: Path) -> None:
    """Write the resolved configuration; ``trialtwin run <folder>/config.yaml`` repeats the run.

    Where on this computer runs are kept is nobody else's matter: an absolute path is written as the default folder.
    """
    text = yaml.safe_dump(portable(trial.config), sort_keys=False, allow_unicode=True, width=120)
    (folder / "config.yaml").write_text(text, encoding="utf-8")


def portable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with ``runs`` for a folder of runs that is an absolute path, and the run's posterior."""
    moved = {name: portable(value) if isinstance(value, Mapping) else value for name, value in config.items()
             if name in ("runs", "tracking")}  # fmt: skip
    home, fit = moved.get("runs"), config.get("calibration")
    if isinstance(fit, Mapping) and fit.get("posterior") is not None:
        moved["calibration"] = {**fit, "posterior": POSTERIOR}
    return {**config, **moved, **({"runs": HOME} if isinstance(home, str) and Path(home).is_absolute() else {})}


def _fresh(home: Path, short: str) -> Path:
    stamp = datetime.now(UTC)
    names = (f"{stamp:%Y%m%dT%H%M%S}{suffix}Z-{short}" for suffix in ("", *(f".{n}" for n in range(1, 1000))))
    return next(home / name for name in names if not (home / name).exists())
