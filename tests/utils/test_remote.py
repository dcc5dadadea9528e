"""Places: paths and URLs told from each other, parts of remote files, faults of servers named and bounded."""

import os
import pickle
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from mixlab.errors import ConfigError, MissingDependencyError, RemoteError
from mixlab.utils import remote
from mixlab.utils.remote import RemoteBytes, RemotePath, as_place, cache_folder, read_ranges
from tests.errors import raises
from tests.file_server import FileServer, serving

SIZE = 3_000_000


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSES_S", (0.0, 0.01, 0.01))
    remote._known.clear()


@pytest.fixture
def data() -> bytes:
    return bytes(range(251)) * (SIZE // 251)


@pytest.fixture
def server(tmp_path: Path, data: bytes) -> Iterator[FileServer]:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "a song #1 100%.bin").write_bytes(data)
    with serving(folder) as server:
        yield server


@pytest.fixture
def path(server: FileServer) -> RemotePath:
    place = as_place(server.url)
    assert isinstance(place, RemotePath)
    return place / "a song #1 100%.bin"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://host/a/b/", "https://host/a/b"),
        ("HTTPS://host/A", "https://host/A"),
        (Path("https://host/a"), "https://host/a"),  # pathlib takes a slash
        ("s3://bucket/a", "s3://bucket/a"),
        (Path("s3://bucket"), "s3://bucket"),
        ("simplecache::https://host/a", "simplecache::https://host/a"),
        (Path("simplecache::s3://b/a"), "simplecache::s3://b/a"),
        ("memory:///a/b", "memory://a/b"),
        ("sftp://user@host/a", "sftp://user@host/a"),
        (RemotePath("gs://b"), "gs://b"),
    ],
)
def test_urls_are_remote(given: str | Path | RemotePath, url: str) -> None:
    assert as_place(given) == RemotePath(url)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/data/https/x", "/data/https/x"),
        ("C:/data", "C:/data"),
        ("mirdata:slakh", "mirdata:slakh"),
        ("file:///data/x", "/data/x"),
        (Path("file:///data/x"), "/data/x"),
        ("a//b", "a/b"),
        ("", "."),
    ],
)
def test_paths_are_paths(given: str | Path, path: str) -> None:
    assert as_place(given) == Path(path)


@pytest.mark.parametrize(
    "url",
    ["https://me:secret@host/a", "https://me@host/a", "https://host/a?key=secret", "s3://me:secret@b/a"],
)
def test_a_url_with_credentials_is_refused_and_not_shown(url: str) -> None:
    with raises(ConfigError, code="invalid-url", mentions=("docs/remote.md",)) as caught:
        as_place(url)
    assert "secret" not in str(caught.value)


def test_a_url_within_an_archive_is_refused() -> None:
    with raises(ConfigError, code="invalid-url", mentions=("zip://",)):
        as_place("zip://a::https://host/x.zip")


def test_names_below_a_url() -> None:
    web, bucket = RemotePath("https://host/a%20b"), RemotePath("s3://bucket/a b")
    assert str(web.joinpath("x y", "50% #1?.wav")) == "https://host/a%20b/x%20y/50%25%20%231%3F.wav"
    assert web.joinpath("50% #1?.wav").name == "50% #1?.wav"
    assert str(bucket / "x y/z") == "s3://bucket/a b/x y/z"
    assert str(web.beside("../MedleyDB v2")) == "https://host/MedleyDB%20v2"
    assert str(bucket.beside("../../../../etc")) == "s3://bucket/etc"
    assert pickle.loads(pickle.dumps(web)) == web
    for name in ("..", "../x", "x/../../y"):
        with raises(ConfigError, code="invalid-url", mentions=("https://host",)):
            web.joinpath(name)


def test_copies_go_to_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "mixlab"
    monkeypatch.setenv("MIXLAB_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_parts_of_a_file_are_those_of_the_whole_and_little_more(
    server: FileServer, path: RemotePath, data: bytes
) -> None:
    found = RemoteBytes(path)
    assert len(found) == len(data)
    for start, stop in ((0, 10), (1_000_000, 1_000_100), (131_000, 131_200), (len(data) - 5, len(data) + 9)):
        assert found[start:stop] == data[start:stop]
    assert sum(server.sent.values()) <= 6 * (1 << 17)
    before = sum(server.sent.values())
    assert found[5:8] == data[5:8]
    assert found[3:3] == b""
    assert sum(server.sent.values()) == before
    assert found[:] == data


def test_reading_on_asks_for_more_at_once(server: FileServer, path: RemotePath, data: bytes) -> None:
    found = RemoteBytes(path)
    blocks = [found[at : at + 10_000] for at in range(0, len(data), 10_000)]
    assert b"".join(blocks) == data
    assert sum(server.sent.values()) == len(data)
    assert sum(server.asked.values()) < 2 + len(data) / (1 << 17) / 2


def test_several_parts_are_exactly_what_was_asked_for(
    server: FileServer, path: RemotePath, data: bytes
) -> None:
    assert read_ranges([(path, 3, 7), (path, 100, 2000)]) == [data[3:7], data[100:2000]]
    assert sum(server.sent.values()) == 4 + 1900
    assert read_ranges([]) == []


def test_files_in_memory(data: bytes) -> None:
    fsspec.filesystem("memory").pipe_file("/a/b c.bin", data)
    path = RemotePath("memory://a") / "b c.bin"
    assert path.is_file()
    assert path.read_bytes() == data
    assert RemoteBytes(path)[7:99] == data[7:99]
    assert not (RemotePath("memory://a") / "none").is_file()
    assert not RemotePath("memory://a").is_file()
    with path.downloaded() as copy:
        assert copy.read_bytes() == data
    assert not copy.exists()


def test_whole_files_are_kept_where_the_user_says_so(
    server: FileServer, path: RemotePath, data: bytes
) -> None:
    server.ranges = False
    kept = RemotePath(f"simplecache::{path}")
    assert RemoteBytes(kept)[10:20] == data[10:20]
    assert RemoteBytes(kept)[1_000_000:1_000_020] == data[1_000_000:1_000_020]
    assert sum(server.sent.values()) == len(data)


def test_passing_faults_are_tried_again(server: FileServer, path: RemotePath, data: bytes) -> None:
    server.statuses = [200, 503, 0, 429]
    assert RemoteBytes(path)[:5] == data[:5]
    # HEAD and GET of the size fail together; what comes next is asked for anew
    server.statuses = [500, 500]
    assert path.info(fresh=True).size == len(data)


def test_lasting_faults_are_told_after_a_few_tries(server: FileServer, path: RemotePath) -> None:
    server.statuses = [500] * 100
    with raises(RemoteError, code="remote-unreachable", mentions=(str(path), 4)):
        path.read_bytes()
    assert sum(server.asked.values()) == 4
    with raises(RemoteError, code="remote-unreachable", mentions=(str(path),)):
        path.info()
    server.statuses = [418]
    server.forget()
    with raises(RemoteError, code="remote-unreachable"):
        path.read_bytes()
    assert sum(server.asked.values()) == 1


def test_a_host_that_is_not_there(server: FileServer) -> None:
    with raises(RemoteError, code="remote-unreachable", mentions=("http://127.0.0.1:9/x",)):
        RemotePath("http://127.0.0.1:9/x").info()
    with raises(RemoteError, code="remote-unreachable", mentions=("no-such-host.invalid",)):
        RemotePath("http://no-such-host.invalid/x").read_bytes()


def test_a_file_that_is_not_there(server: FileServer) -> None:
    path = RemotePath(f"{server.url}/none")
    assert not path.is_file()
    for act in (path.info, path.read_bytes):
        with pytest.raises(FileNotFoundError, match="none"):
            act()
    assert (
        sum(server.asked.values()) == 5
    )  # a missing file is not asked for again: HEAD and GET twice, and GET


@pytest.mark.parametrize("status", [401, 403])
def test_a_file_that_may_not_be_read(server: FileServer, path: RemotePath, status: int) -> None:
    for act in (path.info, path.read_bytes):
        server.statuses = [status, status]
        with raises(RemoteError, code="remote-denied", mentions=(str(path), "docs/remote.md")):
            act()
        server.statuses = []


def test_a_server_without_ranges(server: FileServer, path: RemotePath) -> None:
    server.ranges = False
    with raises(RemoteError, code="remote-no-ranges", mentions=(str(path), "simplecache::http://")):
        _ = RemoteBytes(path)[10:20]
    assert sum(server.asked.values()) == 2


def test_a_server_that_tells_no_size(server: FileServer, path: RemotePath) -> None:
    server.sizes = False
    with raises(RemoteError, code="remote-no-ranges", mentions=(str(path),)):
        RemoteBytes(path)


def test_a_file_that_becomes_shorter_meanwhile(server: FileServer, path: RemotePath, data: bytes) -> None:
    found = RemoteBytes(path)
    file = server.folder / path.name
    for left in (data[:2_000_000], data[:100], None):
        if left is None:
            file.unlink()
        else:
            file.write_bytes(left)
        with raises(RemoteError, code="remote-changed", mentions=(str(path),)):
            _ = found[1_999_000:2_001_000]


def test_what_a_server_says_is_believed_for_a_minute(
    server: FileServer, path: RemotePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = path.info()
    assert path.info() == first
    (server.folder / path.name).write_bytes(b"other")
    assert path.info() == first
    assert sum(server.asked.values()) == 1
    now_s = time.monotonic()
    monkeypatch.setattr(remote.time, "monotonic", lambda: now_s + remote.FRESH_S + 1)
    assert path.info().size == 5
    assert path.info().version != first.version


def test_a_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adlfs", None)  # what is not installed
    with raises(
        MissingDependencyError, code="missing-dependency", mentions=("abfs://box/x", "pip install adlfs")
    ):
        RemotePath("abfs://box/x").info()
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with raises(
        MissingDependencyError, code="missing-dependency", mentions=("https://host/x", "mixlab[remote]")
    ):
        RemotePath("https://host/x").info()


def test_a_protocol_that_nobody_knows() -> None:
    with raises(ConfigError, code="invalid-url", mentions=("nosuch://x/y",)):
        RemotePath("nosuch://x/y").info()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_reads_on(path: RemotePath, data: bytes) -> None:
    found = RemoteBytes(path)
    assert found[:3] == data[:3]
    child = os.fork()
    if child == 0:
        os._exit(0 if found[2_000_000:2_000_003] == data[2_000_000:2_000_003] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert found[1_000_000:1_000_003] == data[1_000_000:1_000_003]
