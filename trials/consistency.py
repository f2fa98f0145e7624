"""Whether the parts of a protocol fit each other, found out before any work."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from engine.models.algebras.units import same, unit
from engine.models.structure import linear
from trials.conduct.checking import check_conduct
from trials.endpoints.course import Course
from trials.entry import check_entry
from trials.errors import TrialError
from trials.monitoring.plan import check_looks

if TYPE_CHECKING:
    from cohorts import Population
    from trials.endpoints.base import Endpoint
    from trials.protocol import Arm, Measurement, Protocol


def check(protocol: Protocol) -> None:
    """Refuse a protocol whose parts do not fit: names, units, visits, linearity.

    Raises
    ------
    TrialError
        Naming the field, what it got and what it wanted.
    """
    _population(protocol)
    _one_of("design.arms", protocol.design.arms, [arm.name for arm in protocol.arms], "an arm")
    for arm in protocol.arms:
        _arm(protocol, arm)
    for measurement in protocol.measurements:
        _measurement(protocol, measurement)
    for endpoint in protocol.endpoints:
        _endpoint(protocol, endpoint)
    check_conduct(protocol)
    names = [*(endpoint.name for endpoint in protocol.endpoints), *(estimand.name for estimand in protocol.estimands)]
    for analysis in protocol.analyses:
        _one_of(f"analyses.{analysis.name}.endpoint", [analysis.endpoint], names, "an endpoint or estimand")
    _periods(protocol)
    check_looks(protocol)
    check_entry(protocol)


def _population(protocol: Protocol) -> None:
    """Every parameter of the model has a distribution in the population, in the same unit."""
    model, population = protocol.model, protocol.population
    units = {parameter.name: parameter.unit for parameter in population.parameters}
    for parameter in model.parameters:
        if parameter.name not in units:
            raise TrialError(
                f"population.parameters: model {model.name} wants {parameter.name!r} ({parameter.meaning}, "
                f"{parameter.unit}), which population {population.name} does not have; it has {', '.join(units)}"
            )
        if not same(unit(parameter.unit), unit(units[parameter.name])):
            raise TrialError(
                f"population.parameters.{parameter.name}.unit: got {units[parameter.name]!r}, model {model.name} wants "
                f"{parameter.unit!r}"
            )
    differing = between_sites(population)
    if differing and (protocol.enrolment is None or not protocol.enrolment.site_names):
        raise TrialError(
            f"enrolment: population {population.name} has variability between sites in {', '.join(differing)}, so an "
            "enrolment with sites is wanted"
        )
    _one_of("population.parameters", units, model.parameter_names, f"a parameter of model {model.name}")


def between_sites(population: Population) -> list[str]:
    """Parameters that differ between sites."""
    return [parameter.name for parameter in population.parameters if parameter.between_site is not None]


def _arm(protocol: Protocol, arm: Arm) -> None:
    model, where = protocol.model, f"arms.{arm.name}"
    for name, factor in arm.modify:
        _one_of(f"{where}.modify", [name], model.parameter_names, f"a parameter of model {model.name}")
        if not factor >= 0:
            raise TrialError(f"{where}.modify.{name}: wants a factor of at least 0, got {factor}")
    if arm.regimen is not None:
        into = [dose.into for dose in arm.regimen.doses]
        _one_of(f"{where}.regimen", into, model.state_names, f"a state of model {model.name}")
    if arm.policy is not None:
        _one_of(f"{where}.policy.into", [arm.policy.into], model.state_names, f"a state of model {model.name}")
        for output in arm.policy.observes:
            measured(protocol, arm, output)


def _endpoint(protocol: Protocol, endpoint: Endpoint) -> None:
    """The measurement exists, and a metric's unit is the one stated."""
    measurements = {measurement.name: measurement for measurement in protocol.measurements}
    where = f"endpoints.{endpoint.name}"
    _one_of(f"{where}.measure", endpoint.measures, measurements, "a measurement")
    watched = [watch.output for watch in endpoint.watches]
    _one_of(f"{where}.output", watched, protocol.model.output_names, f"an output of model {protocol.model.name}")
    if not isinstance(endpoint, Course):
        return
    output = measurements[endpoint.measure].output
    units = {output.name: output.unit for output in protocol.model.outputs}
    wanted = endpoint.metric.unit_of(units.get(output, "1"), protocol.model.time)
    if not same(unit(endpoint.unit), unit(wanted)):
        raise TrialError(f"{where}.unit: got {endpoint.unit!r}, the metric gives {wanted!r}")


def measured(protocol: Protocol, arm: Arm, output: str) -> Measurement:
    """Get the measurement through which the policy of an arm sees an output: it sees what the protocol measures."""
    assert arm.policy is not None, "only a policy observes"
    found = [measurement for measurement in protocol.measurements if measurement.output == output]
    if not found:
        raise TrialError(
            f"arms.{arm.name}.policy: it looks at {output!r}, which no measurement of the protocol observes"
        )
    for field, value, none in (("window", found[0].window, (0.0, 0.0)), ("missed", found[0].missed, 0.0)):
        if value != none:
            raise TrialError(
                f"measurements.{found[0].name}.{field}: got {value}, but the policy of arm {arm.name} looks at it, "
                "and keeps its visits"
            )
    missing = sorted(set(map(float, arm.policy.visits)) - set(found[0].times))
    if missing:
        raise TrialError(
            f"arms.{arm.name}.policy.visits: it looks at {output!r} at {_list(missing)} {protocol.model.time}, when "
            f"measurements.{found[0].name}.times has no visit"
        )
    return found[0]


def _measurement(protocol: Protocol, measurement: Measurement) -> None:
    where, model = f"measurements.{measurement.name}", protocol.model
    _one_of(f"{where}.output", [measurement.output], model.output_names, f"an output of model {model.name}")
    if measurement.error is None:
        outputs = [residual.output for residual in protocol.population.residuals]
        wanted = f"an output that population {protocol.population.name} has a residual error for"
        _one_of(f"{where}.error", [measurement.output], outputs, wanted)


def _periods(protocol: Protocol) -> None:
    """What one period leaves for the next is added by superposition, which wants a linear model and fixed doses."""
    if protocol.design.periods == 1:
        return
    if any(arm.policy is not None for arm in protocol.arms):
        raise TrialError("design: a policy in a design with several periods is not supported; use a parallel design")
    if linear(protocol.model) is None:
        raise TrialError(
            f"design: model {protocol.model.name} is not linear, so what one period leaves for the next cannot be "
            "added to it; use a parallel design"
        )


def _one_of(where: str, got: Iterable[str], names: Iterable[str], wanted: str) -> None:
    names = list(names)
    for name in got:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            raise TrialError(f"{where}: got {name!r}, wants {wanted}{hint}; there are {', '.join(names)}")


def _list(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
