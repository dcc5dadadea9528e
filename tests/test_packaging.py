"""What travels with a release: version, commands, pins, data folders, and nothing of one machine."""

import ast
import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import mixlab
from tests.conftest import find_shared

tomllib = pytest.importorskip("tomllib", reason="reading pyproject.toml needs Python 3.11")

REPO = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
PINS = (REPO / "constraints.txt").read_text(encoding="utf-8").split("\n")


def read(name: str) -> str:
    return (REPO / name).read_text(encoding="utf-8")


def committed_files() -> list[Path]:
    """List the files that are, or would be, under version control."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        run = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"not a git checkout: {error}")
    return [REPO / name for name in run.stdout.split("\0") if name and (REPO / name).is_file()]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", read("Makefile"), flags=re.MULTILINE))


def test_version_is_the_changelogs_newest() -> None:
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", read("CHANGELOG.md"), flags=re.MULTILINE)
    assert newest is not None
    assert mixlab.__version__ == newest.group(1)


@pytest.mark.parametrize("section", re.findall(r"^## (.+)", read("CHANGELOG.md"), flags=re.MULTILINE))
def test_every_version_of_the_changelog_has_its_day(section: str) -> None:
    assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", section)


@pytest.mark.parametrize(
    ("document", "line"),
    [("CITATION.cff", "version: {version}"), ("docs/citing.md", "  version = {{{version}}},")],
)
def test_what_is_cited_is_this_version(document: str, line: str) -> None:
    assert line.format(version=mixlab.__version__) in read(document).split("\n")


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_make_targets_that_documents_name_exist(document: str) -> None:
    named = set(re.findall(r"(?:`|^\s*|&& )make ([a-z][a-z-]*)", read(document), flags=re.MULTILINE))
    assert named
    assert named <= make_targets()


def test_make_help_lists_every_target() -> None:
    listed = set(re.findall(r"^([a-z][a-z-]*):.*## ", read("Makefile"), flags=re.MULTILINE))
    assert make_targets() == listed


@pytest.mark.parametrize("name", ["run", "apt-install", "lowest", "other-pythons"])
def test_the_scripts_of_the_check_can_be_run(name: str) -> None:
    assert os.access(REPO / ".ci" / name, os.X_OK)


def test_constraints_are_plain_pins() -> None:
    assert [pin for pin in PINS if pin and not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.!]+", pin)] == []


def test_every_dependency_is_pinned_within_its_range() -> None:
    pinned = {canonicalize_name(name): version for name, _, version in (pin.partition("==") for pin in PINS)}
    extras = PROJECT["project"]["optional-dependencies"].values()
    wanted = [Requirement(text) for text in sum(extras, PROJECT["project"]["dependencies"])]
    for requirement in wanted:
        name = canonicalize_name(requirement.name)
        if name != "mixlab":
            assert name in pinned
            assert requirement.specifier.contains(pinned[name]), f"{requirement}, pinned to {pinned[name]}"


def _lowest(specifiers: SpecifierSet) -> Version:
    (lowest,) = [Version(one.version) for one in specifiers if one.operator in (">=", "==")]
    return lowest


@pytest.mark.parametrize("name", ["core", "all"])
def test_the_oldest_releases_that_are_tried_are_those_allowed(name: str) -> None:
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", read(f".ci/lowest-{name}.txt"), flags=re.MULTILINE))
    optional = PROJECT["project"]["optional-dependencies"]
    extras = ["demo"]
    if name == "all":
        (everything,) = map(Requirement, optional["all"])
        extras = sorted(everything.extras)
    texts = [*PROJECT["project"]["dependencies"], *(text for extra in extras for text in optional[extra])]
    floors: dict[str, Version] = {}
    for requirement in map(Requirement, texts):
        if requirement.marker is None or requirement.marker.evaluate({"python_version": "3.10"}):
            package, lowest = canonicalize_name(requirement.name), _lowest(requirement.specifier)
            floors[package] = max(lowest, floors.get(package, lowest))
    tried = {package: Version(pins[package]) for package in floors}
    raised = {"tqdm": Version("4.66.3")} if name == "all" else {}  # by datasets
    assert tried == {**floors, **raised}


def test_every_package_that_mixlab_imports_is_declared() -> None:
    distributions = {"yaml": "pyyaml", "sklearn": "scikit-learn", "vl_convert": "vl-convert-python"}
    declared = PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"].values()
    names = {canonicalize_name(Requirement(text).name) for texts in declared for text in texts}
    for path in [*(REPO / "mixlab").rglob("*.py"), *(REPO / "app").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported = [alias.name for alias in node.names]
            else:
                imported = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            roots = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {"app"}
            unknown = {
                root for root in roots if canonicalize_name(distributions.get(root, root)) not in names
            }
            assert not unknown, (
                f"{path.relative_to(REPO)} imports {unknown}, which pyproject.toml does not name"
            )


# Declared without an import: programs, plugins, and what others load by name.
NOT_IMPORTED = {
    "build", "mypy", "pandas-stubs", "pytest-cov", "pytest-rerunfailures", "pytest-timeout",
    "pytest-xdist",
    "ruff",  # tools
    "types-pyyaml", "types-tqdm",  # types
    "tensorboard",  # behind torch.utils.tensorboard
    "fast-mp3-augment", "pyroomacoustics",  # behind audiomentations
    "furo", "myst-parser", "sphinx-copybutton",  # named in docs/site/conf.py
    "mixlab",
}  # fmt: skip


def test_every_package_that_is_declared_is_imported() -> None:
    folders = ("app", "benchmarks", "docs", "examples", "mixlab", "tests")
    sources = [path for name in folders for path in (REPO / name).rglob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    roots = set(
        re.findall(r"""^ *(?:import|from) (\w+)|(?:import_module|importorskip)\("(\w+)""", text, re.M)
    )
    imported = {canonicalize_name(name) for pair in roots for name in pair}
    imported |= {"pyyaml"} if "yaml" in imported else set()
    imported |= {"scikit-learn"} if "sklearn" in imported else set()
    imported |= {"vl-convert-python"} if "vl-convert" in imported else set()
    declared = PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"].values()
    names = {canonicalize_name(Requirement(text).name) for texts in declared for text in texts}
    assert sorted(names - imported - NOT_IMPORTED) == []


def test_no_list_names_a_package_twice() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    for wanted in (PROJECT["project"]["dependencies"], *extras.values()):
        names = [canonicalize_name(Requirement(text).name) for text in wanted]
        assert len(names) == len(set(names))


def test_what_the_source_archive_lists_exists() -> None:
    listed = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert [path for path in listed if not (REPO / path.lstrip("/")).exists()] == []


def test_ci_looks_for_commands_where_help_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    from mixlab.cli.main import main

    found = re.search(r"^for command in (.+); do\n  grep -qE \"([^\"]+)\"", read(".ci/run"), re.MULTILINE)
    assert found is not None
    with contextlib.suppress(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for command in found[1].split():
        pattern = found[2].replace("$command", command)
        lines = [line for line in text.split("\n") if re.search(pattern, line)]
        assert len(lines) == 1, (command, lines)


def test_missing_metadata_skips_a_test_and_fails_it_where_required(tmp_path: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match="real corpus metadata not found"):
        find_shared(tmp_path, required=False)
    with pytest.raises(pytest.fail.Exception, match="MIXLAB_REQUIRE_SHARED forbids"):
        find_shared(tmp_path, required=True)
    (tmp_path / "datasets").mkdir()
    assert find_shared(tmp_path, required=True) == tmp_path


def test_all_holds_every_extra_but_those_for_developers() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    (everything,) = (Requirement(text) for text in extras["all"])
    assert everything.extras == set(extras) - {"all", "bench", "dev", "docs", "examples"}


def test_data_folders_travel_in_the_wheel() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    for folder, destination in wheel["sources"].items():
        assert folder in wheel["only-include"]
        assert destination == f"mixlab/_data/{folder}"
        assert any((REPO / folder).rglob("*.*")), f"{folder} is empty"


def test_no_file_names_a_machine_or_a_package_host() -> None:
    patterns = [
        r"https?://[^/\s]+/simple\b",
        r"--(?:extra-)?index-url",
        r"--find-links",
        r"/(?:home|Users)/\w+/",
    ]
    if len(REPO.parts) > 2:  # a checkout at /app would find itself in every text
        patterns += [re.escape(str(REPO)) + r"\b", re.escape(str(REPO.parent / "shared"))]
    forbidden = re.compile("|".join(patterns))
    found = []
    for path in committed_files():
        if path == Path(__file__) or path.stat().st_size > 1_000_000:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n"), 1):
            if forbidden.search(line):
                found.append(f"{path.relative_to(REPO)}:{number}: {line.strip()[:100]}")
    assert found == []
