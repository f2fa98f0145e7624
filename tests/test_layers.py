"""Directions of import: the contracts of pyproject.toml hold, and importing a package stays cheap."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[1]
HEAVY = [
    "arviz",
    "dask",
    "distributed",
    "heyoka",
    "hydra",
    "matplotlib",
    "mlflow",
    "nutpie",
    "pymc",
    "pytensor",
    "sympy",
]


def test_contracts_of_import_hold():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=HOME, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


def loaded(statement: str) -> list[str]:
    """Heavy packages a new interpreter holds after a statement."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", program], cwd=HOME, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("package", ["engine", "cohorts", "trials"])
def test_importing_a_package_loads_nothing_heavy(package):
    assert loaded(f"import {package}") == []
