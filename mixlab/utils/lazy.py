"""Load the public names of a package when they are first used (PEP 562), so that importing it is quick."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package whose names live in modules that are loaded on first use.

    Args:
        package: Full name of the package, its ``__name__``.
        homes: The public names by the module, relative to the package, that holds them.
    """
    modules = {name: module for module, names in homes.items() for name in names}

    def load(name: str) -> Any:  # noqa: ANN401 - what a module attribute is cannot be typed closer
        if name not in modules:
            offered = ", ".join(sorted(modules))
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it offers {offered}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return load
