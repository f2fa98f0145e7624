"""Whether the same thing is the same wherever a package says it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from trials.bag import AUDIT, DATA, RUN, digest
from trials.errors import TrialError
from trials.protocol import canonical, counted
from trials.trust.finding import Finding

type Where = tuple[str, ...]
type Values = tuple[float | None, ...]

VALUES = ("value", "mcse", "replicates")
CHARACTERISTICS = "data/simulation/operating-characteristics.csv"
POSTERIOR, REPEAT = "data/model/posterior.nc", "data/validation/reproduce.sh"


def copies(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """Compare each transport file with the Dataset-JSON file of the same data set of the same study."""
    from trials.evidence.transport import dataset_json, xpt

    others = {(path.parts[-5], path.stem): path for path in bag.glob("data/m5/datasets/*/misc/dataset-json/*/*.json")}
    for path in paths:
        study = path.relative_to(bag / DATA / "m5" / "datasets").parts[0]
        other = others.pop((study, path.stem), None)
        if other is None:
            yield Finding(_name(bag, path), "has no copy in Dataset-JSON")
            continue
        try:
            xpt.compare(xpt.read(path), dataset_json.read(other))
        except TrialError as error:
            yield Finding(_name(bag, path), f"is not what {_name(bag, other)} is: {error}")
    yield from (Finding(_name(bag, path), "has no transport file") for path in others.values())


def numbers(bag: Path, _: Sequence[Path]) -> Iterator[Finding]:
    """Compare the table of operating characteristics with those of the run."""
    found = json.loads((bag / RUN / "characteristics.json").read_bytes())
    said, wanted = dict(_table(bag / CHARACTERISTICS)), dict(_entries(found))
    for where in sorted({*said, *wanted}):
        if said.get(where) != wanted.get(where):
            message = f"says {said.get(where)}, the run {wanted.get(where)}"
            yield Finding(f"{CHARACTERISTICS} {' '.join(where)}", message)


def settings(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """Compare the resolved configuration, the posterior and the script that repeats the run with the run."""
    import yaml

    (path,) = paths
    digests = json.loads((bag / RUN / "manifest.json").read_bytes())["digests"]
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    got = sha256(canonical(counted(config)).encode()).hexdigest()
    if got != digests["config"]:
        yield Finding(_name(bag, path), f"is another configuration: digest {got[:12]}…, the run's {digests['config']}")
    own, copy = bag / RUN / "posterior.nc", bag / POSTERIOR
    if own.is_file() != copy.is_file() or (own.is_file() and digest(own, "sha256") != digest(copy, "sha256")):
        yield Finding(POSTERIOR, "is not the posterior of the run")
    script = (bag / REPEAT).read_text(encoding="utf-8").splitlines()
    if f"wanted={digests['outcomes']}" not in script:
        yield Finding(REPEAT, "wants other outcomes than those of the run")


def identifiers(bag: Path, paths: Sequence[Path]) -> Iterator[Finding]:
    """Search the packaged run for identifiers of real people again, and ask for the leave to hold their data."""
    from trials.trust.searching import of_package

    (path,) = paths
    noted = json.loads(path.read_bytes())
    leave = noted["leave"] or {"allowed": False, "cleared": {}}
    if not leave["allowed"] and (noted["real_people"] or (bag / RUN / "posterior.nc").exists()):
        yield Finding(_name(bag, path), "gives no leave for the data of real people that the run holds")
    for hit in of_package(bag / RUN, bag / AUDIT):
        if not leave["cleared"].get(hit.kind.letter):
            home = "data/audit" if hit.place.startswith(Path(AUDIT).name) else RUN
            yield Finding(f"{home}/{hit.place}", f"looks like {hit.kind.name}, which nobody cleared: {hit.why}")


def _table(path: Path) -> Iterator[tuple[Where, Values]]:
    """Value, Monte Carlo standard error and replicates by scenario, analysis and characteristic, of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            values = (None if row[name] == "" else float(row[name]) for name in VALUES)
            yield (row["scenario"], row["analysis"], row["characteristic"]), tuple(values)


def _entries(characteristics: Mapping[str, Any]) -> Iterator[tuple[Where, Values]]:
    for scenario, analyses in characteristics.items():
        for analysis, names in analyses.items():
            for name, entry in names.items():
                yield (scenario, analysis, name), tuple(entry[each] for each in VALUES)


def _name(bag: Path, path: Path) -> str:
    return path.relative_to(bag).as_posix()
