"""A run folder: what its manifest says of it, and whether it is what its run left."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.bag import digest, files
from trials.errors import TrialError
from trials.protocol import canonical, counted
from trials.trust import audit
from trials.trust.finding import Finding, Report
from trials.trust.fixity import differences

if TYPE_CHECKING:
    import xarray as xr

FOLDER_MANIFEST = "manifest.json"
MAPPINGS = {"files": (), "digests": ("config", "outcomes"), "versions": ("trialtwin",)}
TEXTS = ("trial", "finished")


def check(run: str | Path, *, log: Path | None = None) -> Report:
    """Check a run folder: every file, the configuration, the characteristics computed anew, and the audit log.

    `log` is where its audit log lies; None: in the folder, as every run leaves it.

    Raises
    ------
    TrialError
        `run` is no finished run folder.
    """
    folder = Path(run)
    manifest = read_manifest(folder)
    listed: Mapping[str, str] = manifest["files"]
    present = [path for path in files(folder) if path not in (FOLDER_MANIFEST, audit.LOG)]
    findings = [*differences(folder, listed, present, algorithm="sha256")]
    findings += _log_findings(folder, manifest, log or folder / audit.LOG)
    if not findings:
        findings += [*_config_findings(folder, manifest), *_outcome_findings(folder, manifest)]
    return Report(folder, tuple(present), tuple(findings))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Manifest of a finished run.

    Raises
    ------
    TrialError
        The folder is absent, has no readable manifest, or its run did not finish.
    """
    path = folder / FOLDER_MANIFEST
    if not path.is_file():
        raise TrialError(
            f"run: {folder} is no finished run (it has no {FOLDER_MANIFEST}); name a folder of runs/<trial>/"
        )
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise TrialError(f"run: {path} cannot be read ({error})") from None
    if lacking := _lacking(manifest):
        raise TrialError(f"run: {path} is no manifest of a run: it lacks {', '.join(lacking)}")
    return manifest


def _lacking(manifest: object) -> list[str]:
    """Fields a manifest should have and this one does not."""
    if not isinstance(manifest, dict):
        return [*MAPPINGS, *TEXTS]
    inner = {name: manifest.get(name) for name in MAPPINGS}
    lacking = [name for name, found in inner.items() if not isinstance(found, dict)]
    there = {name: found for name, found in inner.items() if isinstance(found, dict)}
    lacking += [f"{name}.{key}" for name, found in there.items() for key in MAPPINGS[name] if key not in found]
    return lacking + [name for name in TEXTS if not isinstance(manifest.get(name), str)]


def _log_findings(folder: Path, manifest: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    """Compare the manifest with the log of the run; runs of versions that kept no log have none to compare."""
    noted = manifest.get("audit")
    if noted is None and not path.exists():
        return
    log = audit.Log(path)
    if findings := log.check():
        yield from findings
        return
    entries = log.entries()
    ends = [entry for entry in entries if entry.action == audit.FINISHED]
    if not any(str(audit.Head(entry.seq, entry.hash)) == noted for entry in entries):
        yield Finding(FOLDER_MANIFEST, f"notes {noted!r} as the head of the audit log, which has no such line")
    got = digest(folder / FOLDER_MANIFEST, "sha256")
    last = ends[-1].new if ends else None
    if not isinstance(last, Mapping) or last.get("manifest") != got:
        yield Finding(FOLDER_MANIFEST, f"is not the one that the audit log says the run left: sha256 {got[:12]}…")


def _config_findings(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Finding]:
    """Compare the configuration with its digest, which is not that of the file but of every field that counts."""
    import yaml

    try:
        config = dict(yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        yield Finding("config.yaml", f"cannot be read ({error})")
        return
    got, wanted = sha256(canonical(counted(config)).encode()).hexdigest(), manifest["digests"]["config"]
    if got != wanted:
        yield Finding("config.yaml", f"is another configuration: digest {got[:12]}…, the manifest says {wanted[:12]}…")


def _outcome_findings(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Finding]:
    """Compare the outcomes with their digest and the characteristics with those computed anew from the outcomes."""
    from trials import outcomes as table
    from trials.multiplicity.families import own_families
    from trials.operating import characteristics

    try:
        outcomes, truth = table.read(folder / "outcomes.parquet")
        written = json.loads((folder / "characteristics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError) as error:
        yield Finding("outcomes.parquet, characteristics.json", f"cannot be read ({error})")
        return
    got, wanted = table.digest(outcomes), manifest["digests"]["outcomes"]
    if got != wanted:
        yield Finding("outcomes.parquet", f"holds other outcomes: digest {got[:12]}…, the manifest says {wanted[:12]}…")
    computed = characteristics(outcomes, truth, families=own_families(folder))
    yield from _unequal(written, json.loads(json.dumps(computed)), "")
    yield from _rule_findings(folder, outcomes, truth)


def _rule_findings(folder: Path, outcomes: xr.Dataset, truth: xr.Dataset) -> Iterator[Finding]:
    """Compare the scores of the trial's rules with those computed anew."""
    from trials.rules.scoring import own_rules, scored

    rules, path = own_rules(folder), folder / "rules.json"
    if not rules and not path.exists():
        return
    written = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    computed = json.loads(json.dumps(scored(outcomes, truth, rules))) if rules else None
    yield from _unequal(written, computed, "", "rules.json")


def _unequal(written: object, computed: object, where: str, file: str = "characteristics.json") -> Iterator[Finding]:
    """Leaves at which two nested mappings differ; numbers may differ in the last digits, as summation order does."""
    if isinstance(written, dict) and isinstance(computed, dict):
        for key in sorted({*written, *computed}):
            yield from _unequal(written.get(key), computed.get(key), f"{where}.{key}" if where else key, file)
    elif isinstance(written, float | int) and isinstance(computed, float | int):
        if not math.isclose(written, computed, rel_tol=1e-9, abs_tol=1e-12):
            yield Finding(f"{file} {where}", f"says {written!r}, the outcomes give {computed!r}")
    elif written != computed:
        yield Finding(f"{file} {where}", f"says {written!r}, the outcomes give {computed!r}")
