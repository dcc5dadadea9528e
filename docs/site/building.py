"""A Sphinx extension: writes the generated pages, sets links and navigation, links words to the glossary."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.domains.python import PyObject
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.osutil import relative_uri

from docs.site import terms
from docs.site.gallery import make_gallery
from docs.site.links import navigation, rewrite
from docs.site.looks import Commands, Pictures
from docs.site.notebooks import notebook_page
from docs.site.pages import write_pages
from docs.site.public import GENERATED, REPO, entries

__all__ = ["setup"]

logger = logging.getLogger(__name__)


def _write(app: Sphinx) -> None:
    write_pages(Path(app.srcdir))


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    path = Path(app.env.doc2path(page))
    if path.suffix == ".ipynb":
        source[0] = notebook_page(path, REPO / "build" / "tutorials")
    if path.suffix == ".md" and not _is_generated(page):
        source[0] = rewrite(source[0], f"docs/{page}.md")
        if page == app.config.root_doc:
            source[0] = navigation(source[0])


def _is_generated(page: str) -> bool:
    return page.partition("/")[0] in GENERATED


def _check_names(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of a public name without an entry; warnings end a build."""
    held = env.get_domain("py").objects  # type: ignore[attr-defined]
    for entry in entries():
        if entry.at not in held:
            logger.warning("%s is public and has no entry in the API reference", entry.full_name)


def _home(_app: Sphinx, module: str, name: str) -> str:
    """Return the module that defines a name, or that whose class has it as a member."""
    first = name.partition(".")[0]
    homes = {entry.full_name: entry.home for entry in entries()}
    return homes.get(f"{module}.{first}", module)


def _mend_back_links(_app: Sphinx, page: str, _template: str, context: dict[str, Any], _tree: object) -> None:
    """Lead from a source to where each name has its entry: Sphinx takes one module for all of a file."""
    if not page.startswith("_modules/mixlab"):
        return
    at = {entry.name: entry.at for entry in entries() if entry.home == context["title"]}

    def mended(match: re.Match[str]) -> str:
        name, dot, member = match[2].partition(".")
        return f"{match[1]}{at[name]}{dot}{member}"

    pattern = r'(id="([^"]+)">\n<a class="viewcode-back" href="[^"#]*#)[^"]*'
    context["body"] = re.sub(pattern, mended, context["body"])


def _show_mixes(app: Sphinx, failed: Exception | None) -> None:
    if failed is None and app.builder.format == "html":
        make_gallery(Path(app.outdir) / "gallery")


class Words(SphinxPostTransform):
    """Link the first use of each word of the glossary on a page, and what is called ``docs/NAME.md``."""

    default_priority = 300

    def run(self, **_: Any) -> None:  # noqa: ANN401 - what docutils passes
        """Change the page in hand."""
        page = self.env.docname
        for literal in list(self.document.findall(nodes.literal)):
            self._link_page(literal, page)
        for text in list(self.document.findall(nodes.Text)):
            if not _within(text, nodes.literal, nodes.reference):
                self._link_named_pages(text, page)
        if page == "glossary":
            self._mark_terms()
        elif not _is_generated(page) and page != self.config.root_doc:
            self._link_words(page)

    def _reference(self, page: str, to: str, anchor: str = "", **more: Any) -> nodes.reference:  # noqa: ANN401
        uri = relative_uri(f"{page}.html", f"{to}.html") + (f"#{anchor}" if anchor else "")
        return nodes.reference("", "", internal=True, refuri=uri, **more)

    def _link_page(self, literal: nodes.literal, page: str) -> None:
        named = re.fullmatch(r"docs/([\w/-]+)\.md", literal.astext())
        if named and named[1] in self.env.all_docs and not _within(literal, nodes.reference):
            link = self._reference(page, named[1])
            literal.replace_self(link)
            link += literal

    def _link_named_pages(self, text: nodes.Text, page: str) -> None:
        parts = re.split(r"docs/([\w/-]+)\.md", text.astext())
        if len(parts) == 1 or text.parent is None:
            return
        out: list[nodes.Node] = []
        for place, part in enumerate(parts):
            if place % 2 and part in self.env.all_docs:
                link = self._reference(page, part)
                link += nodes.Text(f"docs/{part}.md")
                out.append(link)
            else:
                out.append(nodes.Text(f"docs/{part}.md" if place % 2 else part))
        text.parent.replace(text, out)

    def _mark_terms(self) -> None:
        for strong in self.document.findall(nodes.strong):
            strong["ids"].append(terms.anchor(strong.astext()))

    def _link_words(self, page: str) -> None:
        left = dict(terms.glossary())
        for text in list(self.document.findall(nodes.Text)):
            if not left:
                return
            if isinstance(text.parent, nodes.paragraph) and not _within(text, nodes.table):
                found = terms.find(text.astext(), left)
                if found:
                    text.parent.replace(text, list(self._linked(text.astext(), found, left, page)))

    def _linked(
        self, text: str, found: list[tuple[int, int, str]], left: dict[str, str], page: str
    ) -> Iterator[nodes.Node]:
        end = 0
        for start, stop, term in found:
            yield nodes.Text(text[end:start])
            link = self._reference(
                page, "glossary", terms.anchor(term), reftitle=left.pop(term), classes=["term"]
            )
            link += nodes.Text(text[start:stop])
            yield link
            end = stop
        yield nodes.Text(text[end:])


def _within(node: nodes.Node, *kinds: type[nodes.Node]) -> bool:
    parent = node.parent
    while parent is not None:
        if isinstance(parent, kinds):
            return True
        parent = parent.parent
    return False


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect all of it."""
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
    app.connect("builder-inited", _write)
    app.connect("source-read", _read)
    app.connect("viewcode-follow-imported", _home)
    app.connect("build-finished", _show_mixes)
    app.connect("html-page-context", _mend_back_links)
    app.connect("env-check-consistency", _check_names)
    app.add_transform(Pictures)
    app.add_post_transform(Words)
    app.add_lexer("csv", TextLexer)
    app.add_lexer("sh", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
