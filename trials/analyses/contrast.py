"""What every test of a contrast shares: which side it is of, the level of its interval, and its null hypothesis."""

from trials.analyses import hypothesis
from trials.analyses.base import Analysis


class Contrast(Analysis):
    """An analysis that tests whether an effect lies beyond a margin, which is 0 for one without the field."""

    __slots__ = ()

    alternative: str
    """``two-sided``, ``greater`` or ``less``."""
    alpha: float
    """Level of the test."""

    @property
    def level(self) -> float:
        """Level of the interval that agrees with the test."""
        return hypothesis.level(self.alternative, self.alpha)

    @property
    def decides(self) -> bool:
        """Decides for an effect beyond the margin."""
        return True

    def null(self, effect: float, tolerance: float = 0.0) -> bool:
        """Whether a true effect is not beyond the margin."""
        return hypothesis.null(effect, float(getattr(self, "margin", 0.0)), self.alternative, tolerance)
