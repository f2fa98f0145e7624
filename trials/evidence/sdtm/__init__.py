"""SDTM data sets of example trials, by SDTMIG 3.4."""

from trials.evidence.sdtm.plan import Plan
from trials.evidence.sdtm.telling import tables

__all__ = ["Plan", "tables"]
