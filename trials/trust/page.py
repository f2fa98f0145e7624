"""The result of a verification on one page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path

from trials.errors import TrialError
from trials.trust.finding import Outcome, Report

LIMITS = (
    "What this shows: the bytes are those that were packaged and signed, and the package agrees with itself. What it "
    "does not show: that the holder of a key is who they say, when they signed, or that the simulation is right for "
    "its purpose; that is the reviewer's to judge."
)
STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.35rem .6rem;"
    "border-bottom:1px solid #ccc}.failed{color:#a40000;font-weight:600}.passed{color:#14663a}"
    ".absent,.done{color:#555}h1{font-size:1.3rem}code{overflow-wrap:anywhere}"
)


def write(report: Report, path: Path) -> None:
    """Write a report as one HTML page or as JSON, by the name of the file.

    Raises
    ------
    TrialError
        When the name ends otherwise, or the file cannot be written.
    """
    texts = {".html": _html, ".json": _json}
    if path.suffix not in texts:
        raise TrialError(f"verify: --out wants a file .html or .json, got {path.name!r}")
    try:
        path.write_text(texts[path.suffix](report), encoding="utf-8")
    except OSError as error:
        raise TrialError(f"verify: {path} cannot be written ({error.strerror})") from None


def _json(report: Report) -> str:
    checks = [
        {
            "name": each.name, "what": each.what, "state": each.state, "note": each.note,
            "findings": [{"path": finding.path, "message": finding.message} for finding in each.findings],
        }
        for each in report.outcomes
    ]  # fmt: skip
    content = {
        **_about(report),
        "files": len(report.checked),
        "verified": report.ok,
        "exit_code": report.exit_code,
        "checks": checks,
        "limits": LIMITS,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _about(report: Report) -> dict[str, str]:
    when = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return {
        "package": report.target.resolve().name,
        "verified_at": when,
        "program": f"trialtwin {version('trialtwin')}",
    }


def _html(report: Report) -> str:
    about = _about(report)
    verdict = "Verified" if report.ok else f"Not verified: {len(report.findings)} finding(s)"
    rows = "".join(_row(each) for each in report.outcomes)
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{verdict}</title><style>{STYLE}</style>"
        f"<h1>{escape(about['package'])}: <span class='{'passed' if report.ok else 'failed'}'>{verdict}</span></h1>"
        f"<p>SIMULATED DATA: virtual subjects. {len(report.checked)} files; {about['verified_at']}, "
        f"{escape(about['program'])}.</p>"
        f"<table><tr><th>Check</th><th>Result</th><th>What was seen</th></tr>{rows}</table><p>{LIMITS}</p></html>\n"
    )


def _row(outcome: Outcome) -> str:
    found = "".join(f"<br><code>{escape(str(finding))}</code>" for finding in outcome.findings)
    kind = outcome.state.split()[-1]
    note = escape(outcome.note or outcome.what)
    return f"<tr><td>{escape(outcome.name)}</td><td class='{kind}'>{outcome.state}</td><td>{note}{found}</td></tr>"
