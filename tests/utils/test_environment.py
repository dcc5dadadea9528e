"""What ``mixlab report-environment`` says: everything that is needed, and nothing private."""

import getpass
import json
import platform
from importlib import metadata
from pathlib import Path

import pytest
import torch

from mixlab import __version__
from mixlab.cli.main import main
from mixlab.utils import environment
from mixlab.utils.environment import describe_environment, without_paths

PRIVATE = {
    "MIXLAB_CATALOG": "/data/secret-project/catalog",
    "MIXLAB_PLUGINS": "secret_module.effects",
    "MIXLAB_WEIGHTS": "~/secret-weights",
    "NUMBA_CACHE_DIR": "C:\\secret\\cache",
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "SECRET_TOKEN": "secret-token",
}


@pytest.fixture(scope="module")
def facts() -> dict[str, dict[str, object]]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in PRIVATE.items():
            patch.setenv(name, value)
        return describe_environment()


def test_nothing_private_is_told(facts: dict[str, dict[str, object]]) -> None:
    text = json.dumps(facts)
    assert "secret" not in text
    for own in (str(Path.home()), str(Path.cwd()), platform.node()):
        assert own not in text or len(own) < 4
    assert len(getpass.getuser()) < 4 or f"/{getpass.getuser()}" not in text
    assert "/" not in "".join(str(value) for value in facts["variables"].values())


def test_variables_are_named_and_numbers_shown(facts: dict[str, dict[str, object]]) -> None:
    said = facts["variables"]
    assert said["OMP_NUM_THREADS"] == "1"
    assert said["MIXLAB_CATALOG"] == said["MIXLAB_PLUGINS"] == "set (not shown)"
    assert said["CUDA_VISIBLE_DEVICES"] == "set, to nothing"
    assert "SECRET_TOKEN" not in said


def test_versions_are_those_that_are_installed(facts: dict[str, dict[str, object]]) -> None:
    assert facts["mixlab"]["version"] == __version__
    assert facts["machine"]["python"].startswith(platform.python_version())  # type: ignore[attr-defined]
    packages = facts["packages"]
    for name in ("numpy", "numba", "torch", "soundfile"):
        assert packages[name] == metadata.version(name)
    assert str(packages["ray"]).endswith("[all, cluster]")
    assert facts["threads"]["torch"] == torch.get_num_threads()


def test_a_library_that_fails_is_said_and_not_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> object:
        raise OSError(f"{name}: /opt/secret/lib{name}.so: cannot open shared object file\nmore")

    monkeypatch.setattr(environment, "import_module", broken)
    found = describe_environment()
    assert found["gpu"] == {"torch": "fails: OSError: torch: (path): cannot open shared object file"}
    assert "fails: OSError" in str(found["libraries"]["libsndfile"])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("open '/a/b c' now", "open '(path) c' now"),
        (r"in C:\Users\me\x.dll, no", "in (path), no"),
        ("at ~/x and 1/2", "at (path) and 1(path)"),
        ("plain", "plain"),
    ],
)
def test_paths_are_taken_out(text: str, kept: str) -> None:
    assert without_paths(text) == kept


def test_the_command_prints_text_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report-environment"]) == 0
    text = capsys.readouterr().out
    assert main(["report-environment", "--as-json"]) == 0
    said = json.loads(capsys.readouterr().out)
    for title, section in said.items():
        assert f"{title}:\n" in text
        for name in section:
            assert f"\n  {name} " in text
    assert said["mixlab"]["version"] == __version__
