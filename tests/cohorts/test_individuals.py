"""The equations of a patient, against numbers worked out by hand, on numpy and on PyTensor."""

import numpy as np
import pytest

from cohorts import load_population
from cohorts.specification.individuals import factor, individual
from cohorts.specification.residuals import ERRORS, Residual

VALUES = {
    "cl_pop": 3.0, "beta_cl_weight": 0.75, "beta_cl_sex": [0.0, 0.3], "beta_cl_age": -0.005, "omega_cl": 0.3,
    "gamma_cl": 0.18, "v_pop": 30.0, "beta_v_age": 0.01, "omega_v": 0.2, "f_pop": 0.8, "omega_f": 0.5, "gamma_f": 0.3,
    "shift_pop": -1.0, "omega_shift": 1.1, "ka_pop": 1.5, "rho_cl_v": 0.6, "rho_cl_f": 0.0, "rho_v_f": 0.0,
}  # fmt: skip
COVARIATES = {"sex": np.array([0, 1]), "weight": np.array([70.0, 105.0]), "age": np.array([40.0, 60.0])}
Z = {"cl": np.array([0.0, 1.0]), "v": np.array([0.0, -1.0]), "f": np.array([0.0, 2.0]), "shift": np.array([0.0, 1.0])}


def test_a_patient_by_hand(population):
    found = individual(population, VALUES, COVARIATES, Z, None, xp=np)
    np.testing.assert_allclose(found["cl"], [3.0, 3.0 * 1.5**0.75 * 1.3 * 0.9 * np.exp(0.3)])
    np.testing.assert_allclose(found["v"], [30.0, 30.0 * np.exp(0.2) * np.exp(0.2 * (0.6 * 1.0 + 0.8 * -1.0))])
    np.testing.assert_allclose(found["f"], [0.8, 1.0 / (1.0 + np.exp(-(np.log(4.0) + 0.5 * 2.0)))])
    np.testing.assert_allclose(found["shift"], [-1.0, 0.1])
    np.testing.assert_allclose(found["ka"], 1.5)


def test_occasions_by_hand(population):
    k = {"cl": np.array([[0.0, 0.0], [1.0, -1.0]]), "f": np.array([[1.0, 0.0], [0.0, 0.0]])}
    column = {name: v[:, None] for name, v in COVARIATES.items()}
    found = individual(population, VALUES, column, {n: v[:, None] for n, v in Z.items()}, k, xp=np)
    base = 3.0 * 1.5**0.75 * 1.3 * 0.9 * np.exp(np.sqrt(0.3**2 - 0.18**2))
    np.testing.assert_allclose(found["cl"][1], [base * np.exp(0.18), base * np.exp(-0.18)])
    np.testing.assert_allclose(found["f"][0], [1.0 / (1.0 + np.exp(-(np.log(4.0) + 0.3))), 0.8])
    assert found["v"].shape == (2, 1)


def test_pytensor_gives_the_same_patients(population):
    import pytensor.tensor as pt

    found = individual(population, VALUES, COVARIATES, Z, None, xp=np)
    symbols = {n: pt.as_tensor(np.asarray(v)) for n, v in VALUES.items() if n != "beta_cl_sex"}
    symbols["beta_cl_sex"] = [pt.as_tensor(np.asarray(v)) for v in VALUES["beta_cl_sex"]]
    tensors = individual(population, symbols, *({n: pt.as_tensor(v) for n, v in m.items()} for m in (COVARIATES, Z)),
                         None, xp=pt)  # fmt: skip
    for name, value in tensors.items():
        np.testing.assert_allclose(value.eval(mode="FAST_COMPILE"), found[name], rtol=1e-14)


def test_the_factor_of_a_matrix_gives_the_matrix(written):
    matrix = np.array([[1, 0.8, -0.6, 0.3], [0.8, 1, -0.7, 0.1], [-0.6, -0.7, 1, 0.2], [0.3, 0.1, 0.2, 1]])
    written["correlations"] = [{"of": ["cl", "v", "f", "shift"], "matrix": matrix.tolist(), "source": "x"}]
    block = load_population(written).correlations[0]
    values = {f"rho_{a}_{b}": q.values[0] for (a, b), q in zip(block.pairs, block.partial, strict=True)}
    lower = np.zeros((4, 4))
    for i, row in enumerate(factor(block, values, np)):
        lower[i, : i + 1] = row
    np.testing.assert_allclose(lower @ lower.T, matrix, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("additive", [0.5, 0.5, 0.5]),
        ("proportional", [0.0, 0.2, 2.0]),
        ("combined1", [0.5, 0.7, 2.5]),
        ("combined2", [0.5, np.hypot(0.5, 0.2), np.hypot(0.5, 2.0)]),
        ("lognormal", [0.3, 0.3, 0.3]),
    ],
)
def test_residual_errors(kind, expected):
    residual = Residual("y", kind, ())
    sizes = {"additive": 0.5, "proportional": 0.2, "lognormal": 0.3}
    values = {name: sizes[sigma] for sigma, name in residual.names.items()}
    f = np.array([0.0, 1.0, 10.0])
    np.testing.assert_allclose(residual.spread(f, values, np), expected)
    noisy = residual.observe(f, values, np.array([1.0, -1.0, 2.0]), np)
    step = np.multiply(expected, [1, -1, 2])
    by_hand = f * np.exp(step) if kind == "lognormal" else f + step
    np.testing.assert_allclose(noisy, by_hand)


def test_every_error_model_is_tested():
    assert set(ERRORS) == {"additive", "proportional", "combined1", "combined2", "lognormal"}
