"""The manifest of a run: what was run, with what, on what, and the digest of every file it left."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from trials.trust import audit

SCHEMA = "trialtwin/manifest/1"
LIBRARIES = (
    "trialtwin", "numpy", "scipy", "xarray", "pandas", "pyarrow", "zarr", "h5netcdf", "heyoka", "pymc", "pytensor",
    "nutpie", "arviz", "dask", "distributed", "hydra-core", "omegaconf", "mlflow", "matplotlib", "pint", "sympy",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Version of Python and of every library a number passes through."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a distribution"
    return found


def machine() -> dict[str, str]:
    """Processor and operating system, without the name of the computer."""
    about = {"system": platform.system(), "release": platform.release(), "machine": platform.machine()}
    return about | {"processor": _processor()}


def _processor() -> str:
    """Model of the processor and its widest vectors, on which the last bits of a number depend; empty where unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    found = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    flags = found.get("flags", "").split()
    vectors = next((flag for flag in ("avx512f", "avx2", "avx", "sse2") if flag in flags), "")
    return " ".join(part for part in (found.get("model name", ""), vectors) if part)


def source_digest(*packages: str) -> str:
    """SHA-256 of the code that makes the numbers: every Python file of the packages, all three when none is named."""
    root, sha = Path(__file__).resolve().parents[1], hashlib.sha256()
    for package in packages or ("engine", "cohorts", "trials"):
        for path in sorted((root / package).rglob("*.py")):
            sha.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return sha.hexdigest()


def git_state() -> dict[str, Any]:
    """Commit of the working tree and whether it has changes; empty when the code does not come from a repository."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return {}
    commit, changed = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain")
    return {} if commit is None or changed is None else {"commit": commit.strip(), "changed": bool(changed.strip())}


def _git(root: Path, *words: str) -> str | None:
    try:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return None


def file_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a run but its manifest, audit log and unfinished blocks, by its path in the folder."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    left_out = ("manifest.json", audit.LOG, "partial/")
    return {name: file_digest(path) for name, path in found.items() if not name.startswith(left_out)}


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_digest(text: str) -> str:
    """SHA-256 of a text as it is written to a file."""
    return hashlib.sha256(text.encode()).hexdigest()


def write(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest as the last file of a run, at once or not at all."""
    temporary = folder.with_name(f".{folder.name}.manifest")
    temporary.write_text(rendered(manifest), encoding="utf-8")
    temporary.rename(folder / "manifest.json")


def rendered(manifest: Mapping[str, Any]) -> str:
    """Write a manifest as JSON text."""
    return json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
