"""The compiled march of linear systems against scipy's matrix exponential, step by step."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.linalg import expm

from engine.solvers import propagation
from engine.solvers.machine import INDEX, LANES, Vector, Writer
from engine.solvers.propagation import KEPT, Pattern, kernel


def _march(matrix: np.ndarray, steps: np.ndarray, jump: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """States after each node, (subject, node, state); ``matrix`` (subject, state, state), others (subject, node)."""
    count, size = matrix.shape[:2]
    nodes = steps.shape[1]
    places = tuple((i, j) for i in range(size) for j in range(size) if np.any(matrix[:, i, j]))
    pattern = Pattern(size, places, (0,), (0,), (0,), tuple(range(size)))
    sampled = np.full((size, count, nodes), np.nan)
    kernel(pattern)(
        count, nodes, nodes, np.array([matrix[:, i, j] for i, j in places]), np.zeros((1, count)),
        np.zeros((size, count)), np.zeros((size, count)), np.empty(count), steps, nodes, jump, nodes, rate, nodes,
        np.zeros((1, nodes), dtype=bool), 0, np.arange(nodes), 0, 0, np.zeros(0), np.zeros(0), np.zeros(0),
        np.empty(KEPT * LANES * (1 + len(pattern.reached))), sampled,
    )  # fmt: skip
    return sampled.transpose(1, 2, 0)


def _expected(matrix: np.ndarray, steps: np.ndarray, jump: np.ndarray, rate: np.ndarray) -> np.ndarray:
    size = len(matrix)
    state, flow, found = np.zeros(size), 0.0, []
    for step, amount, speed in zip(steps, jump, rate, strict=True):
        wide = np.zeros((size + 1, size + 1))
        wide[:size, :size], wide[0, size] = matrix * step, step
        state = (expm(wide) @ np.append(state, flow))[:size]
        state[0] += amount
        flow = speed
        found.append(state)
    return np.asarray(found)


@pytest.mark.parametrize("kind", ["compartments", "any"])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_steps_doses_and_infusions(kind: str, size: int) -> None:
    """More lengths of step than are kept, subjects that do not fill the last group, each with its own doses."""
    rng = np.random.default_rng(size)
    count, nodes = 11, 2 * KEPT
    matrix = rng.exponential(0.3, (count, size, size)) * (rng.random((size, size)) < 0.7)
    if kind == "any":
        matrix *= rng.choice([-1, 1], matrix.shape)
    matrix[:, range(size), range(size)] = 0
    matrix -= np.eye(size) * (np.abs(matrix).sum(axis=1) + rng.exponential(0.1, (count, size)))[:, None]
    steps = np.where(rng.random((count, nodes)) < 0.5, 1.0, rng.exponential(2.0, (count, nodes)))
    jump, rate = (rng.exponential(5.0, (count, nodes)) * (rng.random((count, nodes)) < 0.1) for _ in range(2))
    found = _march(matrix, steps, jump, rate)
    for n in range(count):
        expected = _expected(matrix[n], steps[n], jump[n], rate[n])
        np.testing.assert_allclose(found[n], expected, rtol=1e-11, atol=1e-13 * np.abs(expected).max())


def test_quickly_compiled_code_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As large systems have it."""
    rng = np.random.default_rng(1)
    matrix = rng.exponential(0.3, (9, 4, 4)) - 3 * np.eye(4)
    steps, jump = rng.exponential(2.0, (9, 20)), rng.exponential(5.0, (9, 20))
    kernel.cache_clear()
    well = _march(matrix, steps, jump, jump[:, ::-1].copy())
    kernel.cache_clear()
    monkeypatch.setattr(propagation, "_LARGE", 0)
    np.testing.assert_array_equal(_march(matrix, steps, jump, jump[:, ::-1].copy()), well)
    kernel.cache_clear()


def test_lengths_that_share_a_place_are_told_apart() -> None:
    """The second pass finds what the first kept, or finds it gone; never another's."""
    steps = np.tile(np.linspace(0.01, 3, 5 * KEPT), 2)[None]
    jump, rate = np.zeros_like(steps), np.zeros_like(steps)
    jump[0, 0] = 1.0
    found = _march(np.asarray([[[-0.01]]]), steps, jump, rate)[0, :, 0]
    np.testing.assert_allclose(found, np.exp(-0.01 * (np.cumsum(steps) - steps[0, 0])), rtol=1e-12)


def test_vectors_compute_lane_by_lane() -> None:
    writer = Writer(("numbers", "result"))
    kind = writer.vector(0.0).value.type
    one = writer.get(writer.numbers("numbers", kind))
    writer.put(writer.numbers("result", kind), (one * 2.0 + 1.0).larger(one - -4.0).where(one.compare("<", 6.0), -1.0))
    with writer.loop(INDEX(3)):
        result = Vector(writer, writer.get(writer.numbers("result", kind)).value)
        writer.put(writer.numbers("result", kind), result + one)
    numbers, result = np.arange(8.0), np.empty(8)
    writer.compiled()(numbers, result)
    once = np.where(numbers < 6, np.maximum(numbers * 2 + 1, numbers + 4), -1)
    np.testing.assert_array_equal(result, once + 3 * numbers)


def test_a_linear_model_loads_no_other_compiler() -> None:
    """Its first simulation in a process is then a matter of a tenth of a second."""
    code = (
        "import sys, engine; model = engine.load_model('two_compartment_oral')\n"
        "found = engine.simulate_arrays(model, model.typical, engine.Regimen(engine.Dose(100, 'depot')), [0.0, 1.0])\n"
        "print(found.solver, [name for name in ('heyoka', 'numba', 'sympy', 'xarray') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["closed_form", "[]"]
