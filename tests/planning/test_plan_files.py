"""Plan files: every changed byte is noticed, and every other format."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning.planned import sample_plan

from skylift.model.codec import canonical
from skylift.model.problem import Fix
from skylift.planning.text import PlanChanged, PlanFormat, digest_of, read_plan, write_plan
from skylift.testing.samples import PLACEMENT

TEXT = write_plan(sample_plan(controllers=2, components=(PLACEMENT,)))


@given(at=st.integers(0, len(TEXT) - 1), bits=st.integers(1, 255))
@settings(max_examples=400)
def test_one_changed_byte_is_enough_to_refuse_a_plan(at: int, bits: int) -> None:
    changed = bytearray(TEXT)
    changed[at] ^= bits

    with pytest.raises((PlanChanged, PlanFormat)):
        read_plan(bytes(changed))


@given(at=st.integers(0, len(TEXT) - 1))
@settings(max_examples=100)
def test_a_plan_that_was_cut_off_is_refused(at: int) -> None:
    with pytest.raises(PlanChanged):
        read_plan(TEXT[:at])


def test_a_plan_that_was_only_reformatted_is_refused() -> None:
    pretty = json.dumps(json.loads(TEXT), indent=2).encode()

    with pytest.raises(PlanChanged, match="form that plans are written in"):
        read_plan(pretty)


def test_a_plan_with_another_digest_is_refused() -> None:
    document = json.loads(TEXT)
    document["digest"] = "sha256:" + "0" * 64

    with pytest.raises(PlanChanged, match="does not agree with its digest"):
        read_plan(canonical(document))


def test_a_plan_of_another_format_is_refused_as_such() -> None:
    document = json.loads(TEXT)
    document["plan"]["format"] = 3

    with pytest.raises(PlanFormat, match="format is 3, and this version reads 2"):
        read_plan(canonical(document))


def test_a_plan_with_an_unknown_key_is_refused_even_with_the_right_digest() -> None:
    document = json.loads(TEXT)
    document["plan"]["steps"][0]["colour"] = "red"

    with pytest.raises(PlanFormat, match="colour"):
        read_plan(resigned(document))


def test_a_file_that_is_no_plan_is_refused() -> None:
    with pytest.raises(PlanChanged, match="digest and a plan"):
        read_plan(b"[]\n")


def test_the_digest_in_the_file_is_that_of_the_plan() -> None:
    assert json.loads(TEXT)["digest"] == digest_of(read_plan(TEXT))


def resigned(document: dict[str, object]) -> bytes:
    """The document with the digest that its plan has: what a mistaken tool might write."""
    digest = hashlib.sha256(canonical(document["plan"])).hexdigest()
    return canonical({**document, "digest": f"sha256:{digest}"})


@pytest.mark.parametrize("text", [b"{", b'{"digest":"sha256:0","plan":{"format":0}}'])
def test_what_cannot_be_read_is_made_again_by_a_command_of_every_kind_of_plan(text: bytes) -> None:
    with pytest.raises((PlanChanged, PlanFormat)) as told:
        read_plan(text)

    (again,) = [remedy.how for remedy in told.value.remedies if remedy.fix is Fix.RETRY]
    assert all(way in again for way in ("plan --to", "--reboot", "--hypervisor", "--drain", "rollback RUN"))
