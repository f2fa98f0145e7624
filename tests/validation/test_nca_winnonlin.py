"""Noncompartmental parameters of the theophylline data against Phoenix WinNonlin's, to six digits."""

import csv
from pathlib import Path

import numpy as np
import pytest

from engine.outcomes import NCA

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
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


COLUMNS = {
    "Rsq": "R2", "Rsq_adjusted": "R2ADJ", "No_points_lambda_z": "LAMZNPT", "Lambda_z": "LAMZ",
    "Lambda_z_lower": "LAMZLL", "Lambda_z_upper": "LAMZUL", "HL_Lambda_z": "LAMZHL", "Tlag": "TLAG",
    "Tmax": "TMAX", "Cmax": "CMAX", "Cmax_D": "CMAXD", "Tlast": "TLST", "Clast": "CLST", "AUClast": "AUCLST",
    "AUCall": "AUCALL", "AUCINF_obs": "AUCIFO", "AUCINF_D_obs": "AUCIFOD", "AUC_%Extrap_obs": "AUCPEO",
    "Vz_F_obs": "VZFO", "Cl_F_obs": "CLFO", "AUCINF_pred": "AUCIFP", "AUCINF_D_pred": "AUCIFPD",
    "AUC_%Extrap_pred": "AUCPEP", "Vz_F_pred": "VZFP", "Cl_F_pred": "CLFP", "AUMClast": "AUMCLST",
    "AUMCINF_obs": "AUMCIFO", "AUMC_%Extrap_obs": "AUMCPEO", "AUMCINF_pred": "AUMCIFP",
    "AUMC_%Extrap_pred": "AUMCPEP", "MRTlast": "MRTEVLST", "MRTINF_obs": "MRTEVIFO",
    "MRTINF_pred": "MRTEVIFP",
}  # fmt: skip
"""Column of the reference table to CDISC code."""


@pytest.mark.parametrize("file", METHODS)
@pytest.mark.parametrize("column", COLUMNS)
def test_parameter(file, column):
    reference = {row["Subject"]: float(row[column]) for row in rows(f"nca_theoph_{file}.csv")}
    found = NCA(COLUMNS[column], METHODS[file], dose=DOSE)(*profiles())
    np.testing.assert_allclose(found, [reference[subject] for subject in SUBJECTS], rtol=2e-7)
