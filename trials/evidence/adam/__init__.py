"""ADaM: analysis data sets of example trials from their SDTM, and the analysis results of all replicates."""

from trials.evidence.adam.building import tables
from trials.evidence.adam.conformance import check
from trials.evidence.adam.guide import adrg
from trials.evidence.adam.programs import reanalyse
from trials.evidence.adam.simulated import outcomes, replicates
from trials.evidence.adam.writing import write

__all__ = ["adrg", "check", "outcomes", "reanalyse", "replicates", "tables", "write"]
