#!/usr/bin/env python3
"""Set up the environment once, in `.venv` beside this file, then run a command in it.

    python3 start.py run trial=theophylline_bioequivalence    any command of `trialtwin`
    python3 start.py test [pytest's options]                  the tests, in as many processes as there are cores
    python3 start.py lint                                     style, types, directions of import
    python3 start.py python FILE …                            the environment's own Python
    python3 start.py setup                                    only the environment

It needs nothing but the standard library (3.8 or newer starts it; it then looks for a Python that can run the
project) and a package index that pip can reach. Every package comes at the version and hash of the lock files. A second
call sees that nothing changed and starts at once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

HOME = Path(__file__).resolve().parent
VENV = HOME / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "trialtwin.stamp"
"""What the environment was made from; empty while it is being made."""
VERSIONS = ((3, 13), (3, 12), (3, 14))
"""Pythons that the lock files serve, the one we test with first."""
CHECK = "import sys, venv, ensurepip; print('%d %d' % sys.version_info[:2])"
RUN, DEV = "requirements.lock", "requirements-dev.lock"
WIDE = ("-n", "auto", "--maxprocesses", "8", "--dist", "loadfile")
"""Tests of one file stay in one process, which keeps what they share; `-n 0` runs them all in one."""
LINT = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",), ("lint-imports",))


class StartError(Exception):
    """What went wrong and what to do about it, in one sentence."""


def version(python: Sequence[str]) -> tuple[int, int] | None:
    """Version of an interpreter that can make an environment, or None when it cannot or is not there."""
    try:
        done = subprocess.run([*python, "-c", CHECK], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.split()
    return (int(words[0]), int(words[1])) if done.returncode == 0 and len(words) == 2 else None


def candidates() -> Iterator[list[str]]:
    """Interpreters worth asking: this one, those on the path, the Windows launcher's, pyenv's, uv's."""
    yield [getattr(sys, "_base_executable", sys.executable)]
    for major, minor in VERSIONS:
        yield [f"python{major}.{minor}"]
        if os.name == "nt":
            yield ["py", f"-{major}.{minor}"]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for major, minor in VERSIONS:
        for folder in sorted((pyenv / "versions").glob(f"{major}.{minor}.*"), reverse=True):
            yield [str(folder / "bin" / "python")]
    if shutil.which("uv"):
        found = subprocess.run(["uv", "python", "find", "--no-project", ">=3.12,<3.15"], capture_output=True, text=True)
        if found.returncode == 0:
            yield [found.stdout.strip()]


def find_python() -> list[str]:
    """First interpreter of a version that the lock files serve."""
    for python in candidates():
        if version(python) in VERSIONS:
            return python
    raise StartError(
        f"Trialtwin needs Python 3.12, 3.13 or 3.14 with its `venv` module; this is {sys.version.split()[0]}, and no "
        "other was found on the path, under pyenv or by uv. Install one (on Debian and Ubuntu also its python3-venv "
        "package) and run this command again."
    )


def digest(lock: str) -> str:
    """SHA-256 of what an environment is made from: its place, the locks, the project table."""
    project = (HOME / "pyproject.toml").read_bytes().split(b"[tool.")[0]
    files = [(HOME / name).read_bytes() for name in ("requirements-build.lock", lock)]
    return hashlib.sha256(b"".join([str(VENV).encode(), project, *files])).hexdigest()


def pip(*words: str) -> None:
    """Run the environment's pip, counting the packages it collects on one line; its own words only when it fails."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", *words]
    said = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if line.startswith("Collecting ") and sys.stderr.isatty():
                count = sum(row.startswith("Collecting ") for row in said)
                print(f"\r  {count:3d} {line.split()[1][:50]:50s}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r" + " " * 60, end="\r", file=sys.stderr)
    if process.returncode:
        raise StartError("".join(said[-15:]) + f"pip could not install: {' '.join(words)}")


def make() -> None:
    """Make an empty environment in place of one of ours that is out of date; keep any other if its Python will do."""
    usable = version([str(PYTHON)]) in VERSIONS
    if usable and (not STAMP.exists() or STAMP.read_text() == digest(RUN)):  # DEV adds to RUN, nothing else
        return
    if VENV.exists() and not STAMP.exists():
        raise StartError(f"{VENV} was not made by start.py and has no Python 3.12 to 3.14: move it away and try again")
    python = find_python()
    print(f"start.py: making {VENV} with {' '.join(python)}", file=sys.stderr)
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.mkdir()
    STAMP.touch()
    subprocess.run([*python, "-m", "venv", str(VENV)], check=True)


def ensure(*locks: str) -> None:
    """Bring `.venv` to the state of the first lock file, unless its stamp says it has one of them already."""
    if STAMP.exists() and STAMP.read_text() in map(digest, locks) and version([str(PYTHON)]) in VERSIONS:
        return
    make()
    print(f"start.py: installing {locks[0]} (once: a minute or two, 2 GB of disk)", file=sys.stderr)
    pip("--require-hashes", "-r", str(HOME / "requirements-build.lock"))
    pip("--require-hashes", "--no-build-isolation", "-r", str(HOME / locks[0]))
    pip("--no-deps", "--no-build-isolation", "--no-index", "--editable", str(HOME))
    STAMP.write_text(digest(locks[0]))


def run(command: Sequence[str], cwd: Path | None = None) -> int:
    """Run a command of the environment and hand on its exit status."""
    try:
        return subprocess.call([str(BIN / command[0]), *command[1:]], cwd=cwd)
    except KeyboardInterrupt:
        return 130


def main(words: Sequence[str]) -> int:
    """Set up what the command needs and run it."""
    if not words or words[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if words else 2
    ensure(*([DEV] if words[0] in ("test", "lint") else [RUN, DEV]))
    if words[0] == "setup":
        return 0
    if words[0] == "test":
        return run(["python", "-m", "pytest", *WIDE, *words[1:]], cwd=HOME)
    if words[0] == "lint":
        return max(run(command, cwd=HOME) for command in LINT)
    return run(words if words[0] == "python" else ["trialtwin", *words])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (StartError, subprocess.CalledProcessError) as error:
        sys.exit(f"start.py: {error}")
