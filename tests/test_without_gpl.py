"""Without the extra ``effects``, and so without anything under the GPL, all of the core works."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import REPO
from tests.toy import make_corpus

SCRIPT = """
import sys
from importlib.abc import MetaPathFinder

GPL = {"pedalboard", "pyrubberband"}

class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in GPL:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())

import torch
from mixlab import MixConfig, MixDataset, MixLoader
from mixlab.cli.main import main
from mixlab.models import ModelConfig, build_model

corpus, catalog, out = sys.argv[1:]
assert main(["index", catalog, f"--root=folder={corpus}"]) == 0
assert main(["mix", catalog, f"--out={out}", "--index=0:4", "--mix.duration_s=1"]) == 0

dataset = MixDataset(catalog, MixConfig(p_musical=0.0), epoch_size=4, batch_size=4)
batch = next(iter(MixLoader(dataset)))
logits = build_model(ModelConfig(), len(dataset.labels))(batch["audio"])
torch.nn.functional.binary_cross_entropy_with_logits(logits, batch["target"]).backward()

effects = "{pitch_shift: {p: 1}}"
for engine in ("rubberband", "rubberband_fine", "pyrubberband"):
    more = [f"--mix.engine={engine}", "--mix.p_musical=0", f"--mix.effects={effects}"]
    assert main(["mix", catalog, f"--out={out}-{engine}", *more]) == 2
assert not GPL & set(sys.modules)
"""


def test_the_core_works_and_engines_of_the_extra_name_it(tmp_path: Path) -> None:
    make_corpus(tmp_path / "corpus", 8, seed=1)
    paths = [str(tmp_path / name) for name in ("corpus", "catalog", "mixes")]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *paths], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for engine, package in (("rubberband", "pedalboard"), ("rubberband_fine", "pedalboard")):
        assert (
            f"The engine '{engine}' needs the package {package}: pip install 'mixlab[effects]'" in done.stderr
        )
    assert (
        "The engine 'pyrubberband' needs the package pyrubberband: pip install 'mixlab[effects]'"
        in done.stderr
    )
