"""Multiplicity: several p-values of one trial to decisions that keep the familywise error. One file a procedure.

A procedure is a late layer: it is applied to the stored outcomes of a run, as often as one likes.

    decisions = trials.multiplicity.adjust(result.outcomes, Holm(), alpha=0.025)
    trials.multiplicity.familywise(decisions, result.truth["null"])
"""

from trials.multiplicity.base import Procedure
from trials.multiplicity.decisions import adjust, familywise

__all__ = ["Procedure", "adjust", "familywise"]
