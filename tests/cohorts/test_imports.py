"""Importing the package costs little: workers that only draw never see PyMC."""

import subprocess
import sys

CODE = """
import sys
import cohorts
heavy = {"pymc", "pytensor", "nutpie", "arviz", "numba", "matplotlib", "distributed", "mlflow", "engine", "trials"}
population = cohorts.load_population("theophylline_adults")
cohorts.draw(population, 2, 1, seed=1)
print(sorted(heavy & set(sys.modules)))
assert {name for name in cohorts.__all__ if getattr(cohorts, name) is None} == set()
"""


def test_drawing_does_not_import_pymc():
    found = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_an_unknown_name_is_an_attribute_error():
    found = subprocess.run([sys.executable, "-c", "import cohorts; cohorts.drow"], capture_output=True, text=True)
    assert "module 'cohorts' has no attribute 'drow'" in found.stderr


def test_modules_of_trials_are_there_without_an_import_of_their_own():
    code = "import sys, trials; assert trials.twins.records; assert 'pymc' not in sys.modules; trials.drow"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "module 'trials' has no attribute 'drow'" in found.stderr
