"""BibTeX: what is written is read again, and a line of text holds no markup."""

import pytest

from mixlab.corpora import CORPORA
from mixlab.models.checkpoint_references import checkpoint_references
from mixlab.models.pretrained import CHECKPOINTS
from mixlab.models.shipped_model import SHIPPED
from mixlab.studies.papers import PAPERS
from mixlab.utils.bibtex import is_bibtex, read_bibtex

REFERENCES = {
    "papers": PAPERS,
    **{name: adapter.citation for name, adapter in CORPORA.items() if name != "folder"},
    **{name: checkpoint_references(entry) for name, entry in CHECKPOINTS.items() if name != SHIPPED},
}


def test_values_in_braces_quotes_and_bare_are_read() -> None:
    (entry,) = read_bibtex(
        """@Article { key1 , Author = "M{\\"u}ller, Jo and Roe, R.",
        title={A {Nested {deep}} title
           over lines}, year=2020, journal = {J. \\& Co}, doi = {10.1/x_y} }"""
    )
    assert (entry.kind, entry.key) == ("article", "key1")
    assert entry.fields["title"] == "A {Nested {deep}} title over lines"
    assert entry.fields["year"] == "2020"
    assert entry.line() == "Jo Müller, R. Roe: A Nested deep title over lines. J. & Co, 2020. doi:10.1/x_y"


def test_several_entries_and_what_stands_between_them() -> None:
    text = "% a@b\n@comment{no, x = {1}}\n@misc{one, title = {A}},\n words @misc{two, title = {B}}"
    assert [(entry.key, entry.fields["title"]) for entry in read_bibtex(text)] == [("one", "A"), ("two", "B")]


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_text_that_is_cut_off_ends_the_reading(cut: int) -> None:
    text = "@misc{one, author = {Doe, J.}, title = {A {B} C}, year = 2000}"
    assert len(read_bibtex(text[:cut])) <= 1


@pytest.mark.parametrize("name", REFERENCES)
def test_shipped_references_survive_writing_and_reading(name: str) -> None:
    assert is_bibtex(REFERENCES[name])
    entries = read_bibtex(REFERENCES[name])
    assert len(entries) == REFERENCES[name].count("\n@")
    for entry in entries:
        assert {"author", "title"} <= entry.fields.keys()
        assert read_bibtex(entry.bibtex()) == [entry]
        assert not set("{}\\") & set(entry.line())
        assert entry.fields["title"].count("{") == entry.fields["title"].count("}")


def test_the_model_that_comes_with_mixlab_is_cited_as_mixlab() -> None:
    assert checkpoint_references(CHECKPOINTS[SHIPPED]) == ""


def test_keys_are_cited_once() -> None:
    keys = {entry.key: entry for text in REFERENCES.values() for entry in read_bibtex(text)}
    for text in REFERENCES.values():
        for entry in read_bibtex(text):
            assert keys[entry.key] == entry
