"""Batches on a device hold what rendering one by one gives: stage by stage, and end to end."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch

from mixlab import Catalog, MixConfig, MixRecipe, render_mix, sample_recipe
from mixlab.audio.filters import section
from mixlab.audio.io import FloatArray
from mixlab.audio.phase_vocoder import Vocoder
from mixlab.catalog.pack import PackReader, open_reader
from mixlab.catalog.packing import pack_catalog
from mixlab.catalog.readers import CatalogReader
from mixlab.errors import AudioError, CatalogMismatchError, ConfigError
from mixlab.mixing.effects import PitchShift, TimeStretch
from mixlab.mixing.effects_config import EffectsConfig, FilterRange, PitchRange, StretchRange
from mixlab.mixing.gpu import prepare_batch, render_batch
from mixlab.mixing.gpu.filters import _transform_size, cascade
from mixlab.mixing.gpu.resampling import play
from mixlab.mixing.gpu.shifting import _plan, frame_size, shift
from mixlab.mixing.gpu.stretching import Spans, stretch
from mixlab.mixing.recipe import SourceRecipe
from mixlab.mixing.rendering import Mix
from tests.errors import raises
from tests.own_effects import HISS, TREMOLO, Hiss, Tremolo
from tests.toy import RATE as TOY_RATE
from tests.toy import make_own_catalog

RATE = 16000
HEAVY = EffectsConfig(
    filter=FilterRange(p=0.7), pitch_shift=PitchRange(p=0.8), time_stretch=StretchRange(p=0.8)
)
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


def error_db(found: FloatArray | torch.Tensor, expected: FloatArray) -> float:
    """Power of the difference relative to that of what was expected, in dB."""
    difference = np.asarray(found, dtype=np.float64) - expected.astype(np.float64)
    return float(10.0 * np.log10((difference**2).mean() / (expected.astype(np.float64) ** 2).mean() + 1e-20))


def sounds() -> dict[str, FloatArray]:
    """Tones, noise, drums and a piece that falls silent; mono, 1.5 s or a little less."""
    rng = np.random.default_rng(0)
    t = np.arange(24000) / RATE
    chord = sum(np.sin(2 * np.pi * f * t) for f in (220.0, 277.2, 329.6, 1318.5))
    drums = np.zeros(24000)
    for start in range(1000, 23000, 4000):
        drums[start : start + 1000] = rng.standard_normal(1000) * np.exp(-np.arange(1000) / 150)
    halting = np.sin(2 * np.pi * 440.0 * t) * (np.arange(24000) // 6000 % 2)
    named = {
        "tone": np.sin(2 * np.pi * 440.0 * t),
        "low tone": np.sin(2 * np.pi * 45.0 * t),
        "chord": 0.2 * chord,
        "noise": 0.2 * rng.standard_normal(23011),
        "drums": 0.5 * drums,
        "halting": halting,
    }
    return {name: (0.4 * audio).astype(np.float32)[None] for name, audio in named.items()}


def stacked(audios: list[FloatArray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Sources as a batch, and their lengths."""
    lengths = torch.tensor([audio.shape[1] for audio in audios])
    batch = torch.zeros(len(audios), audios[0].shape[0], int(lengths.max()))
    for row, audio in zip(batch, audios, strict=True):
        row[:, : audio.shape[1]] = torch.from_numpy(audio)
    return batch, lengths


def shifted(
    audios: list[FloatArray], semitones: list[float], rates: list[float], device: str
) -> list[FloatArray]:
    batch, lengths = stacked(audios)
    ends = [round(n / rate) for n, rate in zip(lengths.tolist(), rates, strict=True)]
    steps, tempos = (torch.tensor(values, dtype=torch.float64) for values in (semitones, rates))
    made = shift(batch.to(device), lengths, steps, tempos, RATE, max(ends)).cpu().numpy()
    return [row[:, :end] for row, end in zip(made, ends, strict=True)]


# --- Filters ---------------------------------------------------------------------------------------------

CHAINS = [
    [section("peak", 1000.0, 12.0, 2.0, RATE)],
    [section("low_shelf", 60.0, -12.0, 0.5, RATE)],
    [section("high_shelf", 7000.0, 12.0, 2.0, RATE), section("peak", 100.0, -12.0, 2.0, RATE)],
    [section("low_shelf", 20.0, 24.0, 10.0, RATE), section("low_shelf", 60.0, 12.0, 2.0, RATE)],
]


@pytest.mark.parametrize("device", DEVICES)
def test_filters_are_the_recursion_from_a_state_of_rest(device: str) -> None:
    from mixlab.mixing.gpu.raw import _ring

    rng = np.random.default_rng(1)
    audio = (0.1 * rng.standard_normal((len(CHAINS), 2, 20011))).astype(np.float32)
    identity = (1.0, 0.0, 0.0, 0.0, 0.0)
    table = torch.tensor([[*chain, identity][:2] for chain in CHAINS], dtype=torch.float64)
    ring = max(_ring(tuple(chain)) for chain in CHAINS)
    found = cascade(torch.from_numpy(audio).to(device), table.to(device), ring).cpu()
    for row, sound, chain in zip(found, audio, CHAINS, strict=True):
        sos = np.array([[*c[:3], 1.0, *c[3:]] for c in chain])
        assert error_db(row, scipy.signal.sosfilt(sos, sound.astype(np.float64))) < -120.0


def test_transforms_are_no_longer_than_they_must_be() -> None:
    for least in (1, 2, 7, 1000, 64001, 96000, 123457):
        size = _transform_size(least)
        assert least <= size <= 1.2 * least + 2
        assert size % 2 == 0
        for factor in (2, 3, 5):
            while size % factor == 0:
                size //= factor
        assert size == 1


# --- Pitch and time --------------------------------------------------------------------------------------

SETTINGS = [
    (0.0, 0.8),
    (0.0, 1.25),
    (2.0, 1.0),
    (-2.0, 1.0),
    (0.37, 1.1),
    (-1.3, 0.9),
    (12.0, 0.5),
    (-12.0, 2.0),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", list(sounds()))
def test_a_batch_is_shifted_as_each_source_alone(name: str, device: str) -> None:
    audio = sounds()[name]
    semitones, rates = ([setting[n] for setting in SETTINGS] for n in (0, 1))
    found = shifted([audio] * len(SETTINGS), semitones, rates, device)
    for made, (steps, rate) in zip(found, SETTINGS, strict=True):
        expected = Vocoder().process(audio, RATE, steps, rate)
        assert made.shape == expected.shape
        assert error_db(made, expected) < -50.0, (steps, rate)


@pytest.mark.parametrize("device", DEVICES)
def test_channels_turn_together(device: str) -> None:
    parts = sounds()
    audio = np.concatenate([parts["chord"], 0.3 * parts["drums"] + 0.1 * parts["chord"]])
    expected = Vocoder().process(audio, RATE, 1.4, 0.9)
    assert error_db(shifted([audio], [1.4], [0.9], device)[0], expected) < -50.0


def test_neighbours_of_other_lengths_change_nothing() -> None:
    parts = list(sounds().values())
    parts[0], parts[1] = parts[0][:, :9000], parts[1][:, :15000]
    semitones, rates = [1.0, -1.0, 0.0, 2.0, 0.5, -0.5], [0.8, 1.25, 1.1, 1.0, 0.9, 1.2]
    together = shifted(parts, semitones, rates, "cpu")
    for audio, steps, rate, made in zip(parts, semitones, rates, together, strict=True):
        assert error_db(made, shifted([audio], [steps], [rate], "cpu")[0]) < -100.0


def test_tempo_and_pitch_alike_need_no_stretch_and_nothing_needs_nothing() -> None:
    audio = sounds()["chord"]
    ratio = 2.0 ** (-3.0 / 12.0)
    slow, same = shifted([audio, audio], [-3.0, 0.0], [ratio, 1.0], "cpu")
    assert error_db(slow, Vocoder().process(audio, RATE, -3.0, ratio)) < -110.0
    np.testing.assert_array_equal(same, audio)


def test_the_block_of_frames_changes_nothing() -> None:
    batch, lengths = stacked([sounds()["drums"], sounds()["chord"]])
    plan = _plan(lengths, torch.tensor([1.0, 0.0]), torch.tensor([0.9, 1.2]), RATE)
    spans = Spans(plan.lengths, plan.needed, plan.factors, plan.bins)
    most = int(plan.needed.max())
    whole, pieces = (stretch(batch, spans, most, frame_size(RATE), block=n) for n in (10_000, 7))
    np.testing.assert_array_equal(whole.numpy(), pieces.numpy())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("ratio", [0.5, 0.891, 1.0, 1.122, 2.0])
def test_playing_is_the_same_windowed_sinc(ratio: float, device: str) -> None:
    from mixlab.audio.phase_vocoder import _play

    audio = sounds()["noise"]
    expected = _play(audio, ratio)
    ratios = torch.tensor([ratio], dtype=torch.float64, device=device)
    found = play(torch.from_numpy(audio)[None].to(device), ratios, expected.shape[1])
    assert error_db(found[0].cpu(), expected) < -110.0


def test_matrix_precision_set_for_training_does_not_reach_the_audio(toy: Catalog) -> None:
    raw = prepare_batch(sampled(toy, 2), toy)
    before = render_batch(raw, "cpu")["audio"]
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            after = render_batch(raw, "cpu")["audio"]
    finally:
        torch.set_float32_matmul_precision("highest")
    torch.testing.assert_close(after, before, rtol=0, atol=0)


# --- End to end ------------------------------------------------------------------------------------------


def sampled(catalog: Catalog, count: int, **settings: object) -> list[MixRecipe]:
    options: dict[str, object] = {"engine": "vocoder", "duration_s": 1.5, "effects": HEAVY} | settings
    config = MixConfig(**options)  # type: ignore[arg-type]
    return [sample_recipe(catalog, config, 3, 0, index) for index in range(count)]


@pytest.fixture(scope="module")
def reader(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> PackReader:
    """Reads from a pack of the toy catalog, so that both ways start from the same samples."""
    folder = tmp_path_factory.mktemp("device") / "pack"
    pack_catalog(toy, folder, workers=1, progress=False)
    opened = open_reader(toy, RATE, 1, folder)
    assert isinstance(opened, PackReader)
    return opened


def assert_labels_agree(batch: dict[str, torch.Tensor], mixes: list[Mix]) -> None:
    for place, mix in enumerate(mixes):
        np.testing.assert_array_equal(batch["target"][place].cpu(), mix.target)
        np.testing.assert_array_equal(batch["mask"][place].cpu(), mix.mask)


@pytest.mark.parametrize("device", DEVICES)
def test_mixes_agree_with_those_rendered_one_by_one(toy: Catalog, reader: PackReader, device: str) -> None:
    recipes = sampled(toy, 32)
    assert {recipe.kind for recipe in recipes} == {"musical", "non_musical"}
    mixes = [render_mix(recipe, toy, reader) for recipe in recipes]
    batch = render_batch(prepare_batch(recipes, toy, reader), device)
    assert batch["audio"].shape == (32, 1, 24000)
    assert batch["index"].tolist() == list(range(32))
    assert_labels_agree(batch, mixes)
    errors = [error_db(x.cpu(), mix.mixture) for x, mix in zip(batch["audio"], mixes, strict=True)]
    assert np.median(errors) < -80.0
    assert max(errors) < -40.0
    scales = [mix.scale_db for mix in mixes]
    np.testing.assert_allclose(batch["scale_db"].cpu(), scales, atol=1e-3)


@pytest.mark.parametrize("rule", ["present", "active", "audible"])
@pytest.mark.parametrize("uncertain", ["mask", "absent"])
def test_every_label_rule_gives_the_same_labels(
    toy: Catalog, reader: PackReader, rule: str, uncertain: str
) -> None:
    # Levels between which sources fail the rules now and then.
    options = {"activity_db": -22.0, "silence_db": -45.0, "audible_db": -6.0, "min_active_s": 1.4}
    recipes = sampled(toy, 16, label_rule=rule, uncertain=uncertain, **options)
    mixes = [render_mix(recipe, toy, reader) for recipe in recipes]
    batch = render_batch(prepare_batch(recipes, toy, reader), "cpu", frames=True, sources=True)
    states = {source.state for mix in mixes for source in mix.sources}
    assert states == ({"present"} if rule == "present" else states | {"present", "uncertain"})
    assert_labels_agree(batch, mixes)
    for place, mix in enumerate(mixes):
        target, mask = mix.frames
        np.testing.assert_array_equal(batch["frame_target"][place], target)
        np.testing.assert_array_equal(batch["frame_mask"][place], mask)
        for n, source in enumerate(mix.sources):
            target, mask = mix.labels.encode(source.verdict)
            np.testing.assert_array_equal(batch["source_target"][place, n], target)
            np.testing.assert_array_equal(batch["source_mask"][place, n], mask)


@pytest.mark.parametrize("rule", ["present", "active", "audible"])
@pytest.mark.parametrize("rate", [16000, 11025])
@pytest.mark.parametrize("device", DEVICES)
def test_sources_that_cancel_are_found_as_one_by_one(
    tmp_path: Path, rule: str, rate: int, device: str
) -> None:
    rng = np.random.default_rng(0)
    violin, piano, cello = 0.1 * rng.standard_normal((3, 6 * TOY_RATE))
    sign = np.where(np.arange(6 * TOY_RATE) < 2.5 * TOY_RATE, -1.0, 1.0)
    songs = {
        "pair": [("violin", violin), ("trumpet", -violin), ("piano", piano)],
        "for a while": [("violin", violin), ("violin", sign * violin), ("piano", piano)],
        "three": [("violin", violin), ("cello", cello), ("trumpet", -violin - cello), ("piano", piano)],
        "offset": [("violin", 0 * violin + 0.05), ("piano", piano)],
        "none": [("violin", violin), ("piano", piano)],
    }
    rows = [
        {"song": song, "label": label, "audio": audio}
        for song, stems in songs.items()
        for label, audio in stems
    ]
    catalog = make_own_catalog(tmp_path, rows)
    config = MixConfig(p_musical=1.0, effects=EffectsConfig.none(), label_rule=rule, sample_rate=rate)
    base, keys = sample_recipe(catalog, config, 0, 0, 0), [str(key) for key in catalog.column("key")]
    recipes = []
    for song in songs:
        sources = tuple(SourceRecipe(key, 0.5) for key in keys if key.split("/")[1] == song)
        recipes.append(replace(base, sources=sources))
    mixes = [render_mix(recipe, catalog) for recipe in recipes]
    assert [sum(int(s.cancelled.any()) for s in mix.sources) for mix in mixes] == [2, 2, 3, 0, 0]
    batch = render_batch(prepare_batch(recipes, catalog), device, frames=True)
    assert_labels_agree(batch, mixes)
    for place, mix in enumerate(mixes):
        np.testing.assert_array_equal(batch["frame_target"][place].cpu(), mix.frames[0])
        np.testing.assert_array_equal(batch["frame_mask"][place].cpu(), mix.frames[1])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e20])
def test_what_is_not_finite_is_refused_before_it_travels(toy: Catalog, value: float) -> None:
    class Broken(CatalogReader):
        def read(self, *args: Any) -> FloatArray:
            return super().read(*args) * np.float32(value)

    with np.errstate(all="ignore"), raises(AudioError, code="mix-not-finite"):
        prepare_batch(sampled(toy, 1), toy, Broken(toy))


def test_the_mixture_is_the_sum_of_its_sources_within_the_peak_limit(
    toy: Catalog, reader: PackReader
) -> None:
    recipes = [
        replace(recipe, sources=tuple(replace(source, level_db=12.0) for source in recipe.sources))
        for recipe in sampled(toy, 6)
    ]
    batch = render_batch(prepare_batch(recipes, toy, reader), "cpu", sources=True, max_sources=7)
    assert batch["sources"].shape == (6, 7, 1, 24000)
    total = batch["sources"][:, 0].clone()
    for place in range(1, 7):
        total += batch["sources"][:, place]
    torch.testing.assert_close(batch["audio"], total, rtol=0, atol=0)
    assert (batch["scale_db"] < 0).any()
    assert float(batch["audio"].abs().max()) <= 1.0
    for place, recipe in enumerate(recipes):
        assert not batch["sources"][place, len(recipe.sources) :].any()
        assert not batch["source_mask"][place, len(recipe.sources) :].any()


def test_stereo_without_effects_from_files_is_exact_but_for_16_bits(toy: Catalog) -> None:
    recipes = sampled(toy, 6, channels=2, effects=EffectsConfig.none())
    batch = render_batch(prepare_batch(recipes, toy), "cpu")
    for made, recipe in zip(batch["audio"], recipes, strict=True):
        assert error_db(made, render_mix(recipe, toy).mixture) < -80.0


def test_the_same_batch_gives_the_same_bytes_wherever_an_item_stands(
    toy: Catalog, reader: PackReader
) -> None:
    recipes = sampled(toy, 5)
    first, second = (render_batch(prepare_batch(recipes, toy, reader), "cpu") for _ in range(2))
    for name, values in first.items():
        torch.testing.assert_close(values, second[name], rtol=0, atol=0)
    turned = render_batch(prepare_batch(recipes[::-1], toy, reader), "cpu")["audio"].flip(0)
    for made, other in zip(first["audio"], turned, strict=True):
        assert error_db(made, other.numpy()) < -100.0


def test_an_excerpt_that_reaches_beyond_its_file_is_silent_there(toy: Catalog, reader: PackReader) -> None:
    base = sampled(toy, 1)[0]
    key = str(toy.column("key")[1])
    effects = (TimeStretch(0.9), PitchShift(1.0))
    ends = [replace(base, sources=(SourceRecipe(key, start_s, 0.0, effects),)) for start_s in (-1.0, 6.2)]
    batch = render_batch(prepare_batch(ends, toy, reader), "cpu")
    for made, recipe in zip(batch["audio"], ends, strict=True):
        expected = render_mix(recipe, toy, reader).mixture
        assert error_db(made, expected) < -60.0
        silent = expected == 0.0
        assert silent.sum() > 4000
        assert float(made[torch.from_numpy(silent)].abs().max()) < 1e-6


# --- Errors ----------------------------------------------------------------------------------------------


def test_what_cannot_be_one_batch_is_refused(toy: Catalog, tmp_path: Path) -> None:
    recipe = sampled(toy, 1)[0]
    with raises(ConfigError, code="unsupported-device", mentions="meta"):
        render_batch(prepare_batch([recipe], toy), "meta")
    with raises(ConfigError, code="empty-selection"):
        prepare_batch([], toy)
    longer = sampled(toy, 1, duration_s=2.0)[0]
    with raises(ConfigError, code="unlike-recipes", mentions="render"):
        prepare_batch([recipe, longer], toy)
    other = sampled(toy, 1, engine="rubberband")[0]
    with raises(ConfigError, code="unsupported-engine", mentions="rubberband"):
        prepare_batch([other], toy)
    own = replace(recipe, sources=(replace(recipe.sources[0], effects=(Tremolo(4.0, 0.5),)),))
    for changed, name in ((own, TREMOLO), (replace(recipe, effects=(Hiss(-60.0, 1),)), HISS)):
        with raises(ConfigError, code="unsupported-device", mentions=(name, "mix.effects.custom")):
            prepare_batch([changed], toy)
    with raises(CatalogMismatchError, code="catalog-mismatch", mentions=(toy.content_hash,)):
        prepare_batch([recipe], toy.with_splits("random", seed=4))
    (tmp_path / "other").mkdir()  # an empty root is one that went away
    lost = Catalog.open(toy.path, roots=dict.fromkeys(toy.roots, tmp_path))
    with raises(AudioError, code="audio-not-found"):
        prepare_batch([recipe], lost)
