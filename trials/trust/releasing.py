"""When a signature may be added to those that a package has, and what a release wants."""

from __future__ import annotations

from collections.abc import Sequence

from trials.errors import TrialError
from trials.trust.roles import People
from trials.trust.signature import Signature

RELEASED, REJECTED = "released", "rejected"
BEFORE = {"designer": "authored", "statistician": "analysed", "reviewer": "reviewed"}
"""What has to be signed before a release, by role."""


def refuse_addition(held: Sequence[Signature], people: People, *, name: str, meaning: str, draft: bool) -> None:
    """Refuse a signature that may not follow those before it.

    Nobody signs a draft, nobody signs the same twice, and nothing is signed after a release, other than that it is
    rejected. A release wants the signature of everybody with a key in each of the roles before it, of one at least, and
    that nobody rejected the package.

    Parameters
    ----------
    held
        Signatures before it.
    people
        The people of the package.
    name, meaning
        Who signs what.
    draft
        Whether the package is one.

    Raises
    ------
    TrialError
        Saying which rule forbids it.
    """
    if draft:
        raise TrialError("sign: a DRAFT is not signed; supply what is missing and package the run again")
    if any((each.name, each.meaning) == (name, meaning) for each in held):
        raise TrialError(f"sign: {name} has signed {meaning!r} already")
    if meaning != REJECTED and (done := [each.name for each in held if each.meaning == RELEASED]):
        raise TrialError(f"sign: {done[0]} has released this package; nothing is signed after that")
    if meaning == RELEASED:
        _refuse_release(held, people)


def _refuse_release(held: Sequence[Signature], people: People) -> None:
    if rejected := [each.name for each in held if each.meaning == REJECTED]:
        raise TrialError(f"sign: {rejected[0]} rejected this package; it is not released")
    there = {(each.name, each.role, each.meaning) for each in held}
    for role, meaning in BEFORE.items():
        if not any(each.meaning == meaning for each in held):
            raise TrialError(f"sign: nobody has signed this package as {meaning}; a {role} does before it is released")
        for person in people.people:
            if role in person.roles and person.key and (person.name, role, meaning) not in there:
                raise TrialError(f"sign: {person.name}, {role}, has not signed {meaning!r}, which a release wants")
