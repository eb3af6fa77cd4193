"""Values to canonical JSON and back, for plans, journals and ``--json``.

Canonical: keys sorted, no spaces, no floats, UTF-8, one newline at the end; so equal values have equal
bytes (after RFC 8785, which this is a subset of). A dataclass that is one of several possible kinds
carries its ``kind``. Decoding is strict: an unknown key, a missing one or another type is refused.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from operator import itemgetter
from pathlib import PurePosixPath
from typing import Any, Literal, TypeVar, Union

from skylift.model.release import Release

T = TypeVar("T")

NO_KINDS: Mapping[str, type[Any]] = types.MappingProxyType({})


class Malformed(ValueError):  # noqa: N818 - as a Problem: what was found, not that it is an error
    """A document is not what its format says; the message names the place."""


def canonical(document: object) -> bytes:
    """The one byte form of a JSON document.

    Raises:
        ValueError: it holds a float, which has no one form.
    """
    _refuse_floats(document)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def encode(value: object) -> Any:
    """A JSON document for a value made of dataclasses, enums, mappings, sequences and scalars."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Enum():
            return value.value
        case Release() | PurePosixPath():
            return str(value)
        case tuple() | list():
            return [encode(item) for item in value]
        case frozenset():
            return sorted(encode(item) for item in value)
        case Mapping():
            return {_key(k): encode(v) for k, v in value.items()}
        case _ if dataclasses.is_dataclass(value):
            return _encode_dataclass(value)
        case _:
            msg = f"{type(value).__name__} has no form in JSON"
            raise TypeError(msg)


def _encode_dataclass(value: Any) -> dict[str, Any]:
    fields = {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    kind = getattr(type(value), "kind", None)
    return {"kind": kind, **fields} if isinstance(kind, str) else fields


@dataclasses.dataclass(frozen=True, slots=True)
class _Form:
    """How a document is read."""

    kinds: Mapping[str, type[Any]]
    defaults: bool


def decode(
    wanted: type[T],
    document: object,
    *,
    kinds: Mapping[str, type[Any]] = NO_KINDS,
    defaults: bool = False,
) -> T:
    """The value of type ``wanted`` that ``document`` is the JSON form of.

    ``kinds`` names the dataclasses that a ``kind`` in the document may stand for. With ``defaults``, as for
    files that people write, a key may be left out if its field has a default.

    Raises:
        Malformed: the document has another form; the message names the place as a path.
    """
    plain = _plain(wanted)  # type: ignore[arg-type]
    if plain is not None and isinstance(document, dict) and len(document) == plain.size:
        # As most of what is read in bulk: nothing has to be said of where something is.
        try:
            found = plain.fields(document)
        except KeyError:
            found = ()
        if tuple(map(type, found)) == plain.types and document.get("kind") == plain.kind:
            return wanted(*found)
    value: T = _decode(wanted, document, "$", _Form(kinds, defaults))
    return value


def _decode(wanted: Any, document: Any, at: str, form: _Form) -> Any:
    if wanted is str or wanted is int:  # most of what there is, and the rest takes its time
        return _expect(type(document) is wanted, document, at, wanted.__name__)
    if hasattr(wanted, "__dataclass_fields__") and wanted is not Release:
        return _decode_dataclass(wanted, document, at, form)
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (Union, types.UnionType):
        return _decode_union(args, document, at, form)
    if origin is Literal:
        return _expect(document in args, document, at, f"one of {args}")
    if origin is tuple:
        _expect(isinstance(document, list), document, at, "a list")
        items = [args[0]] * len(document) if len(args) == 2 and args[1] is Ellipsis else list(args)  # noqa: PLR2004
        _expect(len(items) == len(document), document, at, f"{len(items)} items")
        return tuple(
            _decode(t, d, f"{at}[{i}]", form) for i, (t, d) in enumerate(zip(items, document, strict=True))
        )
    if origin is frozenset:
        _expect(isinstance(document, list), document, at, "a list")
        return frozenset(_decode(args[0], d, f"{at}[{i}]", form) for i, d in enumerate(document))
    if origin in (dict, Mapping):
        _expect(isinstance(document, dict), document, at, "an object")
        return {k: _decode(args[1], d, f"{at}.{k}", form) for k, d in document.items()}
    return _decode_plain(wanted, document, at, form)


def _decode_plain(wanted: Any, document: Any, at: str, form: _Form) -> Any:
    wanted = _behind(wanted)
    if wanted is float:
        return float(_expect(isinstance(document, int | float), document, at, "a number"))
    if wanted in (str, int, bool, types.NoneType):
        return _expect(type(document) is wanted, document, at, wanted.__name__)
    try:
        if wanted is Release:
            return Release.parse(_expect(isinstance(document, str), document, at, "a release"))
        if wanted is PurePosixPath:
            return PurePosixPath(_expect(isinstance(document, str), document, at, "a path"))
        if issubclass(wanted, Enum):
            return wanted(document)
    except ValueError as error:
        raise Malformed(f"{at}: {error}") from None
    return _decode_dataclass(wanted, document, at, form)


def _decode_dataclass(wanted: Any, document: Any, at: str, form: _Form) -> Any:
    if not isinstance(document, dict):
        _expect(False, document, at, "an object")
    chosen: Any = wanted
    if (
        form.kinds
        and "kind" in document
        and document["kind"] in form.kinds
        and issubclass(form.kinds[document["kind"]], wanted)
    ):
        chosen = form.kinds[document["kind"]]
    if not hasattr(chosen, "__dataclass_fields__"):
        raise Malformed(f"{at}: {document.get('kind')!r} is not a known kind of {wanted.__name__}")
    kind, hints = getattr(chosen, "kind", None), _hints(chosen)
    of_a_kind = isinstance(kind, str)
    if of_a_kind and document.get("kind") != kind:
        _expect(False, document, at, f"kind {kind}")
    if len(document) != len(hints) + of_a_kind or not hints.keys() <= document.keys():
        given = document.keys() - {"kind"} if of_a_kind else document.keys()
        may_lack = {f.name for f in dataclasses.fields(chosen) if form.defaults and _has_default(f)}
        wrong = sorted((given ^ hints.keys()) - (may_lack - given))
        _expect(not wrong, document, at, f"exactly the keys {', '.join(hints)}; look at {', '.join(wrong)}")
    fields: dict[str, Any] = {}
    for name, hint in hints.items():
        if name in document:
            found = document[name]
            # Most fields are plain, and fit: then nothing has to be said of where they are.
            plain = type(found) is hint and (hint is str or hint is int)
            fields[name] = found if plain else _decode(hint, found, f"{at}.{name}", form)
    return chosen(**fields)


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _decode_union(args: tuple[Any, ...], document: Any, at: str, form: _Form) -> Any:
    """The member that the document fits; members are told apart by ``kind`` or by their JSON type."""
    errors: list[str] = []
    for member in args:
        try:
            return _decode(member, document, at, form)
        except Malformed as error:
            errors.append(str(error))
    raise Malformed(errors[0] if len(set(errors)) == 1 else f"{at}: fits none of: " + "; ".join(errors))


def _expect(holds: bool, document: Any, at: str, what: str) -> Any:  # noqa: FBT001 - a private assertion
    if not holds:
        raise Malformed(f"{at}: expected {what}, found {json.dumps(document)[:80]}")
    return document


def _key(key: object) -> str:
    if isinstance(key, tuple):
        return "/".join(str(part) for part in key)
    return str(key)


def _refuse_floats(document: object) -> None:
    if isinstance(document, float):
        msg = "a canonical document holds no float"
        raise ValueError(msg)
    for item in (
        document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    ):
        _refuse_floats(item)


@dataclasses.dataclass(frozen=True, slots=True)
class _Plain:
    """A dataclass of two fields or more that are all words and whole numbers."""

    fields: Callable[[dict[str, Any]], tuple[Any, ...]]
    """What a document has for them, in their order."""
    types: tuple[type[Any], ...]
    kind: str | None
    size: int
    """Of its document, the kind included."""


@cache
def _plain(wanted: type[Any]) -> _Plain | None:
    """How ``wanted`` is, if it is of that sort."""
    if not dataclasses.is_dataclass(wanted) or any(f.kw_only for f in dataclasses.fields(wanted)):
        return None
    hints, kind = _hints(wanted), getattr(wanted, "kind", None)
    if "kind" in hints or not all(hint is str or hint is int for hint in hints.values()):
        return None
    if len(hints) < 2:  # noqa: PLR2004 - of one field ``itemgetter`` gives no tuple
        return None
    told = kind if isinstance(kind, str) else None
    return _Plain(itemgetter(*hints), tuple(hints.values()), told, len(hints) + (told is not None))


@cache
def _hints(wanted: type[Any]) -> dict[str, Any]:
    """The fields of a dataclass, in their order, each with its type."""
    hints = typing.get_type_hints(wanted)
    return {field.name: _behind(hints[field.name]) for field in dataclasses.fields(wanted)}


def _behind(wanted: Any) -> Any:
    """What a NewType stands for; any other type as it is."""
    while hasattr(wanted, "__supertype__"):
        wanted = wanted.__supertype__
    return wanted
