"""``mixlab cite``: references and licences of what is there, and a line for what is not known."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from mixlab.catalog.catalog import Catalog
from mixlab.catalog.citing import _of_adapter
from mixlab.cli.commands.cite import MIXLAB, _comment
from mixlab.cli.main import main
from mixlab.models.pretrained import CHECKPOINTS
from mixlab.synthesis.made_here import NOT_KNOWN, MadeHere, made_here
from mixlab.training.run import Run
from mixlab.utils.bibtex import read_bibtex
from tests.conftest import REPO
from tests.toy import make_musdb, make_own_catalog, steady

OWN = {"known_as": None, "path": "own.pth", "started_from": None}


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, list[str]]:
    """Return what the command prints, and the lines of what is not known."""
    assert main(["cite", *arguments]) == 0
    text = capsys.readouterr().out
    missing = text.partition("\nnot known\n")[2].splitlines()
    return text, [line.strip() for line in missing]


@pytest.fixture(scope="module")
def musdb(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return make_musdb(tmp_path_factory.mktemp("musdb"))


def test_the_file_of_the_repository_agrees_with_the_command() -> None:
    file = yaml.safe_load((REPO / "CITATION.cff").read_text(encoding="utf-8"))
    (entry,) = read_bibtex(MIXLAB)
    assert file["version"] == entry.fields["version"]
    assert file["title"] == entry.fields["title"]
    assert file["license"] == entry.fields["license"]
    assert [author["name"] for author in file["authors"]] == ["The mixlab contributors"]
    # What version 1.2 of the format wants; cffconvert, which is old, says the same of the file.
    assert {"cff-version", "message", "title", "authors"} <= file.keys()
    assert file["cff-version"] == "1.2.0"
    titles = {re.sub(r"[{}]", "", paper["title"]) for paper in file["references"]}
    assert len(titles) == 5
    assert all({"type", "title", "authors"} <= paper.keys() for paper in file["references"])


def test_without_a_catalog_mixlab_and_the_papers(capsys: pytest.CaptureFixture[str]) -> None:
    text, missing = said(capsys)
    assert "The mixlab contributors" in text
    assert "10.30420/456164009" in text
    assert [line.split()[3].rstrip(":") for line in missing] == ["zhong_finetuning", "huang_curious"]


def test_a_corpus_has_its_reference_and_the_licences_of_its_stems(
    musdb: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    text, missing = said(capsys, str(musdb.path))
    assert "musdb18hq: 4 songs, 16 stems" in text
    assert "Zafar Rafii, Antoine Liutkus, Fabian-Robert Stöter" in text
    assert "doi:10.5281/zenodo.3338373" in text
    assert "licence: educational use only; MedleyDB songs CC BY-NC-SA 4.0 (16 stems)" in text
    assert missing == []
    assert "not known: nothing" in text


def test_bibtex_is_read_back_and_all_else_is_a_comment(
    musdb: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    text, _ = said(capsys, str(musdb.path), "--format", "bibtex")
    assert [entry.key for entry in read_bibtex(text)] == ["mixlab", "rafii2019musdb18hq"]
    outside = [line for line in text.splitlines() if not re.match(r"@\w+\{|  \w+ = \{|\}$|$", line)]
    assert all(line.startswith("% ") and "@" not in line for line in outside)
    assert any("CC BY-NC-SA 4.0" in line for line in outside)


def test_the_page_shows_the_entry_of_this_version() -> None:
    page = (REPO / "docs" / "citing.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```bibtex\n(.*?)```", page, re.DOTALL)
    assert shown.strip() == MIXLAB.strip()


def test_weights_that_a_run_started_from_are_cited_with_those_before_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def card(started_from: object) -> dict[str, object]:
        return {"pretrained_file": {"known_as": "jamendo_musicnn", "path": "a", "started_from": started_from}}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "open", classmethod(lambda cls, path: SimpleNamespace(card=card(OWN))))
        text, missing = said(capsys, "--run", str(tmp_path))
    assert "Minz Won" in text
    assert "The MTG-Jamendo Dataset" in text
    assert missing == ["what to cite for the weights own.pth: no published file"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "open", classmethod(lambda cls, path: SimpleNamespace(card={})))
        text, _ = said(capsys, "--run", str(tmp_path))
    assert "it started from random weights" in text


def test_an_ensemble_is_cited_by_its_members_and_a_run_by_its_teacher(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    member, both = tmp_path / "member", tmp_path / "both"
    member.mkdir()
    (member / "run.json").write_text("{}")
    published = CHECKPOINTS["jamendo_musicnn"].sha256
    members = [
        {"name": "mixlab_tagger", "sha256": CHECKPOINTS["mixlab_tagger"].sha256},
        {"name": "/elsewhere/renamed.pth", "sha256": published},
        {"name": "/away/member", "relative": "../member", "sha256": "0"},
        {"name": "/away/own", "sha256": "1"},
    ]
    cards = {
        both: {"ensemble": {"members": members}},
        member: {"pretrained_file": None, "teacher": {"known_as": "mtat_musicnn", "path": "b"}},
        tmp_path: {"pretrained_file": None, "classifier": {"kind": "logistic"}},
    }

    def opened(cls: type[Run], path: Path) -> SimpleNamespace:
        return SimpleNamespace(path=Path(path), card=cards[Path(path)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "open", classmethod(opened))
        text, missing = said(capsys, "--run", str(both))
        of_baseline, _ = said(capsys, "--run", str(tmp_path))
    assert f"weights mixlab_tagger, of which {both} is made" in text
    assert f"weights jamendo_musicnn, of which {both} is made" in text
    assert f"run {member}\n  it started from random weights" in text
    assert f"weights mtat_musicnn, which taught {member}" in text
    assert f"run {both}" not in text
    assert missing == ["what to cite for the weights /away/own: no published file"]
    assert "a baseline without published weights" in of_baseline


def test_a_second_root_of_a_corpus_is_cited_as_the_corpus() -> None:
    assert _of_adapter("slakh@mine") == _of_adapter("slakh")
    assert _comment("folder@two: 3 songs") == "% folder(at)two: 3 songs"
    assert _of_adapter("nobodys_corpus")[2].startswith("no adapter 'nobodys_corpus'")


def test_what_is_not_known_of_own_recordings_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audio = steady(200.0, 2.0)
    stems: list[dict[str, object]] = [
        {"label": "violin", "song": "s", "audio": audio, "licence": "CC0"},
        {"label": "piano", "song": "s", "audio": audio / 2, "licence": ""},
    ]
    catalog = make_own_catalog(tmp_path, stems)
    text, missing = said(capsys, str(catalog.path))
    assert "licence: CC0 (1 stems)" in text
    assert missing == [
        "what to cite for folder: a folder of one's own: cite where its recordings are from",
        "the licence of 1 of 2 stems of folder",
    ]


def test_songs_that_mixlab_made_in_the_layout_of_a_corpus_are_not_that_corpus(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog = make_musdb(tmp_path)
    root = Path(str(catalog.roots["musdb18hq"]))
    fonts = {"train": {"file": "TimGM6mb.sf2"}, "test": [{"file": "other.sf2"}]}
    (root.parent / "demo.json").write_text(json.dumps({"settings": {"soundfonts": fonts}}))
    text, missing = said(capsys, str(catalog.path))
    assert "made by mixlab demo-corpora" in text
    assert "Rafii" not in text
    assert "CC BY-NC-SA" not in text
    assert "sound of TimGM6mb.sf2 (SoundFont): GPL-2.0, by Tim Brechbill" in text
    assert missing == [
        "the licence of other.sf2 (SoundFont), which played musdb18hq: see its source",
    ]


def test_a_root_that_is_gone_leaves_it_open_who_made_the_songs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog = make_musdb(tmp_path / "there")
    root = Path(str(catalog.roots["musdb18hq"]))
    root.rename(tmp_path / "moved")
    text, missing = said(capsys, str(catalog.path))
    assert missing == ["whether mixlab made musdb18hq itself: its root is not there"]
    assert "Rafii" in text
    _, missing = said(capsys, str(catalog.path), "--root", f"musdb18hq={tmp_path / 'moved'}")
    assert missing == []


def test_composed_songs_are_under_the_licences_of_their_libraries(tmp_path: Path) -> None:
    library = {"layout": "files named by pitch", "instruments": ["piano"]}
    libraries = [
        {"name": "grand", "licence": "CC BY 3.0", **library},
        {"name": "found", "licence": "", **library},
        {"name": "silent", "licence": "CC0", "layout": "sfz", "instruments": []},
    ]
    record = tmp_path / "composed.json"
    record.write_text(json.dumps({"settings": {"libraries": libraries, "soundfonts": []}}))
    assert made_here(tmp_path / "songs") == MadeHere(
        "mixlab compose",
        (("found (files named by pitch)", ""), ("grand (files named by pitch)", "CC BY 3.0")),
    )
    assert made_here(tmp_path / "other") is None
    record.write_text("[1]")
    assert made_here(tmp_path / "songs") == MadeHere(
        "mixlab compose", fault="composed.json cannot be read (TypeError)"
    )


def test_a_licence_that_a_file_does_not_say_is_not_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog = make_musdb(tmp_path / "made")
    root = Path(str(catalog.roots["musdb18hq"]))
    songs = tmp_path / "composed" / "songs"
    songs.parent.mkdir()
    root.rename(songs)
    kit = {"layout": "Hydrogen drum kit", "instruments": ["kit"]}
    libraries = [
        {"name": "One", "licence": "GPL (its drumkit.xml)", **kit},
        {"name": "Two", "licence": f"{NOT_KNOWN}, see kits/copyright", **kit},
        # As records had it before Debian's copyright files were read.
        {"name": "Three", "licence": "Format: https://www.debian.org/doc/packaging-manuals/", **kit},
    ]
    record = {"settings": {"libraries": libraries, "soundfonts": []}}
    (songs.parent / "composed.json").write_text(json.dumps(record))
    text, missing = said(capsys, str(catalog.path), "--root", f"musdb18hq={songs}")
    assert "sound of One (Hydrogen drum kit): GPL (its drumkit.xml)" in text
    assert "sound of Two (Hydrogen drum kit): licence not known, see kits/copyright" in text
    assert "Format:" not in text
    assert sorted(missing) == [
        "the licence of Three (Hydrogen drum kit), which played musdb18hq: see the file copyright beside it",
        "the licence of Two (Hydrogen drum kit), which played musdb18hq: see kits/copyright",
    ]
