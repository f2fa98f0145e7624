"""Whether intercurrent events, adherence, endpoints and estimands fit the rest of a protocol."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from trials.conduct.causes.response import ModelHazard
from trials.endpoints.base import Endpoint, Found, Seen
from trials.errors import TrialError
from trials.making import near

if TYPE_CHECKING:
    from trials.conduct.estimand import Estimand
    from trials.conduct.event import IntercurrentEvent
    from trials.protocol import Protocol


def check_conduct(protocol: Protocol) -> None:
    """Refuse events, endpoints and estimands that do not fit: names, visits, strategies.

    Raises
    ------
    TrialError
        Naming the field, what it got and what it wanted.
    """
    for event in protocol.intercurrent:
        _event(protocol, event)
    kinds = {endpoint.name: tried(protocol, endpoint) for endpoint in protocol.endpoints}
    for estimand in protocol.estimands:
        _estimand(protocol, estimand, kinds)


def tried(protocol: Protocol, endpoint: Endpoint) -> Found:
    """Try an endpoint on one patient whose values are all 0."""
    planned = {m.name: np.asarray(m.times) for m in protocol.measurements}
    seen = Seen(
        values={name: np.zeros((1, 1, 1, len(times))) for name, times in planned.items()},
        times=planned,
        planned=planned,
        left=np.full((1, 1, 1), np.inf),
        uniform=lambda _, each: np.full((1, 1, 1, each), 0.5),
        courses={watch: np.zeros((1, 1, 1, len(watch.clock))) for watch in endpoint.watches},
    )
    try:
        return endpoint.find(seen)
    except TrialError as error:
        raise TrialError(str(error).replace("endpoint.", f"endpoints.{endpoint.name}.", 1)) from None


def _event(protocol: Protocol, event: IntercurrentEvent) -> None:
    where, model, arms = f"intercurrent.{event.name}", protocol.model, protocol.design.arms
    cause, states = event.cause, model.state_names
    into = [] if event.rescue is None else [dose.into for dose in event.rescue.doses]
    looks = (
        ("cause.measure", cause.measures, [m.name for m in protocol.measurements], "a measurement"),
        ("cause.effects", cause.covariates, protocol.population.covariate_names, "a covariate of the population"),
        (
            "cause.output",
            [w.output for w in cause.watches(1.0)],
            model.output_names,
            f"an output of model {model.name}",
        ),
        ("arms", event.arms, arms, "an arm of the design"),
        ("switch", [] if event.switch is None else [event.switch], [arm.name for arm in protocol.arms], "an arm"),
        ("modify", [name for name, _ in event.modify], model.parameter_names, f"a parameter of model {model.name}"),
        ("rescue", into, states, f"a state of model {model.name}"),
    )
    for field, got, names, wanted in looks:
        _one_of(f"{where}.{field}", got, names, wanted)
    if event.switch is not None and protocol.arm(event.switch).regimen is None:
        raise TrialError(f"{where}.switch: wants an arm with a regimen, got {event.switch!r}, which has a policy")
    policies = [arm.name for arm in protocol.arms if arm.policy is not None and arm.name in (event.arms or arms)]
    if policies and (event.rescue is not None or event.modify):
        raise TrialError(
            f"{where}.arms: arm {policies[0]} has a policy, which would answer to what a rescue or a changed parameter "
            "does; there only `stops`, `leaves` and `switch` are supported"
        )
    if protocol.design.periods > 1 and (event.treats or event.arms or isinstance(cause, ModelHazard)):
        raise TrialError(
            f"{where}: in a design with several periods only `leaves` is supported, in all arms, by another cause than "
            "ModelHazard"
        )


def _estimand(protocol: Protocol, estimand: Estimand, kinds: dict[str, Found]) -> None:
    where = f"estimand.{estimand.name}"
    known = [event.name for event in protocol.intercurrent]
    looks = (
        ("treatment", estimand.treatment, protocol.design.arms, "an arm of the design"),
        ("variable", [estimand.variable], kinds, "an endpoint"),
        ("population", [name for name, _ in estimand.population], protocol.population.covariate_names, "a covariate"),
        ("events", [name for name, _ in estimand.events], known, "an intercurrent event"),
    )
    for field, got, names, wanted in looks:
        _one_of(f"{where}.{field}", got, names, wanted)
    if estimand.name in kinds:
        raise TrialError(f"{where}: there is an endpoint of that name; an estimand is a variable of its own")
    if left := [name for name in known if name not in dict(estimand.events)]:
        raise TrialError(f"{where}.events: wants a strategy for every intercurrent event, none for {', '.join(left)}")
    found, composite = kinds[estimand.variable], bool(estimand.events_by("composite"))
    if composite and found.exposure is not None:
        raise TrialError(f"{where}.events: composite is not defined for a count; make it a time to the first event")
    if (composite and found.event is None) != (estimand.failure is not None):
        wanted = "a value for those with a composite event" if composite and found.event is None else "null"
        raise TrialError(f"{where}.failure: wants {wanted}, got {estimand.failure}")
    for analysis in protocol.analyses:
        if analysis.endpoint == estimand.name and analysis.scale != estimand.summary:
            raise TrialError(
                f"{where}.summary: got {estimand.summary!r}, but the scale of analysis {analysis.name} is "
                f"{analysis.scale!r}"
            )


def _one_of(where: str, got: Iterable[str], names: Iterable[str], wanted: str) -> None:
    names = list(names)
    for name in got:
        if name not in names:
            raise TrialError(f"{where}: got {name!r}, wants {wanted}{near(name, names)}; there are {', '.join(names)}")
