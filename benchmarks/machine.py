"""What the figures were measured on, and with."""

import os
import platform
from collections.abc import Iterable
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "mixlab",
    "numpy",
    "numba",
    "scipy",
    "torch",
    "soundfile",
    "soxr",
    "pedalboard",
    "pyrubberband",
    "audiomentations",
    "torch-audiomentations",
    "python-stretch",
)


def describe_machine(packages: Iterable[str] = PACKAGES) -> dict[str, object]:
    """Return date, processor, cores, memory, how busy the machine is, and versions; ``""`` if missing."""
    return {
        "date": date.today().isoformat(),
        "processor": _from_file("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: installed(name) for name in packages},
    }


def installed(package: str) -> str:
    """Return the version of a distribution, or ''."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _from_file(path: str, name: str) -> str:
    place = Path(path)
    lines = place.read_text().splitlines() if place.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")


def _memory_gb() -> float | None:
    found = _from_file("/proc/meminfo", "MemTotal")
    return round(int(found.split()[0]) / 1024**2, 1) if found else None
