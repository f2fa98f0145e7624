"""A small package with people, a log and signatures for tests of trust."""

import json
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import trials
from tests.trials.small import crossover
from trials.trust.audit import Attribution
from trials.trust.keys import SecretKey
from trials.trust.roles import People, Person, rendered
from trials.trust.signing import sign

KEYS = {name: SecretKey(bytes([n] * 8), bytes([n] * 32)) for n, name in enumerate("dsrl", 1)}
NAMES = {"d": "Désirée Designer", "s": "Stan Statistician", "r": "Rita Reviewer", "l": "Lea Releaser"}
ROLES = {"d": "designer", "s": "statistician", "r": "reviewer", "l": "releaser"}
MEANINGS = {"d": "authored", "s": "analysed", "r": "reviewed", "l": "released"}
PEOPLE = People(tuple(Person(NAMES[k], (ROLES[k],), KEYS[k].public) for k in "dsrl"))


LITTLE = ("store.cohort=0", "store.trajectories=0")


@cache
def run_folder():
    """A finished run of the small trial; its designer ran it."""
    return trials.run(
        crossover(*LITTLE), folder=Path(mkdtemp()), by=Attribution("Désirée Designer", "feasibility")
    ).folder


def packaged(target):
    """The run with its people, and without the parts of the package that others test."""
    bag = trials.package(run_folder(), target, parts=())
    (bag / "data" / "audit" / "roles.json").write_bytes(rendered(PEOPLE))
    rewrite(bag)
    return bag


def signed_by(bag, who, **changes):
    given = {"name": NAMES[who], "role": ROLES[who], "meaning": MEANINGS[who], "reason": "as planned"} | changes
    return sign(bag, given.pop("key", KEYS[who]), **given)


def rewrite(bag):
    """Make the manifests of a bag fit what it holds, as somebody would who wants changes to pass unnoticed."""
    from trials.bag import digest, info, payload, render, tags
    from trials.trust.enclosure import labelled

    manifest = json.loads((bag / "data/simulation/run/manifest.json").read_text())
    lines = {**info(bag), **labelled(bag, manifest)}
    (bag / "bag-info.txt").write_text("".join(f"{name}: {value}\n" for name, value in sorted(lines.items())))
    (bag / "manifest-sha512.txt").write_bytes(render({path: digest(bag / path, "sha512") for path in payload(bag)}))
    (bag / "tagmanifest-sha512.txt").write_bytes(render({path: digest(bag / path, "sha512") for path in tags(bag)}))


def entries(bag):
    return [json.loads(line) for line in (bag / "signatures.jsonl").read_text().splitlines()]
