"""Tumour size under a constant dose by NONMEM 7.5 (ADVAN13): growth 0.6, kill 0.4 exp(-0.8 t) ln(dose)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import engine

REFERENCE = Path(__file__).parents[1] / "reference" / "claret_tgi_const_dose.csv"
ROUNDING = 1e-4
"""The reference has five significant digits."""


@pytest.mark.parametrize("solver", ["auto", "taylor", "reference"])
def test_tumour_size_is_nonmems(solver: str) -> None:
    records = pd.read_csv(REFERENCE)
    parameters = {"base": 70.0, "kl": 0.6, "kd": 0.4, "lambda_": 0.8, "exposure": np.log(records["DOSE"].iloc[0])}
    model = engine.load_model("claret_tumour_growth")
    found = engine.simulate_arrays(model, parameters, engine.Regimen(), records["TIME"].to_numpy(), solver=solver)
    assert found.status[0] == engine.Status.ok
    np.testing.assert_allclose(found.outputs["tumour_size"][0], records["Y_nonmem"], rtol=ROUNDING)
