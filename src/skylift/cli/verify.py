"""``skylift verify``: are the documents of a run what was written, and by whom?"""

from __future__ import annotations

import click

from skylift.app.record_file import load_record
from skylift.app.verify import Proof
from skylift.app.verify import verify as look
from skylift.cli.desk import Desk, answer, json_option, pass_desk
from skylift.cli.exits import Exit
from skylift.cli.views.columns import columns


@click.command("verify")
@click.argument("run", required=False)
@json_option
@pass_desk
def verify(desk: Desk, run: str | None, *, as_json: bool) -> Exit:
    """Say whether plan, journal and audit trail of RUN (or the newest) are what was written, and by whom.

    Any edit of them is found; what could not be read is told as that. Whose seals are trusted is in the
    record, under signers. Asks no host.
    """
    proofs = look(desk.runs, desk.find(run), load_record(desk.record))
    answer(columns(*((p.document, _judged(p), p.says) for p in proofs)), {"proofs": proofs}, as_json=as_json)
    return Exit.OK if all(proof.holds for proof in proofs) else Exit.FAILED


def _judged(proof: Proof) -> str:
    if not proof.read:
        return "COULD NOT BE READ"
    return "holds" if proof.holds else "DOES NOT HOLD"
