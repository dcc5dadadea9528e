"""An index of a pack is used only where it is what was written; what is kept is what was written, too."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mixlab.catalog.packing
from mixlab.catalog.build import build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.pack import Pack
from mixlab.catalog.pack_index import verify_pack
from mixlab.catalog.packing import PackReport, pack_catalog
from mixlab.cli.main import main
from mixlab.errors import CatalogError
from mixlab.utils.locks import hold_folder
from tests.errors import raises
from tests.small_disk import small_disk, until_it_fits
from tests.toy import make_corpus

SHARD_BYTES = 700_000  # three stems of 7 s


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    place = tmp_path_factory.mktemp("packed")
    make_corpus(place / "one", 2, seed=3)
    build_catalog(place / "catalog", {"folder": place / "one"}, workers=1, progress=False)
    return Catalog.open(place / "catalog")


def packed(catalog: Catalog, folder: Path) -> PackReport:
    return pack_catalog(catalog, folder, workers=1, progress=False, shard_bytes=SHARD_BYTES)


@pytest.fixture(scope="module")
def whole(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs") / "pack"
    report = packed(catalog, folder)
    assert (report.stems, report.written, report.problems) == (10, 4, ())
    return folder


@pytest.fixture
def pack(whole: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "pack"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def edit(path: Path, change: Callable[[dict[str, Any]], None], *, checksum: str = "kept") -> None:
    """Change a JSON file as a careless hand would, or one that leaves its checksum out or makes it anew."""
    document = json.loads(path.read_text())
    change(document)
    if checksum == "removed":
        del document["entries_checksum"]
    if checksum == "made anew":
        entries = json.dumps(document.get("entries")).encode()
        document["entries_checksum"] = blake2b(entries, digest_size=16).hexdigest()
    path.write_text(json.dumps(document))


def swap(document: dict[str, Any]) -> None:
    """Let two stems of the same length lie where the other one does."""
    one, other = document["entries"][:2]
    assert (one["shard"], one["samples"]) == (other["shard"], other["samples"])
    one["offset"], other["offset"] = other["offset"], one["offset"]


def test_an_index_says_what_was_packed(catalog: Catalog, whole: Path) -> None:
    assert verify_pack(whole) == Pack(whole).verify() == []
    entries = Pack(whole).entries
    assert set(entries) == set(catalog.column("key"))
    assert json.loads((whole / "pack.json").read_text())["version"] == 3


@pytest.mark.parametrize("checksum", ["kept", "removed"])
def test_swapped_offsets_are_found_when_the_pack_is_opened_and_by_verify(
    catalog: Catalog, whole: Path, pack: Path, checksum: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(pack / "pack.json", swap, checksum=checksum)
    with raises(CatalogError, code="pack-damaged", mentions=(pack / "pack.json", "mixlab pack")):
        Pack(pack)
    assert main(["pack", str(catalog.path), "--out", str(pack), "--verify"]) == 1
    assert "pack.json" in capsys.readouterr().out
    assert packed(catalog, pack).written == 0  # the shards are as they were
    assert contents(pack) == contents(whole)


def test_swapped_offsets_beside_a_shard_are_found_by_verify_and_mended(
    catalog: Catalog, whole: Path, pack: Path
) -> None:
    sidecar = sorted(pack.glob("shard-*.json"))[0]
    edit(sidecar, swap)
    (wrong,) = verify_pack(pack)
    assert sidecar.stem in wrong
    assert packed(catalog, pack).written == 1
    assert contents(pack) == contents(whole)


def test_swapped_offsets_with_a_checksum_of_their_own_are_found_by_verify(
    catalog: Catalog, whole: Path, pack: Path
) -> None:
    edit(pack / "pack.json", swap, checksum="made anew")
    (wrong,) = Pack(pack).verify()
    assert "another place or scale" in wrong
    packed(catalog, pack)
    assert contents(pack) == contents(whole)


def set_first(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["entries"][0].update(values)


def repeat_first(document: dict[str, Any]) -> None:
    document["entries"].append(document["entries"][0])


def move_onto_another(document: dict[str, Any]) -> None:
    document["entries"][1]["offset"] -= 1


def reach_beyond(document: dict[str, Any]) -> None:
    document["entries"][-1]["samples"] += 1


HARM: dict[str, Callable[[dict[str, Any]], None]] = {
    "a folder above": set_first(shard="../../x.i16"),
    "a path": set_first(shard="/etc/passwd"),
    "another file": set_first(shard="pack.json"),
    "no text as shard": set_first(shard=3),
    "a newline": set_first(shard="shard-00000-0123456789abcdef.i16\n"),
    "an offset before": set_first(offset=-1),
    "an offset far beyond": set_first(offset=10**24),
    "a broken offset": set_first(offset=0.5),
    "a truth value": set_first(offset=True),
    "no samples": set_first(samples=0),
    "a text as samples": set_first(samples="1"),
    "no scale": set_first(scale=0.0),
    "a scale below 0": set_first(scale=-1.0),
    "NaN": set_first(scale=float("nan")),
    "infinity": set_first(scale=float("inf")),
    "an endless scale": set_first(scale=10**400),
    "no number as time": set_first(time_ns=None),
    "a list as key": set_first(key=[]),
    "an unknown field": set_first(more=1),
    "a stem twice": repeat_first,
    "a shared place": move_onto_another,
    "beyond the shard": reach_beyond,
    "an entry that is none": lambda document: document["entries"].append(3),
    "no entries": lambda document: document.update(entries={}),
    "no rate": lambda document: document.pop("sample_rate"),
    "a rate that is none": lambda document: document.update(sample_rate=10**9),
    "no channels": lambda document: document.update(channels=0),
}


@pytest.mark.parametrize("checksum", ["kept", "removed", "made anew"])
@pytest.mark.parametrize("harm", HARM)
def test_an_index_that_was_tampered_with_is_refused(pack: Path, harm: str, checksum: str) -> None:
    edit(pack / "pack.json", HARM[harm], checksum=checksum)
    with raises(CatalogError, code="pack-damaged", mentions=pack / "pack.json"):
        Pack(pack)
    assert verify_pack(pack) != []


def test_no_shard_outside_the_folder_is_read_even_where_one_lies(pack: Path) -> None:
    shard = sorted(pack.glob("shard-*.i16"))[0].name
    shutil.copy(pack / shard, pack.parent / shard)

    def lead_out(document: dict[str, Any]) -> None:
        for entry in document["entries"]:
            if entry["shard"] == shard:
                entry["shard"] = f"../{shard}"

    edit(pack / "pack.json", lead_out, checksum="made anew")
    with raises(CatalogError, code="pack-damaged", mentions=f"../{shard}"):
        Pack(pack)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[1, 2]", b"{" * 5000, b"[" * 100_000, b'{"version": 3'])
def test_what_is_no_index_is_refused(pack: Path, content: bytes) -> None:
    (pack / "pack.json").write_bytes(content)
    with raises(CatalogError, code="pack-damaged", mentions=pack / "pack.json"):
        Pack(pack)


def test_a_pack_of_an_earlier_release_is_read_and_kept(catalog: Catalog, whole: Path, pack: Path) -> None:
    for path in pack.glob("*.json"):
        edit(path, lambda document: None, checksum="removed")
    assert Pack(pack).entries == Pack(whole).entries
    assert verify_pack(pack) == []
    assert packed(catalog, pack).written == 0


def test_a_missing_shard_is_found_when_the_pack_is_opened(pack: Path) -> None:
    lost = sorted(pack.glob("shard-*.i16"))[1]
    lost.unlink()
    with raises(CatalogError, code="pack-damaged", mentions=(lost.name, "mixlab pack")):
        Pack(pack)


@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_a_shard_with_other_samples_of_the_same_size_is_not_kept(
    catalog: Catalog, whole: Path, pack: Path, where: str
) -> None:
    shard = sorted(pack.glob("shard-*.i16"))[2]
    data = np.fromfile(shard, np.uint8)
    data[{"first": 0, "middle": len(data) // 2, "last": -1}[where]] ^= 1
    data.tofile(shard)
    assert any(shard.name in line for line in verify_pack(pack))
    report = packed(catalog, pack)
    assert (report.written, report.kept) == (1, 3)
    assert contents(pack) == contents(whole)


@pytest.mark.parametrize("field", ["scale", "key", "fingerprint", "offset", "samples", "size"])
def test_a_shard_whose_own_index_is_another_is_not_kept(
    catalog: Catalog, whole: Path, pack: Path, field: str
) -> None:
    sidecar = sorted(pack.glob("shard-*.json"))[1]

    def change(document: dict[str, Any]) -> None:
        entry = document["entries"][1]
        entry[field] = f"{entry[field]}0" if isinstance(entry[field], str) else entry[field] * 2

    edit(sidecar, change)
    assert packed(catalog, pack).written == 1
    assert contents(pack) == contents(whole)


@pytest.mark.parametrize(
    "change", [{"problems": 3}, {"problems": [3]}, {"identity": None}, {"bytes": "1"}, {"entries": None}]
)
def test_a_shard_whose_own_index_holds_something_else_is_not_kept(
    catalog: Catalog, whole: Path, pack: Path, change: dict[str, Any]
) -> None:
    sidecar = sorted(pack.glob("shard-*.json"))[1]
    edit(sidecar, lambda document: document.update(change), checksum="removed")
    assert verify_pack(pack) != []
    assert packed(catalog, pack).written == 1
    assert contents(pack) == contents(whole)


def test_a_damaged_shard_that_cannot_be_made_again_is_not_taken_for_whole(
    catalog: Catalog, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = sorted(pack.glob("shard-*.i16"))[0]
    data = bytearray(shard.read_bytes())
    data[0] ^= 1
    shard.write_bytes(data)

    def fail(task: Any) -> list[str]:
        raise MemoryError("too large")

    monkeypatch.setattr(mixlab.catalog.packing, "_make_shard", fail)
    report = packed(catalog, pack)
    assert report.problems == (f"{shard.name}: MemoryError: too large",)
    assert not any(entry.shard == shard.name for entry in Pack(pack).entries.values())


def test_two_packs_at_once_are_refused(catalog: Catalog, whole: Path, pack: Path) -> None:
    # Another thread, as another process would be.
    with hold_folder(pack, AssertionError), ThreadPoolExecutor(1) as pool:
        second = pool.submit(packed, catalog, pack)
        with raises(CatalogError, code="pack-in-use", mentions=pack):
            second.result()
    assert contents(pack) == contents(whole)


def test_what_killed_packs_left_goes(catalog: Catalog, whole: Path, pack: Path) -> None:
    (pack / ".shard-00000-0123456789abcdef.i16.01234567-1-01234567.tmp").write_bytes(b"half")
    (pack / "shard-00009-0123456789abcdef.i16").write_bytes(b"of another plan")
    (pack / "shard-of-mine.txt").write_bytes(b"mine")
    packed(catalog, pack)
    assert contents(pack) == {**contents(whole), "shard-of-mine.txt": b"mine"}


def test_a_pack_on_a_full_disk_ends_clearly_and_goes_on_when_there_is_space(
    catalog: Catalog, whole: Path, tmp_path: Path
) -> None:
    kept = [0]

    def look() -> None:
        with raises(CatalogError, code="pack-not-found"):
            Pack(folder)
        kept.append(len(list(folder.glob("shard-*.json"))))

    with small_disk(tmp_path / "disk", 100) as disk:
        folder = disk.path / "pack"
        report, failed = until_it_fits(disk, 400, lambda: packed(catalog, folder), folder, look)
        assert failed >= 4
        assert kept == sorted(kept)  # nothing that was finished is lost
        assert report.kept == kept[-1] > 0
        assert contents(folder) == contents(whole)
