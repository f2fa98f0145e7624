"""When a plan was locked, by what evidence: the audit log's first line of the run, which holds its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trials.evidence.reports.document import Block, Grid, Paragraph, Section, Trace

if TYPE_CHECKING:
    from trials.evidence.answers import Answers
    from trials.evidence.study import Study
    from trials.trust.audit import Entry

STARTED = "run started"
TRACE = Trace("audit/audit.jsonl", f"action = {STARTED}", "chain of hashes", "trials.trust.audit")


def locked(study: Study, answers: Answers) -> Section:
    """What the audit log says of the time before the first simulated datum."""
    started = start(study)
    if started is None:
        note = (
            "This run has no audit log. Its manifest holds the digest of the configuration and the time at which it "
            f"started, {study.manifest['started']}; that the plan was not changed before is not shown."
        )
        return Section("Lock", [Paragraph(note)])
    noted: Any = started.new if isinstance(started.new, dict) else {}
    rows = [
        ("Locked at", f"{started.ts} by the computer's clock"),
        ("By", started.actor),
        ("Audit log", f"line {started.seq}, SHA-256 `{started.hash}`"),
        ("Configuration noted", f"`{noted.get('config', 'none')}`"),
        ("Configuration of this package", f"`{study.manifest['digests']['config']}`"),
        ("Answers noted", f"`{noted.get('plan') or 'none'}`"),
        ("Answers of this package", f"`{answers.plan}`"),
    ]
    blocks: list[Block] = [
        Paragraph(
            "The first line of the run's audit log was written before anything was simulated. It holds the digest of "
            "the configuration, which fixes design, model, scenarios, analyses and seed, and that of the planned "
            "answers, which fix question, context of use, criteria and assumptions."
        ),
        Grid("The lock of the plan.", ("What", "Noted"), rows, trace=TRACE, widths=(2.4, 7.6)),
        Paragraph(verdict(study, answers, noted)),
    ]
    return Section("Lock", blocks)


def start(study: Study) -> Entry | None:
    """The first line of the log that says that the run began; None where there is no log."""
    from trials.trust.audit import LOG, Log

    log = Log(study.run / LOG)
    if not log.path.is_file():
        return None
    return next((entry for entry in log.entries() if entry.action == STARTED), None)


def verdict(study: Study, answers: Answers, noted: dict[str, Any]) -> str:
    """Whether what was noted is what is packaged."""
    same = (
        "is the one that was noted" if noted.get("config") == study.manifest["digests"]["config"] else "**is another**"
    )
    plan = noted.get("plan")
    if plan is None:
        answered = "No answers were noted: criteria and context of use cannot be shown to be older than the results."
    elif plan == answers.plan:
        answered = "The answers are the ones that were noted: criteria and context of use are older than the results."
    else:
        answered = (
            "**The answers were changed after the run started**; section Deviations says what was changed and why."
        )
    return f"The configuration {same}. {answered}"
