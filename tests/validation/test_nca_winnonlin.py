"""Noncompartmental parameters of the theophylline data against Phoenix WinNonlin's, to six digits."""

import csv
from pathlib import Path

import numpy as np
import pytest

from trials.endpoints.nca import AUC, Clearance, Cmax, HalfLife, LambdaZ, Tmax, Volume

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
WHAT = ("x", "unit", "concentration")
DOSE = 320.0
SUBJECTS = [str(subject) for subject in range(1, 13)]
METHODS = {"linear": "linear", "log": "linear-up log-down"}


def rows(name):
    with (REFERENCE / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def profiles():
    """Concentrations and times (subject, sample)."""
    found = [[row for row in rows("nca_theoph.csv") if row["Subject"] == subject] for subject in SUBJECTS]
    return tuple(np.array([[float(row[name]) for row in subject] for subject in found]) for name in ("conc", "Time"))


def endpoints(method):
    return {
        "AUClast": AUC(*WHAT, method),
        "AUCINF_obs": AUC(*WHAT, method, until="infinity"),
        "AUCINF_pred": AUC(*WHAT, method, until="infinity predicted"),
        "Cmax": Cmax(*WHAT),
        "Tmax": Tmax(*WHAT),
        "Lambda_z": LambdaZ(*WHAT),
        "HL_Lambda_z": HalfLife(*WHAT),
        "Cl_F_obs": Clearance(*WHAT, DOSE, method),
        "Vz_F_obs": Volume(*WHAT, DOSE, method),
    }


@pytest.mark.parametrize("file", METHODS)
@pytest.mark.parametrize("parameter", endpoints("linear"))
def test_parameter(file, parameter):
    reference = {row["Subject"]: float(row[parameter]) for row in rows(f"nca_theoph_{file}.csv")}
    found = endpoints(METHODS[file])[parameter](*profiles())
    np.testing.assert_allclose(found, [reference[subject] for subject in SUBJECTS], rtol=1e-7)
