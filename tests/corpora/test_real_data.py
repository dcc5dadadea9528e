"""Real audio and metadata through the whole path: index, sample, render, labels. Skips without it."""

from pathlib import Path

import numpy as np
import pytest

from mixlab.catalog.build import build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.mixing.rendering import Mix, render_mix
from mixlab.mixing.sampler import sample_recipe


@pytest.fixture(scope="module")
def real(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The two real songs (MP3) and the true Slakh sample as one catalog, one training split."""
    if not (shared / "real_audio").is_dir():
        pytest.skip(f"real audio not found: {shared}/real_audio is no folder")
    folder = tmp_path_factory.mktemp("real")
    roots = {
        "folder": shared / "real_audio",
        "slakh": shared / "datasets" / "slakh2100" / "samples" / "slakh2100_flac_redux",
    }
    build_catalog(folder / "catalog", roots, split="corpus", workers=1, progress=False)
    return Catalog.open(folder / "catalog")


def full_mix(catalog: Catalog, song: str) -> Mix:
    """Render a whole song at some position."""
    # The Slakh sample lasts two seconds, less than a mix.
    config = MixConfig(p_musical=1.0, full=True, effects=EffectsConfig.none(), short_songs="allow")
    for split in ("train", "validation", "test"):
        if split not in set(catalog.column("split")[catalog.column("drawable")]):
            continue
        for index in range(60):
            recipe = sample_recipe(catalog, config, 0, 0, index, split=split)
            if f"/{song}/" in recipe.sources[0].stem:
                mix = render_mix(recipe, catalog)
                if all(source.state == "present" for source in mix.sources):
                    return mix
    raise AssertionError(f"no position of {song} at which all stems sound")


def test_every_stem_is_understood_and_silent_placeholders_are_listed(real: Catalog) -> None:
    assert not set(real.column("ignored")) - {""}
    assert {problem.kind for problem in real.problems()} == {"silent"}
    assert int(real.column("drawable").sum()) == 9
    assert set(real.column("sample_rate")) == {44100, 48000}


def test_a_real_song_with_two_instruments_on_one_stem(real: Catalog) -> None:
    mix = full_mix(real, "waveform-playlist")
    states = {label.name: label.state for label in mix.explain()}
    assert len(mix.sources) == 4
    assert states["voice"] == states["plucked string"] == "present"  # Vocals30, Guitar30
    for name in ("piano", "synth", "drums", "electric bass", "electric guitar", "acoustic guitar", "singer"):
        assert states[name] == "unknown", name  # one of two on its stem, or a kind that nobody stated
    assert states["brass"] == states["woodwind"] == states["violin"] == "absent"


def test_a_real_song_with_long_silences(real: Catalog) -> None:
    mix = full_mix(real, "trackswitch")
    states = {label.name: label.state for label in mix.explain()}
    for name in ("bowed string", "violin", "synth", "percussion", "drums"):
        assert states[name] == "present", name
    assert states["electric bass"] == states["plucked string"] == "unknown"  # 'bass' of a kind not stated
    assert states["voice"] == states["key"] == "absent"


def test_the_true_slakh_sample_mixes(real: Catalog) -> None:
    mix = full_mix(real, "Track00001")
    states = {label.name: label.state for label in mix.explain()}
    assert [source.stem for source in mix.sources] == ["slakh/Track00001/S00"]
    assert states["electric guitar"] == states["plucked string"] == "present"
    assert states["piano"] == "absent"
    assert np.abs(mix.mixture).max() > 0.01
