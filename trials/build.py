"""A trial from its resolved configuration: plain mappings in, frozen dataclasses out, everything used or refused."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cohorts
import engine
from cohorts.specification.quantities import Quantity
from cohorts.specification.residuals import ERRORS
from trials.calibration import Calibration, read_calibration
from trials.conduct.reading import read_adherence, read_endpoints, read_estimands, read_events
from trials.consistency import check
from trials.costs import Costs
from trials.errors import TrialError
from trials.making import Config, complete, known, make, near, number, section, text, whole
from trials.multiplicity.families import Family, check_families, read_families
from trials.precision import Precision
from trials.protocol import Arm, Measurement, PowerCurve, Protocol, Published, Scenario, Store, Trial, Truth
from trials.rules.rule import Rule, read_rules

PROTOCOL = (
    "model", "population", "uncertainty", "arms", "design", "measurements", "endpoints", "analyses", "solver",
    "enrolment", "randomisation", "adherence", "intercurrent", "estimand", "costs",
)  # fmt: skip
TRIAL = (
    "name", "title", "question", "limits", "scenarios", "rules", "multiplicity", "published", "power_curve", "data",
    "calibration",
)  # fmt: skip
RUN = ("seed", "replicates", "precision", "block", "runs", "store", "truth", "cluster", "tracking")


def build(config: Config, folders: Sequence[Path] = ()) -> Trial:
    """Make a trial and all its scenarios from a resolved configuration.

    Parameters
    ----------
    config
        The configuration as plain mappings; see ``conf/config.yaml`` and ``conf/trial``.
    folders
        Where to look for a data file first (each, and its ``data`` folder).

    Raises
    ------
    TrialError
        Naming the field that is unknown, missing or wrong.
    """
    known("", config, (*PROTOCOL, *TRIAL, *RUN))
    given = (("seed", 0), ("replicates", 1), *(() if config.get("block") is None else (("block", 1),)))
    for name, least in given:
        whole(name, config.get(name), least)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text(config, "name")):
        raise TrialError(f"name: wants letters, digits, _ and -, got {config['name']!r}")
    base = protocol(config)
    scenarios = tuple(scenario(config, name) for name in section(config, "scenarios"))
    curve = _power_curve(config)
    if config.get("data") is not None:
        walked = [] if curve is None else [("power_curve", each) for each in curve.protocols]
        _same_fit(base, [*((f"scenarios.{each.name}", each.protocol) for each in scenarios), *walked])
    return Trial(
        name=text(config, "name"),
        title=text(config, "title"),
        question=text(config, "question"),
        limits=text(config, "limits", required=False),
        protocol=base,
        scenarios=scenarios,
        published=_published_rows(config, base, [each.name for each in scenarios]),
        power_curve=curve,
        calibration=_calibration(config, base, folders),
        store=_numbers(Store, config, "store", cohort=0, trajectories=0),
        truth=_truth(config),
        config_json=json.dumps(config, ensure_ascii=False),
        precision=_precision(config),
        rules=_rules(config, base),
        families=_families(config, [base, *(each.protocol for each in scenarios)]),
    )


def protocol(config: Config) -> Protocol:
    """Make the protocol a configuration describes, and see that its parts fit together."""
    arms = tuple(_arm(config, name, spec) for name, spec in section(config, "arms").items())
    names = [arm.name for arm in arms]
    made = Protocol(
        model=engine.load_model(section(config, "model")),
        population=cohorts.load_population(section(config, "population")),
        arms=arms,
        design=make("design", section(config, "design"), arms=names),
        measurements=tuple(_measurement(name, spec) for name, spec in (config.get("measurements") or {}).items()),
        endpoints=read_endpoints(config),
        analyses=_makes(config, "analyses"),
        solver=make("solver", section(config, "solver")),
        uncertainty=_uncertainty(config),
        enrolment=_optional(config, "enrolment"),
        randomisation=_optional(config, "randomisation"),
        intercurrent=read_events(config, _regimen),
        estimands=read_estimands(config),
        costs=_costs(config),
    )
    check(made)
    return made


def scenario(config: Config, name: str) -> Scenario:
    """Make the scenario of that name: the whole protocol again, with what the scenario sets."""
    where = f"scenarios.{name}"
    spec = section(config["scenarios"], name, where)
    known(where, spec, ("description", "null_holds", "set"))
    changes = spec.get("set") or {}
    made = protocol(overlaid(config, changes, where))
    null = _null(where, spec.get("null_holds", False), made)
    settings = tuple((path, json.dumps(value, ensure_ascii=False)) for path, value in changes.items())
    return Scenario(name, text(spec, "description", where), made, null, settings)


def overlaid(config: Config, changes: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Copy a configuration with values set at dotted paths, each of which must exist."""
    copied = copy.deepcopy(dict(config))
    for path, value in changes.items():
        *parents, last = path.split(".")
        if (parents and parents[0] not in PROTOCOL) or (not parents and last not in PROTOCOL):
            raise TrialError(f"{where}.set: {path!r} is no part of the protocol; those are {', '.join(PROTOCOL)}")
        place: Any = copied
        for key in parents:
            place = place.get(key) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            meant = near(last, place) if isinstance(place, dict) else ""
            raise TrialError(f"{where}.set: there is no field {path!r} in the base protocol{meant}")
        place[last] = copy.deepcopy(value)
    return copied


def _makes(config: Config, name: str) -> tuple[Any, ...]:
    return tuple(make(f"{name}.{key}", spec, name=key) for key, spec in section(config, name).items())


def _optional(config: Config, name: str) -> Any:
    return None if config.get(name) is None else make(name, section(config, name))


def _arm(config: Config, name: str, spec: Config) -> Arm:
    where = f"arms.{name}"
    known(where, spec, ("regimen", "policy", "modify", "adherence"))
    factors = {key: number(f"{where}.modify.{key}", value) for key, value in (spec.get("modify") or {}).items()}
    return Arm(
        name,
        regimen=None if spec.get("regimen") is None else _regimen(where, spec["regimen"]),
        policy=None if spec.get("policy") is None else make(f"{where}.policy", spec["policy"]),
        modify=tuple(factors.items()),
        adherence=read_adherence(config, name, spec),
    )


def _regimen(where: str, spec: Any) -> engine.Regimen:
    try:
        if isinstance(spec, str):
            return engine.Regimen.parse(spec)
        return engine.Regimen(*[engine.Dose(**dose) for dose in spec])
    except TypeError as error:
        raise TrialError(f"{where}.regimen: wants a text or a list of doses, got {spec!r} ({error})") from None
    except engine.DosingError as error:
        raise TrialError(f"{where}.regimen: {error}") from None


def _measurement(name: str, spec: Config) -> Measurement:
    where = f"measurements.{name}"
    known(where, spec, ("output", "times", "error", "lloq", "blq", "window", "missed"))
    error = spec.get("error", "population")
    if error != "population" and not isinstance(error, Mapping):
        raise TrialError(f"{where}.error: wants `population` or a mapping of standard deviations, got {error!r}")
    output = text(spec, "output", where)
    return Measurement(
        name,
        output=output,
        times=tuple(number(f"{where}.times", time) for time in spec.get("times") or ()),
        error=None if error == "population" else _residual(where, output, error),
        lloq=None if spec.get("lloq") is None else number(f"{where}.lloq", spec["lloq"]),
        blq=spec.get("blq", "zero"),
        window=_window(f"{where}.window", spec.get("window", 0.0)),
        missed=number(f"{where}.missed", spec.get("missed", 0.0)),
    )


def _window(where: str, spec: Any) -> tuple[float, float]:
    """How much earlier and later: one number for both, or two."""
    parts = spec if isinstance(spec, list) else [spec, spec]
    if len(parts) != 2:
        raise TrialError(f"{where}: wants one number, or how much earlier and how much later, got {spec!r}")
    return number(where, parts[0]), number(where, parts[1])


def _residual(where: str, output: str, spec: Config) -> cohorts.Residual:
    """Residual error given by the protocol: as numbers, without uncertainty, and with its source."""
    kinds = {frozenset(row.sigmas): kind for kind, row in ERRORS.items() if kind != "combined2"}
    sigmas = {key: number(f"{where}.error.{key}", value) for key, value in spec.items() if key != "source"}
    kind = kinds.get(frozenset(sigmas))
    if kind is None or min(sigmas.values()) < 0:
        raise TrialError(
            f"{where}.error: wants standard deviations of at least 0 called `additive`, `proportional` (or both of "
            f"these) or `lognormal`, got {dict(spec)}"
        )
    source = text(spec, "source", f"{where}.error")
    return cohorts.Residual(
        output, kind, tuple(Quantity("fixed", (sigmas[key],), source) for key in ERRORS[kind].sigmas)
    )


def _power_curve(config: Config) -> PowerCurve | None:
    spec = config.get("power_curve")
    if not spec:
        return None
    known("power_curve", spec, ("parameter", "values", "replicates", "label"))
    values = tuple(number("power_curve.values", value) for value in spec.get("values") or ())
    if not values:
        raise TrialError("power_curve.values: wants a list of numbers, got none")
    path = text(spec, "parameter", "power_curve")
    return PowerCurve(
        parameter=path,
        values=values,
        replicates=whole("power_curve.replicates", spec.get("replicates"), 2),
        label=text(spec, "label", "power_curve"),
        protocols=tuple(protocol(overlaid(config, {path: value}, "power_curve")) for value in values),
    )


def _uncertainty(config: Config) -> bool:
    drawn = config.get("uncertainty")
    if not isinstance(drawn, bool):
        raise TrialError(f"uncertainty: wants true or false, got {drawn!r}")
    if not drawn and config.get("data") is not None:
        raise TrialError("uncertainty: got false, but the population is calibrated: its posterior is drawn from")
    return drawn


def _same_fit(base: Protocol, others: Iterable[tuple[str, Protocol]]) -> None:
    """Refuse scenarios whose population the trial's one posterior does not belong to."""
    for where, other in others:
        if other.population.fitted_digest != base.population.fitted_digest:
            raise TrialError(
                f"{where}.set: it changes what is fitted of the population; with data a scenario may change "
                "covariates, between_occasion, and what an arm does to a parameter (arms.<arm>.modify)"
            )


def _calibration(config: Config, base: Protocol, folders: Sequence[Path]) -> Calibration | None:
    if config.get("data") is None:
        return None
    return read_calibration(config["data"], config.get("calibration") or {}, base, folders)


def _published_rows(config: Config, base: Protocol, scenarios: Sequence[str]) -> tuple[Published, ...]:
    known_by = {
        "scenario": scenarios,
        "arm": [arm.name for arm in base.arms],
        "endpoint": base.variables,
        "analysis": [analysis.name for analysis in base.analyses],
    }
    rows = tuple(_published(f"published[{index}]", row) for index, row in enumerate(config.get("published") or ()))
    for index, row in enumerate(rows):
        where = f"published[{index}]"
        for name, names in known_by.items():
            value = getattr(row, name)
            if value is not None and value not in names:
                raise TrialError(f"{where}.{name}: got {value!r}, wants one of {', '.join(names)}{near(value, names)}")
        if (row.analysis is None) != (row.arm is not None and row.endpoint is not None):
            raise TrialError(f"{where}: wants either `analysis` or both `arm` and `endpoint`")
    return rows


def _published(where: str, row: Config) -> Published:
    fields = {field.name: field for field in dataclasses.fields(Published)}
    known(where, row, fields)
    complete(where, row, fields.values())
    return Published(**{str(key): value for key, value in row.items()})


def _truth(config: Config) -> Truth:
    spec = dict(section(config, "truth"))
    measured = spec.pop("measured", None)
    if not isinstance(measured, bool):
        raise TrialError(f"truth.measured: wants true or false, got {measured!r}")
    return dataclasses.replace(_numbers(Truth, {"truth": spec}, "truth", draws=2, patients=1), measured=measured)


def _costs(config: Config) -> Costs | None:
    spec = config.get("costs")
    if spec is None:
        return None
    known("costs", section(config, "costs"), [field.name for field in dataclasses.fields(Costs)])
    complete("costs", spec, dataclasses.fields(Costs))
    return Costs(**spec)


def _precision(config: Config) -> Precision:
    spec = config.get("precision") or {}
    known("precision", spec, [field.name for field in dataclasses.fields(Precision)])
    made = Precision(**spec)
    if made.mcse is not None and made.most < int(config["replicates"]):
        raise TrialError(f"precision.most: got {made.most}, wants at least the {config['replicates']} of `replicates`")
    return made


def _rules(config: Config, base: Protocol) -> tuple[Rule, ...]:
    rules = read_rules(config.get("rules") or {})
    names = [analysis.name for analysis in base.analyses]
    for rule in rules:
        for name in rule.node.analyses:
            if name not in names:
                raise TrialError(f"rules.{rule.name}: there is no analysis {name!r}{near(name, names)}")
    return rules


def _families(config: Config, protocols: Iterable[Protocol]) -> tuple[Family, ...]:
    families = read_families(config.get("multiplicity") or {})
    for each in protocols:
        check_families(families, each)
    return families


def _null(where: str, spec: Any, made: Protocol) -> tuple[str, ...]:
    names = tuple(analysis.name for analysis in made.analyses)
    if isinstance(spec, bool):
        return names if spec else ()
    for name in spec:
        if name not in names:
            raise TrialError(f"{where}.null_holds: there is no analysis {name!r}{near(name, names)}")
    return tuple(spec)


def _numbers[T](kind: type[T], config: Config, name: str, **least: int) -> T:
    spec = section(config, name)
    known(name, spec, least)
    return kind(**{key: whole(f"{name}.{key}", spec.get(key), smallest) for key, smallest in least.items()})
