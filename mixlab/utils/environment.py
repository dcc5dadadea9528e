"""What a report of a fault needs to know of the machine: versions, processor, memory, GPU, settings.

Nothing that tells whose machine it is: no path, no name of a user or a host, and of environment variables the
value only where that is a number or a switch.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from mixlab import __version__
from mixlab.utils.parallel import default_workers

__all__ = ["describe_environment", "without_paths"]

Facts = dict[str, dict[str, Any]]

_FLAGS = (
    *("sse4_2", "avx", "f16c", "fma", "avx2"),
    *("avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("avx_vnni", "amx_tile", "amx_int8", "amx_bf16", "amx_fp16"),
    *("asimd", "sve", "sve2", "bf16"),  # of ARM
)
"""What libraries choose their code by, as the kernel of Linux names it."""

_VARIABLES = re.compile(
    r"MIXLAB_\w+|(OMP|MKL|OPENBLAS|NUMBA|NUMEXPR|VECLIB)_\w+|CUDA_VISIBLE_DEVICES|PYTORCH_\w+|"
    r"PYTHON(DONTWRITEBYTECODE|WARNINGS|HASHSEED|OPTIMIZE)|RAY_ADDRESS"
)
_HARMLESS = re.compile(r"\d{1,6}(,\d{1,6})*|true|false|yes|no|on|off", re.IGNORECASE)
_PATH = re.compile(r"""(?:[A-Za-z]:)?[/\\][^\s:'",;()]+|~[/\\][^\s:'",;()]+""")
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?[^;]*(?:;.*?extra\s*==\s*['\"]([^'\"]+)['\"])?")
_TIMEOUT_S = 20


def describe_environment() -> Facts:
    """Return all facts by section; what cannot be found out says so, with the reason."""
    return {
        "mixlab": _mixlab(),
        "machine": _machine(),
        "processor": _processor(),
        "memory": _memory(),
        "gpu": _told(_gpu, "torch"),
        "threads": _threads(),
        "libraries": _libraries(),
        "packages": _packages(),
        "variables": _variables(os.environ),
    }


def without_paths(text: str) -> str:
    """Return a text with every path in it replaced: paths hold names of users and projects."""
    return _PATH.sub("(path)", text)


def _told(find: Callable[[], Any], name: str) -> Any:  # noqa: ANN401 - whatever is found
    """Return what is found, or say of a library that fails why: that it does may be the fault itself."""
    try:
        return find()
    except Exception as error:
        text = str(error).strip().partition("\n")[0]
        said = without_paths(f"fails: {type(error).__name__}: {text}"[:200])
        return {name: said}


def _mixlab() -> dict[str, Any]:
    installed = "site-packages" in Path(__file__).parts or "dist-packages" in Path(__file__).parts
    return {"version": __version__, "from": "an installed package" if installed else "a checkout"}


def _machine() -> dict[str, Any]:
    libc = " ".join(platform.libc_ver()).strip()
    bits = sys.maxsize.bit_length() + 1
    return {
        "python": f"{platform.python_version()} ({platform.python_implementation()}, {bits} bits)",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "libc": libc or "not told",
        "container": Path("/.dockerenv").exists() or Path("/run/.containerenv").exists(),
        "in a virtual environment": sys.prefix != sys.base_prefix,
    }


def _processor() -> dict[str, Any]:
    said = _key_values(Path("/proc/cpuinfo"))
    flags = set(said.get("flags", said.get("Features", "")).split())
    known = [flag for flag in _FLAGS if flag in flags]
    return {
        "model": said.get("model name") or platform.processor() or "not told",
        "cores": os.cpu_count() or 0,
        "cores that may be used": default_workers(),
        "limit of the container": _limit("cpu.max"),
        "instructions": " ".join(known) if known else "not told",
    }


def _memory() -> dict[str, Any]:
    said = _key_values(Path("/proc/meminfo"))
    total = {
        name: said[name].split()[0] for name in ("MemTotal", "MemAvailable", "SwapTotal") if said.get(name)
    }
    shm = shutil.disk_usage("/dev/shm").free if Path("/dev/shm").is_dir() else 0
    facts: dict[str, Any] = {name: f"{int(kib) / 2**20:.1f} GiB" for name, kib in total.items()}
    facts["limit of the container"] = _limit("memory.max")
    facts["free in /dev/shm"] = f"{shm / 2**30:.1f} GiB" if shm else "not told"
    return facts


def _key_values(file: Path) -> dict[str, str]:
    """Return the lines ``key : value`` of a file of the kernel, the first of each key; none without it."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    found: dict[str, str] = {}
    for line in lines:
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip(), value.strip())
    return found


def _limit(name: str) -> str:
    """Return what a control group of Linux allows; 'none' where it sets no limit or cannot be read."""
    try:
        first, *rest = (Path("/sys/fs/cgroup") / name).read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return "none"
    if not first.isdecimal():
        return "none"
    if rest:  # microseconds of processor time, and in how many
        return f"{int(first) / int(rest[0]):.1f} cores"
    return f"{int(first) / 2**30:.1f} GiB"


def _gpu() -> dict[str, Any]:
    torch: Any = import_module("torch")
    facts: dict[str, Any] = {
        "torch built for": f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA",
        "CUDA usable": bool(torch.cuda.is_available()),
    }
    if facts["CUDA usable"]:
        for number in range(torch.cuda.device_count()):
            device = torch.cuda.get_device_properties(number)
            facts[f"device {number}"] = f"{device.name}, {device.total_memory / 2**30:.0f} GiB"
    if getattr(torch.backends, "mps", None) is not None and torch.backends.mps.is_available():
        facts["Apple's GPU usable"] = True
    return facts


def _threads() -> dict[str, Any]:
    def torch_threads() -> dict[str, Any]:
        torch: Any = import_module("torch")
        return {"torch": torch.get_num_threads(), "torch between operations": torch.get_num_interop_threads()}

    def numba_threads() -> dict[str, Any]:
        return {"numba": import_module("numba").config.NUMBA_NUM_THREADS}

    import multiprocessing

    start = multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]
    return {
        **_told(torch_threads, "torch"),
        **_told(numba_threads, "numba"),
        "processes start by": start,
    }


def _libraries() -> dict[str, Any]:
    def of(module: str, attribute: str) -> Callable[[], dict[str, str]]:
        return lambda: {
            attribute.strip("_").removesuffix("_version"): getattr(import_module(module), attribute)
        }

    def llvm() -> dict[str, str]:
        version = import_module("llvmlite.binding").llvm_version_info
        return {"LLVM": ".".join(map(str, version))}

    return {
        **_told(of("soundfile", "__libsndfile_version__"), "libsndfile"),
        **_told(of("soxr", "__libsoxr_version__"), "libsoxr"),
        **_told(llvm, "LLVM"),
        **_told(_blas, "BLAS"),
        "rubberband (program)": _rubberband(),
    }


def _blas() -> dict[str, str]:
    import_module("numpy")
    try:
        pools = import_module("threadpoolctl").threadpool_info()
    except ImportError:
        return {"BLAS": "not told: threadpoolctl is not installed"}
    said = [f"{pool['internal_api']} {pool['version']} ({pool.get('architecture', '?')})" for pool in pools]
    return {"BLAS and OpenMP": ", ".join(sorted(set(said))) or "none loaded"}


def _rubberband() -> str:
    program = shutil.which("rubberband")
    if program is None:
        return "not installed"
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"fails: {type(error).__name__}"
    return without_paths((done.stdout + done.stderr).strip().partition("\n")[0])[:80]


def _packages() -> dict[str, Any]:
    """Return the version of every dependency, those of an extra with its name."""
    try:
        wanted = metadata.requires("mixlab") or []
    except metadata.PackageNotFoundError:
        return {"mixlab": "not installed as a package: what it needs cannot be told"}
    extras: dict[str, set[str]] = {}
    for text in wanted:
        match = _REQUIREMENT.match(text)
        if match is not None and match[1] != "mixlab":
            extras.setdefault(re.sub(r"[-_.]+", "-", match[1]).lower(), set()).add(match[2] or "")
    return {name: f"{_version(name)}{_of_extras(extras[name])}" for name in sorted(extras)}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _of_extras(extras: set[str]) -> str:
    return "" if "" in extras else f"  [{', '.join(sorted(extras))}]"


def _variables(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the variables that mixlab and its libraries read, with values that are numbers or switches."""
    return {
        name: value if _HARMLESS.fullmatch(value) else ("set, to nothing" if not value else "set (not shown)")
        for name, value in sorted(environment.items())
        if _VARIABLES.fullmatch(name)
    }
