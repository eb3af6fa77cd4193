"""What the services say of themselves: their upgrade checks from the target artifact, and the doctor."""

from __future__ import annotations

from collections.abc import Iterator

from skylift.catalog.catalog import filled
from skylift.checks.check import Check, Complaint, Question, blocks, warns
from skylift.model.cloud import Answer, Verdict
from skylift.model.ids import ComponentName
from skylift.model.record import Artifact

_TOLD_CHARS = 300


def _upgrade_check(question: Question) -> Iterator[Complaint]:
    for name in question.record.components:
        if not question.catalog.components[name].commands.upgrade_check:
            continue
        answer = question.cloud.upgrade_checks.get(name)
        if answer is None:
            if not question.unread("upgrade-check", name):
                yield blocks(f"{name} was not asked whether it is ready", "ask it: skylift inspect")
            continue
        yield from _judged(name, answer, _command(question, name, question.target))


def _judged(name: ComponentName, answer: Answer, command: str) -> Iterator[Complaint]:
    """Source: oslo.upgradecheck, return codes; one that it does not document fails closed."""
    again = f"see its table: {command}"
    told = _told(answer.text)
    try:
        verdict = Verdict(answer.code)
    except ValueError:
        yield blocks(
            f"{name}'s own upgrade check ended with {answer.code}, a code it does not document", again
        )
        return
    match verdict:
        case Verdict.READY:
            return
        case Verdict.WARNING:
            yield warns(f"{name}'s own upgrade check warns: {told}", again)
        case Verdict.FAILURE:
            yield blocks(f"{name}'s own upgrade check fails: {told}", again)
        case Verdict.UNKNOWN:
            yield blocks(f"{name}'s own upgrade check could not run: {told}", again)


def _doctor(question: Question) -> Iterator[Complaint]:
    for name in question.record.components:
        doctor = question.catalog.components[name].commands.doctor
        if not doctor:
            continue
        answer, running = question.cloud.doctor, question.running(name)
        source = question.record.artifact_for(next(iter(running))) if running else None
        again = f"ask again: {_command(question, name, source, doctor)}"
        if answer is None:
            yield blocks(f"{name}'s doctor was not asked", again)
        elif answer.code == 1:
            yield warns(f"{name}'s doctor found a symptom: {_short(answer.text)}", again)
        elif answer.code != 0:
            yield blocks(f"{name}'s doctor ended with {answer.code}: {_short(answer.text)}", again)


def _command(
    question: Question, name: ComponentName, artifact: Artifact | None, argv: tuple[str, ...] = ()
) -> str:
    if artifact is None:
        return "skylift inspect"
    wanted = filled(argv or question.catalog.components[name].commands.upgrade_check, artifact.path)
    user, host = question.record.components[name].user, question.hosts_of(name)[0]
    return f"skylift ssh {host} runuser -u {user} -- {' '.join(wanted)}"


def _told(text: str) -> str:
    """The checks of its table that did not succeed, with their details."""
    told: list[str] = []
    check, bad = "", False
    for line in (row.strip("| \t") for row in text.splitlines()):
        key, _, value = line.partition(": ")
        if key == "Check":
            check = value
        elif key == "Result":
            bad = value != "Success"
            told += [f"{check} ({value})"] if bad else []
        elif key == "Details" and bad:
            told[-1] += f" {value}"
    return "; ".join(told)[:_TOLD_CHARS] or _last(text)


def _last(text: str) -> str:
    """The last line: of a program that broke, the error itself."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _short(lines[-1] if lines else "")


def _short(text: str) -> str:
    return " ".join(text.split())[:_TOLD_CHARS] or "it printed nothing"


UPGRADE_CHECK = Check(
    "upgrade-check",
    "every service's own upgrade check, from the target artifact, is content",
    _upgrade_check,
    needs=("upgrade-check",),
    rows=(8,),
)
DOCTOR = Check("doctor", "keystone's doctor finds nothing", _doctor, needs=("doctor",))
