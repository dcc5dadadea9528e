"""A catalog at a URL: its tables are fetched once, into a folder that is opened like any other.

The folder's name is a hash of the URL and of ``catalog.json``, so one that is there is whole and current, and
a catalog that changes is another folder. ``catalog.json`` is written last. The audio, and packs, stay where
they are. ``fetched.json`` remembers the URL: what the catalog says of places relative to it means that URL.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from mixlab.catalog.storage import DATA_FILES, META, name_generation, parse_meta
from mixlab.errors import CatalogError
from mixlab.utils.files import make_folder, write_atomic
from mixlab.utils.remote import RemotePath, as_place, cache_folder, denied_as_missing
from mixlab.utils.yaml import load_json

__all__ = ["fetch_catalog", "find_origin"]

ORIGIN = "fetched.json"
_OPTIONAL = ("songs.parquet",)
_TRIES = 5


def fetch_catalog(place: RemotePath) -> Path:
    """Fetch a catalog's tables, those that are not here yet; return the folder that holds them.

    Raises:
        CatalogError: there is no catalog, it is damaged, or it keeps changing.
        RemoteError: its URL cannot be reached.
        OutputError: nothing can be written to the folder for copies.
    """
    fault = ""
    for _ in range(_TRIES):
        content, meta = _fetch_meta(place)
        name = sha256(f"{place}\n".encode() + content).hexdigest()[:24]
        folder = cache_folder() / "catalogs" / name
        if not (folder / META).is_file():
            try:
                data = {name: _fetch_data(place, name, meta["generation"]) for name in DATA_FILES}
            except FileNotFoundError as error:
                fault = f"no {error.filename}"
                continue
            if name_generation(data) != meta["generation"]:
                fault = "files of another state of it, or damaged ones"
                continue
            _write(folder, place, {**data, META: content})
        for optional in _OPTIONAL:
            _update(folder / optional, place / optional)
        return folder
    raise CatalogError(
        f"Expected a whole catalog at {place}, found {fault}. Copy it there again, or index it again.",
        code="catalog-incomplete",
    )


def find_origin(folder: Path) -> RemotePath | None:
    """Return the URL that a catalog was fetched from; None where it was made in its folder."""
    try:
        url = load_json((folder / ORIGIN).read_text(encoding="utf-8"))["url"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CatalogError(
            f"{folder / ORIGIN} is damaged: {error!r}. Remove the folder {folder}, a copy, and open the "
            "catalog by its URL again.",
            code="catalog-damaged",
        ) from error
    origin = as_place(str(url))
    return origin if isinstance(origin, RemotePath) else None


def _fetch_meta(place: RemotePath) -> tuple[bytes, Mapping[str, Any]]:
    path = place / META
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise CatalogError(
            f"Expected a catalog at {place}, found no {META} there. Copy to it what 'mixlab index' wrote.",
            code="catalog-not-found",
        ) from error
    return content, parse_meta(content, str(path), str(place))


def _fetch_data(place: RemotePath, name: str, generation: str) -> bytes:
    """Fetch a data file, under its plain name or the one that it has until the last step of a commit."""
    try:
        return (place / name).read_bytes()
    except FileNotFoundError:
        return (place / f"{name}.{generation}").read_bytes()


def _write(folder: Path, place: RemotePath, files: Mapping[str, bytes]) -> None:
    make_folder(folder)
    write_atomic(folder / ORIGIN, json.dumps({"url": str(place)}))
    for name, content in files.items():
        write_atomic(folder / name, content)


def _update(path: Path, source: RemotePath) -> None:
    """Bring a file that a catalog may have, and that may change by itself, to what it is at its URL."""
    try:
        with denied_as_missing():
            content = source.read_bytes()
    except FileNotFoundError:
        path.unlink(missing_ok=True)
        return
    if not path.is_file() or path.read_bytes() != content:
        write_atomic(path, content)
