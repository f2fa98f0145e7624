"""Who may sign what: people of a package, their roles and their keys.

The people are named before the package is made and stand in its payload, so that every signature covers them. Whoever
made a trial never reviews it: that holds for the people named and for those who, by the audit log, ran it.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trials.checks import Labels, label
from trials.errors import TrialError
from trials.trust.keys import PublicKey

MEANINGS = {
    "designer": ("authored",),
    "statistician": ("analysed",),
    "reviewer": ("reviewed", "rejected"),
    "releaser": ("released",),
}
"""Roles, and what each may sign."""
MAKERS = ("designer", "statistician")
"""Roles of those who made what is reviewed."""
FIELDS = ("name", "roles", "key", "actor")
PEOPLE = "data/audit/roles.json"
"""Where the people stand in a package."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a part in a package.

    Attributes
    ----------
    name
        Printed name, as signatures show it.
    roles
        Some of designer, statistician, reviewer, releaser.
    key
        Public key: minisign's line ``RW…``; None for who does not sign.
    actor
        Name in the audit log, where it is another (a login name).
    """

    name: str
    roles: tuple[str, ...]
    key: PublicKey | None = None
    actor: str = ""

    @property
    def known_as(self) -> frozenset[str]:
        """Names in the audit log that are this person's, in the form in which names are compared."""
        return frozenset(_alike(each) for each in (self.name, self.actor) if each)


@dataclass(frozen=True, slots=True)
class People:
    """The people of a package; empty when nobody is named."""

    people: tuple[Person, ...] = ()

    def signer(self, name: str, role: str, meaning: str, *, key: PublicKey, authors: Iterable[str] = ()) -> Person:
        """Find who signs, when they may.

        Parameters
        ----------
        name, role, meaning
            Printed name, role and meaning of the signature.
        key
            The key it is made with.
        authors
            Actors who ran the trial, from its audit log.

        Raises
        ------
        TrialError
            Saying which rule forbids it.
        """
        allowed = MEANINGS.get(role, ())
        if meaning not in allowed:
            known = "; ".join(f"a {each} signs {' or '.join(words)}" for each, words in MEANINGS.items())
            raise TrialError(f"sign: a {role} may not sign {meaning!r}: {known}")
        person = next((each for each in self.people if each.name == name), None)
        if person is None:
            names = ", ".join(each.name for each in self.people) or "nobody"
            raise TrialError(f"sign: {name!r} is none of the people of this package ({names}); name them in its roles")
        if role not in person.roles:
            raise TrialError(f"sign: {name} is {' and '.join(person.roles)}, not {role}; only a {role} signs {meaning}")
        if person.key != key:
            stated = person.key.text if person.key else "none"
            raise TrialError(f"sign: the key of {name} is {stated} in this package, and {key.text} is another")
        if role == "reviewer" and person.known_as & {_alike(each) for each in authors}:
            raise TrialError(f"sign: {name} ran this trial, as its audit log says; somebody else reviews it")
        return person


def read_people(spec: object, where: str = "roles") -> People:
    """Read the people from a list of mappings with `name`, `roles` and optionally `key` and `actor`.

    Raises
    ------
    TrialError
        Naming the field; a reviewer who is a designer or statistician too; a name or a key that stands twice.
    """
    if not isinstance(spec, list):
        raise TrialError(f"{where}: wants a list of people, got {spec!r}")
    people = tuple(_person(row, f"{where}[{number}]") for number, row in enumerate(spec))
    keys = [person.key.point for person in people if person.key]
    actors = [_alike(person.actor) for person in people if person.actor]
    for what, values in (("name", [_alike(person.name) for person in people]), ("key", keys), ("actor", actors)):
        if len(set(values)) != len(values):
            raise TrialError(f"{where}: the same {what} stands twice; every person has their own")
    for person in people:
        if others := [one.name for one in people if one is not person and _alike(one.name) == _alike(person.actor)]:
            raise TrialError(f"{where}: the actor {person.actor!r} of {person.name} is the name of {others[0]}")
    return People(people)


def people_of(package: Path) -> People:
    """People of a package; TrialError when what it holds cannot be read."""
    path = package / PEOPLE
    if not path.is_file():
        return People()
    try:
        return read_people(json.loads(path.read_bytes()), PEOPLE)
    except ValueError as error:
        raise TrialError(f"{PEOPLE}: cannot be read ({error})") from None


def rendered(people: People) -> bytes:
    """Write the people as a package holds them."""
    rows = [
        {"name": person.name, "roles": list(person.roles), "key": person.key.text if person.key else None}
        | ({"actor": person.actor} if person.actor else {})
        for person in people.people
    ]
    return (json.dumps(rows, indent=1, ensure_ascii=False) + "\n").encode()


def _alike(name: str) -> str:
    """A name by which two that look the same are the same: compatible forms of letters, case and blanks aside."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _person(row: Any, where: str) -> Person:
    if not isinstance(row, Mapping) or (unknown := [key for key in row if key not in FIELDS]):
        got = row if not isinstance(row, Mapping) else ", ".join(map(str, unknown))
        raise TrialError(f"{where}: got {got!r}, wanted {', '.join(FIELDS)}")
    roles = Labels(least=1)(f"{where}.roles", row.get("roles"))
    for role in roles:
        if role not in MEANINGS:
            raise TrialError(f"{where}.roles: got {role!r}, wanted some of {', '.join(MEANINGS)}")
    if "reviewer" in roles and (made := [role for role in roles if role in MAKERS]):
        raise TrialError(f"{where}.roles: {row.get('name')} is {made[0]} and reviewer; nobody reviews their own work")
    name = label(f"{where}.name", row.get("name"))
    if not name.isprintable() or "|" in name:
        raise TrialError(f"{where}.name: wants printable letters without |, got {name!r}")
    key = row.get("key")
    read = None if key is None else PublicKey.read(label(f"{where}.key", key))
    return Person(name, roles, read, str(row.get("actor") or ""))
