"""What SECURITY.md says of files, variables, options, codes and numbers is so."""

import ast
import re
from pathlib import Path

from mixlab.audio.decoding.opening import LONGEST_S, longest_frames
from mixlab.audio.uploads import MAX_BYTES, MAX_S
from mixlab.cli.commands.app import server_command
from mixlab.models.pretrained import CHECKPOINTS
from tests.conftest import REPO
from tests.test_errors import documented

PAGE = (REPO / "SECURITY.md").read_text(encoding="utf-8")
CODE = {
    path.relative_to(REPO).as_posix(): path.read_text(encoding="utf-8")
    for folder in ("mixlab", "app")
    for path in sorted((REPO / folder).rglob("*.py"))
}


def importing(*modules: str) -> set[str]:
    """Return the files that import one of these modules, or what is in them."""
    found = set()
    for name, text in CODE.items():
        for node in ast.walk(ast.parse(text)):
            named = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            named += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(f"{one}.".startswith(f"{module}.") for one in named for module in modules):
                found.add(name)
    return found


def test_named_files_are_there() -> None:
    paths = re.findall(r"`((?:mixlab|app|tests)/[\w/.]*)`", PAGE)
    assert len(paths) > 10
    assert [path for path in paths if not (REPO / path).exists() and path != "mixlab/weights"] == []


def test_named_variables_and_codes_are_real() -> None:
    text = "\n".join(CODE.values())
    for variable in set(re.findall(r"\bMIXLAB_[A-Z]+\b", PAGE)):
        assert f'"{variable}"' in text, variable
    codes = {"path-outside-root", "plugin-refused"}
    assert all(f"`{code}`" in PAGE and code in documented() for code in codes)


def test_processes_are_started_where_it_says() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| executes"))
    unnamed = {name for name in importing("subprocess") if name not in row}
    assert not unnamed, "say in SECURITY.md what these start"
    assert "os.exec" in CODE["mixlab/cli/commands/app.py"]
    others = {name for name, text in CODE.items() if re.search(r"os\.(system|exec|spawn|popen)", text)}
    assert others == {"mixlab/cli/commands/app.py", "mixlab/studies/tied.py"}


def test_weights_and_urls_alone_are_fetched() -> None:
    fetching = importing("urllib.request", "http.client", "requests", "httpx", "aiohttp", "fsspec")
    named = {"mixlab/models/pretrained.py", "mixlab/utils/remote.py"}
    assert fetching == named, "say in SECURITY.md what else reaches for the network"
    assert not [name for name, text in CODE.items() if re.search(r"socket\.(socket|create_|bind)", text)]
    assert all(re.fullmatch(r"[0-9a-f]{64}", one.sha256) for one in CHECKPOINTS.values() if one.sha256)


def test_nothing_unpickles() -> None:
    assert importing("pickle", "dill", "joblib", "shelve", "marshal") == set()
    for name, text in CODE.items():
        for call in re.findall(r"torch\.load\([^)]*\)", text):
            assert "weights_only=True" in call, f"{name}: {call}"
        for call in re.findall(r"np\.load\([^)]*\)", text):
            assert "allow_pickle=True" not in call, f"{name}: {call}"
        assert not re.search(r"yaml\.(unsafe_load|full_load|load\([^,)]*\))", text), name


def test_the_explorer_listens_on_this_machine_alone() -> None:
    options = server_command(8501, browser=False)
    assert "--server.address=localhost" in options
    assert "--browser.gatherUsageStats=false" in options
    assert "--server.headless=true" in options


def test_the_numbers_are_those_of_the_code() -> None:
    assert (MAX_BYTES, MAX_S) == (128 * 2**20, 600.0)
    assert longest_frames(10, 1000) == 600 * 1000
    assert LONGEST_S == 86_400


def test_the_page_is_linked() -> None:
    for page in ("README.md", "CONTRIBUTING.md"):
        assert "SECURITY.md" in (Path(REPO) / page).read_text(encoding="utf-8")
