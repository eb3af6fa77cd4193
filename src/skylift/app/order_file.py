"""An order of another tool, or written by hand, as a file: read, and judged by the verifier."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from skylift.app.yaml_section import Mistake, Sheet
from skylift.catalog.catalog import CatalogInvalid, documents, load
from skylift.model.problem import Fix, Refused, Remedy
from skylift.verifier.audit import Audit, audit
from skylift.verifier.unreadable import Unreadable

_RELEASE = r"20\d\d\.[12]"
_RELEASE_MEANS = 'a release in quotes, such as "2024.1"'


class OrderInvalid(Refused):
    """A file of an order cannot be read, so it was not judged."""

    code = "order.invalid"

    def __init__(self, file: Path, mistakes: tuple[Mistake, ...]) -> None:
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        told = "".join(f"\n  {mistake.told(file.name)}" for mistake in mistakes)
        super().__init__(
            f"{file} cannot be judged: {count} in it{told}",
            Remedy(Fix.REPAIR, f"correct it, then judge it again: skylift audit-order {file}"),
        )


def audit_file(path: Path, more: tuple[PurePosixPath, ...]) -> Audit:
    """Judge the order in the file at ``path`` by the catalog and by ``more`` files of components.

    Raises:
        OrderInvalid: the file has mistakes: all of them, by line.
        CatalogInvalid: a file of a component cannot be used.
    """
    load(more)
    sheet = Sheet(path, empty_remedy="write 'hop:' and 'order:', as docs/how-to/audit-an-order.md shows")
    top = sheet.top(_text(path))
    hop = top.section("hop")
    order = {
        "hop": {
            "from": hop.text("from", form=_RELEASE, means=_RELEASE_MEANS),
            "to": hop.text("to", form=_RELEASE, means=_RELEASE_MEANS),
        },
        "order": top.plain("order", remedy="add a list 'order:', an item a line"),
    }
    hop.close()
    top.close()
    try:
        judged = audit(order, documents(more))
    except Unreadable as unreadable:
        raise CatalogInvalid(Path(more[-1]) if more else path, str(unreadable)) from None
    if order["order"] is not None:
        for misread in judged.misread:
            sheet.wrong(misread.at, misread.what, misread.remedy)
    if sheet.mistakes:
        raise OrderInvalid(path, tuple(sorted(sheet.mistakes)))
    return judged


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        mistake = Mistake(0, "", str(error.strerror).lower(), "name another file")
    except UnicodeDecodeError:
        mistake = Mistake(0, "", "is not UTF-8", "save it as UTF-8")
    raise OrderInvalid(path, (mistake,))
