"""What is costly is kept under the hash of what it depends on, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift.gate.lab.cache import Entry, entry, key

inputs = st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.lists(st.text())))


@given(inputs)
def test_the_order_of_inputs_does_not_matter(given_inputs: dict[str, object]) -> None:
    turned = dict(reversed(given_inputs.items()))

    assert key(turned) == key(given_inputs)


def test_another_input_is_another_entry() -> None:
    assert key({"packages": ["a"]}) != key({"packages": ["b"]})


def test_an_entry_says_its_kind_and_sixteen_digits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SKYLIFT_CACHE_DIR", str(tmp_path))

    kept = entry("debian", {"suite": "bookworm"})

    kind, _, digits = kept.path.name.partition("-")
    assert kept.path.parent == tmp_path
    assert (kind, len(digits)) == ("debian", 16)
    assert not kept.built


def test_a_build_that_fails_leaves_no_entry_and_the_next_one_starts_clean(tmp_path: Path) -> None:
    kept = Entry(tmp_path / "debian-0")

    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        kept.build(fail)
    assert not kept.built
    kept.build(lambda folder: (folder / "whole").touch())

    assert [file.name for file in kept.path.iterdir()] == ["whole"]


def test_what_is_built_is_not_built_again(tmp_path: Path) -> None:
    kept = Entry(tmp_path / "debian-0")
    kept.build(lambda folder: (folder / "first").touch())

    kept.build(lambda folder: (folder / "second").touch())

    assert [file.name for file in kept.path.iterdir()] == ["first"]


def test_two_at_once_build_once(tmp_path: Path) -> None:
    kept = Entry(tmp_path / "debian-0")
    calls: list[Path] = []
    both = [threading.Thread(target=kept.build, args=(calls.append,)) for _ in range(2)]

    for thread in both:
        thread.start()
    for thread in both:
        thread.join(timeout=60)

    assert len(calls) == 1


def test_a_build_killed_in_the_middle_is_done_again(tmp_path: Path) -> None:
    kept = Entry(tmp_path / "debian-0")
    dies = (
        "import os, pathlib, sys\n"
        "from skylift.gate.lab.cache import Entry\n"
        "def fill(folder):\n"
        "    (folder / 'half').touch()\n"
        "    os.kill(os.getpid(), 9)\n"
        "Entry(pathlib.Path(sys.argv[1])).build(fill)\n"
    )
    ended = subprocess.run([sys.executable, "-c", dies, str(kept.path)], check=False, timeout=120)
    assert ended.returncode == -9
    assert not kept.built

    kept.build(lambda folder: (folder / "whole").touch())

    assert [file.name for file in kept.path.iterdir()] == ["whole"]
