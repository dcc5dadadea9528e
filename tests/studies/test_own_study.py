"""Studies outside mixlab, as docs/studies.md writes them: a file, and a class with findings of its own."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.errors import ConfigError
from mixlab.studies import Study, StudyFolder, build_study, find_study, run_study, studies
from mixlab.studies.reports import write_study_report
from tests.errors import raises
from tests.pages import write_page_files
from tests.studies.test_reports import Pretender, request

SOURCES = "sources:Sources"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in the folder that holds the files of the page."""
    monkeypatch.chdir(write_page_files("studies.md", tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("sources", None)


# Those on clips alone need trees: tests/studies/test_tiny_configs.py plans and runs each.
ON_MIXES = [name for name, study in studies().items() if study.data[0] == "mixes"]


@pytest.mark.parametrize("name", [*ON_MIXES, SOURCES, "widths.yaml"])
def test_every_study_has_conditions_and_a_line_for_people(name: str) -> None:
    study = find_study(name)
    assert isinstance(study, Study)
    assert study.name
    assert study.title
    plan = build_study(name, request(pretrained="w.pth"))
    assert plan.title.startswith(study.title)
    assert len({condition.name for condition in plan.conditions}) == len(plan.conditions) >= 1
    assert plan.trials()
    assert set(study.options) <= set(vars(request()))
    assert find_study(plan.kind).name == study.name  # as its folder finds it again


@pytest.mark.parametrize(
    ("name", "worse", "better", "said"),
    [
        ("widths.yaml", "narrow", "wide", "'width 8' minus 'width 4', macro AP: +"),
        (SOURCES, "most2", "most4", "best on validation: at most 4 sources"),
    ],
)
def test_its_report_says_what_it_found(
    name: str, worse: str, better: str, said: str, toy: Catalog, tmp_path: Path
) -> None:
    folder = StudyFolder(tmp_path / "out")
    run_study(folder, build_study(name, request()), toy, launcher=Pretender({worse: 1.5, better: 0.5}))
    for file in ("widths.yaml", "sources.py") if name == "widths.yaml" else ():
        (tmp_path / file).unlink()  # its folder holds all that a report needs
    report, _ = write_study_report(folder, n_resamples=20)
    assert any(line.startswith(said) for line in report.findings)
    assert said in (folder.path / "report.md").read_text()
    assert (folder.path / "table.csv").is_file()


def test_the_command_takes_both(toy: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    for name, shown in (("widths.yaml", "narrow"), (SOURCES, "most4")):
        assert main(["study", name, "--catalog", str(toy.path), "--seeds", "0", "--dry-run"]) == 0
        assert shown in capsys.readouterr().out
    assert main(["study", "widhts", "--catalog", str(toy.path)]) == 2
    assert "There is no study 'widhts'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "code", "mentions"),
    [
        ("title: x", "invalid-study", "title"),
        ("{title: x, conditions: []}", "invalid-study", ()),
        ("{title: x, conditions: [{name: a}]}", "invalid-study", "1"),
        (json.dumps({"title": "x", "conditions": [{"name": "a", "label": "b", "override": {}}]}),
         "unknown-field", ("override", "overrides")),
        ("{title: x, conditions: [{name: a, label: b, overrides: 3}]}", "invalid-study", "overrides"),
        ("{", "invalid-syntax", "YAML"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_study_is_refused(text: str, code: str, mentions: object, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with raises(ConfigError, code=code, mentions=mentions):
        find_study("bad.yaml")


def test_conditions_of_one_label_are_refused(toy: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    """They would be drawn over each other."""
    listed = [{"name": name, "label": "the same"} for name in ("a", "b")]
    Path("alike.yaml").write_text(json.dumps({"title": "x", "conditions": listed}))
    assert main(["study", "alike.yaml", "--catalog", str(toy.path), "--seeds", "0", "--dry-run"]) == 2
    assert "[invalid-study]" in (said := capsys.readouterr().err)
    assert "the same" in said


def test_what_is_no_study_is_refused() -> None:
    with raises(ConfigError, code="unfit-plugin", mentions="study"):
        find_study("json:loads")
    with raises(ConfigError, code="plugin-failed", mentions=("study", "numbers:Rational", "TypeError")):
        find_study("numbers:Rational")  # a class that nobody can make an object of


WRITTEN = """
from mixlab.studies import Condition, Study


class Own(Study):
    name = "own"
    title = "Does it matter?"

    def conditions(self, request):
        return {returned}
"""


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Write a study of one's own whose conditions are what an expression says; return its name."""

    def write(returned: str, without: str = "") -> str:
        lines = WRITTEN.format(returned=returned).splitlines()
        kept = [line for line in lines if not without or without not in line]
        (tmp_path / "written.py").write_text("\n".join(kept))
        sys.modules.pop("written", None)
        importlib.invalidate_caches()
        return "written:Own"

    yield write
    sys.modules.pop("written", None)


ONE = "Condition('a', 'A', {'mix.p_musical': 0.4})"


@pytest.mark.parametrize("lacking", ["name", "title"])
def test_a_study_that_lacks_a_text_is_refused(lacking: str, written: Callable[..., str]) -> None:
    name = written(f"[{ONE}]", without=f"    {lacking} = ")
    with raises(ConfigError, code="unfit-plugin", mentions=("written:Own", f"lacks {lacking}")):
        find_study(name)


def test_a_study_without_conditions_is_refused(tmp_path: Path, written: Callable[..., str]) -> None:
    name = written("[]")
    text = (tmp_path / "written.py").read_text()
    (tmp_path / "written.py").write_text(text.replace("def conditions", "def condition"))
    with raises(ConfigError, code="unfit-plugin", mentions=("written:Own", "lacks conditions")):
        find_study(name)


@pytest.mark.parametrize(
    ("returned", "found"),
    [
        ("None", "None"),
        ("'narrow'", "'n'"),
        ("{'a': {}}", "'a'"),
        ("[{'name': 'a', 'label': 'A'}]", "'label': 'A'"),
        ("[Condition(1, 'A')]", "name=1"),
        ("[Condition('a', 'A', [1])]", "overrides=[1]"),
    ],
)
def test_conditions_that_are_none_are_refused(returned: str, found: str, written: Callable[..., str]) -> None:
    with raises(ConfigError, code="unfit-plugin", mentions=("own", "Condition", found)):
        build_study(written(returned), request())


def test_conditions_that_differ_in_their_names_only_are_refused(written: Callable[..., str]) -> None:
    name = written(f"[{ONE}, Condition('b', 'B', {{'mix.p_musical': 0.4}})]")
    with raises(ConfigError, code="invalid-study", mentions=("written:Own", "'a'", "'b'", "mix.p_musical")):
        build_study(name, request())
    apart = written(f"[{ONE}, Condition('b', 'B', {{'mix.p_musical': 0.4}}, splits='random')]")
    assert len(build_study(apart, request()).trials()) == 6


def test_conditions_that_fail_say_whose_they_are(written: Callable[..., str]) -> None:
    with raises(ConfigError, code="plugin-failed", mentions=("written:Own", "ZeroDivisionError")):
        build_study(written("[Condition('a', 1 / 0)]"), request())
