"""One word for one thing: names and pages use the words of ``docs/glossary.md``, not those replaced."""

import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
CODE = ("mixlab", "app", "benchmarks", "examples")
PAGES = sorted(
    {
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs" / "how_to").glob("*.md"),
        *(ROOT / "configs").glob("*.yaml"),
    }
    - {GLOSSARY}
)
PARTS = re.compile(r"[a-z0-9]+|[A-Z]+(?![a-z])|[A-Z][a-z0-9]*")


@dataclass(frozen=True)
class Replaced:
    """Words of names that gave way to one of the field.

    Attributes:
        words: The words, lower case.
        by: What stands in their place.
        where: Files that this is about, as a pattern.
        but: Files and names in which the words mean something else, as a pattern of ``path: name``.
    """

    words: str
    by: str
    where: str = ""
    but: str = r"(?!)"


# Charts and tables on a terminal are drawn indeed; RIFF files and Arrow columns have chunks.
REPLACED = (
    Replaced(
        "draw drawn draws drawer drawers drawing redrawn",
        "sample",
        but=r"chart|reports?\.py|studies/|sweep|run_tables",
    ),
    Replaced("drawable", "usable", but=r"drawable"),  # a column of catalogs on disk
    Replaced("dealt dealer", "assign"),
    Replaced("twin twins", "counterpart, or duplicate"),
    Replaced("heard unheard hears", "detected"),
    Replaced("coherent coherence", "consistent"),
    Replaced("prior priors", "prevalence, or chance level"),
    Replaced("sure sureness", "significant, or certain"),
    Replaced("job jobs", "trial, or task", but=r": n_jobs$"),  # of scikit-learn
    Replaced(
        "cell cells",
        "condition",
        where=r"mixlab/studies/",
        but=r"statistics\.py|: _?plain_cell$|: Cells$|: chance_cells$",
    ),
    Replaced("ways", "transfer modes, or methods"),
    Replaced("outside", "external", but=r": _silence_outside$"),
    Replaced(
        "chunk chunks",
        "excerpt",
        but=r"headers|soundfonts|time_stamps|catalog/(catalog|statistics|storage)"
        r"|: (combine|resample)_chunks?$|(?i:short_?chunk)",
    ),
)

PHRASES = (
    r"\btwins?\b",
    r"\b(re)?drawn\b",
    r"\bdealt\b",
    r"\b(un)?heard\b",
    r"\bcoheren(t|ce)\b",
    r"\b(the|a) priors?\b",
    r"\btold apart\b",
    r"\bbeyond both\b",
    r"\boutside (corpus|corpora|tests?)\b",
    r"\bways of transfer\b",
)
MEANT = {  # of ears, an amplifier, the title of a paper, and what really is drawn
    "folders.md": r"if other instruments can be heard",
    "_name_words.py": r"fender twin deluxe",
    "hierarchy.py": r"Coherent Hierarchical Multi-Label Classification Networks",
}
HEARD_OR_DRAWN = {r"\b(re)?drawn\b", r"\b(un)?heard\b", r"\btold apart\b"}
"""In code there are ears and charts, too."""


def replaced_names(path: str, text: str) -> Iterator[str]:
    """Yield what is wrong with the names of a module, a line each."""
    names = {
        t.string for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.NAME
    }
    for name in sorted(names):
        words = {part.lower() for part in PARTS.findall(name)}
        for rule in REPLACED:
            found = words & set(rule.words.split())
            if found and re.search(rule.where, path) and not re.search(rule.but, f"{path}: {name}"):
                yield f"{path}: {name}: say {rule.by} instead of {', '.join(sorted(found))}"


def replaced_phrases(page: str, text: str) -> Iterator[str]:
    """Yield what a page, or the texts of a module, say in words that were replaced."""
    text = re.sub(MEANT.get(page, r"(?!)"), "", " ".join(text.split()))
    for phrase in PHRASES:
        if page.endswith(".py") and phrase in HEARD_OR_DRAWN:
            continue
        for found in re.finditer(phrase, text, re.IGNORECASE):
            yield f"{page}: ...{text[max(found.start() - 40, 0) : found.end() + 40]}..."


def modules() -> list[Path]:
    """Return the modules of the library, the app and the benchmark."""
    files = [path for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(files) > 100
    return files


def texts_of(path: Path) -> str:
    """Return the strings and comments of a module."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    return "\n".join(t.string for t in tokens if t.type in (tokenize.STRING, tokenize.COMMENT))


def test_names_are_of_the_glossary() -> None:
    wrong = [
        line
        for path in modules()
        for line in replaced_names(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_pages_are_of_the_glossary(page: Path) -> None:
    wrong = list(replaced_phrases(page.name, page.read_text(encoding="utf-8")))
    assert not wrong, "\n".join(wrong)


def test_messages_are_of_the_glossary() -> None:
    wrong = [line for path in modules() for line in replaced_phrases(path.name, texts_of(path))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("path", "line", "wrong"),
    [
        ("mixlab/mixing/preview.py", "twin = 1", True),
        ("mixlab/mixing/preview.py", "counterpart = 1", False),
        ("mixlab/mixing/sampler.py", "class KeptDrawers: ...", True),
        ("mixlab/studies/figures.py", "drawn = 1", False),
        ("mixlab/studies/plan.py", "cells = 1", True),
        ("mixlab/evaluation/cells.py", "cells = 1", False),
        ("mixlab/inference/output.py", "f(only_heard=1)", True),
        ("mixlab/models/short_chunk.py", "ShortChunkCNN()", False),
        ("mixlab/models/short_chunk.py", "chunk = 1", False),
        ("mixlab/mixing/sampler.py", "chunk = 1", True),
        ("mixlab/mixing/sampler.py", '"the twin that was heard"', False),  # texts are another test's
    ],
)
def test_replaced_names_are_found(path: str, line: str, wrong: bool) -> None:
    assert bool(list(replaced_names(path, line + "\n"))) == wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("compared with its *twin*", True),
        ("F1 of the\nprior", True),
        ("prior work", False),
        ("Both differ beyond both intervals.", True),
        ("files outside the root", False),
    ],
)
def test_replaced_phrases_are_found(text: str, wrong: bool) -> None:
    assert bool(list(replaced_phrases("app.md", text))) == wrong


def test_every_term_is_defined_once_and_the_readme_leads_there() -> None:
    terms = re.findall(r"\*\*([^*]+)\*\*", GLOSSARY.read_text(encoding="utf-8"))
    assert len(terms) > 30
    assert [term for term, count in Counter(term.lower() for term in terms).items() if count > 1] == []
    assert "(docs/glossary.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
