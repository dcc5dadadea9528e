"""Published checkpoints: what is known of each, where a copy lies on this machine, and how to fetch one.

Nothing is fetched unless ``fetch`` is called, which ``mixlab weights get`` does: no import and no model
reaches for the network. Every file is known by its SHA-256, and another file under its name is refused; a
path that a user gives is taken as it is.
"""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from mixlab.errors import WeightsError
from mixlab.models import ModelConfig
from mixlab.models.config import HEARD
from mixlab.taxonomy import load_label_set
from mixlab.utils.hashing import file_digest

__all__ = [
    "CHECKPOINTS",
    "Checkpoint",
    "fetch",
    "find_weights",
    "get_checkpoint",
    "identify",
    "mismatches",
    "weights_folder",
]

_BLOCK = 1 << 20
_TIMEOUT_S = 60

_WON = "https://github.com/minzwon/sota-music-tagging-models"
_STEMS = "https://github.com/7x11x13/sota-music-tagging-models"
_CODE = "MIT (Music Technology Group, Universitat Pompeu Fabra)"
_NO_OWN = "none stated for the files; they lie in a repository under MIT"
_JAMENDO = "MTG-Jamendo: metadata CC BY-NC-SA 4.0, audio under the Creative Commons licence of each track"
_MTAT = "MagnaTagATune: for research; see the data set's own page"
_MTAT_TAGS = (
    "guitar,classical,slow,techno,strings,drums,electronic,rock,fast,piano,ambient,beat,violin,vocal,"
    "synth,female,indian,opera,male,singing,vocals,no vocals,harpsichord,loud,quiet,flute,woman,"
    "male vocal,no vocal,pop,soft,sitar,solo,man,classic,choir,voice,new age,dance,male voice,"
    "female vocal,beats,harp,cello,no voice,weird,country,metal,female voice,choral"
)
"""The 50 tags of MagnaTagATune by how often they were given, the usual order of its published taggers."""


@dataclass(frozen=True)
class Checkpoint:
    """What is known of a published file of weights.

    Attributes:
        name: Name in the registry, to use as ``train.pretrained``.
        model: The network it fits.
        n_classes: Outputs C.
        native_samples: Length of the excerpts it was trained on, in samples.
        label_set: mixlab's label set of the same outputs in the same order, or ''.
        own_tags: What its columns are, in order, separated by commas, where ``label_set`` is ''.
        streams: Names of parallel streams, of which ``train.pretrained_stream`` takes one; usually none.
        project: Page of the public project it comes from.
        url: The file itself; '' where the project does not hold it any more or never did.
        sha256: Of the file, in hexadecimal; '' where no copy was at hand, so that only a path helps.
        size: Of the file in bytes; 0 where unknown.
        trained_on: The data, and what is known of their licence.
        licence_code: Licence of the code it was trained with.
        licence_weights: Licence of the file.
        published: Scores that its authors report, as text; '' where they report none.
        note: What else to know.
    """

    name: str
    model: ModelConfig
    n_classes: int
    native_samples: int
    label_set: str
    project: str
    url: str
    sha256: str
    size: int
    trained_on: str
    published: str
    own_tags: str = ""
    streams: tuple[str, ...] = ()
    licence_code: str = _CODE
    licence_weights: str = _NO_OWN
    note: str = ""

    @property
    def tags(self) -> tuple[str, ...]:
        """What the outputs are called, in their order."""
        return load_label_set(self.label_set).names if self.label_set else tuple(self.own_tags.split(","))

    def facts(self) -> dict[str, Any]:
        """Return all that is known as plain data, with sizes and tags written out."""
        from mixlab.models.registry import plain_settings

        known = asdict(self)
        return {
            **{name: known[name] for name in known if name != "own_tags"},
            "model": plain_settings(self.model),
            "native_s": round(self.native_samples / self.model.sample_rate, 3),
            "tags": list(self.tags),
        }

    @property
    def file_name(self) -> str:
        """Name of the file in ``weights_folder``."""
        return f"{self.name}.pth"


def _jamendo(
    short: str, architecture: str, native_samples: int, digest: str, size: int, scores: str, note: str = ""
) -> Checkpoint:
    # The commit that brought the files: a branch could change under the checksum.
    commit = "ffcd1f90b97a1e923a50c6e5283f147cf9dd7dfd"
    return Checkpoint(
        name=f"jamendo_{short}",
        model=ModelConfig(architecture=architecture),
        n_classes=50,
        native_samples=native_samples,
        label_set="jamendo50",
        project=_WON,
        url=f"{_WON}/raw/{commit}/models/jamendo/{short}/best_model.pth" if digest else "",
        sha256=digest,
        size=size,
        trained_on=_JAMENDO,
        published=f"ROC-AUC / PR-AUC on the test songs of MTG-Jamendo, 50 tags: {scores}",
        note=note,
    )


_BY_HAND = "Checksum not known here: take the file from the project and give its path as train.pretrained."

_ALL = (
    _jamendo(
        "musicnn",
        "musicnn",
        48_000,
        "66280f4859376377c47f64313c7ac889a3201fdb06a01bf6e94ac6e619081bb5",
        3_257_168,
        ".8226 / .2713",
        "The best start for excerpts of 3 to 4 s among the files known by their checksum.",
    ),
    _jamendo(
        "crnn",
        "crnn",
        464_000,
        "0a558989c0793f488cb677d188464c91f47c007f7c70473230e55537ca598215",
        1_687_626,
        ".7978 / .2358",
        "Trained on 29 s; takes 1.52 s and more.",
    ),
    _jamendo(
        "fcn",
        "fcn",
        464_000,
        "7bce08a66dbc70d096b0a330f44b4cacd9aa25519b83489fbb98f2164a194e2b",
        1_902_815,
        ".8255 / .2801",
        "Trained on 29 s; needs at least 20.5 s, so it does not go with short mixes.",
    ),
    _jamendo("short", "short_chunk_cnn", 59_049, "", 0, ".8324 / .2976", _BY_HAND),
    _jamendo("short_res", "short_chunk_cnn_res", 59_049, "", 0, ".8316 / .2951", _BY_HAND),
    Checkpoint(
        name="mtat_musicnn",
        model=ModelConfig(architecture="musicnn"),
        n_classes=50,
        native_samples=48_000,
        label_set="",
        project=_WON,
        url=f"{_WON}/raw/1f4d282693ac19cde4d30b86811fe0ae2452f406/models/mtat/musicnn/best_model.pth",
        sha256="690ace3bb5d49d90dd38fe3ec05a1185350b3bc3742bd7ee941f56b649b2c893",
        size=3_257_172,
        trained_on=_MTAT,
        published="ROC-AUC / PR-AUC on the test clips of MagnaTagATune, 50 tags: .9106 / .4493",
        own_tags=_MTAT_TAGS,
    ),
    Checkpoint(
        name="mtat_short_multi_32",
        model=ModelConfig(architecture="short_chunk_cnn", width=32),
        n_classes=50,
        native_samples=59_049,
        label_set="",
        project=_STEMS,
        url=f"{_STEMS}/raw/8907dd96f448c7351eb1127cbb2299bcb54b5c73/models/mtat/short_multi_32/"
        "best_model_4_stems.pth",
        sha256="20c4200cb482f53b4ebaa41f89cfc39ddff9afa95040fa1a074598c8ee882282",
        size=3_929_170,
        trained_on=_MTAT,
        published="",
        own_tags=_MTAT_TAGS,
        streams=("bass", "drums", "other", "vocals"),
        note="Four short-chunk backbones of width 32, each trained on one separated stem; "
        "train.pretrained_stream (0..3) takes one. Its head sees all four, so it has none for one stream.",
    ),
)

CHECKPOINTS: dict[str, Checkpoint] = {entry.name: entry for entry in _ALL}
"""Known checkpoints by name."""


def weights_folder() -> Path:
    """Return where fetched files lie: ``MIXLAB_WEIGHTS``, else ``mixlab/weights`` in the user's cache."""
    named = os.environ.get("MIXLAB_WEIGHTS")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "mixlab" / "weights"


def identify(file: Path) -> Checkpoint | None:
    """Return the known checkpoint that a file is, whatever its name; None where it is another one."""
    if not file.is_file():
        return None
    found = file_digest(file)
    return next((entry for entry in _ALL if entry.sha256 == found), None)


def get_checkpoint(name: str) -> Checkpoint:
    """Return the entry of a name.

    Raises:
        WeightsError: there is none; the message lists the names.
    """
    if name not in CHECKPOINTS:
        raise WeightsError(
            f"No checkpoint {name!r}; known are {', '.join(CHECKPOINTS)}, or give a path.",
            code="unknown-weights",
        )
    return CHECKPOINTS[name]


def find_weights(name_or_path: str) -> Path:
    """Return the file or run folder that a setting names: a path, or a name of the registry.

    A path is taken as it is. Behind a name stands the fetched file, and only if its checksum is right.

    Raises:
        WeightsError: a name whose file was not fetched or is another file, or a path where nothing is.
    """
    path = Path(name_or_path)
    if path.exists():
        return path
    if name_or_path not in CHECKPOINTS:
        raise WeightsError(
            f"No weights at {path}, and no checkpoint of that name is known ({', '.join(CHECKPOINTS)}). Give "
            "a .pth or .safetensors file, a run folder, or one of these names.",
            code="weights-not-found",
        )
    entry = CHECKPOINTS[name_or_path]
    file = weights_folder() / entry.file_name
    if not entry.sha256:
        raise WeightsError(
            f"{entry.name} cannot be found by name, as its checksum is not known here. Give the path of your "
            f"own copy; it is {entry.model.architecture} of {entry.project}.",
            code="weights-not-published",
        )
    if not file.is_file():
        raise WeightsError(
            f"{entry.name} is not on this machine ({file}). Fetch it with 'mixlab weights get {entry.name}', "
            "or give the path of your own copy.",
            code="weights-not-fetched",
        )
    found = file_digest(file)
    if found != entry.sha256:
        raise WeightsError(
            f"{file} is not {entry.name}: its SHA-256 is {found}, expected {entry.sha256}. Remove it and "
            f"type 'mixlab weights get {entry.name}', or give a path to use another file on purpose.",
            code="weights-checksum",
        )
    return file


def mismatches(trained: ModelConfig, config: ModelConfig) -> list[str]:
    """Return the settings, as ``model.name=value``, that a network needs to take the backbone of another.

    Hop and level are left to the user: a longer hop costs less and changes what a filter's length means.

    Args:
        trained: The network that the weights are of.
        config: The network that is to take them.
    """
    # Only here: who lists what is known does not wait for torch.
    from mixlab.models.registry import resolve

    wanted, found = resolve(trained), resolve(config)
    names = ("architecture", "sample_rate", "n_fft", "n_mels", "f_max", "width", "n_layers", *HEARD)
    needed = {f"model.{name}": getattr(wanted, name) for name in names}
    given = {f"model.{name}": getattr(found, name) for name in names}
    if found.architecture != wanted.architecture:
        # The published sizes of another architecture are not this one's: 0 takes the right ones.
        sizes = ("architecture", "width", "n_mels")
        needed = {f"model.{name}": getattr(trained, name) for name in (*sizes, *HEARD)}
        given = {f"model.{name}": getattr(found, name) for name in HEARD}
    needed |= {f"model.parameters.{name}": value for name, value in wanted.parameters.items()}
    given |= {f"model.parameters.{name}": value for name, value in found.parameters.items()}
    return [f"{name}={value}" for name, value in needed.items() if name not in given or given[name] != value]


def fetch(
    name: str, to: Path | None = None, *, url: str = "", progress: Callable[[int], object] | None = None
) -> Path:
    """Download a checkpoint, check it, and only then put it in its place.

    A file that is there already and right is left alone.

    Args:
        name: Name in the registry.
        to: The file to write, or an existing folder; by default ``weights_folder``.
        url: Where to take it from instead of the project: a mirror, or a ``file://`` URL.
        progress: Called with the number of bytes of every block that has arrived.

    Returns:
        The file.

    Raises:
        WeightsError: no such name, no checksum to trust, another file in the place, no answer, or an answer
            with other bytes than published.
    """
    entry = get_checkpoint(name)
    source = url or entry.url
    if not entry.sha256 or not source:
        raise WeightsError(
            f"{name} cannot be fetched. {entry.note} Project: {entry.project}", code="weights-not-published"
        )
    file = (to / entry.file_name if to.is_dir() else to) if to else weights_folder() / entry.file_name
    if file.exists():
        if file.is_file() and file_digest(file) == entry.sha256:
            return file
        raise WeightsError(
            f"{file} is there and is not {name}. Remove it, or choose another place by --to.",
            code="weights-checksum",
        )
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        found = _download(source, part, entry.size, progress)
        if found != entry.sha256:
            raise WeightsError(
                f"What {source} sent is not {name}: SHA-256 {found}, expected {entry.sha256}. Nothing was "
                "kept. The project may have changed the file; if you trust a copy, give its path as "
                "train.pretrained.",
                code="weights-checksum",
            )
        part.replace(file)
    except (OSError, HTTPException, ValueError) as error:
        raise WeightsError(
            f"{name} could not be fetched from {source} to {file}: {error}. Try again, take it from "
            f"{entry.project} by hand, or give a mirror by --url.",
            code="download-failed",
        ) from error
    finally:
        if part.exists():
            part.unlink()
    return file


def _download(url: str, part: Path, size: int, progress: Callable[[int], object] | None) -> str:
    """Write what a URL sends, up to a byte more than expected, and return its SHA-256."""
    digest, left = sha256(), size + 1
    with urlopen(url, timeout=_TIMEOUT_S) as answer, part.open("wb") as out:
        while left and (block := answer.read(min(_BLOCK, left))):
            out.write(block)
            digest.update(block)
            left -= len(block)
            if progress is not None:
                progress(len(block))
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()
