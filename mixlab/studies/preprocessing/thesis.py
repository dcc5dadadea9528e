"""What Choi's thesis states about its experiments with preprocessing, to stand beside ours.

"Deep Neural Networks for Music Tagging" (Queen Mary University of London 2018), chapter 5; published by Choi,
Fazekas, Cho and Sandler as "A comparison of audio signal preprocessing methods for deep neural networks on
music tagging" (EUSIPCO 2018). Its numbers are ROC-AUC over the 50 most frequent tags of the Million Song
Dataset, one value each, without intervals.
"""

__all__ = ["BIAS_RATIO", "FIG_5_5", "FIG_5_5_SIZES", "SOURCE"]

SOURCE = "Fig. 5.5 (Million Song Dataset, 50 tags)"

FIG_5_5 = {
    ("decibel", 1): {"per_frequency": 0.847, "a_weighting": 0.845, "bypass": 0.844},
    ("decibel", 10): {"per_frequency": 0.846, "a_weighting": 0.843, "bypass": 0.846},
    ("linear", 1): {"per_frequency": 0.833, "a_weighting": 0.832, "bypass": 0.834},
    ("linear", 10): {"per_frequency": 0.830, "a_weighting": 0.833, "bypass": 0.832},
}
"""Fig. 5.5, by magnitude and scale: its groups 1, 1s, 2, 2s.

That the third series is bypass follows from its colour in Fig. 5.4; that the first is per-frequency and the
second A-weighting is the order of the thesis's list, which the printed legend alone would confirm.
"""

FIG_5_5_SIZES = {0.16: 0.822, 0.32: 0.833, 0.64: 0.844}
"""Fig. 5.5, on its right: decibels with a part of the training set."""

BIAS_RATIO = 3.4
"""Section 5.2.3.2: mean absolute bias of the first convolution with x10 scaling over that without."""
