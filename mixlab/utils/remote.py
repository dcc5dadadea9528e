"""Files at URLs, read in parts through fsspec: HTTP(S), S3, Google Cloud, and whatever else has a driver.

A *place* is a path on this machine or a ``RemotePath``, which has what mixlab needs of a path. fsspec is
imported when the first file at a URL is asked for. Its file systems belong to the process and the thread that
made them, so none is kept here: a place is a text, which forks and pickles like one.
"""

import errno
import os
import re
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeGuard, TypeVar
from urllib.parse import quote, unquote

from mixlab.errors import ConfigError, MissingDependencyError, MixlabError, RemoteError
from mixlab.utils.remote_folders import list_folder

__all__ = [
    "Place",
    "RemoteBytes",
    "RemoteInfo",
    "RemotePath",
    "as_place",
    "cache_folder",
    "changed_meanwhile",
    "denied_as_missing",
    "read_ranges",
    "refuse_url",
]

T = TypeVar("T")

PAUSES_S = (0.2, 1.0, 4.0)
"""Waited before each further try of what may be a passing fault of the network."""

CONNECT_S, ANSWER_S = 10.0, 30.0
"""Longest waits for an HTTP server to take a connection, and for more of its answer."""

FRESH_S = 60.0
"""How long what a server said of a file's size and version is believed."""

_BLOCK = 1 << 17
_MOST_AHEAD = 8
"""Reading on in a file asks for up to so many blocks at once."""
_KEPT = 16
"""Blocks of an open file that stay in memory: 2 MiB."""
_WHOLE = 1 << 23
"""More than this is asked for in several parts, and not kept."""

_URL = re.compile(r"((?:[a-z0-9]+::)*[a-z][a-z0-9+.-]+):/{1,3}(?!/)(.*)", re.IGNORECASE | re.DOTALL)
_PACKAGES = {
    "http": "aiohttp",
    "https": "aiohttp",
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "hf": "huggingface_hub",
    "sftp": "paramiko",
    "ssh": "paramiko",
}
_VERSION_FIELDS = (
    "ETag",
    "etag",
    "Content-MD5",
    "md5Hash",
    "LastModified",
    "Last-Modified",
    "mtime",
    "created",
)


@dataclass(frozen=True)
class RemoteInfo:
    """What a server says of a file.

    Attributes:
        size: In bytes.
        version: A number that changes with its ETag, or with what else the server has for one; 0 for nothing.
    """

    size: int
    version: int


_known: dict[str, tuple[float, RemoteInfo]] = {}


@dataclass(frozen=True)
class RemotePath:
    """A folder or file at a URL, as fsspec spells it.

    Attributes:
        url: Without a slash at its end. Names in it are percent-encoded for HTTP and as they are for others.
    """

    url: str

    def __str__(self) -> str:
        """Return the URL."""
        return self.url

    @property
    def protocol(self) -> str:
        """The protocol that knows folders, such as ``s3`` of ``simplecache::s3://bucket``."""
        return self.url.partition("://")[0].rpartition("::")[2].lower()

    @property
    def name(self) -> str:
        """The last part, decoded."""
        last = self.url.rpartition("/")[2]
        return unquote(last) if self.protocol in ("http", "https") else last

    def with_suffix(self, suffix: str) -> "RemotePath":
        """Return the file of the same name with another ending."""
        folder, _, last = self.url.rpartition("/")
        return RemotePath(f"{folder}/{PurePosixPath(last).stem}{suffix}")

    def joinpath(self, *parts: str) -> "RemotePath":
        """Return what lies below; each part is one name, or several with slashes between them.

        Raises:
            ConfigError: a part leads out of the folder.
        """
        names = [name for part in parts for name in part.split("/") if name not in ("", ".")]
        if ".." in names:
            raise ConfigError(
                f"Expected a path below {self.url}, found {'/'.join(names)!r}, which may lead out of it. "
                "Correct it where it is written.",
                code="invalid-url",
            )
        if self.protocol in ("http", "https"):
            names = [quote(name, safe="") for name in names]
        return RemotePath("/".join([self.url, *names]))

    def __truediv__(self, part: str) -> "RemotePath":
        """Return what lies below."""
        return self.joinpath(part)

    def beside(self, relative: str) -> "RemotePath":
        """Return what a relative path leads to from here; ``..`` never leads off the host or the bucket."""
        start, _, rest = self.url.partition("://")
        host, *names = rest.split("/")
        here = RemotePath(f"{start}://{host}")
        for name in PurePosixPath(relative).parts:
            if name == "..":
                names = names[:-1]
            else:
                names.append(here.joinpath(name).url.rpartition("/")[2])
        return RemotePath("/".join([here.url, *names]))

    def info(self, *, fresh: bool = False) -> RemoteInfo:
        """Return size and version; asked anew once a minute.

        Args:
            fresh: Ask now.

        Raises:
            FileNotFoundError: there is no such file.
            RemoteError: the server cannot be reached, refuses, or does not say how large the file is.
        """
        asked_s, known = _known.get(self.url, (0.0, None))
        if known is not None and not fresh and time.monotonic() - asked_s < FRESH_S:
            return known
        _known.pop(self.url, None)
        found = _attempt(self.url, lambda: _ask(self.url))
        if len(_known) > 100_000:
            _known.clear()
        _known[self.url] = time.monotonic(), found
        return found

    def is_file(self) -> bool:
        """Tell whether there is such a file.

        Raises:
            RemoteError: the server cannot be reached, or refuses.
        """
        try:
            self.info()
        except FileNotFoundError:
            return False
        return True

    def list_files(self) -> list[str]:
        """Return the paths of all files below, decoded, with slashes between their parts.

        Every folder is asked for by itself: drivers that walk a tree pass over what they cannot list.

        Raises:
            FileNotFoundError: there is no such folder, or its server does not list it.
            RemoteError: the server cannot be reached, refuses, or a folder goes away meanwhile.
        """
        files, folders = list[str](), [""]
        while folders:
            below = folders.pop()
            folder = self.joinpath(below)
            try:
                entries = _attempt(folder.url, partial(list_folder, _connect, folder.url))
            except FileNotFoundError as error:
                if not below:
                    raise
                raise changed_meanwhile(folder, "a folder", "none") from error
            for name, is_folder in entries:
                (folders if is_folder else files).append(f"{below}/{name}" if below else name)
        return files

    def read_bytes(self) -> bytes:
        """Return all of a small file, asked for anew.

        Raises:
            FileNotFoundError: there is no such file.
            RemoteError: the server cannot be reached, or refuses.
        """

        def fetch() -> bytes:
            system, name = _connect(self.url)
            return bytes(system.cat_file(name))

        return _attempt(self.url, fetch)

    @contextmanager
    def downloaded(self) -> Iterator[Path]:
        """Give a path to a copy of the file on this machine, for as long as the ``with`` block lasts.

        The server need not send parts of files.

        Raises:
            FileNotFoundError: there is no such file.
            RemoteError: the server cannot be reached or refuses, or the file changes meanwhile.
        """
        size = self.info().size
        with tempfile.TemporaryDirectory(prefix="mixlab-") as folder:
            path = Path(folder) / f"fetched{PurePosixPath(self.name).suffix}"

            def fetch() -> int:
                system, name = _connect(self.url)
                system.get_file(name, str(path))
                found = path.stat().st_size
                if found < size == self.info(fresh=True).size:
                    raise ConnectionError(f"its answer ended after {found} of {size} bytes")
                return found

            if (found := _attempt(self.url, fetch)) != size:
                raise changed_meanwhile(self, f"{size} bytes", str(found))
            yield path


Place = Path | RemotePath
"""Where a file or folder lies."""


def as_place(given: str | os.PathLike[str] | RemotePath) -> Place:
    """Return what a text or a path means: a URL, also one that ``pathlib`` took a slash from, or a path.

    Raises:
        ConfigError: the URL holds a query or a password, which have no place in it, or is in an archive.
    """
    if isinstance(given, RemotePath):
        return given
    text = os.fspath(given)
    if (found := _URL.fullmatch(text)) is None:
        return Path(text)
    protocols, rest = found[1].lower(), found[2].rstrip("/")
    if protocols in ("file", "local"):
        return Path("/", rest)
    if "::" in rest:
        raise ConfigError(
            f"Expected the URL of a folder, found one within an archive ({protocols}://...::...), which is "
            "not read. Unpack it there.",
            code="invalid-url",
        )
    user, _, host = rest.partition("/")[0].rpartition("@")
    of_web = protocols.rpartition("::")[2] in ("http", "https")
    if ":" in user or (of_web and (user or "?" in rest or "#" in rest)):
        shown = f"{protocols}://{host}"
        raise ConfigError(
            f"Expected the URL of a folder, without user, password, query or fragment, found {shown}. "
            "Give credentials to the driver, by its environment variables or in fsspec's configuration "
            "(docs/remote.md).",
            code="invalid-url",
        )
    return RemotePath(f"{protocols}://{rest}")


def refuse_url(name: str, given: str | os.PathLike[str]) -> None:
    """Refuse a URL where labelled audio is read, which must lie on this machine.

    Args:
        name: The setting.
        given: Its value.

    Raises:
        ConfigError: it is a URL.
    """
    if isinstance(place := as_place(given), RemotePath):
        raise ConfigError(
            f"{name}: expected a folder on this machine, found the URL {place}. Labelled clips are not read "
            "from URLs: copy them here, or mount them as a folder (docs/remote.md).",
            code="remote-not-supported",
        )


def cache_folder() -> Path:
    """Return where copies of small files from URLs are kept: ``MIXLAB_CACHE``, or the user's cache folder."""
    if given := os.environ.get("MIXLAB_CACHE"):
        return Path(given).expanduser().absolute()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache").absolute() / "mixlab"


def read_ranges(parts: Sequence[tuple[RemotePath, int, int]]) -> list[bytes]:
    """Read parts of files at the same time, all at one server.

    Args:
        parts: A file, the first byte and the one behind the last.

    Raises:
        FileNotFoundError: there is no such file.
        RemoteError: the server cannot be reached, refuses, or does not send parts of files; or a file has
            become shorter.
    """
    if not parts:
        return []

    def fetch() -> list[bytes]:
        places = [_connect(path.url) for path, _, _ in parts]
        starts, stops = [start for _, start, _ in parts], [stop for _, _, stop in parts]
        found = places[0][0].cat_ranges([name for _, name in places], starts, stops, on_error="raise")
        for data, (path, start, stop) in zip(found, parts, strict=True):
            _check_part(path, start, stop, len(data))
        return [bytes(data) for data in found]

    return _attempt(parts[0][0].url, fetch)


def _check_part(path: RemotePath, start: int, stop: int, found: int) -> None:
    if found > stop - start:
        raise RemoteError(
            f"Expected the bytes {start} to {stop} of {path}, found {found} bytes: its server does not send "
            f"parts of files. Let whole files be kept on this machine (simplecache::{path.protocol}://...), "
            "or copy the folder.",
            code="remote-no-ranges",
        )
    if found < stop - start:
        if path.info(fresh=True).size < stop:
            raise changed_meanwhile(path, f"at least {stop} bytes", "fewer")
        raise ConnectionError(f"its answer ended after {found} of {stop - start} bytes")


def changed_meanwhile(path: RemotePath, expected: str, found: str) -> RemoteError:
    """Return the error for a file that is another than when it was opened."""
    return RemoteError(
        f"Expected {path} as it was when it was opened, with {expected}, found {found}: it has changed "
        "meanwhile. Start again.",
        code="remote-changed",
    )


@contextmanager
def denied_as_missing() -> Iterator[None]:
    """Take a file that may not be read for one that is not there, where it need not be there.

    Buckets that may be read, but not listed, answer 403 for both.

    Raises:
        FileNotFoundError: reading in the block was not allowed.
    """
    try:
        yield
    except RemoteError as error:
        if error.code != "remote-denied":
            raise
        raise FileNotFoundError(errno.ENOENT, "no such file, or none that may be read") from error


class RemoteBytes:
    """A file at a URL that is sliced as if it were ``bytes``; what is near is read ahead, and kept a while.

    Attributes:
        fault: What went wrong while a decoder read, which cannot tell of it; or None.
    """

    def __init__(self, path: RemotePath) -> None:
        """Ask how large it is.

        Raises:
            FileNotFoundError: there is no such file.
            RemoteError: the server cannot be reached, refuses, or does not say how large the file is.
        """
        self.fault: Exception | None = None
        self._path, self._size = path, path.info().size
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._next, self._ahead = -1, 1

    def __len__(self) -> int:
        """Return its length."""
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        """Return the bytes of a slice without a step; fewer at the end.

        Raises:
            RemoteError: they cannot be read, or the file has become shorter.
        """
        start, stop, _ = part.indices(self._size)
        if stop - start > _BLOCK * _KEPT:
            parts = [(at, min(at + _WHOLE, stop)) for at in range(start, stop, _WHOLE)]
            return b"".join(self._fetch(first, last) for first, last in parts)
        return b"".join(
            self._block(k)[max(start - k * _BLOCK, 0) : stop - k * _BLOCK]
            for k in range(start // _BLOCK, -(-stop // _BLOCK))
            if stop > start
        )

    def _block(self, k: int) -> bytes:
        if k not in self._blocks:
            self._ahead = min(2 * self._ahead, _MOST_AHEAD) if k == self._next else 1
            first, last = k * _BLOCK, min((k + self._ahead) * _BLOCK, self._size)
            data, self._next = self._fetch(first, last), k + self._ahead
            for at in range(0, len(data), _BLOCK):
                self._blocks[k + at // _BLOCK] = data[at : at + _BLOCK]
            while len(self._blocks) > _KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(k)
        return self._blocks[k]

    def _fetch(self, start: int, stop: int) -> bytes:
        try:
            return read_ranges([(self._path, start, stop)])[0]
        except FileNotFoundError as error:
            raise changed_meanwhile(self._path, f"{self._size} bytes", "no file") from error


# ---- fsspec ----


def _connect(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, this process's and thread's own, and what it calls the file."""
    protocols = url.partition("://")[0].split("::")
    try:
        import fsspec

        return fsspec.url_to_fs(url, **_options(protocols))  # type: ignore[no-any-return]
    except ImportError as error:
        package = next((_PACKAGES[name] for name in protocols if name in _PACKAGES), "")
        extra = "'mixlab[remote]'" if package == "aiohttp" else package
        advice = f"Install it with: pip install {extra}" if package else "Install it."
        raise MissingDependencyError(
            f"Reading {url} needs {package or 'a driver for fsspec'}, which is not installed ({error}). "
            f"{advice}"
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"Expected a URL that fsspec can read, such as https://host/folder or s3://bucket/folder, found "
            f"{url} ({error}). Correct it, or install the driver for it.",
            code="invalid-url",
        ) from error


def _options(protocols: Sequence[str]) -> dict[str, Any]:
    """Return patience for HTTP, where the user's configuration of fsspec says nothing of connections."""
    from fsspec.config import conf

    web = [name for name in protocols if name in ("http", "https")]
    web = [name for name in web if "client_kwargs" not in conf.get(name, {})]
    if not web:
        return {}
    import aiohttp

    patience = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=ANSWER_S)
    return {name: {"client_kwargs": {"timeout": patience}} for name in web}


def _ask(url: str) -> RemoteInfo:
    system, name = _connect(url)
    said = system.info(name)
    if said.get("type", "file") != "file":
        raise FileNotFoundError(errno.ENOENT, "a folder, not a file", url)
    if said.get("size") is None:
        raise RemoteError(
            f"Expected the size of {url}, found that its server does not tell it: no part of it can be read. "
            "Copy the folder to this machine, or serve it by a server that knows sizes and ranges.",
            code="remote-no-ranges",
        )
    version = next((str(said[field]) for field in _VERSION_FIELDS if said.get(field)), "")
    digest = blake2b(version.encode(), digest_size=7).digest()
    return RemoteInfo(int(said["size"]), int.from_bytes(digest, "big") if version else 0)


_Fault = Literal["missing", "denied", "shorter", "passing", "lasting"]


def _judge(error: Exception) -> _Fault:
    """Tell what an error of a driver means; what nobody knows may pass."""
    if isinstance(error, FileNotFoundError):
        # fsspec calls every failure to learn of a file at an HTTP server so; the cause says which it was.
        cause = error.__cause__
        return _judge(cause) if _is_of_network(cause) else "missing"
    status = getattr(error, "status", None)
    if isinstance(status, int) and 400 <= status < 500 and status not in (408, 425, 429):
        known_statuses: dict[int, _Fault] = {401: "denied", 403: "denied", 404: "missing", 410: "missing"}
        return "shorter" if status == 416 else known_statuses.get(status, "lasting")
    if isinstance(error, PermissionError):
        return "denied"
    if isinstance(error, (ValueError, TypeError, AttributeError, LookupError, NotImplementedError)):
        return "lasting"
    return "passing"


def _is_of_network(error: BaseException | None) -> TypeGuard[Exception]:
    of_web = type(error).__module__.partition(".")[0] in ("aiohttp", "asyncio")
    return isinstance(error, OSError) or (of_web and isinstance(error, Exception))


def _attempt(url: str, act: Callable[[], T]) -> T:
    """Do something at a server, again where it may help.

    Raises:
        FileNotFoundError: there is no such file.
        RemoteError: it cannot be done.
    """
    for pause_s in (*PAUSES_S, None):
        try:
            return act()
        except MixlabError:
            raise
        except Exception as error:
            fault = _judge(error)
            if fault != "passing" or pause_s is None:
                raise _explain(url, fault, error) from error
            time.sleep(pause_s)
    raise AssertionError("unreachable: the last try returns or raises")


def _explain(url: str, fault: _Fault, error: Exception) -> Exception:
    said = " ".join(f"{type(error).__name__}: {error}".rstrip(". :").split())
    if fault == "missing":
        return FileNotFoundError(errno.ENOENT, "no such file", url)
    if fault == "denied":
        return RemoteError(
            f"Expected to read {url}, found that it is not allowed ({said}). Give credentials to the driver, "
            "by its environment variables or in fsspec's configuration (docs/remote.md).",
            code="remote-denied",
        )
    if fault == "shorter":
        return changed_meanwhile(RemotePath(url), "the size that its server told", "a shorter file")
    tries = f" after {len(PAUSES_S) + 1} tries" if fault == "passing" else ""
    return RemoteError(
        f"Expected to read {url}, found that it cannot be reached{tries} ({said}). Check the address, the "
        "network and the credentials, and start again; what was finished is kept.",
        code="remote-unreachable",
    )
