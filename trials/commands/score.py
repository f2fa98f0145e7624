"""``trialtwin score RUN RULES.yaml``: decision rules scored on the trials a run left."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Print how often each rule makes a trial a success."""
    import yaml

    from trials.errors import TrialError
    from trials.rules.scoring import score
    from trials.table import rules_table

    parser = argparse.ArgumentParser("trialtwin score", description="Score decision rules on the trials of a run.")
    parser.add_argument("run", help="folder of the run, runs/<trial>/<time>-<digest>")
    parser.add_argument("rules", nargs="?", help="YAML file of rules by name; the run's own when left out")
    parser.add_argument("--out", help="write the numbers to this JSON file")
    given = parser.parse_args(arguments)
    rules = None
    if given.rules:
        try:
            rules = yaml.safe_load(Path(given.rules).read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise TrialError(f"rules: {given.rules} cannot be read ({error})") from None
    found = score(given.run, rules)
    if not any(found.values()):
        raise TrialError(f"rules: the trial of {given.run} has none of its own; name a YAML file with some")
    print(rules_table(found))
    if given.out:
        Path(given.out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0
