"""Measure what pitch and time engines do to sound, and how long they take, in one table.

    python -m benchmarks.vocoder_quality [--folder MUSIC] [--out benchmarks/results]

Everything but ``--folder`` is made here, at 16 kHz: tones, chords, clicks, drums and little tunes, for
which the right answer is known. The engines are those of ``mixlab.audio.time_pitch`` (Rubber Band R2 with
smooth transients, which is the engine ``rubberband``, and R3, ``rubberband_fine``), our vocoder, and
Signalsmith Stretch where python-stretch is installed. Times are medians of rounds in which the
engines take turns, on one core; a busy machine slows all of them, so the ratios are what counts.
"""

import argparse
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# One core, whatever the libraries would like; they read this when they are imported, so imports follow.
# ruff: noqa: E402
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from mixlab.audio.phase_vocoder import Vocoder
from mixlab.audio.time_pitch import ENGINES, StretchEngine

SAMPLE_RATE = 16000
Audio = NDArray[np.float32]
Settings = Sequence[tuple[float, float]]

# (semitones, rate): what training samples, each extreme of it, and what lies far outside.
TRAINING = (
    (0.0, 0.8),
    (0.0, 1.25),
    (2.0, 1.0),
    (-2.0, 1.0),
    (2.0, 0.8),
    (-2.0, 1.25),
    (1.0, 1.1),
    (-0.7, 0.9),
)
EXTREME: Settings = ((0.0, 0.5), (0.0, 2.0), (12.0, 1.0), (-12.0, 1.0))
TONES_HZ = (55.0, 82.4, 110.0, 196.0, 329.6, 523.3, 880.0, 1500.0, 2500.0, 4000.0, 6000.0)
CHORDS = {
    "A minor, 110 Hz": (110.0, 130.81, 164.81),
    "C major 7, 262 Hz": (261.63, 329.63, 392.0, 493.88),
    "fifth, 65 Hz": (65.41, 98.0),
    "cluster, 440 Hz": (440.0, 466.16, 493.88),
}


class Signalsmith:
    """Signalsmith Stretch through python-stretch."""

    def process(self, audio: Audio, sample_rate: int, semitones: float, rate: float) -> Audio:
        import python_stretch

        stretch = python_stretch.Signalsmith.Stretch()
        stretch.preset(audio.shape[0], float(sample_rate))
        stretch.setTimeFactor(rate)
        stretch.setTransposeSemitones(semitones)
        return np.asarray(stretch.process(np.ascontiguousarray(audio)), dtype=np.float32)


def find_engines() -> dict[str, StretchEngine]:
    engines: dict[str, StretchEngine] = {
        "vocoder": Vocoder(),
        "vocoder, 128 ms": Vocoder(frame_s=0.128),
        "rubberband": ENGINES["rubberband"],
        "rubberband_fine": ENGINES["rubberband_fine"],
    }
    try:
        version("python-stretch")
    except PackageNotFoundError:
        print("signalsmith is left out: pip install python-stretch")
    else:
        engines["signalsmith"] = Signalsmith()
    return engines


# --- Sounds ----------------------------------------------------------------------------------------------


def make_tone(frequency_hz: float, duration_s: float = 4.0) -> Audio:
    t = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32)[None]


def chord_partials(notes_hz: Sequence[float], highest_hz: float) -> list[tuple[float, float]]:
    """Return (frequency in Hz, amplitude) of up to eight partials per note, falling by 1/n."""
    return [(n * note, 0.1 / n) for note in notes_hz for n in range(1, 9) if n * note < highest_hz]


def make_chord(notes_hz: Sequence[float], highest_hz: float, duration_s: float = 4.0) -> Audio:
    t = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    partials = chord_partials(notes_hz, highest_hz)
    waves = [a * np.sin(2 * np.pi * f * t + 2.4 * i * i) for i, (f, a) in enumerate(partials)]
    return np.sum(waves, axis=0).astype(np.float32)[None]


def make_clicks(duration_s: float = 4.0) -> tuple[Audio, list[float]]:
    """Return clicks of one sample, and their times in seconds."""
    audio = np.zeros((1, round(duration_s * SAMPLE_RATE)), np.float32)
    places = [round(s * SAMPLE_RATE) for s in np.arange(0.3, duration_s - 0.2, 0.2037)]
    audio[0, places] = 0.5
    return audio, [place / SAMPLE_RATE for place in places]


def make_drums(duration_s: float = 4.0) -> tuple[Audio, list[float]]:
    """Return kick, snare and hi-hat in turn, and their onsets in seconds."""
    rng = np.random.default_rng(5)
    audio = np.zeros(round(duration_s * SAMPLE_RATE))
    onsets = [float(s) for s in np.arange(0.3, duration_s - 0.3, 0.2513)]
    t = np.arange(round(0.2 * SAMPLE_RATE)) / SAMPLE_RATE
    for i, onset in enumerate(onsets):
        noise = rng.standard_normal(len(t))
        if i % 3 == 0:
            hit = 0.6 * np.sin(2 * np.pi * (50 * t + 4 * (1 - np.exp(-t / 0.02)))) * np.exp(-t / 0.06)
            hit += 0.2 * noise * np.exp(-t / 0.003)
        elif i % 3 == 1:
            hit = 0.3 * noise * np.exp(-t / 0.04) + 0.3 * np.sin(2 * np.pi * 190 * t) * np.exp(-t / 0.05)
        else:
            hit = 0.25 * np.diff(noise, prepend=0.0) * np.exp(-t / 0.025)
        start = round(onset * SAMPLE_RATE)
        audio[start : start + len(t)] += hit
    return audio.astype(np.float32)[None], onsets


def make_tunes() -> dict[str, Audio]:
    """Return short pieces of made-up music: plucked, sung, bowed, and all with drums."""
    rng = np.random.default_rng(7)
    notes = [220.0 * 2 ** (s / 12) for s in (0, 3, 7, 12, 10, 7, 5, 3, 0, -5, 0, 3)]
    step = round(SAMPLE_RATE / 3)
    t = np.arange(step + 2000) / SAMPLE_RATE
    plucked, sung, bowed = (np.zeros(12 * step + 2000) for _ in range(3))
    for i, note in enumerate(notes):
        place = slice(i * step, i * step + len(t))
        for n in range(1, 13):
            if n * note > 7000:
                break
            plucked[place] += 0.2 / n * np.sin(2 * np.pi * n * note * t) * np.exp(-t * (3 + n))
            phase = 2 * np.pi * n * (note * t - 0.5 * np.cos(2 * np.pi * 5.5 * t) * note * 0.02 / 5.5)
            vowel = math.exp(-(((n * note - 700) / 400) ** 2)) + 0.5 * math.exp(
                -(((n * note - 1800) / 500) ** 2)
            )
            sung[place] += 0.2 * vowel * np.sin(phase) * np.minimum(1, np.minimum(t, t[-1] - t) / 0.05)
            swell = np.minimum(1, t / 0.08) * np.minimum(1, (t[-1] - t) / 0.1)
            bowed[place] += 0.1 / n**0.7 * np.sin(np.pi * n * note * t + n) * swell
    bowed += 0.003 * rng.standard_normal(len(bowed))
    drums = make_drums()[0][0]
    drums = np.pad(drums, (0, len(plucked)))[: len(plucked)]
    tunes = {
        "plucked": plucked,
        "sung": sung,
        "bowed": bowed,
        "drums": drums,
        "all": plucked + sung + bowed + drums,
    }
    return {name: (0.5 * tune[: 4 * SAMPLE_RATE]).astype(np.float32)[None] for name, tune in tunes.items()}


def read_folder(folder: Path) -> dict[str, Audio]:
    """Return the loudest 4 s of every audio file below ``folder``, mono."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".wav", ".flac", ".mp3", ".ogg"}):
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
        mono = soxr.resample(audio.mean(axis=1), rate, SAMPLE_RATE)
        power = np.concatenate([[0.0], np.cumsum(np.square(mono, dtype=np.float64))])
        length = min(4 * SAMPLE_RATE, len(mono))
        start = int(np.argmax(power[length:] - power[:-length]))
        found[str(path.relative_to(folder))] = np.ascontiguousarray(mono[None, start : start + length])
    return found


# --- Measures --------------------------------------------------------------------------------------------


def middle(audio: Audio) -> NDArray[np.float64]:
    """Return up to 1.5 s from the middle."""
    half = min(round(0.75 * SAMPLE_RATE), audio.shape[1] // 4)
    centre = audio.shape[1] // 2
    return audio[0, centre - half : centre + half].astype(np.float64)


def find_frequency(x: NDArray[np.float64], expected_hz: float) -> float:
    """Return the frequency in Hz near ``expected_hz`` whose sinusoid explains most of ``x``."""
    window = np.hanning(len(x))
    t = np.arange(len(x)) / SAMPLE_RATE

    def strength(f: float) -> float:
        return float(abs(np.sum(x * window * np.exp(-2j * np.pi * f * t))))

    grid = expected_hz + np.arange(-6.0, 6.01, 0.1)
    best = max(grid, key=strength)
    for width in (0.05, 0.005, 0.0005):
        a, b, c = strength(best - width), strength(best), strength(best + width)
        bend = a - 2 * b + c
        best += float(np.clip(0.5 * (a - c) / bend, -1, 1)) * width if bend < 0 else 0.0
    return float(best)


def fit(x: NDArray[np.float64], frequencies_hz: Sequence[float]) -> tuple[NDArray[np.float64], float]:
    """Fit steady partials; return their amplitudes and the signal-to-residual ratio in dB."""
    t = np.arange(len(x)) / SAMPLE_RATE
    columns = [wave(2 * np.pi * f * t) for f in frequencies_hz for wave in (np.cos, np.sin)]
    matrix = np.stack(columns, axis=1)
    weights = np.linalg.lstsq(matrix, x, rcond=None)[0]
    residual = x - matrix @ weights
    snr_db = 10 * math.log10(np.sum(x**2) / max(np.sum(residual**2), 1e-20))
    return np.hypot(weights[::2], weights[1::2]), snr_db


def measure_tones(engine: StretchEngine, settings: Settings) -> dict[str, float]:
    cents, levels, snrs = [], [], []
    for semitones, rate in settings:
        ratio = 2 ** (semitones / 12)
        for tone_hz in TONES_HZ:
            if tone_hz * ratio > 6900 or tone_hz * ratio < 40:
                continue
            x = middle(engine.process(make_tone(tone_hz), SAMPLE_RATE, semitones, rate))
            found_hz = find_frequency(x, tone_hz * ratio)
            amplitudes, snr_db = fit(x, [found_hz])
            cents.append(abs(1200 * math.log2(found_hz / (tone_hz * ratio))))
            levels.append(abs(20 * math.log10(amplitudes[0] / 0.3)))
            snrs.append(snr_db)
    return {
        "pitch_error_cents_median": statistics.median(cents),
        "pitch_error_cents_worst": max(cents),
        "level_error_db_median": statistics.median(levels),
        "level_error_db_worst": max(levels),
        "tone_snr_db_median": statistics.median(snrs),
        "tone_snr_db_worst": min(snrs),
    }


def measure_chords(engine: StretchEngine, settings: Settings) -> dict[str, float]:
    snrs, levels = [], []
    for notes in CHORDS.values():
        for semitones, rate in settings:
            ratio = 2 ** (semitones / 12)
            highest_hz = 6900 / max(1.0, ratio)
            partials = chord_partials(notes, highest_hz)
            out = middle(engine.process(make_chord(notes, highest_hz), SAMPLE_RATE, semitones, rate))
            _, snr_db = fit(out, [f * ratio for f, _ in partials])
            snrs.append(snr_db)
            power = np.sum(out**2) / len(out) / sum(a**2 / 2 for _, a in partials)
            levels.append(abs(10 * math.log10(power)))
    return {
        "chord_snr_db_median": statistics.median(snrs),
        "chord_snr_db_worst": min(snrs),
        "chord_level_error_db_worst": max(levels),
    }


def around(audio: Audio, time_s: float, before_s: float, after_s: float) -> NDArray[np.float64]:
    """Return the power from ``before_s`` before ``time_s`` to ``after_s`` after it; silence outside."""
    pad = round(0.2 * SAMPLE_RATE)
    padded = np.pad(audio[0].astype(np.float64) ** 2, pad)
    at = round(time_s * SAMPLE_RATE) + pad
    power: NDArray[np.float64] = padded[
        at - round(before_s * SAMPLE_RATE) : at + round(after_s * SAMPLE_RATE)
    ]
    return power


def measure_attacks(
    engine: StretchEngine,
    make: Callable[[], tuple[Audio, list[float]]],
    settings: Settings,
) -> dict[str, float]:
    """Compare where energy lies around attacks with where it should: early, how wide, how late."""
    audio, onsets = make()
    early, widths, delays = [], [], []
    for semitones, rate in settings:
        out = engine.process(audio, SAMPLE_RATE, semitones, rate)
        for onset in onsets:
            power = around(out, onset / rate, 0.06, 0.09)
            t = np.arange(len(power)) / SAMPLE_RATE - 0.06
            total = power.sum() + 1e-20
            early.append(power[t < -0.004].sum() / total)
            centroid = float((t * power).sum() / total)
            widths.append(math.sqrt(float(((t - centroid) ** 2 * power).sum() / total)))
            original = around(audio, onset, 0.06, 0.09)
            delays.append(centroid - float((t * original).sum() / (original.sum() + 1e-20)))
    return {
        "early_energy_percent": 100 * statistics.mean(early),
        "spread_ms": 1000 * statistics.mean(widths),
        "centroid_shift_ms": 1000 * statistics.mean(delays),
    }


def log_mel(audio: Audio) -> NDArray[np.float64]:
    """Return a log-mel spectrogram in dB: 64 bands, frames of 32 ms every 10 ms, 80 dB deep."""
    size, hop, bands = 512, 160, 64
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(audio[0], size // 2), size)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(size))) ** 2
    edges = 700 * (np.exp(np.linspace(0, math.log(1 + 8000 / 700), bands + 2)) - 1)
    bins = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    filters = np.clip(np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)), 0, None)
    mel = power @ filters.T + 1e-12
    return 10 * np.log10(np.maximum(mel, mel.max() * 1e-8))


def spectral_distance(a: Audio, b: Audio) -> float:
    """Return the mean absolute difference of two log-mel spectrograms in dB, where either is audible."""
    samples = min(a.shape[1], b.shape[1])
    first, second = log_mel(a[:, :samples]), log_mel(b[:, :samples])
    audible = np.maximum(first, second) > max(first.max(), second.max()) - 50
    return float(np.abs(first - second)[audible].mean())


def measure_music(
    engines: dict[str, StretchEngine], music: dict[str, Audio], settings: Settings
) -> dict[str, dict[str, float]]:
    """Return, per engine, the distance to R3 on every piece, averaged over ``settings``."""
    distances: dict[str, dict[str, list[float]]] = {name: {piece: [] for piece in music} for name in engines}
    for piece, audio in music.items():
        for semitones, rate in settings:
            reference = engines["rubberband_fine"].process(audio, SAMPLE_RATE, semitones, rate)
            for name, engine in engines.items():
                out = engine.process(audio, SAMPLE_RATE, semitones, rate)
                distances[name][piece].append(spectral_distance(out, reference))
    return {
        name: {piece: statistics.mean(v) for piece, v in pieces.items()} for name, pieces in distances.items()
    }


def measure_time(
    engines: dict[str, StretchEngine], settings: Settings, rounds: int
) -> dict[str, dict[str, float]]:
    """Return, per engine, milliseconds per excerpt of 4 s (processor time) and speed, rubberband = 1."""
    audio = make_tunes()["all"]
    times: dict[str, list[list[float]]] = {name: [[] for _ in settings] for name in engines}
    for engine in engines.values():
        engine.process(audio, SAMPLE_RATE, 1.0, 1.1)
    for _ in range(rounds):
        for i, (semitones, rate) in enumerate(settings):
            for name, engine in engines.items():
                start = time.process_time()
                engine.process(audio, SAMPLE_RATE, semitones, rate)
                times[name][i].append(1000 * (time.process_time() - start))
    usual = {name: statistics.mean(statistics.median(t) for t in rows) for name, rows in times.items()}
    least = {name: statistics.mean(min(t) for t in rows) for name, rows in times.items()}
    return {
        name: {
            "ms_per_excerpt": usual[name],
            "ms_per_excerpt_least": least[name],
            "speed": usual["rubberband"] / usual[name],
        }
        for name in engines
    }


# --- Table -----------------------------------------------------------------------------------------------

ROWS = (
    ("tones", "pitch_error_cents_worst", "pitch error on tones, worst (cents)", "{:.2f}"),
    ("tones", "level_error_db_worst", "level error on tones, worst (dB)", "{:.2f}"),
    ("tones", "tone_snr_db_median", "signal to added noise, tones, median (dB)", "{:.0f}"),
    ("tones", "tone_snr_db_worst", "the same, worst (dB)", "{:.0f}"),
    ("tones_extreme", "pitch_error_cents_worst", "pitch error, extreme settings, worst (cents)", "{:.2f}"),
    ("tones_extreme", "level_error_db_worst", "level error, extreme settings, worst (dB)", "{:.2f}"),
    ("chords", "chord_snr_db_median", "signal to added noise, chords, median (dB)", "{:.1f}"),
    ("chords", "chord_snr_db_worst", "the same, worst (dB)", "{:.1f}"),
    ("chords", "chord_level_error_db_worst", "level error on chords, worst (dB)", "{:.2f}"),
    ("clicks", "early_energy_percent", "clicks: energy over 4 ms early (%)", "{:.1f}"),
    ("clicks", "spread_ms", "clicks: spread (ms; a click has 0)", "{:.1f}"),
    ("clicks", "centroid_shift_ms", "clicks: shift of their centre (ms)", "{:+.1f}"),
    ("drums", "early_energy_percent", "drums: energy over 4 ms early (%)", "{:.1f}"),
    ("drums", "spread_ms", "drums: spread (ms)", "{:.1f}"),
    ("drums", "centroid_shift_ms", "drums: shift of their centre (ms)", "{:+.1f}"),
    ("music", "mean", "log-mel distance to R3, mean over pieces (dB)", "{:.2f}"),
    ("time", "ms_per_excerpt", "processor time per 4 s (ms)", "{:.2f}"),
    ("time", "speed", "speed, rubberband = 1", "{:.1f}"),
)


def measure_all(engines: dict[str, StretchEngine], music: dict[str, Audio], rounds: int) -> dict[str, Any]:
    results: dict[str, Any] = {}
    distances = measure_music(engines, music, TRAINING[:6])
    times = measure_time(engines, TRAINING, rounds)
    for name, engine in engines.items():
        print(f"measuring {name}", flush=True)
        results[name] = {
            "tones": measure_tones(engine, TRAINING),
            "tones_extreme": measure_tones(engine, EXTREME),
            "chords": measure_chords(engine, TRAINING),
            "clicks": measure_attacks(engine, make_clicks, TRAINING),
            "drums": measure_attacks(engine, make_drums, TRAINING),
            "music": {"mean": statistics.mean(distances[name].values()), **distances[name]},
            "time": {
                **times[name],
                "speed": times["rubberband"]["ms_per_excerpt"] / times[name]["ms_per_excerpt"],
            },
        }
    return results


def write_table(results: dict[str, Any]) -> str:
    lines = ["| | " + " | ".join(results) + " |", "|---|" + "---:|" * len(results)]
    for group, key, title, form in ROWS:
        values = " | ".join(form.format(result[group][key]) for result in results.values())
        lines.append(f"| {title} | {values} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder", type=Path, help="music for the spectral distance; default: tunes made here"
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="where the tables go")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of the clock")
    options = parser.parse_args()
    engines = find_engines()
    music = read_folder(options.folder) if options.folder else make_tunes()
    if not music:
        parser.error(f"{options.folder} holds no wav, flac, mp3 or ogg file")
    results = measure_all(engines, music, options.rounds)
    packages = ["numba", "numpy", "pedalboard", "soxr"] + ["python-stretch"] * ("signalsmith" in engines)
    facts = {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {
            name: version(name) for name in packages if name != "python-stretch" or "signalsmith" in engines
        },
        "music": "made by the script" if options.folder is None else options.folder.name,
        "settings": {"training": TRAINING, "extreme": EXTREME},
    }
    table = write_table(results)
    head = f"Pitch and time engines at 16 kHz, {facts['date']}, {facts['machine']}, music: {facts['music']}."
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "vocoder_quality.md"
    path.write_text(f"{head}\n\n{table}\n")
    path.with_suffix(".json").write_text(json.dumps({**facts, "results": results}, indent=2) + "\n")
    print(f"\n{table}\n\nWritten to {path} and {path.with_suffix('.json')}")


if __name__ == "__main__":
    main()
