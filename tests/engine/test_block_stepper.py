"""The compiled steps over blocks: order conditions of the tables, convergence, series, linear parts, agreement."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest

import engine
from engine import Dose, Regimen
from engine.errors import SolverError
from engine.models.structure import linear_part
from engine.solvers.block_taylor import BlockTaylor
from engine.solvers.reference import Reference
from engine.solvers.rosenbrock import Rosenbrock
from engine.solvers.runge_kutta import RungeKutta
from engine.solvers.stepping.dop853 import DOP853
from engine.solvers.stepping.rodas5p import RODAS5P

EXACT = Reference(method="DOP853", relative=1e-12, absolute=1e-14, max_steps=10**6)
STIFF = Reference(method="Radau", relative=1e-10, absolute=1e-12, max_steps=10**6)
TIMES = np.asarray([0, 0.3, 2, 5, 7.5, 12, 13, 30, 47.5])
REGIMEN = Regimen(Dose(100, "depot", every=12, times=3), Dose(40, "central", at=5.0, duration=2.5))


def block_taylor(tolerance: float, exact: bool = True) -> BlockTaylor:
    return BlockTaylor(tolerance=tolerance, floor=1e-6, max_steps=10**5, exact_linear=exact)


def runge_kutta(tolerance: float, exact: bool = True) -> RungeKutta:
    return RungeKutta(tolerance=tolerance, floor=1e-6, max_steps=10**5, exact_linear=exact)


def rosenbrock(tolerance: float) -> Rosenbrock:
    return Rosenbrock(tolerance=tolerance, floor=1e-6, max_steps=10**5)


def _people(typical: Mapping[str, float], count: int, seed: int = 5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: value * np.exp(0.25 * rng.normal(size=count)) for name, value in typical.items()}


# ---- tables
def _explicit() -> tuple[np.ndarray, np.ndarray]:
    stages = np.zeros((13, 13))
    for row, weights in enumerate(DOP853.stages, start=1):
        stages[row, : len(weights)] = weights
    return stages, np.asarray(DOP853.nodes)


def test_the_explicit_table_meets_its_order_conditions() -> None:
    """Conditions of quadrature to order 8, of the chains of one and two stages, and of the rows (Butcher 1963)."""
    stages, nodes = _explicit()
    weights = stages[12]
    np.testing.assert_allclose(stages.sum(axis=1), nodes, atol=1e-14)
    for power in range(8):
        assert weights @ nodes**power == pytest.approx(1 / (power + 1), abs=1e-14)
    for power in range(7):
        assert weights @ stages @ nodes**power == pytest.approx(1 / ((power + 1) * (power + 2)), abs=1e-13)
    for power in range(6):
        chain = 1 / ((power + 1) * (power + 2) * (power + 3))
        assert weights @ stages @ stages @ nodes**power == pytest.approx(chain, abs=1e-13)
    for row in DOP853.errors:
        assert math.fsum(row) == pytest.approx(0, abs=1e-14)


def _rosenbrock() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights of a Rosenbrock method in its first form, alpha, beta and b, from those of the form without products.

    With U = Gamma k: a = alpha inverse(Gamma), C = 1/gamma I - inverse(Gamma), m = b inverse(Gamma) (Hairer and Wanner,
    Solving Ordinary Differential Equations II, IV.7, doi:10.1007/978-3-642-05221-7).
    """
    size, gamma = 8, RODAS5P.gamma
    a, coupling = np.zeros((size, size)), np.zeros((size, size))
    for row, weights in enumerate(RODAS5P.coupling):
        coupling[row, : len(weights)] = weights
    for row in range(size):
        if row < 6:
            a[row, : len(RODAS5P.stages[row])] = RODAS5P.stages[row]
        else:
            a[row] = a[row - 1] + np.eye(size)[row - 1]
    full = np.linalg.inv(np.eye(size) / gamma - coupling)
    final = a[7] + np.eye(size)[7]
    alpha = a @ full
    return alpha, alpha + full, final @ full


def test_the_rosenbrock_table_meets_its_order_conditions() -> None:
    """Conditions to order 5 on the trees without branches, and on the branched ones to order 4 (same book, IV.7)."""
    alpha, beta, weights = _rosenbrock()
    nodes, own = alpha.sum(axis=1), beta.sum(axis=1)
    np.testing.assert_allclose(nodes, RODAS5P.nodes, atol=1e-11)
    np.testing.assert_allclose((beta - alpha).sum(axis=1), RODAS5P.slopes, atol=1e-11)
    tall = weights
    for order in range(1, 6):
        assert tall.sum() == pytest.approx(1 / math.factorial(order), abs=1e-11)
        assert weights @ nodes ** (order - 1) == pytest.approx(1 / order, abs=1e-11)
        tall = tall @ beta
    assert weights @ (nodes * (alpha @ own)) == pytest.approx(1 / 8, abs=1e-11)
    assert weights @ beta @ nodes**2 == pytest.approx(1 / 12, abs=1e-11)
    assert own[-1] == pytest.approx(1, abs=1e-11)  # stiffly accurate
    np.testing.assert_allclose(beta[-1], weights, atol=1e-11)


# ---- convergence
@pytest.mark.parametrize("kind", [block_taylor, runge_kutta, rosenbrock])
def test_errors_follow_the_tolerance(
    kind: Callable[[float], engine.solvers.base.Solver], effect: engine.Model, patient: dict[str, float]
) -> None:
    people = _people(patient | {"g": 1.4}, 4)
    exact = engine.simulate_arrays(effect, people, REGIMEN, TIMES, solver=EXACT).outputs["response"]
    errors = []
    for tolerance in (1e-3, 1e-6, 1e-9):
        found = engine.simulate_arrays(effect, people, REGIMEN, TIMES, solver=kind(tolerance))
        assert not found.status.any()
        errors.append(np.max(np.abs(found.outputs["response"] / exact - 1)))
    assert errors[0] > 10 * errors[1] > 100 * errors[2]
    assert errors[2] < 1e-8


def _one_step(solver: engine.solvers.base.Solver, length: float) -> float:
    """Error after one step of x' = -x^2 + sin t, long enough that nothing shortens it."""
    model = engine.load_model(
        {
            "name": "one_step",
            "reference": "made up for a test",
            "time": "h",
            "parameters": {"k": {"unit": "1/h", "meaning": "rate"}},
            "states": {"x": {"unit": "1", "initial": "1"}},
            "derivatives": {"x": "k * (sin(k * t) - x * x)"},
            "outputs": {"x": {"value": "x", "unit": "1"}},
        }
    )
    found = engine.simulate_arrays(model, {"k": 1.0}, Regimen(), [length], solver=solver).outputs["x"][0, 0]
    exact = engine.simulate_arrays(model, {"k": 1.0}, Regimen(), [length], solver=EXACT).outputs["x"][0, 0]
    return abs(float(found - exact))


@pytest.mark.parametrize(("table", "order"), [(RODAS5P, 5), (DOP853, 8)])
def test_order_of_a_single_step(table: object, order: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of one step falls as its length to the power order + 1, when the tolerance lets any step pass."""
    from engine.solvers.stepping import columns

    monkeypatch.setattr(columns, "START", 1.0)
    solver = rosenbrock(9e-3) if table is RODAS5P else runge_kutta(9e-3)
    lengths = (0.05, 0.025) if table is RODAS5P else (0.4, 0.2)
    first, second = (_one_step(solver, length) for length in lengths)
    assert order < math.log2(first / second) < order + 2


# ---- series of every operation
@pytest.mark.parametrize(
    "rate",
    [
        "k * exp(-x) - k * x", "k * log(1 + x) - k * x", "k * log1p(x * x) - k * x / 3", "k * sqrt(x + 1) - k * x",
        "k * sin(x) * cos(k * t) - k * x", "k * tan(x / 3) - k * x", "k * tanh(x) - k * x * x", "k * expm1(-x)",
        "k * x**3 / (1 + x**2) - k * x", "k * x**-2 - k * x", "k * (1 + x)**g - 2 * k * x", "k * g**(-x) - k * x",
        "k * log10(2 + x) - k * x**1.5", "-k * x / (1 + x / (1 + x))", "k * (k * t)**2 * exp(-k * t) - k * x",
    ],
)  # fmt: skip
def test_series_of_each_operation(make_model: Callable[..., engine.Model], rate: str) -> None:
    used = {"k": "1/h"} | ({"g": "1"} if "g" in rate.replace("log", "") else {})
    model = make_model(used, {"x": {"unit": "1", "initial": "1"}}, {"x": rate}, {"x": ("x", "1")}, name="series")
    values = {name: np.asarray([0.7, 1.3]) for name in used}
    times = np.linspace(0, 6, 13)
    exact = engine.simulate_arrays(model, values, Regimen(), times, solver=EXACT).outputs["x"]
    for solver in (block_taylor(1e-10), runge_kutta(1e-10), rosenbrock(1e-8)):
        found = engine.simulate_arrays(model, values, Regimen(), times, solver=solver).outputs["x"]
        np.testing.assert_allclose(
            found, exact, rtol=2e-6 if solver.name == "rosenbrock" else 1e-8, err_msg=solver.name
        )


# ---- the linear part
PD = {
    "states": {"depot": "mg", "central": "mg", "side": "mg", "area": "mg*h", "r": {"unit": "1", "initial": "1"}},
    "rates": {
        "depot": "-ka * depot", "central": "ka * depot - ke * central - k12 * central + k21 * side + base",
        "side": "k12 * central - k21 * side", "area": "central", "r": "kout * (1 / (1 + central / c50) - r)",
    },
    "parameters": {
        "ka": "1/h", "ke": "1/h", "k12": "1/h", "k21": "1/h", "base": "mg/h", "kout": "1/h", "c50": "mg",
    },
}  # fmt: skip
TYPICAL = {"ka": 1.1, "ke": 0.2, "k12": 0.3, "k21": 0.15, "base": 0.7, "kout": 0.4, "c50": 20.0}


@pytest.fixture(scope="module")
def driven(make_model: Callable[..., engine.Model]) -> engine.Model:
    outputs = {name: (name, "mg") for name in ("depot", "central", "side")} | {"area": ("area", "mg*h")}
    return make_model(PD["parameters"], PD["states"], PD["rates"], outputs | {"r": ("r", "1")}, name="driven")


def test_the_linear_part_is_what_nothing_else_feeds(driven: engine.Model) -> None:
    found = linear_part(driven)
    assert found is not None
    assert found.states == ("depot", "central", "side", "area")
    assert linear_part(engine.load_model("michaelis_menten_oral")).states == ("depot",)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", [block_taylor, runge_kutta])
@pytest.mark.parametrize("exact", [True, False])
def test_the_linear_part_in_closed_form_and_numerically(
    kind: Callable[..., engine.solvers.base.Solver], exact: bool, driven: engine.Model
) -> None:
    people = _people(TYPICAL, 20)
    truth = engine.simulate_arrays(driven, people, REGIMEN, TIMES, solver=EXACT)
    found = engine.simulate_arrays(driven, people, REGIMEN, TIMES, solver=kind(1e-9, exact))
    for name, values in truth.outputs.items():
        np.testing.assert_allclose(found.outputs[name], values, rtol=3e-8, atol=1e-12, err_msg=name)


def test_rates_that_coincide_are_left_to_the_numbers(driven: engine.Model) -> None:
    """Absorption as fast as a mode of disposition: no sum of exponentials keeps its digits there."""
    people = {name: np.full(3, value) for name, value in TYPICAL.items()}
    half = (TYPICAL["ke"] + TYPICAL["k12"] + TYPICAL["k21"]) / 2
    fast = half + math.sqrt(half**2 - TYPICAL["ke"] * TYPICAL["k21"])
    people["ka"] = fast * np.asarray([1.0, 1 + 1e-9, 1 + 1e-4])
    truth = engine.simulate_arrays(driven, people, REGIMEN, TIMES, solver=EXACT)
    found = engine.simulate_arrays(driven, people, REGIMEN, TIMES, solver=block_taylor(1e-9))
    for name, values in truth.outputs.items():
        np.testing.assert_allclose(found.outputs[name], values, rtol=3e-8, atol=1e-12, err_msg=name)


def test_tails_keep_their_digits(driven: engine.Model) -> None:
    """After forty half-lives a concentration is as exact as in closed form."""
    people = _people(TYPICAL | {"base": 0.0}, 20) | {"base": np.zeros(20)}
    times = np.asarray([100.0, 300.0, 500.0])
    found = engine.simulate_arrays(driven, people, Regimen(Dose(100, "depot")), times, solver="block_taylor")
    two = engine.load_model(
        {
            "name": "linear_alone", "reference": "made up for a test", "time": "h",
            "parameters": {n: {"unit": "1/h", "meaning": n} for n in ("ka", "ke", "k12", "k21")},
            "states": {n: {"unit": "mg"} for n in ("depot", "central", "side")},
            "derivatives": {n: PD["rates"][n].replace(" + base", "") for n in ("depot", "central", "side")},
            "outputs": {"central": {"value": "central", "unit": "mg"}},
        }
    )  # fmt: skip
    own = {name: people[name] for name in ("ka", "ke", "k12", "k21")}
    truth = engine.simulate_arrays(two, own, Regimen(Dose(100, "depot")), times, solver="closed_form")
    assert truth.outputs["central"].min() < 1e-12
    np.testing.assert_allclose(found.outputs["central"], truth.outputs["central"], rtol=1e-9)


# ---- one subject alone
@pytest.mark.parametrize("solver", ["block_taylor", "runge_kutta", "rosenbrock"])
def test_a_subject_is_the_same_in_any_company(
    solver: str, effect: engine.Model, patient: dict[str, float]
) -> None:  # fmt: skip
    people = _people(patient, 41)
    people["lag"] = np.where(np.arange(41) % 3 == 0, 0.0, np.arange(41) / 9)
    other = Regimen(Dose(1e4, "central", at=1.0, rate=77.0), Dose(5, "depot", every=1.7, times=20))
    dosing = [other if n % 4 == 1 else REGIMEN for n in range(41)]
    crowd = engine.simulate_arrays(effect, people, dosing, TIMES, solver=solver).outputs["response"]
    for subject in (0, 1, 17, 40):
        alone = {name: values[[subject]] for name, values in people.items()}
        found = engine.simulate_arrays(effect, alone, [dosing[subject]], TIMES, solver=solver).outputs["response"]
        np.testing.assert_array_equal(found[0], crowd[subject])
    order = np.random.default_rng(0).permutation(41)[:29]
    some = {name: values[order] for name, values in people.items()}
    found = engine.simulate_arrays(effect, some, [dosing[n] for n in order], TIMES, solver=solver).outputs["response"]
    np.testing.assert_array_equal(found, crowd[order])


@pytest.mark.parametrize("solver", ["block_taylor", "runge_kutta", "rosenbrock"])
def test_a_subject_that_blows_up_hurts_nobody_else(make_model: Callable[..., engine.Model], solver: str) -> None:
    model = make_model(
        {"k": "1/h"}, {"x": {"unit": "1", "initial": "1"}}, {"x": "k * x * x"}, {"x": ("x", "1")}, name="blow_up"
    )
    k, times = np.linspace(0.01, 0.407, 40), np.asarray([1.0, 2.0, 5.0])
    found = engine.simulate_arrays(model, {"k": k}, Regimen(), times, solver=solver)
    sound = k * 5 < 1
    assert set(found.status[~sound].tolist()) <= {engine.Status.diverged, engine.Status.too_many_steps}
    assert (found.status[sound] == engine.Status.ok).all()
    truth = 1 / (1 - k[sound, None] * times)
    np.testing.assert_allclose(found.outputs["x"][sound], truth, rtol=1e-4 if solver == "rosenbrock" else 1e-6)
    alone = engine.simulate_arrays(model, {"k": k[sound]}, Regimen(), times, solver=solver)
    np.testing.assert_array_equal(alone.outputs["x"], found.outputs["x"][sound])
    assert np.isnan(found.outputs["x"][~sound]).all()


def test_running_out_of_steps_is_a_status(effect: engine.Model, patient: dict[str, float]) -> None:
    people = {name: np.full(20, value) for name, value in patient.items()}
    people["kout"] = np.where(np.arange(20) == 7, 5000.0, 0.2)
    solver = BlockTaylor(tolerance=1e-8, floor=1e-6, max_steps=2000, exact_linear=True)
    found = engine.simulate_arrays(effect, people, Regimen(Dose(100, "depot")), [100.0], solver=solver)
    assert found.status.tolist() == [engine.Status.too_many_steps if n == 7 else 0 for n in range(20)]


@pytest.mark.parametrize("field", [{"tolerance": 0.0}, {"floor": 0.0}, {"max_steps": 0}])
@pytest.mark.parametrize("kind", [BlockTaylor, RungeKutta, Rosenbrock])
def test_tolerances_that_mean_nothing_are_refused(kind: type, field: dict[str, float]) -> None:
    given = {"tolerance": 1e-8, "floor": 1e-6, "max_steps": 10} | field
    if kind is not Rosenbrock:
        given["exact_linear"] = True
    with pytest.raises(SolverError, match=f"{next(iter(field))} is"):
        kind(**given)


# ---- stiffness
def test_stiff_subjects_are_found_one_by_one(effect: engine.Model, patient: dict[str, float]) -> None:
    people = {name: np.full(9, value) for name, value in patient.items()}
    people["kout"] = np.where(np.arange(9) == 4, 5e4, 0.2)
    regimen = Regimen(Dose(100, "depot", every=24, times=2))
    found = engine.simulate_arrays(effect, people, regimen, TIMES)
    assert not found.status.any()
    assert found.reason.endswith("; 1 of 9 subjects are stiff and were solved by rosenbrock")
    truth = engine.simulate_arrays(
        effect, {n: v[[4]] for n, v in people.items()}, regimen, TIMES, solver=STIFF
    ).outputs["response"]  # fmt: skip
    np.testing.assert_allclose(found.outputs["response"][4], truth[0], rtol=1e-6)
    calm = engine.simulate_arrays(effect, {n: v[[0]] for n, v in people.items()}, regimen, TIMES, solver="block_taylor")
    np.testing.assert_array_equal(found.outputs["response"][0], calm.outputs["response"][0])


def test_steps_before_a_dose_do_not_make_the_short_first_step_after_it_stiff() -> None:
    """Late in an interval a fast decay limits the steps; a dose begins with one as short as at the singular start."""
    model = engine.load_model("transit_absorption_gamma")
    regimen = Regimen(Dose(10, "dose", every=12, times=3))
    times = np.asarray([0.05, 0.9, 2.2, 6.1, 11.9, 13.4, 19.8, 25.3, 49.1])
    for n in (0.424, 7.13):
        found = engine.simulate_arrays(model, {**model.typical, "n": n}, regimen, times)
        assert "stiff" not in found.reason
        finer = Reference(method="DOP853", relative=1e-13, absolute=1e-22, max_steps=10**5)
        truth = engine.simulate_arrays(model, {**model.typical, "n": n}, regimen, times, solver=finer)
        np.testing.assert_allclose(found.outputs["concentration"], truth.outputs["concentration"], rtol=1e-9)


@pytest.mark.parametrize("solver", ["block_taylor", "runge_kutta", "rosenbrock", "auto"])
@pytest.mark.parametrize("dose", [{}, {"duration": 3.0}, {"duration": 30.0}])
def test_steady_states(solver: str, dose: dict[str, float]) -> None:
    model = engine.load_model("michaelis_menten_oral")
    steady = Regimen(Dose(100, model.state_names[-1], every=24, steady_state=True, **dose))
    many = Regimen(Dose(100, model.state_names[-1], every=24, times=200, **dose))
    times = np.asarray([0.0, 5, 20])
    found = engine.simulate_arrays(model, model.typical, steady, times, solver=solver)
    truth = engine.simulate_arrays(model, model.typical, many, times + 24 * 199, solver=solver)
    for output, values in found.outputs.items():
        np.testing.assert_allclose(values, truth.outputs[output], rtol=1e-4 if solver == "rosenbrock" else 1e-6)
