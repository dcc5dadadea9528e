"""What a package's modules offer: a part of mixlab is one file, and is listed nowhere else."""

from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

__all__ = ["offered"]


@lru_cache(maxsize=16)
def offered(package: str, attribute: str) -> dict[str, Any]:
    """Return what the modules of a package offer under ``attribute``, by its ``name``, in alphabetical order.

    Modules without it, and those whose name begins with an underscore, offer nothing.

    Args:
        package: Full name of the package.
        attribute: Name at the top of its modules, such as ``ADAPTER``.
    """
    names = [m.name for m in iter_modules(import_module(package).__path__) if not m.name.startswith("_")]
    parts = [getattr(import_module(f"{package}.{name}"), attribute, None) for name in sorted(names)]
    return {part.name: part for part in parts if part is not None}
