"""Where a result cannot be written, a command says so before the work, in one line."""

from pathlib import Path

import pytest

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from tests.tiny_run import write_run
from tests.unprivileged import unprivileged

# A folder below a file can be made by nobody, the superuser included. {file} is that file; the other names
# are of things that are missing, so that a command which looked for them first would complain of them.
COMMANDS = {
    "index": ["index", "{file}/catalog", "--root", "folder=nothing-there"],
    "pack": ["pack", "{catalog}", "--out", "{file}/pack"],
    "subset": ["subset", "{catalog}", "{file}/some", "--min_duration_s", "1"],
    "mix": ["mix", "{catalog}", "--out", "{file}/mixes"],
    "catalog": ["catalog", "{catalog}", "--csv", "{file}/table.csv"],
    "train": ["train", "--catalog", "{catalog}", "--out", "{file}/run"],
    "baseline": ["baseline", "--catalog", "{catalog}", "--out", "{file}/run"],
    "compare": ["compare", "no-run", "no-run", "--out", "{file}/comparison"],
    "tag": ["tag", "no-file.wav", "--run", "no-run", "--out", "{file}/tags"],
    "demo-corpora": ["demo-corpora", "{file}/corpora", "--songs", "6", "--seconds", "8"],
    "sweep": ["sweep", "--catalog", "{catalog}", "--out", "{file}/sweep", "--vary", "mix.p_musical=0,1"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_target_that_cannot_be_made_is_refused(
    name: str, toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    before = sorted(toy.path.rglob("*"))
    assert main([part.format(file=file, catalog=toy.path) for part in COMMANDS[name]]) == 2
    err = capsys.readouterr().err
    assert "mixlab: error [output-not-writable]: Could not write" in err
    assert f"{file}/" in err
    assert "A part of that path is a file: choose another folder." in err
    assert "Traceback" not in err
    assert sorted(toy.path.rglob("*")) == before
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# The catalog of this run and the corpus of the benchmark are nowhere: scoring would say so.
@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "{run}"],
        ["evaluate-on", "irmas", "--run", "{run}", "--root", "nowhere"],
        ["train", "--catalog", "nowhere", "--out", "{run}", "--resume", "true"],
    ],
)
def test_a_run_that_may_not_be_written_is_refused_before_it_is_scored(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with unprivileged() as folder:
        run = write_run(folder / "run")
        run.update(command="train")
        run.path.chmod(0o555)
        assert main([part.format(run=run.path) for part in arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith("mixlab: error [output-not-writable]: ")
    assert f"{folder / 'run'}: Permission denied" in err
