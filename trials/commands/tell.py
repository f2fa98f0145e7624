"""``trialtwin tell RUN --subject NUMBER``: the story of one virtual patient of a run."""

from __future__ import annotations

import argparse


def main(arguments: list[str]) -> int:
    """Print the story."""
    from trials.storytelling import tell

    parser = argparse.ArgumentParser("trialtwin tell", description="Tell the story of one virtual patient of a run.")
    parser.add_argument("run", help="folder of the run, runs/<trial>/<time>-<digest>")
    parser.add_argument("--subject", type=int, required=True, help="number of the patient, from 0")
    parser.add_argument("--scenario", help="name of the scenario; the trial's first when left out")
    parser.add_argument("--replicate", type=int, default=0, help="number of the simulated trial, from 0 (the default)")
    given = parser.parse_args(arguments)
    print(tell(given.run, given.replicate, subject=given.subject, scenario=given.scenario))
    return 0
