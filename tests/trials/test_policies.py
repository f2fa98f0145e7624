"""Titration of warfarin by the INR."""

import dataclasses

import numpy as np
import pytest

import trials
from tests.trials.small import SMALL
from trials.block import Work, simulate
from trials.policies import InrTitration

RULE = {
    "into": "depot", "start": (10, 5), "every": 24, "until": 504, "visits": (24, 96, 168, 336), "output": "inr",
    "bounds": (1.5, 2.0, 3.005, 4.0, 5.0), "changes": (1.15, 1.1, 1, 0.9, 0.9, 0.85), "omits": (0, 0, 0, 0, 1, 3),
    "step": 0, "most": 20,
}  # fmt: skip
INRS = np.array([1.2, 1.7, 2.0, 2.5, 3.0, 3.5, 4.5, 6.0])


def decide(policy, *seen):
    inr = np.stack(seen, axis=1)
    return policy.decide(len(seen) - 1, {"inr": inr}, np.full(inr.shape, 5.0))


def test_the_first_visits_end_the_loading_dose_whatever_the_inr():
    policy = InrTitration(**RULE)
    assert policy.initial({}) == 10
    np.testing.assert_array_equal(decide(policy, INRS), 5)


def test_each_band_has_its_change_and_its_omitted_doses():
    policy = InrTitration(**RULE)
    doses = 3  # from 96 to 168 h
    change = np.array([1.15, 1.1, 1, 1, 1, 0.9, 0.9, 0.85])
    left = np.array([1, 1, 1, 1, 1, 1, (doses - 1) / doses, 0])
    np.testing.assert_allclose(decide(policy, INRS, INRS), 5 * change * left)


def test_changes_add_up_and_omitted_doses_are_made_up_for_by_nothing():
    policy = InrTitration(**RULE)
    high, right = np.full(1, 6.0), np.full(1, 2.5)
    np.testing.assert_allclose(decide(policy, right, high, right), 5 * 0.85)
    np.testing.assert_allclose(decide(policy, right, high, high), 5 * 0.85**2 * 4 / 7)


def test_doses_are_what_tablets_allow():
    policy = InrTitration(**RULE | {"step": 2.5, "most": 5.5})
    weekly = decide(policy, INRS, INRS)[:3] * 7
    np.testing.assert_allclose(weekly, [38.5, 37.5, 35])
    low = InrTitration(**RULE | {"step": 2.5, "start": (1, 0.4)})
    np.testing.assert_allclose(decide(low, np.full(1, 2.5), np.full(1, 3.5)) * 7, 2.5)


@pytest.mark.parametrize(
    ("field", "value"),
    [("start", ()), ("start", (5,) * 5), ("start", (-1,)), ("visits", (96, 24)), ("bounds", (2, 2)),
     ("changes", (1, 1)), ("omits", (1,)), ("every", 0), ("most", 0), ("step", -1), ("into", "")],
)  # fmt: skip
def test_what_is_no_rule_is_refused(field, value):
    with pytest.raises(trials.TrialError, match=f"policy.{field}"):
        InrTitration(**RULE | {field: value})


@pytest.fixture(scope="module")
def protocol():
    return trials.load("warfarin_titration", [*SMALL, "design.n=40"]).protocol


def test_the_policy_sees_what_the_trial_measures(protocol, monkeypatch):
    seen = []
    decided = InrTitration.decide

    def watched(self, visit, shown, given):
        seen.append(shown["inr"])
        return decided(self, visit, shown, given)

    monkeypatch.setattr(InrTitration, "decide", watched)
    course = simulate(Work("x", protocol, range(2), 1, None))
    measured = course.observed["inr"][:, :, 0][course.arms[:, :, 0] == 0]
    visits = [protocol.measurement("inr").times.index(visit) for visit in protocol.arm("guided").policy.visits]
    np.testing.assert_allclose(seen[-1], measured[:, visits], rtol=1e-9)


def test_guided_patients_come_into_range(protocol):
    course = simulate(Work("x", protocol, range(3), 1, None))
    inr = course.true["inr"][:, :, 0, -1]
    within = [((inr >= 2) & (inr <= 3))[course.arms[:, :, 0] == arm].mean() for arm in (0, 1)]
    assert within[0] > 0.75
    assert within[1] < 0.6


def test_a_visit_without_a_measurement_is_refused(protocol):
    from trials.consistency import check

    guided = protocol.arm("guided")
    odd = dataclasses.replace(guided, policy=dataclasses.replace(guided.policy, visits=(24.0, 97.0)))
    with pytest.raises(trials.TrialError, match=r"arms.guided.policy.visits: .* at 97 h, when measurements.inr.times"):
        check(dataclasses.replace(protocol, arms=(odd, protocol.arm("fixed"))))
