"""Is the target artifact at hand, everywhere it will be needed?"""

from __future__ import annotations

from collections.abc import Iterator

from skylift.checks.check import Check, Complaint, Question, blocks, listed
from skylift.model.record import Artifact


def _ask(question: Question) -> Iterator[Complaint]:
    target, goal = question.target, question.goal.to
    if target is None:
        declared = listed(artifact.release for artifact in question.record.artifacts.values())
        yield blocks(
            f"the record has no artifact of {goal}; it has {declared}",
            f"declare one with release {goal} under 'artifacts:' in the record",
        )
        return
    bootstrap = {question.hosts_of(name)[0] for name in question.record.components}
    for host in question.serving:
        key = (target.name, host)
        digest = question.cloud.staged.get(key)
        if digest == target.digest or question.unread("staged", *key):
            continue
        if digest is not None:
            yield blocks(
                f"what lies at {target.path} on {host} is not artifact {target.name}: its digest is {digest}",
                f"move it away: skylift ssh {host} mv {target.path} {target.path}.wrong",
                f"then: skylift stage --to {goal}",
            )
        elif host in bootstrap:
            yield blocks(
                f"artifact {target.name} is not staged on {host}, where its questions are asked",
                f"skylift stage --to {goal}",
            )
        elif not question.cloud.obtainable.get(key) and not question.unread("obtainable", *key):
            yield _not_obtainable(target, host)


def _not_obtainable(target: Artifact, host: str) -> Complaint:
    return blocks(
        f"artifact {target.name} is not staged on {host}, and {host} cannot fetch {target.source}",
        f"try it: skylift ssh {host} curl -fsSI {target.source}",
        f"then: skylift stage --to {target.release}",
    )


ARTIFACTS = Check(
    "artifacts",
    "the target artifact is staged or can be fetched on every host",
    _ask,
    needs=("staged", "obtainable"),
    rows=(78,),
)
