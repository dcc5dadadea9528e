"""A sweep that trains in seconds: two values of p_musical, two seeds, on the toy catalog."""

from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.models import ModelConfig
from mixlab.studies.grids import grid_conditions
from mixlab.studies.plan import Plan
from mixlab.training import TrainConfig

MIX = MixConfig(duration_s=0.5, sample_rate=8000, max_sources=3, effects=EffectsConfig.none())
TRAIN = TrainConfig(
    model=ModelConfig(sample_rate=8000, f_max=4000, n_fft=256, hop=128, n_mels=16, width=4),
    epochs=1,
    epoch_size=16,
    batch_size=8,
    val_size=24,
    test_size=20,
    precision="fp32",
    accelerator="cpu",
    threads=1,
    tensorboard=False,
    bootstrap=0,
)
VARY = {"mix.p_musical": (0.0, 1.0)}
PLAN = Plan("sweep", "A sweep", grid_conditions(VARY), (0, 1), MIX, TRAIN, VARY)
