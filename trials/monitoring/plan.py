"""Whether the looks of a design fit the rest of the protocol, found out before any work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials.errors import TrialError

if TYPE_CHECKING:
    from trials.analyses.base import Analysis
    from trials.protocol import Protocol


def check_looks(protocol: Protocol) -> None:
    """Refuse looks at an analysis or endpoint that is not there, or with a boundary of other sides than the test.

    Raises
    ------
    TrialError
        Naming the field, what it got and what it wanted.
    """
    looks = protocol.design.looks
    if looks is None:
        return
    names = [analysis.name for analysis in protocol.analyses]
    if looks.monitored not in names:
        raise TrialError(f"design.monitored: got {looks.monitored!r}, wants an analysis; there are {', '.join(names)}")
    endpoints = [endpoint.name for endpoint in protocol.endpoints]
    if looks.endpoint and looks.endpoint not in endpoints:
        known = ", ".join(endpoints)
        raise TrialError(f"design.endpoint: got {looks.endpoint!r}, wants an endpoint; there are {known}")
    analysis = protocol.analysis(looks.monitored)
    if not analysis.decides:
        raise TrialError(f"design.monitored: analysis {looks.monitored} decides nothing; wants one with a test")
    sided = 2 if sides(analysis) == "two-sided" else 1
    if looks.boundary.sided != sided:
        raise TrialError(
            f"design.boundary.sided: got {looks.boundary.sided}, but analysis {looks.monitored} is {sides(analysis)}"
        )
    looks.boundary(looks.fractions)


def sides(analysis: Analysis) -> str:
    """Alternative of an analysis; of one that has none to choose it is ``greater``."""
    return str(getattr(analysis, "alternative", "greater"))
