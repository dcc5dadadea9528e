"""A web server of a folder for tests: it knows ranges, counts what it sends, and fails when it is told to."""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

ODD_LINKS = (
    "../",
    "?C=N;O=D",
    "../two/",
    "/two/",
    "../../secret.wav",
    "%2e%2e/two/",
    "%2e%2e/",
    "//elsewhere/a.wav",
)
"""Of pages that list a folder: up, sorted otherwise, and away from it."""


def spelt(folder: Path, path: Path) -> str:
    """Return the usual link to an entry of a folder."""
    return quote(path.name) + "/" * path.is_dir()


class FileServer(ThreadingHTTPServer):
    """Serves what lies below ``folder``.

    Attributes:
        sent: Bytes of the files that were sent, by path.
        asked: Requests, by method and path.
        ranges: Whether it sends parts of files; else the whole file, whatever was asked for.
        sizes: Whether it says how large files are.
        lists: Whether it lists folders, as a page of links.
        spell: Returns the link to an entry of a folder.
        missing: Its status for what is not there; 403 is that of a bucket that may not be listed.
        statuses: Taken one by one for the next requests, in place of an answer; 0 closes the connection.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.sent, self.asked = Counter[str](), Counter[tuple[str, str]]()
        self.ranges = self.sizes = self.lists = True
        self.missing = 404
        self.spell = spelt
        self.statuses: list[int] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Of the folder."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hung up; anything else is told."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def forget(self) -> None:
        """Count from here on."""
        self.sent.clear()
        self.asked.clear()


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: FileServer
    protocol_version = "HTTP/1.1"
    timeout = 20

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        server, name = self.server, unquote(urlsplit(self.path).path)
        with server.lock:
            server.asked[self.command, name] += 1
            status = server.statuses.pop(0) if server.statuses else 200
        path = server.folder / name.lstrip("/")
        if status == 200 and server.lists and path.is_dir():
            self.list_folder(path, body=body)
            return
        if status == 0:
            self.close_connection = True
            return
        if status != 200 or not path.is_file():
            self.send_response(server.missing if status == 200 else status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data, found = path.read_bytes(), path.stat()
        start, stop = 0, len(data)
        if server.ranges and (asked := self.headers.get("Range")):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last) + 1 if last else len(data), len(data))
            if start >= len(data):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        else:
            self.send_response(200)
        if server.sizes:
            self.send_header("Content-Length", str(stop - start))
        else:
            self.close_connection = True
        self.send_header("ETag", f'"{found.st_size}-{found.st_mtime_ns}-{found.st_ino}"')
        self.end_headers()
        if body:
            with server.lock:
                server.sent[name] += stop - start
            self.wfile.write(data[start:stop])

    def list_folder(self, folder: Path, *, body: bool) -> None:
        """Answer as web servers list folders: a link up, links that sort, and one for every entry."""
        entries = [self.server.spell(folder, path) for path in sorted(folder.iterdir())]
        links = "".join(f'<a href="{link}">{link}</a>' for link in (*ODD_LINKS, *entries))
        page = f"<html><body>{links}</body></html>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        if body:
            self.wfile.write(page)


@contextmanager
def serving(folder: Path) -> Iterator[FileServer]:
    """Serve a folder for as long as the block lasts."""
    with FileServer(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
