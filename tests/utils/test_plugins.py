"""What plugs in is found by its built-in name, by ``module:Class`` and by a real entry point."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixlab.errors import AudioError, ConfigError
from mixlab.utils.plugins import find, known_names, running
from tests.errors import raises

GROUP = "mixlab.effects"
BUILTIN = {"gain": dict, "peak": list}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on ``sys.path`` with a package ``plugged_in``; what is imported of it is forgotten again."""
    (tmp_path / "plugged_in").mkdir()
    (tmp_path / "plugged_in" / "__init__.py").write_text("")
    (tmp_path / "plugged_in" / "effects.py").write_text("class Tremolo:\n    class Inner:\n        pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "plugged_in"]:
        del sys.modules[name]


def install(folder: Path, name: str, *lines: str) -> None:
    """Write what an installer leaves of a package that has entry points."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))


def look_up(name: str) -> type:
    return find(name, BUILTIN, GROUP, "effect")


def test_built_in_names_are_found_and_need_no_package() -> None:
    assert look_up("gain") is dict
    assert known_names(BUILTIN, GROUP)[:2] == ("gain", "peak")


def test_a_class_is_found_by_its_module(package: Path) -> None:
    found = look_up("plugged_in.effects:Tremolo")
    assert (found.__module__, found.__qualname__) == ("plugged_in.effects", "Tremolo")
    assert look_up("plugged_in.effects:Tremolo.Inner") is found.Inner


def test_a_module_of_the_working_folder_is_found(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(package))])
    monkeypatch.chdir(package)
    assert look_up("plugged_in.effects:Tremolo").__name__ == "Tremolo"
    assert sys.path[-1] == str(package)  # behind what is installed, which it must not hide
    look_up("plugged_in.effects:Tremolo")
    assert sys.path.count(str(package)) == 1


def test_entry_points_of_installed_packages_are_found(package: Path) -> None:
    install(package, "some-effects", "tremolo = plugged_in.effects:Tremolo")
    assert look_up("tremolo").__name__ == "Tremolo"
    assert known_names(BUILTIN, GROUP) == ("gain", "peak", "tremolo")


def test_a_built_in_name_goes_before_an_entry_point(package: Path) -> None:
    install(package, "some-effects", "gain = plugged_in.effects:Tremolo")
    assert look_up("gain") is dict
    assert known_names(BUILTIN, GROUP) == ("gain", "peak")


def test_one_name_of_two_packages_is_refused(package: Path) -> None:
    install(package, "some-effects", "tremolo = plugged_in.effects:Tremolo")
    install(package, "other-effects", "tremolo = plugged_in.effects:Tremolo.Inner")
    with raises(ConfigError, code="ambiguous-plugin", mentions="plugged_in.effects:Tremolo"):
        look_up("tremolo")


@pytest.mark.parametrize(
    ("name", "code", "mentions"),
    [
        (
            "gian",
            "plugin-not-found",
            ("gian", "gain", "mixlab.effects"),
        ),
        ("plugged_in.effects", "plugin-not-found", ("plugged_in.effects", "package.module:Class")),
        (
            "nowhere.at_all:Tremolo",
            "plugin-not-found",
            ("nowhere", "PYTHONPATH"),
        ),
        ("plugged_in.missing:Tremolo", "plugin-not-found", "plugged_in.missing"),
        ("plugged_in.effects.py:Tremolo", "plugin-not-found", "plugged_in.effects.py"),
        (
            "plugged_in.effects:Tremlo",
            "plugin-not-found",
            ("Tremlo", "plugged_in.effects", "Tremolo", ".py"),
        ),
        ("plugged_in.effects:Zzz", "plugin-not-found", ("Zzz", "plugged_in.effects")),
        ("plugged_in.effects:Tremolo.X", "plugin-not-found", "X"),
        ("plugged-in.effects:Tremolo", "invalid-plugin-name", "package.module:Class"),
        ("plugged_in.effects:", "invalid-plugin-name", "package.module:Class"),
        (":Tremolo", "invalid-plugin-name", "package.module:Class"),
        ("./effects.py:Tremolo", "invalid-plugin-name", "package.module:Class"),
        ("__main__:Tremolo", "invalid-plugin-name", "my_effects.py"),
        ("", "plugin-not-found", ()),
    ],
)
def test_what_cannot_be_found_says_where_it_was_looked_for(
    package: Path, name: str, code: str, mentions: object
) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        look_up(name)


@pytest.mark.parametrize(
    ("text", "mentions", "cause"),
    [
        ("import a_package_that_nobody_has\n", ("broken.py:1", "a_package_that_nobody_has"), ImportError),
        (
            "half = 1\nhalf = half / 0\n",
            ("broken.py:2", "ZeroDivisionError: division by zero"),
            ArithmeticError,
        ),
        ("class Tremolo\n", ("broken.py:1", "SyntaxError"), SyntaxError),
        ("import json\njson.loads('no')\n", ("broken.py:2", "JSONDecodeError"), ValueError),
    ],
)
def test_a_plug_in_that_cannot_be_imported_says_where(
    package: Path, text: str, mentions: tuple[str, ...], cause: type[Exception]
) -> None:
    (package / "plugged_in" / "broken.py").write_text(text)
    install(package, "some-effects", "late = plugged_in.broken:Tremolo")
    for name in ("plugged_in.broken:Tremolo", "late"):
        with raises(ConfigError, code="plugin-failed", mentions=("effect", name, *mentions)) as found:
            look_up(name)
        assert isinstance(found.value.__cause__, cause)


def test_an_entry_point_that_leads_nowhere_says_so(package: Path) -> None:
    install(package, "some-effects", "late = plugged_in.effects:Gone")
    with raises(ConfigError, code="plugin-failed", mentions=("late", "Gone")):
        look_up("late")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_is_no_fault_of_a_plug_in_passes(error: type[BaseException]) -> None:
    with pytest.raises(error), running("effect", "a:B"):
        raise error


def test_errors_raised_on_purpose_pass_unless_they_would_mislead() -> None:
    meant = AudioError("a.wav is damaged.", code="damaged-audio")
    with raises(AudioError, code="damaged-audio"), running("effect", "a:B"):
        raise meant
    with (
        raises(
            ConfigError, code="plugin-failed", mentions=("a:B", "on noise", "AudioError", "test_plugins.py")
        ),
        running("effect", "a:B", "on noise", passing=ConfigError),
    ):
        raise meant
