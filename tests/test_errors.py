"""The codes of errors: each fault has one, documented, kept over process borders and seen by a test."""

import ast
import copy
import multiprocessing
import pickle
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from mixlab import errors
from mixlab.errors import AudioError, MixlabError, OutOfRangeError
from tests.errors import holds, raises

ROOT = Path(__file__).resolve().parent.parent
KINDS = {name: getattr(errors, name) for name in errors.__all__}
OWN = {name: kind.code for name, kind in KINDS.items() if kind.code != MixlabError.code}
"""Classes that are one kind of fault, and its code."""

UNTESTED = {
    "cluster-unfit",  # in a process of its own: tests/test_ray_cluster.py
    "features-not-finite",
    "no-recipe",
    "step-failed",
    "workers-not-started",
    "written-file-lost",
}
"""Codes that no test expects: what becomes a part of another message, or wants a broken machine."""


@cache
def documented() -> dict[str, set[str]]:
    """Return the table of ``docs/errors.md``: the classes of each code."""
    rows = re.findall(
        r"^\| `([a-z-]+)` \| ([^|]+) \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE
    )
    assert len(rows) > 100
    assert len(dict(rows)) == len(rows), "a code has two rows"
    return {code: set(re.findall(r"`(\w+)`", classes)) for code, classes in rows}


def made() -> Iterator[tuple[str, str, ast.expr | None]]:
    """Yield where mixlab and the explorer make an error, its class, and its code as it is written there."""
    for file in sorted(path for folder in ("mixlab", "app") for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                code = next((word.value for word in node.keywords if word.arg == "code"), None)
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node.func.id, code


def literals(code: ast.expr) -> list[str]:
    """Return the codes of ``"a"`` and of ``"a" if ... else "b"``; none of ``error.code``, an error's own."""
    if isinstance(code, ast.IfExp):
        return [*literals(code.body), *literals(code.orelse)]
    if isinstance(code, ast.Constant):
        return [str(code.value)]
    assert isinstance(code, ast.Attribute), ast.unparse(code)
    assert code.attr == "code", ast.unparse(code)
    return []


def test_every_error_has_a_code_that_is_documented_for_its_class() -> None:
    faults, used = [], dict[str, set[str]]()
    for where, kind, code in made():
        if code is None and kind not in OWN:
            faults.append(f'{where}: {kind} without code="..."; docs/errors.md lists the codes.')
        for word in literals(code) if code is not None else [OWN.get(kind, "")]:
            used.setdefault(word, set()).add(kind)
            if word and kind not in documented().get(word, ()):
                faults.append(f"{where}: docs/errors.md has no row for the code {word!r} of {kind}.")
    stale = {code: classes - used.get(code, set()) for code, classes in documented().items()}
    faults += [f"docs/errors.md: {code!r} is not raised as {gone}." for code, gone in stale.items() if gone]
    assert not faults, "\n".join(faults)


def test_every_code_is_expected_by_a_test() -> None:
    expected = set[str]()
    for file in (ROOT / "tests").rglob("*.py"):
        if file != Path(__file__):
            texts = [
                node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)
            ]
            expected.update(text for text in texts if isinstance(text, str))
            expected.update(code for text in texts for code in re.findall(r"\[([a-z-]+)\]", str(text)))
    unseen = set(documented()) - expected
    assert unseen <= UNTESTED, f"expected by no test: {sorted(unseen - UNTESTED)}"


def every_kind() -> list[MixlabError]:
    return [kind("what was found", code="a-code") for kind in KINDS.values()]


@pytest.mark.parametrize("error", every_kind(), ids=lambda error: type(error).__name__)
def test_copies_of_an_error_have_its_class_message_and_code(error: MixlabError) -> None:
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(same) is type(error)
        assert (str(same), same.code) == ("what was found", "a-code")


def test_a_code_comes_from_another_process() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        error = pool.submit(every_kind).result()[3]
        assert error.code == "a-code"
        with raises(AudioError, code="damaged-audio", mentions=("a.wav", 17)):
            pool.submit(fail).result()


def fail() -> None:
    raise AudioError("a.wav is damaged after sample 17.", code="damaged-audio")


def test_a_class_that_is_one_kind_of_fault_has_its_code() -> None:
    assert OutOfRangeError("3").code == "index-out-of-range"
    assert isinstance(OutOfRangeError("3"), IndexError)
    assert str(OutOfRangeError("3")) == "3"
    assert MixlabError("from a plug-in").code == "unspecified"


def test_values_are_found_as_whole_words() -> None:
    assert holds("found 1.5 in mix.gain", "1.5")
    assert holds("in /a/b.wav.", "/a/b.wav")
    assert not holds("found 10", "1")
    assert not holds("basses", "bass")
    with pytest.raises(AssertionError, match="damaged-audio"), raises(AudioError, code="empty-audio"):
        fail()
    with pytest.raises(AssertionError, match="18"), raises(AudioError, code="damaged-audio", mentions=18):
        fail()
