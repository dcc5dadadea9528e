"""The names in a folder at a URL, as drivers of fsspec and the pages of web servers list them."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

__all__ = ["list_folder"]

Connect = Callable[[str], tuple[Any, str]]


def list_folder(connect: Connect, url: str) -> list[tuple[str, bool]]:
    """Return the names in a folder, and of each whether it is a folder itself.

    Args:
        connect: Gives fsspec's file system of a URL, and what that calls the folder.
        url: Of the folder.
    """
    if url.partition("://")[0].rpartition("::")[2].lower() in ("http", "https"):
        return _list_page(connect, url.rpartition("::")[2])
    system, at = connect(url)
    system.invalidate_cache(at)
    found = list[tuple[str, bool]]()
    for entry in system.ls(at, detail=True):
        folder, _, name = str(entry["name"]).rstrip("/").rpartition("/")
        # Some drivers list the folder itself.
        if folder.rstrip("/") == at.rstrip("/") and name not in ("", ".", ".."):
            found.append((name, entry.get("type") == "directory"))
    return found


class _Links(HTMLParser):
    """Collects where the links of a page lead; fsspec's own reading stops at apostrophes."""

    def __init__(self) -> None:
        super().__init__()
        self.found = list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [link for name, link in attrs if tag == "a" and name == "href" and link]


def _list_page(connect: Connect, url: str) -> list[tuple[str, bool]]:
    """Return what a web server's page of a folder links to in it; a slash at the end says folder."""
    base = url.rstrip("/") + "/"
    system, at = connect(base)
    links = _Links()
    links.feed(bytes(system.cat_file(at)).decode("utf-8", errors="replace"))
    here = urlsplit(base)
    depth = len(here.path.split("/")) - 1
    home = [unquote(part) for part in here.path.split("/")[:depth]]
    found = dict[str, bool]()
    for link in links.found:
        target = urlsplit(urljoin(base, link.strip()))
        parts = target.path.split("/")
        away = (target.scheme, target.netloc) != (here.scheme, here.netloc) or target.query
        if (
            away
            or [unquote(part) for part in parts[:depth]] != home
            or len(parts) not in (depth + 1, depth + 2)
        ):
            continue  # to other folders, or to the same page sorted otherwise
        name = unquote(parts[depth])
        if name in ("", ".", "..") or (len(parts) == depth + 2 and parts[-1]):
            continue
        if "/" in name:  # nothing can be asked for by it: it is told as a file that is not there
            found[parts[depth]] = False
            continue
        found[name] = len(parts) == depth + 2 or _is_page(system, base + quote(name, safe=""))
    return list(found.items())


def _is_page(system: Any, url: str) -> bool:  # noqa: ANN401 - a file system of fsspec
    """Tell whether what has no ending of a file is a folder; some servers leave its slash out."""
    if re.fullmatch(r"\.\w{1,8}", PurePosixPath(unquote(url)).suffix):
        return False
    return "html" in str(system.info(url).get("mimetype", ""))
