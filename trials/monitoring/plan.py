"""Whether the looks of a design fit the rest of the protocol, found out before any work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials.errors import TrialError
from trials.monitoring.reestimation import Unblinded

if TYPE_CHECKING:
    from trials.analyses.base import Analysis
    from trials.monitoring.looks import Looks
    from trials.protocol import Protocol


def check_looks(protocol: Protocol) -> None:
    """Refuse looks at an analysis or endpoint that is not there, or with a boundary of other sides than the test.

    Raises
    ------
    TrialError
        Naming the field, what it got and what it wanted.
    """
    looks, again = protocol.design.looks, protocol.design.reestimation
    if protocol.design.escalation is not None:
        _known(protocol, "design.escalation.endpoint", protocol.design.escalation.endpoint)
    if looks is not None:
        _analysis(protocol, looks.monitored)
        _endpoint(protocol, looks)
        _sided(protocol, looks.monitored, looks.boundary.sided)
        looks.boundary(looks.fractions)
        if looks.by == "follow_up" and looks.at[-1] > protocol.design.n:
            raise TrialError(f"design.at: got {looks.at[-1]:g} subjects, wants at most design.n, {protocol.design.n}")
    if again is not None:
        _analysis(protocol, again.monitored)
        if isinstance(again.rule, Unblinded):
            _sided(protocol, again.monitored, 1)


def _analysis(protocol: Protocol, monitored: str) -> None:
    names = [analysis.name for analysis in protocol.analyses]
    if monitored not in names:
        raise TrialError(f"design.monitored: got {monitored!r}, wants an analysis; there are {', '.join(names)}")
    if not protocol.analysis(monitored).decides:
        raise TrialError(f"design.monitored: analysis {monitored} decides nothing; wants one with a test")


def _endpoint(protocol: Protocol, looks: Looks) -> None:
    if looks.endpoint:
        _known(protocol, "design.endpoint", looks.endpoint)


def _known(protocol: Protocol, where: str, endpoint: str) -> None:
    names = [each.name for each in protocol.endpoints]
    if endpoint not in names:
        raise TrialError(f"{where}: got {endpoint!r}, wants an endpoint; there are {', '.join(names)}")


def _sided(protocol: Protocol, monitored: str, given: int) -> None:
    alternative = sides(protocol.analysis(monitored))
    if given != (2 if alternative == "two-sided" else 1):
        raise TrialError(f"design.boundary.sided: got {given}, but analysis {monitored} is {alternative}")


def sides(analysis: Analysis) -> str:
    """Alternative of an analysis; of one that has none to choose it is ``greater``."""
    return str(getattr(analysis, "alternative", "greater"))
