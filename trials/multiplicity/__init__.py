"""Multiplicity: several p-values of one trial to decisions that keep the familywise error. One file a procedure.

A procedure is a late layer: it is applied to the stored outcomes of a run, as often as one likes.

    decisions = adjust(result.outcomes, Holm(), alpha=0.025)         # of every replicate
    score(result, {"both": Family(Holm(), 0.025, ("auc", "cmax"))})  # what they amount to
"""

from trials.multiplicity.base import Procedure
from trials.multiplicity.decisions import adjust, familywise
from trials.multiplicity.families import Family, score

__all__ = ["Family", "Procedure", "adjust", "familywise", "score"]
