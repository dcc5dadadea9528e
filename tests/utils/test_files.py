"""Files are whole or not there; targets that cannot be written say so; locks know who is busy."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mixlab.errors import OutputError
from mixlab.utils.files import (
    check_writable,
    discard_damaged,
    make_folder,
    open_atomic,
    read_arrays,
    remove_leftovers,
    temporary_path,
    told_as_output_error,
    try_lock,
    write_atomic,
    write_first,
    write_together,
)
from tests.errors import raises
from tests.small_disk import small_disk
from tests.unprivileged import unprivileged

HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "ab")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("links", [True, False])
def test_of_several_writers_the_first_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    for text in ("läuft\n", "again"):
        write_first(tmp_path / "a", text)
        assert (tmp_path / "a").read_bytes() == "läuft\n".encode()
        assert names(tmp_path) == ["a"]
    with raises(OutputError, code="output-not-writable", mentions="nowhere"):
        write_first(tmp_path / "nowhere" / "a", "text")


def test_what_a_first_writer_leaves_when_it_is_killed_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    monkeypatch.setattr(os, "getpid", lambda: killed.pid)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    write_first(tmp_path / "a", "text")
    monkeypatch.undo()
    assert len(names(tmp_path)) == 2
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("data", ["läuft\r\n", b"\x00\xff"])
def test_what_is_written_is_read_back_and_nothing_else_is_left(tmp_path: Path, data: str | bytes) -> None:
    write_atomic(tmp_path / "a.txt", "before")
    write_atomic(tmp_path / "a.txt", data)
    assert (tmp_path / "a.txt").read_bytes() == (data.encode() if isinstance(data, str) else data)
    assert names(tmp_path) == ["a.txt"]


def test_a_failed_write_keeps_the_earlier_file(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    write_atomic(target, b"before")

    def fail() -> None:
        with open_atomic(target) as file:
            file.write(b"half of")
            raise ZeroDivisionError("on the way")

    with pytest.raises(ZeroDivisionError, match="on the way"):
        fail()
    assert target.read_bytes() == b"before"
    assert names(tmp_path) == ["a.bin"]


def test_a_file_is_not_seen_before_it_is_whole(tmp_path: Path) -> None:
    with open_atomic(tmp_path / "a.bin") as file:
        file.write(b"half")
        file.flush()
        assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin").read_bytes() == b"half"


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    with open_atomic(tmp_path / "a") as first, open_atomic(tmp_path / "a") as second:
        first.write(b"1" * 10)
        second.write(b"2" * 10)
    assert (tmp_path / "a").read_bytes() == b"1" * 10  # the last to finish


def test_files_are_as_readable_as_the_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_atomic(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_leftovers_of_killed_runs_go_once_they_are_old(tmp_path: Path) -> None:
    """Those of other machines, on a folder that they share: whether such a run lives cannot be known."""
    old, fresh, other = (
        tmp_path / name
        for name in (
            ".a.01234567-1-01234567.tmp",
            ".a.01234567-2-01234567.tmp",
            ".b.tmp",
        )
    )
    for path in (old, fresh, other):
        path.write_bytes(b"half")
    past = time.time() - 7200
    os.utime(old, (past, past))
    os.utime(other, (past, past))  # not a name that mixlab gives
    write_atomic(tmp_path / "a", b"whole")
    assert names(tmp_path) == [fresh.name, ".b.tmp", "a"]


WRITE = """
import sys, time
from pathlib import Path
from mixlab.utils.files import open_atomic
with open_atomic(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("begun", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="whether a process lives is not asked there")
def test_leftovers_of_a_killed_run_of_this_machine_go_with_the_next_file(tmp_path: Path) -> None:
    def begin(name: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", WRITE, str(tmp_path / name)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        return process

    killed, living = begin("killed.bin"), begin("living.bin")
    try:
        killed.kill()
        killed.communicate()
        assert len(names(tmp_path)) == 2
        write_atomic(tmp_path / "a", b"whole")
        left = names(tmp_path)
        assert left[-1] == "a"
        assert [name.startswith(".living.bin.") for name in left] == [True, False]
    finally:
        living.kill()
        living.communicate()


def test_files_that_belong_together_are_replaced_together(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write_together({one: b"1", two: b"1"})
    with raises(OutputError, code="output-not-writable", mentions=tmp_path / "gone" / "three"):
        write_together({one: b"2", two: b"2", tmp_path / "gone" / "three": b"2"})
    assert (one.read_bytes(), two.read_bytes()) == (b"1", b"1")
    write_together({one: b"3", two: b"3"})
    assert (one.read_bytes(), two.read_bytes(), names(tmp_path)) == (b"3", b"3", ["one", "two"])


def test_files_on_a_full_disk_are_as_they_were(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        one, two = disk.path / "one", disk.path / "two"
        write_together({one: b"1", two: b"1"})
        disk.fill()
        with raises(OutputError, code="output-not-writable", mentions=("No space left on device", one)):
            write_together({one: b"2" * 9000, two: b"2"})
        with raises(OutputError, code="output-not-writable", mentions=two):
            write_atomic(two, b"2" * 9000)
        assert (one.read_bytes(), two.read_bytes()) == (b"1", b"1")
        assert names(disk.path) == ["filler", "one", "two"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG])
def test_what_a_library_cannot_write_is_told_with_its_path(tmp_path: Path, number: int) -> None:
    def fail(*file: str) -> None:
        with told_as_output_error(tmp_path / "curves"):
            raise OSError(number, os.strerror(number), *file)

    with raises(OutputError, code="output-not-writable", mentions=(os.strerror(number), tmp_path / "curves")):
        fail()
    with raises(OutputError, code="output-not-writable", mentions="/another/file"):
        fail("/another/file")


def test_what_is_no_matter_of_writing_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), told_as_output_error(tmp_path):
        (tmp_path / "nothing").read_bytes()


def test_a_folder_of_many_files_is_not_looked_through_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: looked.append(folder) or scandir(folder))
    for number in range(20):
        write_atomic(tmp_path / f"{number}.txt", "x", sync=False)
    assert len(looked) <= 2  # two at the turn of an hour
    assert len(names(tmp_path)) == 20


def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    for name in ("n" * 255, "ü" * 127):
        write_atomic(tmp_path / name, b"x")
    assert names(tmp_path) == ["n" * 255, "ü" * 127]


def test_a_library_can_write_to_the_temporary_path(tmp_path: Path) -> None:
    with temporary_path(tmp_path / "a.npy") as temporary:
        temporary.write_bytes(b"whole")
        assert temporary.parent == tmp_path
    assert (tmp_path / "a.npy").read_bytes() == b"whole"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with raises(OutputError, code="output-not-writable", mentions=("No such file", "nowhere/a")):
        write_atomic(tmp_path / "nowhere" / "a", b"")


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")

    def fill() -> None:
        with temporary_path(tmp_path / "a", sync=False) as temporary:
            temporary.symlink_to("/dev/full")
            temporary.write_bytes(b"x" * 100_000)

    with raises(OutputError, code="output-not-writable", mentions="No space left on device"):
        fill()
    assert names(tmp_path) == []


def test_folders_that_can_be_written_are_left_as_they_were(tmp_path: Path) -> None:
    check_writable(tmp_path)
    check_writable(tmp_path / "not" / "there" / "yet")
    assert names(tmp_path) == []


def test_a_target_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for call in (check_writable, make_folder):
        with raises(OutputError, code="output-not-writable", mentions=("Not a directory", "file/runs")):
            call(tmp_path / "file" / "runs")


def test_a_folder_that_may_not_be_written_is_refused() -> None:
    with unprivileged() as folder:
        (folder / "mine").mkdir()
        (folder / "mine").chmod(0o555)
        for target in (folder / "mine", folder / "mine" / "deeper" / "still"):
            with raises(
                OutputError, code="output-not-writable", mentions=("Permission denied", folder / "mine")
            ):
                check_writable(target)


def test_a_damaged_file_is_removed_and_named(tmp_path: Path) -> None:
    file = tmp_path / "cache.npz"
    file.write_bytes(b"PK")
    with pytest.warns(RuntimeWarning, match=r"cache\.npz was damaged \(ValueError: no zip\); it is removed"):
        discard_damaged(file, ValueError("no\n zip"))
    assert names(tmp_path) == []


def test_a_lock_that_another_process_holds_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with path.open("ab") as file:
            assert not try_lock(file)
    finally:
        holder.kill()
        holder.communicate()
    with path.open("ab") as file:
        assert try_lock(file)  # the system lets go with the process


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_without_locks_is_not_taken_for_a_busy_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    import fcntl

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    # The only stand-in here: no file system of a test machine refuses locks.
    monkeypatch.setattr(fcntl, "flock", refuse)
    with (tmp_path / "lock").open("ab") as file, pytest.warns(RuntimeWarning, match="knows no locks"):
        assert try_lock(file)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EACCES])
def test_busy_is_what_the_system_calls_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    import fcntl

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (tmp_path / "lock").open("ab") as file:
        assert not try_lock(file)


def test_arrays_that_cannot_be_opened_are_not_taken_for_damaged(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"Is a directory|Permission denied"):
        read_arrays(tmp_path)
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ValueError, match="BadZipFile"):
        read_arrays(tmp_path / "cut.npz")
