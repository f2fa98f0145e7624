"""A regimen as it was taken gives what the doses really given would give, written as a regimen or an event table."""

import numpy as np
import pytest

import engine
from engine.dosing.events import from_records
from engine.dosing.taken import Taken, dose_times

TIMES = np.linspace(0, 200, 41)
REGIMEN = engine.Regimen.parse("100 mg into depot every 24 h, 6 times")


def model(name):
    return engine.load_model(name)


def typical(made):
    return {parameter.name: parameter.value for parameter in made.parameters}


@pytest.mark.parametrize("name", ["theophylline_oral", "warfarin_turnover"])
def test_doses_left_out_halved_and_delayed(name):
    made = model(name)
    rng = np.random.default_rng(1)
    share, delay = rng.choice([0.0, 0.5, 1.0], (5, 6)), rng.uniform(0, 5, (5, 6))
    share[3] = 0.0
    found = engine.simulate_arrays(made, typical(made), Taken(REGIMEN, share, delay), TIMES)
    assert not found.status.any()
    for subject in range(5):
        given = [
            engine.Dose(100 * s, into="depot", at=24 * n + d)
            for n, (s, d) in enumerate(zip(share[subject], delay[subject], strict=True))
            if s
        ]
        alone = engine.simulate_arrays(made, typical(made), engine.Regimen(*given), TIMES)
        for output, values in found.outputs.items():
            np.testing.assert_allclose(values[subject], alone.outputs[output][0], rtol=1e-9, atol=1e-9)


def test_all_of_it_is_the_regimen():
    made = model("warfarin_turnover")
    whole = Taken(REGIMEN, np.ones((2, 6)), np.zeros((2, 6)))
    found = engine.simulate_arrays(made, typical(made), whole, TIMES, before_dose=True)
    expected = engine.simulate_arrays(made, typical(made), REGIMEN, TIMES, before_dose=True)
    for output, values in expected.outputs.items():
        np.testing.assert_allclose(found.outputs[output], np.repeat(values, 2, axis=0), rtol=1e-12)


def test_infusions_and_steady_states_keep_what_they_are():
    made = model("one_compartment_iv")
    regimen = engine.Regimen.parse("100 mg into central over 2 h every 12 h, 4 times") + engine.Regimen(
        engine.Dose(50, into="central", at=60, every=12, steady_state=2)
    )
    share = np.array([[1, 0, 1, 1, 1], [1, 1, 1, 0, 0]], dtype=float)
    found = engine.simulate_arrays(made, typical(made), Taken(regimen, share, np.zeros((2, 5))), TIMES)
    doses = [engine.Dose(100, into="central", at=12 * n, duration=2) for n in range(4)]
    steady = engine.Dose(50, into="central", at=60, every=12, steady_state=2)
    for subject, given in enumerate([[doses[0], doses[2], doses[3], steady], doses[:3]]):
        alone = engine.simulate_arrays(made, typical(made), engine.Regimen(*given), TIMES)
        for output, values in found.outputs.items():
            np.testing.assert_allclose(values[subject], alone.outputs[output][0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["theophylline_oral", "warfarin_turnover"])
def test_a_parameter_that_changes(name):
    """Against an event table whose column is carried forward."""
    made, values = model(name), typical(model(name))
    before = {key: value for key, value in values.items() if key != "cl"}
    cl, at = values["cl"], 50.0
    changed = Taken(
        REGIMEN, np.ones((2, 6)), np.zeros((2, 6)), {"cl": np.array([[cl, 3 * cl], [cl, cl]])},
        np.array([[at, np.inf], [at, np.inf]]),
    )  # fmt: skip
    found = engine.simulate_arrays(made, before, changed, TIMES, before_dose=True)
    table = from_records(
        np.arange(1), np.zeros(8, int), [0, 24, 48, at, 72, 96, 120, 200], evid=[1, 1, 1, 2, 1, 1, 1, 2],
        amt=[100, 100, 100, 0, 100, 100, 100, 0], cmt=np.ones(8), columns={"cl": np.array([cl] * 3 + [3 * cl] * 5)},
    )  # fmt: skip
    expected = engine.simulate_arrays(made, before, table, TIMES, before_dose=True, carry="forward")
    plain = engine.simulate_arrays(made, values, REGIMEN, TIMES, before_dose=True)
    for output, each in found.outputs.items():
        np.testing.assert_allclose(each[0], expected.outputs[output][0], rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(each[1], plain.outputs[output][0], rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(each[0][at >= TIMES], plain.outputs[output][0][at >= TIMES], rtol=1e-7, atol=1e-9)


def test_the_order_of_doses():
    regimen = engine.Regimen.parse("10 mg into depot at 24 h every 24 h, 2 times; 5 mg into depot")
    np.testing.assert_array_equal(dose_times(model("theophylline_oral"), regimen), [24, 48, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": np.ones((2, 5))}, "share has shape"),
        ({"share": np.full((2, 6), -1.0)}, "share is -1"),
        ({"delay": np.full((2, 6), np.inf)}, "delay has shape"),
        ({"changes": {"cl": np.ones((2, 2))}}, "changes of cl"),
        ({"changes": {"cl": np.ones((2, 2))}, "until": np.array([[2.0, 1.0]] * 2)}, "until decreases"),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(engine.DataError, match=message):
        Taken(**{"regimen": REGIMEN, "share": np.ones((2, 6)), "delay": np.zeros((2, 6))} | change)


class Fixed(engine.Policy):
    into, every, until, visits, observes = "depot", 24.0, 144.0, (48.0,), ("concentration",)
    __slots__ = ()

    def initial(self, covariates):  # noqa: ARG002
        return np.array(100.0)

    def decide(self, visit, seen, given):  # noqa: ARG002
        assert (given == 100.0).all()
        return np.full(len(given), 50.0)


def test_doses_of_a_policy_that_are_not_taken():
    made = model("theophylline_oral")
    share = np.array([[1, 0, 1, 1, 0, 1], [0, 0, 0, 0, 0, 0.5]], dtype=float)
    values = {name: np.full(2, value) for name, value in typical(made).items()}
    found = engine.simulate_policy(made, values, Fixed(), TIMES, taken=share)
    amounts = share * [100, 100, 50, 50, 50, 50]
    np.testing.assert_array_equal(found.amount, amounts)
    regimen = engine.Regimen(engine.Dose(1, into="depot", every=24, times=6))
    expected = engine.simulate_arrays(made, values, Taken(regimen, amounts, np.zeros((2, 6))), TIMES)
    for output, each in expected.outputs.items():
        np.testing.assert_allclose(found.arrays.outputs[output], each, rtol=1e-9, atol=1e-12)
    with pytest.raises(engine.DosingError, match="taken: shape"):
        engine.simulate_policy(made, values, Fixed(), TIMES, taken=share[:, :3])
