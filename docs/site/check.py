"""Check the built site: each of its links leads somewhere, and nothing is fetched from elsewhere to show it.

``python -m docs.site.check build/docs`` prints what is wrong and leaves with 1; links to other sites are only
listed, in ``build/docs-external-links.txt``, as no test may depend on them.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["Page", "check_site", "main", "read_page"]

_LOADS = {("script", "src"), ("img", "src"), ("source", "src"), ("video", "src"), ("iframe", "src")}


@dataclass
class Page:
    """What a page holds.

    Attributes:
        ids: Its anchors.
        links: Where its links lead, as written.
        loads: What a browser fetches to show it, as written.
    """

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the anchors and addresses of an element."""
        given = {name: value for name, value in attrs if value is not None}
        self.page.ids.update(given[name] for name in ("id", "name") if name in given and tag != "meta")
        if tag == "a" and "href" in given:
            self.page.links.append(given["href"])
        if tag == "link" and given.get("rel") in (
            "stylesheet",
            "icon",
            "preload",
            "preconnect",
            "dns-prefetch",
        ):
            self.page.loads.append(given.get("href", ""))
        self.page.loads += [given[name] for kind, name in _LOADS if kind == tag and name in given]


def read_page(text: str) -> Page:
    """Return what a page holds, from its HTML."""
    reader = _Reader()
    reader.feed(text)
    return reader.page


def check_site(site: Path) -> tuple[list[str], list[str]]:
    """Return what is wrong with a site, a line each, and its links to other sites, sorted."""
    site = site.resolve()
    pages = {file: read_page(file.read_text(encoding="utf-8")) for file in sorted(site.rglob("*.html"))}
    wrong: list[str] = []
    outside: set[str] = set()
    for file, page in pages.items():
        where = file.relative_to(site).as_posix()
        for address in (*page.links, *page.loads):
            parts = urlsplit(address)
            if parts.scheme in ("http", "https") or parts.netloc:
                outside.add(address)
            elif not parts.scheme:
                wrong += (f"{where}: {address}: {fault}" for fault in _faults(site, file, address, pages))
        wrong += (f"{where}: fetches {load} from elsewhere" for load in page.loads if urlsplit(load).netloc)
    return wrong, sorted(outside)


def _faults(site: Path, file: Path, address: str, pages: dict[Path, Page]) -> Iterator[str]:
    parts = urlsplit(address)
    path = unquote(parts.path)
    target = file if not path else (site / path[1:] if path.startswith("/") else file.parent / path).resolve()
    target = target / "index.html" if target.is_dir() else target
    anchor = unquote(parts.fragment)
    if not target.is_file():
        yield "leads nowhere"
    elif anchor and target in pages and anchor not in pages[target].ids:
        yield "that page has no such anchor"


def main(arguments: list[str]) -> int:
    """Check the site in a folder; return 0 where all is well, else 1."""
    site = Path(arguments[0]).resolve()
    n_pages = len(list(site.rglob("*.html")))
    if not n_pages:
        print(f"There is no site in {site}: type 'make docs'.", file=sys.stderr)
        return 1
    wrong, outside = check_site(site)
    listed = site.with_name(f"{site.name}-external-links.txt")
    listed.write_text("".join(f"{link}\n" for link in outside), encoding="utf-8")
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{n_pages} pages, {len(wrong)} faults; {len(outside)} links to other sites, listed in {listed}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
