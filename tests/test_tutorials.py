"""The tutorials are true: each of their notebooks runs, and shows what it promises."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.test_glossary import PHRASES

nbformat = pytest.importorskip("nbformat", reason="tutorials need the extra 'dev'")

FOLDER = REPO / "docs" / "tutorials"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
EXECUTED = REPO / "build" / "tutorials"
"""Where ``make tutorials`` writes, and ``make docs`` looks."""

SHOWS = {
    "01_stems_to_training": [
        r"70 stems of 10 songs, 70 of them usable",
        r"\(\(16, 1, 32000\), torch\.float32\)",
        r"macro average_precision 0\.\d{3}, of the chance level 0\.\d{3}",
        r"test, 48 mixes of \d songs: macro AP 0\.\d{3}",
    ],
    "02_what_is_in_a_mix": [
        r"(non_)?musical mix of \d sources: \(1, 64000\) samples",
        r"largest difference: \d\.?\d*(e-0\d)?\n",
        r"the same stems: True",
        r"the same audio: True",
        r"class +positives +negatives +unknown",
    ],
    "03_tuning_p_musical": [
        r"6 runs: 3 conditions x 2 seeds",
        r"chosen on validation, the best mix\.p_musical is",
        r"p_musical 1: macro AP 0\.\d{3}, chance level 0\.\d{3}",
        r"64 test mixes, but only 4 songs",
    ],
    "04_your_own_parts": [
        r"  Kit,drums,,    \(10 stems, such as",
        r"15 stems in 10 songs, 15 of them usable",
        r"Tremolo\(rate_hz=[45]\.\d+, depth=0\.\d+\)",
        r"guitar +AP [01]\.\d\d, chance level 0\.\d\d",
    ],
    "05_separation": [
        r"groups \(4, 4, 1, 32000\)",
        r"largest difference: \d\.?\d*(e-0\d)?\n",
        r"known: \{.*False.*\}",
        r"mixture as it is, dB +separated, dB",
    ],
    "06_activity": [r"'frame_target': \(8, 15, 60\)", r"frames with it", r"loss 0\.\d\d at first"],
    "07_transfer": [
        r"mixlab_tagger +short_chunk_ensemble",
        r"frozen +macro AP 0\.\d{3}",
        r"layer1 +False +0\.0 +0\.0",
        r"weights, head for 3 classes",
    ],
    "08_cluster_and_shards": [
        r"24 of 24 items in 3 shards",
        r"largest difference, in steps of 16 bits: 0\.[0-5]",
        r"All files of demo/shards are as they were written",
        r"the same audio: True",
        r"46 files measured on Ray, 46 stems",
        r"the same catalog: True",
    ],
    "09_your_recordings": [
        r"18 clips of 6 groups",
        r"family +clips with it +of groups",
        r"labelled: double-bass\|drums\|piano\|tenor-saxophone",
    ],
}
"""What each must have printed, as patterns."""
PICTURES = {"02_what_is_in_a_mix": 3, "03_tuning_p_musical": 1, "06_activity": 2}
"""Pictures that each must show at the least."""
SOUNDS = {"02_what_is_in_a_mix": 5, "04_your_own_parts": 1, "05_separation": 7, "06_activity": 2}
"""Sounds that each must play at the least."""


def cells(notebook: Path, kind: str) -> list[str]:
    return [cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == kind]


def headings(text: str) -> set[str]:
    """Anchors of a page's headings, as GitHub and the site make them."""
    found = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found}


def plain_code(cell: str) -> str:
    """The Python of a cell: without lines that only notebooks understand."""
    if re.match(r"%%(bash|writefile .*\.(csv|yaml))\b", cell):
        return ""
    return "\n".join(line for line in cell.splitlines() if not line.startswith(("!", "%%")))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_well_formed_and_holds_no_outputs(notebook: Path) -> None:
    content = nbformat.read(notebook, as_version=4)
    nbformat.validate(content)
    first, last = content.cells[0], content.cells[-1]
    assert re.match(r"# \S", first.source), "it begins with its title"
    assert "pip install 'mixlab[" in first.source, "it says what it needs"
    assert "**Where to go on**" in last.source
    for cell in content.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            ast.parse(plain_code(cell.source))
            assert len(cell.source.splitlines()) <= 45, "cells are short"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_uses_the_words_of_the_glossary(notebook: Path) -> None:
    for text in cells(notebook, "markdown"):
        for phrase in PHRASES:
            assert not re.search(phrase, text, flags=re.IGNORECASE), f"{phrase} in: {text}"


def linked(notebook: Path) -> Iterator[tuple[Path, str]]:
    for text in cells(notebook, "markdown"):
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
            path, _, anchor = target.partition("#")
            yield (notebook.parent / path).resolve(), anchor


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_of_a_notebook_lead_somewhere(notebook: Path) -> None:
    for path, anchor in linked(notebook):
        assert path.is_file(), path
        assert not anchor or anchor in headings(path.read_text(encoding="utf-8")), (path, anchor)


def test_every_notebook_says_what_it_must_show() -> None:
    assert set(SHOWS) == {path.stem for path in NOTEBOOKS}
    assert set(PICTURES) | set(SOUNDS) <= set(SHOWS)


def shown(notebook: Path) -> tuple[str, int, int]:
    """What an executed notebook printed, and how many pictures and sounds it shows."""
    printed, pictures, sounds = [], 0, 0
    for cell in nbformat.read(notebook, as_version=4).cells:
        for output in cell.get("outputs", ()):
            printed.append(output.get("text", "") or output.get("data", {}).get("text/plain", "") + "\n")
            pictures += any(kind.startswith("image/") for kind in output.get("data", {}))
            sounds += "<audio" in output.get("data", {}).get("text/html", "")
    return "".join(printed), pictures, sounds


@pytest.mark.slow
def test_the_tutorials_run_and_show_what_they_promise() -> None:
    # In one test: each notebook after the first finds the demo corpora that the first has made. What was
    # executed of these very notebooks and this very mixlab need not be executed again.
    pytest.importorskip("ipykernel", reason="tutorials need the extra 'dev'")
    from docs.tutorials.run import run

    failed = run(out=EXECUTED)
    assert not failed, "\n\n".join(f"{name}: {why}" for name, why in failed.items())
    for name, patterns in SHOWS.items():
        printed, pictures, sounds = shown(EXECUTED / f"{name}.ipynb")
        for pattern in patterns:
            assert re.search(pattern, printed), f"{name} shows no {pattern}:\n{printed}"
        assert pictures >= PICTURES.get(name, 0), f"{name} shows {pictures} pictures"
        assert sounds >= SOUNDS.get(name, 0), f"{name} plays {sounds} sounds"


def test_a_tutorial_that_fails_is_told_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from docs.tutorials import run as runner

    executed: list[str] = []

    def execute(notebook: Path, out: Path) -> str:
        executed.append(notebook.stem)
        return "ValueError: nothing there" if notebook.stem.startswith("01") else ""

    monkeypatch.setattr(runner, "execute", execute)
    assert runner.main(["01", "02", "--out", str(tmp_path)]) == 1
    assert executed == ["01_stems_to_training", "02_what_is_in_a_mix"]
    said = capsys.readouterr().out
    assert re.search(r"01_stems_to_training: FAILED.*\n02_what_is_in_a_mix: ok", said)
    assert said.rstrip().endswith("Failed: 01_stems_to_training. The same command keeps what went well.")
    assert runner.main(["02", "--out", str(tmp_path)]) == 0


def test_a_tutorial_is_executed_again_when_it_or_mixlab_has_changed(tmp_path: Path) -> None:
    from docs.tutorials.run import is_done, notebooks, sources_digest

    first, second = notebooks(["01"])[0], notebooks(["02"])[0]
    assert sources_digest(first) != sources_digest(second)
    assert not is_done(first, tmp_path)
    content = nbformat.read(first, as_version=4)
    content.metadata["mixlab"] = {"made_of": sources_digest(first)}
    nbformat.write(content, tmp_path / first.name)
    assert is_done(first, tmp_path)
    content.metadata["mixlab"] = {"made_of": sources_digest(second)}
    nbformat.write(content, tmp_path / first.name)
    assert not is_done(first, tmp_path)


def test_a_name_that_no_tutorial_has_is_refused() -> None:
    from docs.tutorials.run import notebooks

    with pytest.raises(SystemExit, match="No tutorial begins with 99; there are 01_stems_to_training"):
        notebooks(["01", "99"])


def notebook(cells: list[dict[str, object]]) -> str:
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def code(source: str, *outputs: dict[str, object]) -> dict[str, object]:
    return {"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": list(outputs)}


def test_a_page_of_the_site_shows_cells_and_what_they_gave(tmp_path: Path) -> None:
    from docs.site.notebooks import notebook_page

    title: dict[str, object] = {"cell_type": "markdown", "source": ["# A title"]}
    cells = ("print('there')\n1 + 1", "%%bash\nls -l", "%%writefile demo/a.yaml\nname: a", "!mixlab weights")
    plain, executed = tmp_path / "one.ipynb", tmp_path / "build" / "tutorials"
    executed.mkdir(parents=True)
    plain.write_text(notebook([title, *map(code, cells)]))
    without = notebook_page(plain, executed)
    assert without.startswith("# A title\n\n*This page is a notebook:* {download}`one.ipynb`. It is shown")
    assert "{code-block} sh\nls -l\n" in without
    assert "`demo/a.yaml`:\n\n````````{code-block} yaml\nname: a\n" in without
    assert "{code-block} sh\nmixlab weights\n" in without

    table = '<div>\n<style scoped>th {}</style><tr style="text-align: right;"><td>7</td></tr></div>'
    outputs: list[dict[str, object]] = [
        {"output_type": "stream", "name": "stdout", "text": ["\x1b[31mth"]},
        {
            "output_type": "stream",
            "name": "stdout",
            "text": [f"ere\x1b[0m in {executed}/work/demo, {tmp_path}/mixlab/cli/main.py:7\n"],
        },
        {"output_type": "stream", "name": "stderr", "text": f"{tmp_path}/a.py:7: UserWarning: odd\n  f(x)\n"},
        {"output_type": "execute_result", "data": {"text/plain": ["table"], "text/html": [table]}},
        {"output_type": "display_data", "data": {"image/svg+xml": ["<svg/>"], "text/plain": "chart"}},
        {"output_type": "display_data", "data": {"image/png": "iVBO\n", "text/html": "picture"}},
    ]
    first = code(cells[0], *outputs)
    (executed / "one.ipynb").write_text(notebook([title, first, *map(code, cells[1:])]))
    page = notebook_page(plain, executed)
    assert "It is shown" not in page
    assert "{code-block} text\n:class: output\n\nthere in demo, mixlab/cli/main.py:7\n" in page
    assert "{code-block} text\n:class: output said\n\nUserWarning: odd\n```" in page
    assert '<div class="output"><div>\n<tr><td>7</td></tr></div></div>' in page
    assert 'src="data:image/svg+xml;base64,PHN2Zy8+"' in page
    assert 'src="data:image/png;base64,iVBO"' in page
    assert ">picture<" not in page
    assert "chart" not in page

    (executed / "one.ipynb").write_text(notebook([title, code("other", *outputs)]))
    assert notebook_page(plain, executed) == without
