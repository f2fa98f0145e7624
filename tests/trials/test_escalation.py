"""Trials of ascending doses that stop after a cohort with too many events."""

from functools import cache

import numpy as np
import pytest

import trials
from tests.trials.small import SMALL
from trials.block import Work, simulate, simulate_block, trial_data
from trials.designs.escalation import EscalationRule
from trials.errors import TrialError

RULE = "{_target_: trials.designs.escalation.EscalationRule, endpoint: high, most: 2}"
HIGH = ("{_target_: trials.endpoints.responder.Responder, measure: concentration, unit: '1', visit: 240, "
        "least: 6.4, kind: value}")  # fmt: skip
WORDS = (*SMALL, f"+endpoints.high={HIGH}")
"""Who has more than 6.4 mg/L on day 10: some on 60 mg, all on 120 mg."""


@cache
def protocol(*words):
    return trials.load("antibody_first_in_human", [*WORDS, *words]).scenarios[0].protocol


def block(made, replicates=range(12)):
    return simulate_block(Work("", made, replicates, 3, None))


def test_later_cohorts_are_as_if_they_had_never_been():
    made = protocol(f"design.escalation={RULE}")
    work = Work("", made, range(12), 3, None)
    data = trial_data(work, simulate(work))
    rule = EscalationRule("high", 2)(data)
    found = block(made)
    assert found["outcome.escalation_stopped"].any()
    assert len(np.unique(found["outcome.doses_given"])) > 1
    for name, source in (("doses_given", "given"), ("doses_cleared", "cleared"), ("n", "n")):
        np.testing.assert_array_equal(found[f"outcome.{name}"][:, 0], rule[source])
    auc_high = [analysis.name for analysis in made.analyses].index("auc_high")
    early = found["outcome.doses_given"][:, 0] < 4
    np.testing.assert_array_equal(found["outcome.failed"][:, auc_high], early)  # nobody on 120 mg
    auc = [endpoint.name for endpoint in made.endpoints].index("auc")
    np.testing.assert_array_equal(found["arm.n"][:, auc, 4] == 0, early)


def test_the_trial_ends_with_the_last_who_was_dosed():
    accrual = "+enrolment={_target_: trials.enrolment.accrual.Accrual, rates: [0.01]}"
    made = protocol(f"design.escalation={RULE}", accrual)
    work = Work("", made, range(12), 3, None)
    enrolled = simulate(work).patients["enrolled"].values
    found = block(made)
    n = found["outcome.n"][:, 0]
    assert len(set(n)) > 1
    np.testing.assert_allclose(found["outcome.duration"][:, 0], enrolled[np.arange(12), n - 1] + 3192)


def test_a_rule_that_never_stops_changes_nothing():
    plain, never = block(protocol()), block(protocol(f"design.escalation={RULE}", "design.escalation.most=7"))
    assert not never["outcome.escalation_stopped"].any()
    for name, values in plain.items():
        if name == "outcome.n":  # who were dosed, of all of whom each analysis takes some
            assert (never[name] == 32).all()
            np.testing.assert_array_equal(never["outcome.analysed"], values)
            continue
        np.testing.assert_array_equal(never[name], values, err_msg=name)


def test_rules_are_scored_on_what_was_cleared():
    rules = "rules={third: {analysis: auc_low, variable: doses_cleared, above: 2.5}}"
    made = trials.run(trials.load("antibody_first_in_human", [*WORDS, f"design.escalation={RULE}", f"+{rules}"]))
    scored = trials.score(made)["as_published"]["third"]["power"]["value"]
    cleared = made.outcomes["doses_cleared"].sel(scenario="as_published", analysis="half_60")
    usable = ~made.outcomes["failed"].sel(scenario="as_published", analysis="auc_low").astype(bool)
    assert scored == float(((cleared > 2.5) & usable).mean())


@pytest.mark.parametrize(("words", "message"), [
    (["design.escalation={_target_: trials.designs.escalation.EscalationRule, endpoint: hig}"],
     r"design\.escalation\.endpoint: got 'hig', wants an endpoint; there are .*high"),
    (["design.escalation=3"], r"design\.escalation: got 3, wanted a rule"),
])  # fmt: skip
def test_what_is_wrong_is_named(words, message):
    with pytest.raises(TrialError, match=message):
        protocol(*words)


def test_every_field_of_the_rule_changes_an_output():
    other = HIGH.replace("6.4", "8.0")
    base = block(protocol(f"design.escalation={RULE}", f"+endpoints.higher={other}"))
    for word in ("design.escalation.endpoint=higher", "design.escalation.most=1"):
        made = block(protocol(f"design.escalation={RULE}", f"+endpoints.higher={other}", word))
        assert (made["outcome.doses_given"] != base["outcome.doses_given"]).any(), word
