"""What a run was made with: its resolved configuration, the state of the code, the distributions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from trials.evidence.provenance.distributions import installed
from trials.evidence.writing import write_text
from trials.manifest import source_digest
from trials.protocol import WHERE
from trials.trust.remade import CODE

if TYPE_CHECKING:
    from trials.evidence.study import Study

HERE = {"cluster": {"_target_": "engine.execute.Serial"}, "tracking": {"_target_": "trials.tracking.NoTracking"}}
"""Where a run is repeated when somebody else does it: in one process, recorded nowhere."""


def write_settings(study: Study, answers: object, folder: Path) -> None:  # noqa: ARG001
    """Write ``provenance/config-resolved.yaml``, ``environment.lock`` and ``git.txt``."""
    place = folder / "provenance"
    write_text(place / "config-resolved.yaml", resolved(study))
    write_text(place / "environment.lock", lock(study))
    write_text(place / "git.txt", state(study))


def resolved(study: Study) -> str:
    """Resolved configuration of the run: every field that can change a number, and a place of its own for the rest.

    The fields that say where a run is made and recorded are replaced, since another reader has other places; the
    configuration's digest does not depend on them, and stays that of the manifest.
    """
    config = {**study.trial.config, **HERE, "runs": "runs"}
    head = [
        "# SIMULATED DATA: resolved configuration of the run, all groups and overrides applied.",
        f"# Digest of every field that can change a number: {study.manifest['digests']['config']}",
        f"# Not part of the digest: {', '.join(WHERE)}.",
        "",
    ]
    return "\n".join(head) + yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=120)


def lock(study: Study) -> str:
    """Distributions with their versions, and where they differ from those that the run recorded."""
    recorded: dict[str, str] = study.manifest["versions"]
    here = {one.name: one.version for one in installed()}
    other = [
        f"# differs: the run was made with {name} {version}, packaged with {here[name]}"
        for name, version in recorded.items()
        if name in here and here[name] != version
    ]
    machine: dict[str, Any] = study.manifest["machine"]
    head = [
        "# Distributions of the environment: `pip install -r environment.lock` with the Python below.",
        f"# Python {recorded['python']} on {machine['system']} {machine['machine']}",
        *(other or ["# Every version that the run recorded in its manifest is the one below."]),
    ]
    return "\n".join([*head, *(f"{name}=={version}" for name, version in here.items())])


def state(study: Study) -> str:
    """State of the code: commit, whether files were changed, digest of every source file."""
    git: dict[str, Any] = study.manifest["git"]
    commit = git.get("commit", "none: the program did not run from a repository")
    said: dict[bool | None, str] = {True: "yes: the commit alone does not give the code", False: "no"}
    changed = said.get(git.get("changed"), "unknown")
    rows = {
        "program": f"trialtwin {study.manifest['versions']['trialtwin']}",
        "commit": commit,
        "uncommitted changes": changed,
        "sha256 of all source files (engine, cohorts, trials)": study.manifest["digests"]["code"],
    }
    return "\n".join([*(f"{name}: {value}" for name, value in rows.items()), f"{CODE}{source_digest()}"])
