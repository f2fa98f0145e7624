"""What happens to patients on their way: visits, adherence, intercurrent events and what follows from them."""

from dataclasses import replace

import numpy as np
import pytest

import engine
from tests.trials.virtual import ARMS, TIMES, course, data, dosed, everyone, protocol, work
from trials.block import simulate_block
from trials.conduct.adherence import Binomial, Markov
from trials.conduct.causes.base import reached
from trials.conduct.causes.hazard import Hazard
from trials.conduct.causes.response import Current, LastObserved
from trials.conduct.causes.rule import Rule
from trials.conduct.event import IntercurrentEvent
from trials.consistency import check
from trials.designs.crossover import Crossover
from trials.designs.parallel import Parallel
from trials.endpoints.criterion import Criterion
from trials.enrolment.poisson_gamma import PoissonGamma
from trials.errors import TrialError
from trials.protocol import Measurement


def bateman(patients, doses, times, cl=None):
    """Concentration (patient, time) of doses [(time, amount)], before those of the same time."""
    ka, own, v, f = (patients[name].values.reshape(-1, 1) for name in ("ka", "cl", "v", "f"))
    k = (own if cl is None else cl) / v
    total = 0.0
    for at, amount in doses:
        since = np.maximum(np.asarray(times) - at, 0.0)
        total = total + amount * f * ka / v / (ka - k) * (np.exp(-k * since) - np.exp(-ka * since))
    return total


DAYS = (0.0, 24.0, 48.0, 72.0)


# ---- visits
def measured(**changes):
    return protocol(measurements=(Measurement("x", "concentration", TIMES, **changes),))


def test_without_anything_the_course_is_that_of_the_regimen():
    found = everyone(protocol(), "active")
    expected = bateman(found.patients, [(t, 640) for t in DAYS], TIMES)
    np.testing.assert_allclose(found.true["x"].reshape(-1, 5), expected, rtol=1e-9, atol=1e-12)
    assert np.isinf(found.left).all()


def test_windows_move_visits_and_the_patient_is_measured_then():
    found = everyone(measured(window=(2.0, 6.0)), "active", count=300)
    times = found.times["x"]
    assert times.shape == (2, 300, 1, 5)
    assert (times[..., 0] == 0).all()
    shift = times[..., 1:] - np.asarray(TIMES[1:])
    assert shift.min() > -2
    assert shift.max() < 6
    np.testing.assert_allclose(shift.mean(), 2.0, atol=4 * 8 / np.sqrt(12 * shift.size))
    doses = [(t, 640) for t in DAYS]
    rows = times.reshape(-1, 5)
    expected = np.concatenate(
        [
            bateman(found.patients.isel(replicate=[r], subject=[s]), doses, rows[r * 300 + s])
            for r in range(2)
            for s in range(300)
        ]
    )
    np.testing.assert_allclose(found.true["x"].reshape(-1, 5), expected, rtol=1e-8, atol=1e-12)
    auc = data(measured(window=(2.0, 6.0)))["auc"]
    assert (auc != data(protocol())["auc"]).all()


def test_missed_visits():
    found = everyone(measured(missed=0.3), "active", count=500)
    away = np.isnan(found.observed["x"])
    assert not away[..., 0].any()
    assert away[..., 1:].mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 4000))
    plain = everyone(protocol(), "active", count=500)
    np.testing.assert_array_equal(found.observed["x"][~away], plain.observed["x"][~away])
    np.testing.assert_array_equal(found.true["x"], plain.true["x"])


@pytest.mark.parametrize(("rule", "value"), [("zero", 0.0), ("half", 2.0), ("missing", np.nan), ("flagged", 4.0)])
def test_below_the_limit_of_quantification(rule, value):
    plain = everyone(protocol(), "control")
    found = everyone(measured(lloq=4.0, blq=rule), "control")
    low = plain.observed["x"] < 4.0
    assert low.any()
    assert not low.all()
    np.testing.assert_array_equal(found.observed["x"], np.where(low, value, plain.observed["x"]))
    assert set(found.below) == ({"x"} if rule == "flagged" else set())
    if rule == "flagged":
        np.testing.assert_array_equal(found.below["x"], low)
        assert data(measured(lloq=4.0, blq=rule))["last_below"].dims == ("replicate", "subject")


# ---- adherence
def test_doses_that_are_not_taken_leave_no_trace():
    made = dosed(protocol(), active={"adherence": Binomial(0.5)})
    found = everyone(made, "active")
    patterns = [tuple(row) for row in np.ndindex(2, 2, 2, 2)]
    possible = np.stack(
        [bateman(found.patients, [(t, 640 * p) for t, p in zip(DAYS, row, strict=True)], TIMES) for row in patterns]
    )
    distance = np.abs(possible - found.true["x"].reshape(-1, 5)).max(axis=-1)
    assert (distance.min(axis=0) < 1e-9).all()
    taken = np.array(patterns)[distance.argmin(axis=0)]
    assert taken.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(taken.size))
    control = everyone(made, "control")
    np.testing.assert_array_equal(control.true["x"], everyone(protocol(), "control").true["x"])


def uniforms(n, doses, seed=1):
    return np.random.default_rng(seed).random((n, doses + 1, 2))


def test_binomial_adherence_and_its_spread():
    plain = Binomial(0.8).taken(uniforms(20_000, 10)).sum(axis=1)
    assert plain.mean() == pytest.approx(8, abs=0.04)
    assert plain.var() == pytest.approx(10 * 0.16, rel=0.05)
    spread = Binomial(0.8, precision=3).taken(uniforms(20_000, 10)).sum(axis=1)
    assert spread.mean() == pytest.approx(8, abs=0.08)
    assert spread.var() == pytest.approx(10 * 0.16 * (1 + 9 / 4), rel=0.05)  # beta-binomial


def test_markov_adherence_is_the_chain():
    taken = Markov(after_taken=0.9, after_missed=0.4).taken(uniforms(20_000, 12))
    np.testing.assert_allclose(taken.mean(axis=0), 0.8, atol=4 * 0.4 / np.sqrt(20_000))
    before, after = taken[:, :-1], taken[:, 1:]
    assert after[before].mean() == pytest.approx(0.9, abs=0.004)
    assert after[~before].mean() == pytest.approx(0.4, abs=0.01)


def test_holidays_are_runs_of_missed_doses():
    taken = Markov(after_taken=1.0, after_missed=1.0, holiday=0.05, holiday_doses=4).taken(uniforms(4000, 200))
    # Share of time on holiday of an alternating process with mean lengths 4 and 1 / 0.05 - and no dose between two.
    lengths = [len(run) for row in taken[:500] for run in "".join("x" if t else "." for t in row).split("x") if run]
    assert np.mean(lengths) == pytest.approx(4, rel=0.1)
    assert 1 - taken[:, 100:].mean() == pytest.approx(4 / (4 + 20), rel=0.05)


# ---- intercurrent events
def event(**changes):
    return IntercurrentEvent(**{"name": "stop", "cause": Hazard(0.01), "stops": True} | changes)


def test_times_of_a_constant_hazard_are_exponential_and_doses_stop():
    made = protocol(intercurrent=(event(),))
    found = everyone(made, "active", count=600)
    when = found.events["stop"]
    assert np.isfinite(when).mean() == pytest.approx(1 - np.exp(-0.96), abs=4 * 0.5 / np.sqrt(1200))
    happened = np.isfinite(when)
    mean = (1 / 0.01) - 96 * np.exp(-0.96) / (1 - np.exp(-0.96))  # of an exponential cut at 96
    assert when[happened].mean() == pytest.approx(mean, abs=4 * 28 / np.sqrt(happened.sum()))
    expected = 0.0
    for dose in DAYS:
        given = (dose < when).reshape(-1, 1)
        expected = expected + given * bateman(found.patients, [(dose, 640)], TIMES)
    np.testing.assert_allclose(found.true["x"].reshape(-1, 5), expected, rtol=1e-8, atol=1e-10)


def test_before_the_event_nothing_changes_and_nobody_else_is_touched():
    plain, found = everyone(protocol(), "active"), everyone(protocol(intercurrent=(event(),)), "active")
    before = np.asarray(TIMES) <= found.events["stop"][..., None, None]
    np.testing.assert_array_equal(found.true["x"][before], plain.true["x"][before])
    assert (found.true["x"][~before] < plain.true["x"][~before]).any()


def test_a_weibull_hazard_with_a_covariate():
    cause = Hazard(0.01, shape=2.0, effects={"weight": 0.05}, centres={"weight": 70})
    found = everyone(protocol(intercurrent=(event(cause=cause),)), "active", count=2000)
    weight, when = found.patients["weight"].values, found.events["stop"]
    survival = np.exp(-((0.01 * 96) ** 2) * np.exp(0.05 * (weight - 70)))
    assert np.isinf(when).mean() == pytest.approx(survival.mean(), abs=4 * 0.5 / np.sqrt(4000))
    heavy = weight > 80
    assert np.isinf(when[heavy]).mean() == pytest.approx(survival[heavy].mean(), abs=4 * 0.5 / np.sqrt(heavy.sum()))


def test_leaving_ends_the_record_but_not_the_truth():
    made = protocol(intercurrent=(event(stops=False, leaves=True),))
    found, plain = everyone(made, "active"), everyone(protocol(), "active")
    np.testing.assert_array_equal(found.left, found.events["stop"])
    gone = np.asarray(TIMES) > found.left[..., None, None]
    assert gone.any()
    np.testing.assert_array_equal(found.observed["x"], np.where(gone, np.nan, plain.observed["x"]))
    np.testing.assert_array_equal(found.true["x"], plain.true["x"])
    assert set(data(made)) >= {"ice_stop", "discontinued"}


RESCUE = Rule("x", Criterion(below=6.0), start=24.0)


def test_a_rescue_by_rule_at_a_visit():
    rescue = engine.Regimen.parse("500 mg into depot every 24 h, 2 times")
    made = protocol(intercurrent=(event(name="rescue", cause=RESCUE, stops=False, rescue=rescue),))
    found, plain = everyone(made, "control"), everyone(protocol(), "control")
    low = (plain.observed["x"][:, :, 0] < 6.0) & (np.asarray(TIMES) >= 24.0)
    first = np.where(low, np.asarray(TIMES), np.inf).min(axis=-1)
    np.testing.assert_array_equal(found.events["rescue"], first)
    rows = []
    for when, row in zip(first.ravel(), np.ndindex(2, 40), strict=True):
        doses = [(t, 320) for t in DAYS]
        doses += [(when + t, 500) for t in (0.0, 24.0)] if np.isfinite(when) else []
        rows.append(bateman(found.patients.isel(replicate=[row[0]], subject=[row[1]]), doses, TIMES))
    np.testing.assert_allclose(found.true["x"].reshape(-1, 5), np.concatenate(rows), rtol=1e-8, atol=1e-10)


def test_a_switch_gives_the_other_arm_from_then_on():
    made = dosed(protocol(), active={"modify": (("f", 0.5),)})
    made = replace(made, intercurrent=(event(name="switch", cause=RESCUE, stops=False, switch="active"),))
    found = everyone(made, "control")
    when = found.events["switch"]
    assert np.isfinite(when).any()
    rows = []
    for at, row in zip(when.ravel(), np.ndindex(2, 40), strict=True):
        patient = found.patients.isel(replicate=[row[0]], subject=[row[1]])
        doses = [(t, 320) for t in DAYS if t < at]
        doses += [(at + t, 640 * 0.5) for t in DAYS] if np.isfinite(at) else []
        rows.append(bateman(patient, doses, TIMES))
    np.testing.assert_allclose(found.true["x"].reshape(-1, 5), np.concatenate(rows), rtol=1e-8, atol=1e-10)


def test_a_parameter_changes_from_the_event_on():
    made = protocol(
        intercurrent=(event(cause=Rule("x", Criterion(above=-99), start=48.0), stops=False, modify={"cl": 0.0}),)
    )
    found = everyone(made, "active")
    assert (found.events["stop"] == 48).all()
    true = found.true["x"].reshape(-1, 5)
    plain = everyone(protocol(), "active").true["x"].reshape(-1, 5)
    np.testing.assert_allclose(true[:, :3], plain[:, :3], rtol=1e-12)
    patients = found.patients
    v, f = (patients[name].values.reshape(-1) for name in ("v", "f"))
    # Without elimination nothing is lost: what is in the body at 48 h, and what is absorbed by 96 h.
    ka, k = patients["ka"].values.reshape(-1), (patients["cl"] / patients["v"]).values.reshape(-1)
    gut = sum(640 * np.exp(-ka * (48 - t)) for t in (0.0, 24.0))
    central = sum(640 * ka / (ka - k) * (np.exp(-k * (48 - t)) - np.exp(-ka * (48 - t))) for t in (0.0, 24.0))
    later = gut * (1 - np.exp(-ka * 48)) + 640 * (2 - np.exp(-ka * 48) - np.exp(-ka * 24))
    np.testing.assert_allclose(true[:, 4], f * (central + later) / v, rtol=1e-6)


def test_events_follow_each_other_and_leaving_ends_them():
    events = (
        event(name="rescue", cause=RESCUE, stops=False, rescue=engine.Regimen.parse("500 mg into depot")),
        event(name="stop", cause=Hazard(0.02), stops=True),
        event(name="out", cause=Hazard(0.01), stops=True, leaves=True),
    )
    found = everyone(protocol(intercurrent=events), "control", count=300)
    rescue, stop, out = (found.events[name] for name in ("rescue", "stop", "out"))
    assert (np.isfinite(rescue) & np.isfinite(stop)).any()
    assert (np.isinf(rescue) | (rescue <= out)).all()
    assert (np.isinf(stop) | (stop <= out)).all()
    alone = everyone(protocol(intercurrent=events[1:]), "control", count=300).events["stop"]
    np.testing.assert_array_equal(stop[np.isfinite(stop)], alone[np.isfinite(stop)])
    without = everyone(protocol(intercurrent=events), "control", count=300, without=frozenset({"out"}))
    assert np.isinf(without.events["out"]).all()
    assert np.isfinite(without.events["stop"]).sum() > np.isfinite(stop).sum()


def test_a_stop_after_a_switch_stops_what_was_switched_to():
    events = (
        event(name="switch", cause=Rule("x", Criterion(above=-99), start=24.0), stops=False, switch="active"),
        event(name="stop", cause=Rule("x", Criterion(above=-99), start=72.0)),
    )
    found = everyone(protocol(intercurrent=events), "control")
    expected = bateman(found.patients, [(0.0, 320), (24.0, 640), (48.0, 640)], TIMES)
    np.testing.assert_allclose(found.true["x"].reshape(-1, 5), expected, rtol=1e-8, atol=1e-10)


def test_only_the_arms_that_are_named():
    made = protocol(intercurrent=(event(arms=("active",)),))
    found = course(made)
    active = found.arms[..., 0] == 0
    assert np.isfinite(found.events["stop"][active]).any()
    assert np.isinf(found.events["stop"][~active]).all()


def test_a_hazard_of_the_last_value_recorded():
    made = protocol(
        intercurrent=(event(cause=LastObserved(0.004, "x", slope=0.2, centre=4.0), stops=False, leaves=True),)
    )
    found, plain = everyone(made, "active", count=1000), everyone(protocol(), "active", count=1000)
    seen = plain.observed["x"][:, :, 0]
    total = 24 * 0.004 * np.exp(0.2 * (seen[..., :4] - 4.0)).sum(axis=-1)
    assert np.isinf(found.left).mean() == pytest.approx(np.exp(-total).mean(), abs=4 * 0.5 / np.sqrt(2000))
    step = 24 * 0.004 * np.exp(0.2 * (seen[..., 2] - 4.0))
    at_risk = found.left > 48
    assert (found.left[at_risk] <= 72).mean() == pytest.approx((1 - np.exp(-step))[at_risk].mean(), abs=0.05)


def test_where_a_hazard_of_steps_reaches_a_limit():
    times = np.tile([0.0, 1.0, 3.0, 4.0], (5, 1))
    hazard = np.tile([1.0, 0.0, 2.0, 0.5], (5, 1))
    hazard[4] = [0.1, 0.1, 0.1, 0.0]
    found = reached(times, hazard, np.array([0.5, 1.0, 2.0, 3.5, 1.0]))
    np.testing.assert_allclose(found, [0.5, 3.0, 3.5, 5.0, np.inf])


def test_a_hazard_of_the_true_course():
    cause = Current(0.01, "concentration", slope=0.2, every=1.0, centre=4.0)
    made = protocol(intercurrent=(event(cause=cause, stops=False, leaves=True),))
    found = everyone(made, "active", count=1000)
    clock = np.arange(0.0, 96.0)
    true = bateman(found.patients, [(t, 640) for t in DAYS], clock)
    total = 0.01 * np.exp(0.2 * (true - 4.0)).sum(axis=1)
    assert np.isinf(found.left).mean() == pytest.approx(np.exp(-total).mean(), abs=4 * 0.5 / np.sqrt(2000))


def test_blocks_of_any_size_give_the_same_bits():
    events = (event(name="rescue", cause=RESCUE, rescue=engine.Regimen.parse("500 mg into depot")), event(leaves=True))
    made = dosed(measured(window=(2.0, 2.0), missed=0.1, lloq=1.0), active={"adherence": Markov(0.9, 0.5)})
    made = replace(made, intercurrent=events)
    whole = simulate_block(work(made, range(5)))
    parts = [simulate_block(work(made, part)) for part in (range(2), range(2, 5))]
    for name, values in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), values, err_msg=name)


# ---- crossovers, policies, sites
def test_whoever_leaves_a_crossover_is_gone_in_later_periods():
    made = protocol(
        design=Crossover(("active", "control"), 40, washout=100.0),
        analyses=(),
        intercurrent=(event(cause=Hazard(0.004), stops=False, leaves=True),),
    )
    found, plain = course(made), course(replace(made, intercurrent=()))
    starts = np.asarray(found.starts)[:, None]
    assert found.starts == (0.0, 196.0)
    gone = starts + np.asarray(TIMES) > found.left[..., None, None]
    assert gone[:, :, 0].any()
    assert (~gone[:, :, 1]).any()
    np.testing.assert_array_equal(np.isnan(found.observed["x"]), gone)
    np.testing.assert_array_equal(found.true["x"], plain.true["x"])
    with pytest.raises(TrialError, match=r"intercurrent.stop: in a design with several periods only `leaves`"):
        replace_checked(made, intercurrent=(event(),))


def replace_checked(made, **changes):
    made = replace(made, **changes)
    check(made)
    return made


def test_carry_over_of_the_doses_that_were_taken():
    made = protocol(design=Crossover(("active", "control"), 40, washout=0.0), analyses=())
    made = dosed(made, active={"adherence": Binomial(0.0)}, control={"adherence": None})
    found = course(made)
    active_first = found.arms[..., 0] == 0
    assert (found.true["x"][active_first][:, 0] == 0).all()
    assert (found.true["x"][~active_first][:, 1] > 0).all()  # what the control period left


class Titration(engine.Policy):
    """320 mg, doubled for patients below 2 mg/L at 48 h."""

    into, every, until, visits, observes = "depot", 24.0, 96.0, (48.0,), ("concentration",)
    __slots__ = ()

    def initial(self, covariates):  # noqa: ARG002
        return np.array(320.0)

    def decide(self, visit, seen, given):  # noqa: ARG002
        return np.where(seen["concentration"][:, 0] < 2.0, 640.0, 320.0)


def test_a_policy_whose_patient_stops_and_misses_doses():
    made = protocol()
    arms = (replace(made.arms[0], regimen=None, policy=Titration()), made.arms[1])
    made = replace_checked(made, arms=arms)
    late = event(cause=Rule("x", Criterion(above=-99), start=72.0))
    stopped = replace_checked(made, intercurrent=(late,))
    found, plain = everyone(stopped, "active"), everyone(made, "active")
    doubled = plain.observed["x"][..., 2] < 2.0
    assert doubled.any()
    assert not doubled.all()
    amounts = np.where(doubled.reshape(-1, 1), [320, 320, 640, 640], 320)
    for course_, doses in ((plain, 4), (found, 3)):
        each = [bateman(course_.patients, [(DAYS[n], 1.0)], TIMES) * amounts[:, [n]] for n in range(doses)]
        np.testing.assert_allclose(course_.true["x"].reshape(-1, 5), sum(each), rtol=1e-8, atol=1e-10)
    skipped = everyone(dosed(made, active={"adherence": Binomial(0.0)}), "active")
    assert (skipped.true["x"] == 0).all()
    with pytest.raises(TrialError, match=r"intercurrent.stop.arms: arm active has a policy"):
        replace_checked(made, intercurrent=(event(modify={"cl": 0.5}),))
    with pytest.raises(TrialError, match=r"measurements.x.missed: got 0.1, but the policy of arm active looks at it"):
        replace_checked(made, measurements=measured(missed=0.1).measurements)


def test_patients_of_one_site_share_what_their_site_has():
    sites = PoissonGamma(({"name": "all", "sites": 4, "rate": 0.5},))
    made = protocol()
    parameters = tuple(
        replace(p, between_subject=None, between_site=p.between_subject) if p.name == "cl" else p
        for p in made.population.parameters
    )
    made = replace(made, population=replace(made.population, parameters=parameters), design=Parallel(ARMS, 60))
    with pytest.raises(TrialError, match="enrolment: population made_up has variability between sites in cl"):
        check(made)
    made = replace_checked(made, enrolment=sites)
    patients = course(made).patients
    for replicate in range(3):
        each = patients.isel(replicate=replicate)
        clearances = [np.unique(each["cl"].values[each["site"].values == site]) for site in range(4)]
        assert [len(one) for one in clearances] == [1] * 4
        assert len(np.unique(clearances)) == 4
    assert data(made)["site"].dims == ("replicate", "subject")
    own = everyone(made, "active").patients["cl"].values
    assert len(np.unique(own)) == own.size  # the truth is about patients of any site


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cause": Hazard(0.1, effects={"height": 1.0})}, "intercurrent.stop.cause.effects: got 'height'"),
        ({"cause": LastObserved(0.1, "y", 1.0)}, "intercurrent.stop.cause.measure: got 'y'"),
        ({"cause": Current(0.1, "effect", 1.0, 1.0)}, "intercurrent.stop.cause.output: got 'effect'"),
        ({"arms": ("activ",)}, "intercurrent.stop.arms: got 'activ', wants an arm of the design, did you mean"),
        ({"stops": False, "switch": "third"}, "intercurrent.stop.switch: got 'third'"),
        ({"modify": {"cll": 1.0}}, "intercurrent.stop.modify: got 'cll'"),
        ({"rescue": engine.Regimen.parse("1 mg into gut")}, "intercurrent.stop.rescue: got 'gut'"),
    ],
)
def test_events_that_do_not_fit(changes, message):
    with pytest.raises(TrialError, match=message):
        protocol(intercurrent=(event(**changes),))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"switch": "active"}, "intercurrent.stop.stops: wants false with `switch`"),
        ({"modify": {"cl": -1.0}}, "intercurrent.stop.modify.cl: wants a factor of at least 0"),
        ({"cause": 3}, "intercurrent.stop.cause: got 3, wanted a cause"),
        ({"leaves": 1}, "intercurrent.stop.leaves: got 1, wanted true or false"),
    ],
)
def test_what_no_event_is(changes, message):
    with pytest.raises(TrialError, match=message):
        event(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": (20.0, 5.0)}, "measurements.x.window: wants how much earlier and later"),
        ({"missed": 1.0}, "measurements.x.missed: wants a probability below 1"),
        ({"blq": "none", "lloq": 1.0}, "measurements.x.blq: wants one of zero, half, missing, flagged"),
    ],
)
def test_what_no_measurement_is(changes, message):
    with pytest.raises(TrialError, match=message):
        measured(**changes)


def test_doses_follow_each_other_in_time_however_they_are_written():
    made = protocol()
    regimen = engine.Regimen.parse("320 mg into depot at 24 h every 24 h, 3 times; 640 mg into depot")
    for_ever = Markov(1.0, 1.0, holiday=0.3, holiday_doses=1e9)
    made = dosed(made, active={"regimen": regimen, "adherence": for_ever})
    found = everyone(made, "active")
    each = [bateman(found.patients, [(t, 640 if t == 0 else 320)], TIMES) for t in DAYS]
    possible = np.stack([sum(each[:n], np.zeros((80, 5))) for n in range(5)])
    distance = np.abs(possible - found.true["x"].reshape(-1, 5)).max(axis=-1)
    assert (distance.min(axis=0) < 1e-9).all()
    assert len(np.unique(distance.argmin(axis=0))) == 5
