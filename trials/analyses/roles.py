"""Fields that analyses of two parallel arms share, checked in one place."""

from typing import Any

from trials.analyses import hypothesis
from trials.checks import Choice, Number, fields, label, refuse


def check_roles(spec: Any, reference: str = "control") -> None:
    """Coerce and check ``name``, ``endpoint``, ``test``, the reference arm, ``alternative`` and ``alpha``.

    Parameters
    ----------
    spec
        The analysis under construction.
    reference
        Name of the field with the arm that ``test`` is compared with.

    Raises
    ------
    TrialError
        Naming the first field that does not hold.
    """
    fields(spec, "analysis", name=label, endpoint=label, test=label, **{reference: label})
    fields(spec, "analysis", alternative=Choice(hypothesis.ALTERNATIVES), alpha=Number(above=0, below=0.5))
    if spec.test == getattr(spec, reference):
        raise refuse(f"analysis.{reference}", spec.test, "another arm than analysis.test")
