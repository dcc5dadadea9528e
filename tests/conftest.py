"""Fixtures and settings that all tests share."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import numpy as np
import pytest

if TYPE_CHECKING:
    from mixlab.catalog.catalog import Catalog

# Two test processes share the machine and their arrays are small: more threads only get in each
# other's way. Set before any test imports torch, which reads it once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# How long an example takes says more about what else the machine is doing than about the code.
hypothesis.settings.register_profile(
    "mixlab", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("mixlab")

REPO = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("MIXLAB_SHARED") or REPO.parent / "shared")
# Where real metadata must be there, as in .ci/run, its absence is a failure instead of a skip.
REQUIRE_SHARED = os.environ.get("MIXLAB_REQUIRE_SHARED", "") not in ("", "0")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked ``gpu`` where there is no CUDA device; torch is imported only if there are any."""
    gpu_items = [item for item in items if item.get_closest_marker("gpu")]
    if not gpu_items:
        return
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        return
    for item in gpu_items:
        item.add_marker(pytest.mark.skip(reason="no CUDA device on this machine"))


def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter") -> None:
    """Print how many cases the fuzzing tests tried (``tests/fuzz``), also those of other processes."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    found = {
        (report.nodeid, *value)
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "fuzz"
    }
    if not found:
        return
    terminalreporter.section("fuzzed cases")
    for _, kind, cases, refused, slowest_s in sorted(found):
        terminalreporter.write_line(f"{cases:7,}  {kind} ({refused:,} refused, slowest {slowest_s:.2f} s)")
    terminalreporter.write_line(f"{sum(cases for _, _, cases, *_ in found):7,}  in all")


@pytest.fixture(scope="session")
def repo() -> Path:
    """The root of the checkout."""
    return REPO


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real corpus metadata; tests that use it are skipped without it."""
    return find_shared(SHARED, REQUIRE_SHARED)


def find_shared(folder: Path, required: bool) -> Path:
    """Return the folder if it holds real corpus metadata; else skip the test, or fail it if required."""
    if not (folder / "datasets").is_dir():
        message = (
            f"real corpus metadata not found: {folder}/datasets is no folder. "
            "Set MIXLAB_SHARED to the folder that holds `datasets` to run this test."
        )
        if required:
            pytest.fail(f"{message} MIXLAB_REQUIRE_SHARED forbids to skip it.", pytrace=False)
        pytest.skip(message)
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """A random generator with a fixed seed, fresh for every test."""
    return np.random.default_rng(20_231_104)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the user's own mixlab settings, so that tests see the defaults."""
    for name in [name for name in os.environ if name.startswith("MIXLAB_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> "Catalog":
    """A catalog of tones in two corpora, made once; see ``toy.py``."""
    from tests.toy import make_catalog

    return make_catalog(tmp_path_factory.mktemp("toy"))
