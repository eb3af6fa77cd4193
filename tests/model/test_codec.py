"""One value, one sequence of bytes, and back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift.model.codec import Malformed, canonical, decode, encode
from skylift.model.release import Release


class _Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class _Shape:
    pass


@dataclass(frozen=True)
class _Circle(_Shape):
    kind: ClassVar[str] = "circle"
    radius: int


@dataclass(frozen=True)
class _Square(_Shape):
    kind: ClassVar[str] = "square"
    side: int


@dataclass(frozen=True)
class _Drawing:
    shapes: tuple[_Shape, ...]
    names: frozenset[str]
    colour: _Colour
    path: PurePosixPath
    release: Release | None
    notes: dict[str, int]


KINDS = {"circle": _Circle, "square": _Square}

drawings = st.builds(
    _Drawing,
    shapes=st.lists(st.one_of(st.builds(_Circle, st.integers()), st.builds(_Square, st.integers()))).map(
        tuple
    ),
    names=st.frozensets(st.text()),
    colour=st.sampled_from(_Colour),
    path=st.just(PurePosixPath("/opt/x")),
    release=st.one_of(st.none(), st.builds(Release, st.integers(2010, 2050), st.just(1))),
    notes=st.dictionaries(st.text(), st.integers()),
)


@given(drawings)
def test_a_value_reads_back_as_it_was_written(drawing: _Drawing) -> None:
    document = encode(drawing)

    assert decode(_Drawing, document, kinds=KINDS) == drawing
    assert canonical(document) == canonical(encode(decode(_Drawing, document, kinds=KINDS)))


def test_the_order_of_keys_does_not_change_the_bytes() -> None:
    assert canonical({"b": 1, "a": [2]}) == canonical({"a": [2], "b": 1}) == b'{"a":[2],"b":1}\n'


def test_a_float_has_no_canonical_form() -> None:
    with pytest.raises(ValueError, match="float"):
        canonical({"deep": [{"er": 0.5}]})


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"colour": "blue"}, r"\$\.colour"),
        ({"names": "x"}, r"\$\.names"),
        ({"shapes": [{"kind": "triangle"}]}, r"\$\.shapes\[0\]"),
        ({"shapes": [{"kind": "circle", "radius": True}]}, r"\$\.shapes\[0\]\.radius"),
        ({"surplus": 1}, "surplus"),
    ],
)
def test_a_malformed_document_is_refused_at_its_place(change: dict[str, object], place: str) -> None:
    whole = encode(_Drawing((), frozenset(), _Colour.RED, PurePosixPath("/"), None, {}))

    with pytest.raises(Malformed, match=place):
        decode(_Drawing, {**whole, **change}, kinds=KINDS)


def test_what_has_no_form_is_refused() -> None:
    with pytest.raises(TypeError, match="no form"):
        encode(object())


@dataclass(frozen=True)
class _Note:
    text: str
    by: str = "nobody"


def test_what_people_write_may_leave_out_what_has_a_default() -> None:
    assert decode(_Note, {"text": "x"}, defaults=True) == _Note("x", "nobody")
    assert decode(_Note, {"text": "x", "by": "rey"}, defaults=True) == _Note("x", "rey")


@pytest.mark.parametrize("document", [{"by": "rey"}, {"text": "x", "bye": "rey"}])
def test_what_has_no_default_and_what_is_not_known_is_refused_all_the_same(document: dict[str, str]) -> None:
    with pytest.raises(Malformed, match="exactly the keys text, by"):
        decode(_Note, document, defaults=True)


def test_what_machines_write_leaves_nothing_out() -> None:
    with pytest.raises(Malformed, match="look at by"):
        decode(_Note, {"text": "x"})
