"""The names of the package: what they are does not depend on which of its modules were imported before."""

import subprocess
import sys

import pytest

import trials


@pytest.mark.parametrize("name", trials.__all__)
def test_public_name_is_no_module_even_after_its_module_was_imported(name):
    code = f"""
import sys, types
from importlib import import_module
import trials
home = import_module(f"trials.{{trials._HOME[{name!r}]}}")
assert isinstance(home, types.ModuleType)
assert getattr(trials, {name!r}) is getattr(home, {name!r}), getattr(trials, {name!r})
assert callable(getattr(trials, {name!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_listed_for_people():
    assert set(trials.__all__) <= set(dir(trials))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = trials.nothing


def test_import_is_light():
    heavy = ("xarray", "pandas", "matplotlib", "mlflow", "pymc", "heyoka", "dask", "hydra", "jinja2", "sympy")
    code = f"import sys, trials; sys.exit(', '.join(name for name in {heavy} if name in sys.modules) or 0)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
