"""The site holds every page, every public name and every command, and its check finds what is broken."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from docs.site import terms
from docs.site.check import check_site
from docs.site.check import main as check
from docs.site.gallery import SHOWN
from docs.site.links import COPIES, navigation, rewrite
from docs.site.pages import api_pages, command_page, copied_pages
from docs.site.public import entries, imports_of_pages, public_modules, written_pages
from mixlab.cli.main import COMMANDS
from tests.conftest import REPO

HOME = (REPO / "docs" / "index.md").read_text(encoding="utf-8")
API = api_pages()


@pytest.mark.parametrize("module", public_modules())
def test_every_public_name_has_its_entry_on_a_page(module: str) -> None:
    held = import_module(module)
    listed = {entry.name: entry for entry in entries() if entry.module == module}
    assert set(listed) == set(held.__all__)
    for name, entry in listed.items():
        first, _, _ = entry.at.rpartition(".")
        own = rf"(autoclass|autofunction):: {re.escape(entry.at)}|py:data:: {entry.name}\n   :module: {first}"
        directive = rf"^\.\. ({own})$"
        assert len(re.findall(directive, API[f"api/{first}.rst"], re.MULTILINE)) == 1
        assert getattr(import_module(first), name) is getattr(held, name)


def test_every_public_name_says_what_it_is() -> None:
    assert [entry.full_name for entry in entries() if not entry.doc.strip()] == []


def test_what_pages_and_examples_import_is_public() -> None:
    public = {(entry.module, entry.name) for entry in entries()}
    imported = {(module, name) for module, names in imports_of_pages().items() for name in names}
    assert len(imported) > 40
    assert imported <= public


def test_every_package_with_public_names_is_a_page() -> None:
    packages = {
        path.parent for path in (REPO / "mixlab").rglob("__init__.py") if "__all__" in path.read_text()
    }
    names = {".".join(path.relative_to(REPO).parts) for path in packages}
    assert len(names) > 15
    assert {f"api/{name}.rst" for name in names} <= set(API)


def test_the_home_page_leads_to_every_page_once() -> None:
    ours = navigation(rewrite(HOME, "docs/index.md"))
    listed = re.findall(
        r" <([\w/.-]+)>$", "\n".join(re.findall(r"```{toctree}(.*?)```", ours, re.DOTALL)), re.M
    )
    docs = REPO / "docs"
    pages = {path.relative_to(docs).with_suffix("").as_posix() for path in written_pages()} - {"index"}
    copies = {page.removesuffix(".md") for page in COPIES.values()}
    assert sorted(listed) == sorted(pages | copies | {"api/index", "commands/index"})


def test_a_page_of_a_command_says_what_its_help_says(capsys: pytest.CaptureFixture[str]) -> None:
    from mixlab.cli.main import main

    with pytest.raises(SystemExit, match="0"):
        main(["index", "--help"])
    options = set(re.findall(r"^  (--[\w.]+)", capsys.readouterr().out, re.MULTILINE))
    page = command_page("index", COMMANDS["index"].summary)
    assert {"--root", "--split", "--config"} <= options
    assert options == set(re.findall(r"^\.\. option:: (--[\w.]+)", page, re.MULTILINE))
    assert (
        ".. option:: out\n\n   Folder of the catalog; made if missing.\n\n   Needed; type ``Path``." in page
    )
    assert "Default ``artist``" in page or "default ``artist``" in page


@pytest.mark.parametrize(
    ("text", "page", "written_to", "expected"),
    [
        ("[a](stream.md#x)", "docs/app.md", "", "[a](stream.md#x)"),
        ("[a](../CONTRIBUTING.md)", "docs/app.md", "", "[a](project/contributing.md)"),
        ("[a](../README.md)", "docs/app.md", "", "[a](index.md)"),
        ("[a](docs/app.md)", "CHANGELOG.md", "project/changelog.md", "[a](../app.md)"),
        ("[a](../../docs/speed.md#b)", "benchmarks/results/latest.md", "project/x.md", "[a](../speed.md#b)"),
        ("[a](../examples/separation.py)", "docs/app.md", "", "[a](../examples/separation.py)"),
        ("[a](https://x.org/README.md) [b](#c)", "docs/app.md", "", "[a](https://x.org/README.md) [b](#c)"),
        ("```\n[a](../README.md)\n```", "docs/app.md", "", "```\n[a](../README.md)\n```"),
    ],
)
def test_links_lead_to_the_pages_of_the_site(text: str, page: str, written_to: str, expected: str) -> None:
    assert rewrite(text, page, written_to) == expected


def test_pages_from_elsewhere_link_to_files_that_exist() -> None:
    for page, text in copied_pages().items():
        for target in re.findall(r"\]\((?![a-z]+:|#)([^)#\s]+)", text):
            file = (REPO / "docs" / page).parent / target
            generated = {"index.rst", *(Path(copy).name for copy in COPIES.values())}
            assert file.resolve().exists() or file.name in generated


def test_terms_are_found_once_as_whole_words() -> None:
    text = "Catalogs hold stems; a stem of a catalog. A nonmusical mix, a musical mix."
    found = terms.find(text, {"catalog": "", "stem": "", "musical mix": "", "mix": ""})
    assert [text[start:end] for start, end, _ in found] == ["Catalogs", "stems", "mix", "musical mix"]


def test_the_glossary_has_an_anchor_for_every_linked_term() -> None:
    known = terms.glossary()
    assert {"catalog", "label set", "recipe", "musical mix"} <= set(known)
    assert known["recipe"].startswith("Recipe: the plain data that determines a mix")
    assert len({terms.anchor(term) for term in known}) == len(known)


def test_the_check_finds_what_is_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "good.html").write_text('<h1 id="top">x</h1><a href="#top">a</a><a href="https://x.org/y">b</a>')
    assert check_site(site) == ([], ["https://x.org/y"])
    assert check([str(site)]) == 0
    assert (tmp_path / "site-external-links.txt").read_text() == "https://x.org/y\n"
    (site / "bad.html").write_text(
        '<a href="gone.html">a</a><a href="good.html#gone">b</a><a href="good.html#top">c</a>'
        '<script src="https://x.org/a.js"></script><link rel="stylesheet" href="style.css">'
    )
    wrong, _ = check_site(site)
    assert wrong == [
        "bad.html: gone.html: leads nowhere",
        "bad.html: good.html#gone: that page has no such anchor",
        "bad.html: style.css: leads nowhere",
        "bad.html: fetches https://x.org/a.js from elsewhere",
    ]
    assert check([str(site)]) == 1
    capsys.readouterr()


def test_the_gallery_shows_every_mix_that_is_made_for_it() -> None:
    text = (REPO / "docs" / "gallery.md").read_text(encoding="utf-8")
    names = re.findall(r'<a href="gallery/([\w-]+).html"><img src="gallery/\1.png"', text)
    assert names == [name for shown in SHOWN for name in shown.names()]


def test_an_empty_site_is_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check([str(tmp_path)]) == 1
    assert "There is no site" in capsys.readouterr().err
