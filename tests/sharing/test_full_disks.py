"""A full disk ends an export with a clear error, and the same command goes on when there is space."""

from pathlib import Path

import pytest

from mixlab import Catalog, MixConfig
from mixlab.errors import ConfigError
from mixlab.sharing.exporting import ExportReport, ExportSettings, export_items, verify_export
from mixlab.sharing.formats import ExportFormat
from mixlab.sharing.item_sources import StreamItems
from tests.errors import raises
from tests.small_disk import small_disk, until_it_fits

ITEMS = 6


def export(catalog: Catalog, form: ExportFormat, out: Path) -> ExportReport:
    source = StreamItems(catalog, None, MixConfig(duration_s=1.0), "train", 0, 0)
    settings = ExportSettings(form, shard_items=2)
    return export_items(source, out, settings, ITEMS, workers=1, progress=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("form", ["webdataset", "huggingface", "folder"])
def test_an_export_goes_on_where_the_disk_was_full(toy: Catalog, tmp_path: Path, form: ExportFormat) -> None:
    export(toy, form, tmp_path / "whole")
    with small_disk(tmp_path / "disk", 8) as disk:
        out = disk.path / "out"

        def look() -> None:
            with raises(ConfigError, code="unreadable-file"):
                verify_export(out)

        report, failed = until_it_fits(disk, 24, lambda: export(toy, form, out), out, look)
        assert failed >= 3
        assert (report.written, report.left_out) == (ITEMS, ())
        assert contents(out) == contents(tmp_path / "whole")
        assert verify_export(out) == []
