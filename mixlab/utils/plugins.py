"""Find what plugs into mixlab: a built-in name, ``package.module:Class``, or the name of an entry point.

A seam (effects, models, metrics, corpora, label sets, studies) has a table of what mixlab itself offers.
Whatever it looks up by name it looks up here, so that a user's own part works without a fork. A name is a
text, so that it can stand on a command line, in a recipe and in a run folder, and is found again from there.
"""

import difflib
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

from mixlab.errors import ConfigError, MissingDependencyError, MixlabError
from mixlab.utils.hashing import file_digest

__all__ = ["ALLOWED", "find", "known_names", "running", "source_digest"]

ALLOWED = "MIXLAB_PLUGINS"
"""Environment variable: the modules, with commas between, that plug-ins may be imported from; unset: any."""

T = TypeVar("T")


def find(name: str, builtin: Mapping[str, T], group: str, what: str) -> T:
    """Return what a name stands for; a plug-in is imported, and what it is is for the caller to check.

    Args:
        name: A built-in name, which goes first; ``package.module:Class``, imported from ``sys.path`` or the
            working folder (as ``python -m`` would, but installed packages go first); or an entry point.
        builtin: What mixlab itself has, by name.
        group: Group of the entry points, such as ``mixlab.effects``.
        what: What is looked for, in messages: ``effect``.

    Raises:
        ConfigError: nothing has that name; the message says where it was looked for and which names exist.
            Or importing the plug-in fails; the message says where. Or ``MIXLAB_PLUGINS`` does not allow it.
    """
    if name in builtin:
        return builtin[name]
    with running(what, name):
        own = ":" in name
        found = _import_attribute(name, what) if own else _load_entry_point(name, builtin, group, what)
    return cast(T, found)


@contextmanager
def running(
    what: str, name: str, given: str = "", *, passing: type[MixlabError] | None = MixlabError
) -> Iterator[None]:
    """Let errors of a plug-in's code in the block below say whose they are, and where they arose.

    Args:
        what: What is plugged in: ``effect``.
        name: Its name.
        given: What it was given, in words that follow its name: ``on a second of noise``.
        passing: Errors that pass as they are: by default those that are raised on purpose; None for none.

    Raises:
        ConfigError: another error arose, of any class; it is the cause.
        MissingDependencyError: it needs what is not installed, and says what.
    """
    passed = (MissingDependencyError, MemoryError, *((passing,) if passing is not None else ()))
    try:
        yield
    except passed:
        raise
    except Exception as error:
        place = _place(error)
        raise ConfigError(
            f"The {what} {name!r}{given and ' '}{given} fails{place and ' at '}{place}: "
            f"{type(error).__name__}: {str(error).rstrip('.')}. Mend it, or take it out.",
            code="plugin-failed",
        ) from error


def _place(error: Exception) -> str:
    """Return ``file:line`` of the innermost code that is not mixlab's, a user's own before a library's."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    here = str(Path(__file__).resolve().parents[1])
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((here + os.sep, "<frozen "))
    ]
    libraries = tuple(path + os.sep for path in set(sysconfig.get_paths().values()))
    own = [frame for frame in frames if not frame.filename.startswith(libraries)]
    innermost = (own or frames)[-1:]
    return "".join(f"{frame.filename}:{frame.lineno}" for frame in innermost)


def source_digest(found: object) -> str | None:
    """Return the SHA-256 of the file that holds a class or function, or an object's class; None if none."""
    code = found if isinstance(found, type) or inspect.isroutine(found) else type(found)
    try:
        file = inspect.getsourcefile(inspect.unwrap(code))
    except TypeError:  # built into Python
        return None
    return file_digest(Path(file)) if file and Path(file).is_file() else None


def known_names(builtin: Mapping[str, object], group: str) -> tuple[str, ...]:
    """Return the names that exist: the built-in ones, then those of installed packages' entry points."""
    return tuple(dict.fromkeys([*builtin, *(point.name for point in _entry_points(group))]))


def _import_attribute(name: str, what: str) -> Any:  # noqa: ANN401 - whatever stands there
    module_name, _, attribute = name.partition(":")
    parts = [*module_name.split("."), *attribute.split(".")]
    if not all(part.isidentifier() for part in parts):
        raise ConfigError(
            f"The {what} {name!r}: expected package.module:Class, as in an import.",
            code="invalid-plugin-name",
        )
    if module_name == "__main__":
        raise ConfigError(
            f"The {what} {name!r} lives in the running script, where nothing else finds it again. Put it "
            f"into a module of its own, such as my_{what.replace(' ', '_')}s.py, and name it module:Class.",
            code="invalid-plugin-name",
        )
    _check_allowed(module_name, name, what)
    found: Any = _import(module_name, name, what)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise _lacks(found, part, name, what)
        found = getattr(found, part)
    return found


def _check_allowed(module_name: str, name: str, what: str) -> None:
    """Refuse, before it is imported, what may not be: a recipe or a run of others may have named it.

    Raises:
        ConfigError: the environment variable ``MIXLAB_PLUGINS`` does not list it; or it is a module of Python
            itself, some of which do things when they are imported.
    """
    allowed = os.environ.get(ALLOWED)
    listed = [one.strip() for one in (allowed or "").split(",") if one.strip()]
    if allowed is not None and not any(f"{module_name}.".startswith(f"{one}.") for one in listed):
        raise ConfigError(
            f"The {what} {name!r} is not imported: {ALLOWED} allows {', '.join(listed) or 'no plug-in'}. "
            "Where you trust it, add its module there, or unset the variable.",
            code="plugin-refused",
        )
    if module_name.partition(".")[0] in sys.stdlib_module_names and module_name not in sys.modules:
        raise ConfigError(
            f"The {what} {name!r} is not imported: {module_name} is a module of Python itself, which holds "
            f"no {what} of mixlab. Name one as package.module:Class.",
            code="plugin-refused",
        )


def _import(module_name: str, name: str, what: str) -> ModuleType:
    _see_working_folder()
    try:
        return import_module(module_name)
    except ModuleNotFoundError as error:
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there, but lacks another one
        raise ConfigError(
            f"The {what} {name!r}: there is no module {error.name!r}. Looked for it in the working folder "
            f"{Path.cwd()} and on sys.path. Install its package, start in the folder that holds it, or put "
            "that folder on PYTHONPATH.",
            code="plugin-not-found",
        ) from error


def _see_working_folder() -> None:
    """Let modules of the working folder be imported, unless Python was started not to (``-P``)."""
    here = str(Path.cwd())
    if not getattr(sys.flags, "safe_path", False) and "" not in sys.path and here not in sys.path:
        sys.path.append(here)


def _lacks(found: object, part: str, name: str, what: str) -> ConfigError:
    public = [known for known in dir(found) if not known.startswith("_")]
    close = difflib.get_close_matches(part, public, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(public) or 'nothing public'}."
    where = f" ({found.__file__})" if isinstance(found, ModuleType) and hasattr(found, "__file__") else ""
    owner = getattr(found, "__name__", found)
    return ConfigError(
        f"The {what} {name!r}: there is no {part!r} in {owner}{where}; {hint}", code="plugin-not-found"
    )


def _load_entry_point(name: str, builtin: Mapping[str, object], group: str, what: str) -> Any:  # noqa: ANN401
    points = {point.value: point for point in _entry_points(group) if point.name == name}
    if len(points) > 1:
        raise ConfigError(
            f"The {what} {name!r} is offered by several installed packages: {', '.join(sorted(points))}. "
            "Name the one that is meant as package.module:Class.",
            code="ambiguous-plugin",
        )
    if points:
        point = next(iter(points.values()))
        _check_allowed(point.module, name, what)
        return point.load()
    names = known_names(builtin, group)
    close = difflib.get_close_matches(name, names, n=1)
    raise ConfigError(
        f"There is no {what} {name!r}{f'; did you mean {close[0]!r}?' if close else '.'} There are "
        f"{', '.join(names)}. One of your own is named package.module:Class, or by an entry point of the "
        f"group {group!r} in an installed package.",
        code="plugin-not-found",
    )


def _entry_points(group: str) -> tuple[EntryPoint, ...]:
    return _installed(group, tuple(sys.path))


@lru_cache(maxsize=32)
def _installed(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Read the entry points of a group once for each ``sys.path``: every reading opens all packages."""
    return tuple(entry_points(group=group))
