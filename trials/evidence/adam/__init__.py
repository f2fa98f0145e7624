"""ADaM: analysis data sets of example trials from their SDTM, and the analysis results of all replicates."""

from trials.evidence.adam.simulated import replicates

__all__ = ["replicates"]
