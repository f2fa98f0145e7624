"""Conformance of SDTM data sets: our own checks, also of what CDISC CORE does not see."""

from trials.evidence.conformance.checking import check
from trials.evidence.conformance.finding import Finding

__all__ = ["Finding", "check"]
