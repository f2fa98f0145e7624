"""What the report says of visits, adherence, intercurrent events and estimands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from trials.conduct.estimand import Estimand
    from trials.conduct.event import IntercurrentEvent
    from trials.protocol import Measurement, Protocol

type Row = tuple[str, str, str]

BELOW = {"zero": "0", "half": "half of it", "missing": "missing", "flagged": "the limit, with a flag"}


def conduct_rows(protocol: Protocol, settings: Callable[[object], str]) -> Iterator[Row]:
    """Rows of the plan: adherence of each arm, intercurrent events, estimands; `settings` writes a specification."""
    for arm in protocol.arms:
        if arm.adherence is not None:
            yield "adherence", arm.name, f"{type(arm.adherence).__name__}: {settings(arm.adherence)}"
    for event in protocol.intercurrent:
        yield "intercurrent event", event.name, _event(event, settings)
    for estimand in protocol.estimands:
        yield "estimand", estimand.name, _estimand(estimand)


def visits(measurement: Measurement) -> str:
    """What may go wrong with the visits of a measurement, and what is recorded below its limit."""
    before, after = measurement.window
    parts = [f"between {before:g} earlier and {after:g} later than planned"] if before or after else []
    parts += [f"{100 * measurement.missed:g} % of the visits missed"] if measurement.missed else []
    parts += [f"below {measurement.lloq:g} recorded as {BELOW[measurement.blq]}"] if measurement.lloq else []
    return "".join(f"; {part}" for part in parts)


def _event(event: IntercurrentEvent, settings: Callable[[object], str]) -> str:
    follows = ["no more doses"] if event.stops else []
    follows += [f"the regimen of {event.switch}"] if event.switch is not None else []
    follows += [str(event.rescue)] if event.rescue is not None else []
    follows += [f"{name} × {factor:g}" for name, factor in event.modify]
    follows += ["leaves the study"] if event.leaves else []
    where = f" in {', '.join(event.arms)}" if event.arms else ""
    cause = f"{type(event.cause).__name__} ({settings(event.cause)})"
    return f"by {cause}{where}; then {', '.join(follows) or 'nothing changes'}"


def _estimand(estimand: Estimand) -> str:
    limits = [f"{name} from {least:g} to {most:g}" for name, (least, most) in estimand.population]
    strategies = [f"{name}: {strategy.replace('_', ' ')}" for name, strategy in estimand.events]
    failure = "" if estimand.failure is None else f"; a failure counts as {estimand.failure:g}"
    return (
        f"treatment {', '.join(estimand.treatment)}; population {', '.join(limits) or 'all randomised'}; "
        f"variable {estimand.variable}; intercurrent events {', '.join(strategies) or 'none'}{failure}; "
        f"summary {estimand.summary}"
    )
