"""INR at steady state under the published doses: Hamberg 2007, Table 5 (doses for INR 2.5 at 70 years)."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from engine.models import equations
from engine.models.algebras.arrays import ARRAYS
from engine.models.loading import load_model

# Racemic mg a day, clearance relative to CYP2C9 *1/*1, and EC50 (mg/L) of the VKORC1 genotype.
PUBLISHED = [
    pytest.param(7.72, 1.0, 4.61, id="*1/*1 GG"),
    pytest.param(5.06, 1.0, 3.02, id="*1/*1 GA"),
    pytest.param(3.68, 1.0, 2.20, id="*1/*1 AA"),
    pytest.param(2.82, 1 - 0.453, 3.02, id="*1/*3 GA"),
    pytest.param(0.56, 1 - 0.852, 2.20, id="*3/*3 AA"),
]
AGE = 1 - 0.0091 * (70 - 71)


@pytest.mark.parametrize(("dose", "clearance", "ec50"), PUBLISHED)
def test_published_doses_give_an_inr_of_2_5(dose, clearance, ec50):
    model = load_model("warfarin_inr")
    p = model.typical | {"ec50": ec50, "cl": model.typical["cl"] * clearance * AGE}
    fraction = equations.administration(model, ARRAYS, p)["depot"].bioavailability
    names = model.state_names
    state = np.array([float(value) for value in equations.initial(model, ARRAYS, p).values()])

    def rates(t, x):
        return list(equations.derivatives(model, ARRAYS, t, dict(zip(names, x, strict=True)), p).values())

    def infused(t, x):
        return np.add(rates(t, x), dose * fraction / 24 * (np.array(names) == "depot"))

    # The dose as an infusion without end brings the person near the steady state, daily doses then to its rhythm.
    state = solve_ivp(infused, (0, 6000), state, method="LSODA", rtol=1e-8).y[:, -1]
    inrs = []
    for _ in range(6):
        state[names.index("depot")] += dose * fraction
        day = solve_ivp(rates, (0, 24), state, method="LSODA", rtol=1e-8, atol=1e-9, t_eval=np.linspace(0, 24, 13))
        state = day.y[:, -1]
        x = dict(zip(names, day.y, strict=True))
        inrs.append(float(np.mean(equations.outputs(model, ARRAYS, 0.0, x, p)["inr"])))
    assert inrs[-1] == pytest.approx(2.5, rel=0.03)
