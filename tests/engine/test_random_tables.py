"""Random event tables: the engine's solvers against a second reading of NONMEM's rules, subject by subject."""

from collections.abc import Sequence

import numpy as np
import pytest

import engine
from tests.engine.naive_nonmem import System, interpret, nonlinear
from tests.engine.random_tables import MODEL, NAIVE, Record, person, records, table

SEED = 20260725


def _subjects(count: int, seed: int, **kinds: bool) -> tuple[list[list[Record]], list[dict[str, float]]]:
    rng = np.random.default_rng([SEED, seed])
    return [records(rng, **kinds) for _ in range(count)], [person(rng) for _ in range(count)]


def _agree(
    model: engine.Model, system: System, subjects: tuple[Sequence[list[Record]], Sequence[dict[str, float]]], *,
    solver: str, carry: str = "backward", rtol: float, zero: float = 1e-14,
) -> int:  # fmt: skip
    """Compare every observation, values up to ``zero`` with each other, and count them."""
    tables, people = subjects
    values = {name: np.asarray([one[name] for one in people]) for name in people[0]}
    found = engine.simulate_arrays(model, values, table(tables), solver=solver, carry=carry)  # type: ignore[arg-type]
    assert not found.status.any()
    output = next(iter(found.outputs.values()))
    count = 0
    for who, own in enumerate(tables):
        expected = interpret(system, own, [people[who] | {"wt": record["wt"]} for record in own], carry)
        count += len(expected)
        large = np.max(np.abs(expected), initial=0)
        shown = f"seed {SEED}, subject {who}: {people[who]}\n" + "\n".join(map(str, own))
        np.testing.assert_allclose(
            output[who, : len(expected)], expected, rtol=rtol, atol=1e-6 * rtol * large + zero, err_msg=shown
        )
    return count


@pytest.mark.parametrize("carry", ["backward", "forward"])
def test_closed_form(carry: str) -> None:
    assert _agree(MODEL, NAIVE, _subjects(150, 1), solver="closed_form", carry=carry, rtol=1e-8) > 300


def test_occasions() -> None:
    assert _agree(MODEL, NAIVE, _subjects(100, 2, occasions=True), solver="closed_form", rtol=1e-8) > 200


@pytest.mark.parametrize(
    ("solver", "count"),
    [("taylor", 40), ("block_taylor", 100), ("runge_kutta", 30), ("rosenbrock", 20), ("reference", 6)],
)
def test_other_solvers(solver: str, count: int) -> None:
    subjects = _subjects(count, 3)
    _agree(MODEL, NAIVE, subjects, solver=solver, rtol=1e-6, zero=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_ten_thousand_tables(seed: int) -> None:
    carry, occasions = ("backward", "forward")[seed % 2], seed > 1
    subjects = _subjects(2500, 10 + seed, occasions=occasions)
    assert _agree(MODEL, NAIVE, subjects, solver="closed_form", carry=carry, rtol=1e-7) > 5000


@pytest.mark.slow
@pytest.mark.parametrize("carry", ["backward", "forward"])
def test_a_thousand_tables_by_series(carry: str) -> None:
    _agree(MODEL, NAIVE, _subjects(1000, 20), solver="block_taylor", carry=carry, rtol=1e-6, zero=1e-8)


SATURABLE = engine.load_model({
    **MODEL.to_dict(), "name": "saturable",
    "derivatives": {"depot": "-ka * depot", "central": "ka * depot - cl * wt / v * central / (1 + central / base50)"},
    "parameters": {**MODEL.to_dict()["parameters"], "base50": {"unit": "mg", "meaning": "amount at half the rate"}},
})  # fmt: skip
SATURABLE_NAIVE = System(
    NAIVE.initial, NAIVE.enter, NAIVE.output,
    nonlinear(lambda _, x, p: np.asarray([
        -p["ka"] * x[0], p["ka"] * x[0] - p["cl"] * p["wt"] / p["v"] * x[1] / (1 + x[1] / p["base50"])
    ])),
)  # fmt: skip


def _saturable(count: int, seed: int) -> tuple[list[list[Record]], list[dict[str, float]]]:
    """Without steady states, which doses above what can be eliminated do not have."""
    tables, people = _subjects(count, seed, adding=False)
    for record in (one for own in tables for one in own):
        if record["ss"]:
            record |= {"ss": 0.0} if record["amt"] and record["addl"] else {"ss": 0.0, "ii": 0.0}
        if record["evid"] in (1, 4) and not record["amt"]:
            record |= {"amt": 20.0}
    return tables, [one | {"base50": 150.0} for one in people]


def test_equations_that_are_not_linear() -> None:
    _agree(SATURABLE, SATURABLE_NAIVE, _saturable(12, 30), solver="auto", rtol=1e-6, zero=1e-8)


@pytest.mark.slow
def test_equations_that_are_not_linear_many_times() -> None:
    _agree(SATURABLE, SATURABLE_NAIVE, _saturable(500, 31), solver="auto", rtol=1e-6, zero=1e-8)


def test_a_second_reading_that_differs_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison bites: a system that does not stop an infusion at a reset disagrees."""
    monkeypatch.setattr("tests.engine.naive_nonmem.Person.forget", lambda _: None)
    with pytest.raises(AssertionError):
        _agree(MODEL, NAIVE, _subjects(60, 1), solver="closed_form", rtol=1e-8)
