"""Keras layers that take lengths explicitly and compute on valid steps only.

Imports no other room of the trainer. Begin with `packing.py`: steps are gathered, computed on,
and scattered back.
"""

from trainer.layers.attention import SelfAttention
from trainer.layers.batch_normalization import BatchNormalization
from trainer.layers.competing_kernels import CompetingKernels, Standardize
from trainer.layers.convolution import (
    Conv1D,
    Conv2D,
    NeverEmpty,
    TemporalConvolution,
    TemporalDepthwiseConvolution,
    TemporalMaxPooling,
)
from trainer.layers.dropout import Dropout
from trainer.layers.features import Dense, FeaturesApart, FeaturesTogether, StepDifference
from trainer.layers.feedback_decoder import FeedbackDecoder
from trainer.layers.frozen import Frozen, SplitFeatures
from trainer.layers.handmade_filters import HandmadeFilters
from trainer.layers.layer_normalization import LayerNormalization
from trainer.layers.merging import Add, MeanOfHeads, MeanOfSigmoids, MemberMean, Pool
from trainer.layers.multi_rocket import MultiRocket
from trainer.layers.normalization import ChannelRoles, LabelScale, Normalization
from trainer.layers.packing import (
    PackRecords,
    PackSteps,
    RecordPooling,
    RepeatRecords,
    Rows,
    StepMask,
    UnpackRecords,
    UnpackSequence,
    UnpackSteps,
    longest,
    pack_steps,
    unpack_steps,
    valid_steps,
)
from trainer.layers.patches import (
    DropPadding,
    JoinSteps,
    LengthsInSamples,
    RepeatPatches,
    StepMeans,
)
from trainer.layers.recurrent import GRU, LSTM
from trainer.layers.spectral_masks import SpectralMasks, drawing
from trainer.layers.spectrum import LogMel

__all__ = [
    "GRU",
    "LSTM",
    "Add",
    "BatchNormalization",
    "ChannelRoles",
    "CompetingKernels",
    "Conv1D",
    "Conv2D",
    "Dense",
    "DropPadding",
    "Dropout",
    "FeaturesApart",
    "FeaturesTogether",
    "FeedbackDecoder",
    "Frozen",
    "HandmadeFilters",
    "JoinSteps",
    "LabelScale",
    "LayerNormalization",
    "LengthsInSamples",
    "LogMel",
    "MeanOfHeads",
    "MeanOfSigmoids",
    "MemberMean",
    "MultiRocket",
    "NeverEmpty",
    "Normalization",
    "PackRecords",
    "PackSteps",
    "Pool",
    "RecordPooling",
    "RepeatPatches",
    "RepeatRecords",
    "Rows",
    "SelfAttention",
    "SpectralMasks",
    "SplitFeatures",
    "Standardize",
    "StepDifference",
    "StepMask",
    "StepMeans",
    "TemporalConvolution",
    "TemporalDepthwiseConvolution",
    "TemporalMaxPooling",
    "UnpackRecords",
    "UnpackSequence",
    "UnpackSteps",
    "drawing",
    "longest",
    "pack_steps",
    "unpack_steps",
    "valid_steps",
]
