"""The options of the frame model."""

import dataclasses

from trainer.options.flags import check_range, option

CONVOLUTIONS = "conv"
WITHOUT_WEIGHTS = "none"
FRAME_POOLINGS = ("flatten", "average", "max", "rows")


@dataclasses.dataclass(frozen=True)
class FrameModelOptions:
    """What turns a frame into one vector; the rest is as in `SignalModelOptions`."""

    backbone: str = option(
        CONVOLUTIONS,
        "A network of keras.applications by name, such as MobileNetV2; conv: --frame_conv_filters.",
    )
    backbone_weights: str = option(
        WITHOUT_WEIGHTS,
        "imagenet (downloaded), none (random), or a file that Keras' load_weights takes.",
    )
    trainable_backbone_layers: int = option(
        0, "The last layers of the backbone that are trained; the others are frozen."
    )
    frame_conv_filters: tuple[int, ...] = option(
        (64,), "Filters of the convolutions of --backbone=conv."
    )
    frame_conv_kernel: int = option(3, "Height and width of their kernels.")
    frame_conv_activation: str = option("linear", "Activation of each of them.")
    frame_pool: int = option(2, "Size and stride of the max pooling after the last of them.")
    frame_dropout: float = option(
        0.0, "Dropout rate on what is left of each frame: its vector, or map."
    )
    frame_pooling: str = option(
        "flatten",
        "From a frame's map of features to a vector; rows: an LSTM over its rows, top to bottom.",
        FRAME_POOLINGS,
    )
    frame_rnn_units: int = option(5, "Units of the LSTM of --frame_pooling=rows.")
    cache_features: bool = option(
        True, "Compute what is frozen once per frame, and keep the features on disk."
    )
    feature_cache_dir: str = option(
        "", "Where features are kept, for several runs to share; default <run_dir>/features."
    )

    def __post_init__(self) -> None:
        if self.frame_pooling not in FRAME_POOLINGS:
            raise ValueError(
                f"--frame_pooling={self.frame_pooling}: expected one of {', '.join(FRAME_POOLINGS)}"
            )
        check_range(self, ("trainable_backbone_layers",), 0)
        check_range(self, ("frame_conv_filters", "frame_conv_kernel"), 1)
        check_range(self, ("frame_pool", "frame_rnn_units"), 1)
        check_range(self, ("frame_dropout",), 0, 1)
