"""Packages the project; also what Beam ships to remote workers with --setup_file."""

import pathlib
import runpy

from setuptools import find_packages, setup

_OPTUNA = "optuna>=4.2"
_SCIPY = "scipy>=1.11"
# The libraries that read files of a field, by the kind of raw folder.
_READERS = {
    "arrays": ["h5py>=3.10", _SCIPY],
    "audio": [_SCIPY, "soundfile>=0.12"],
    "edf": ["edfio>=0.4.10", _SCIPY],
    "tables": [],  # pyarrow is there for the index.
    "video": ["av>=12"],
    "wfdb": [_SCIPY, "wfdb>=4.1"],
}
_VERSION_FILE = pathlib.Path(__file__).parent / "pipeline" / "console" / "version.py"

# The clients of object stores; `gs://` without one is TensorFlow's own.
_STORES = {"gcs": ["gcsfs>=2025.3"], "s3": ["s3fs>=2025.3"]}
setup(
    name="variable-length-training",
    version=runpy.run_path(str(_VERSION_FILE))["VERSION"],
    description=(
        "Indexed TFRecords from folders of recordings, and training on sequences of unequal length"
    ),
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["tfrecords_schema*", "pipeline*", "trainer*"]),
    package_data={
        "pipeline.console": ["templates/*.html"],
        "pipeline.inspect": ["templates/*.html"],
        "trainer": ["configs/*.flags"],
        "trainer.report": ["templates/*.html"],
        "trainer.studies": ["templates/*.html"],
    },
    install_requires=[
        "absl-py>=2.1",
        "apache-beam>=2.74,<3",
        "google-crc32c>=1.5,<2",
        "isal>=1.7,<2",
        "jinja2>=3.1,<4",
        "keras>=3.12,<3.16",
        "matplotlib>=3.8,<4",
        "numpy>=2.0,<3",
        "pillow>=10",
        "pyarrow>=18",
        "rich>=13",
        "tensorboard>=2.20,<2.22",
        "tensorflow>=2.20,<2.22",
        "tensorflow-datasets>=4.9.9,<5",
    ],
    extras_require={
        "bench": ["tf_keras>=2.20,<2.22"],
        "dataflow": ["apache-beam[gcp]>=2.74,<3"],
        **_READERS,
        **_STORES,
        "search": [_OPTUNA],
        "test": [
            *sorted({name for names in (_READERS | _STORES).values() for name in names}),
            "gcp-storage-emulator>=2024.8",
            "hypothesis>=6.100",
            "moto[server]>=5.1",
            _OPTUNA,
            "pytest>=8",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.7",
            "scikit-learn>=1.5",  # And scipy with it: what tests compare with.
        ],
        "lint": ["mypy>=1.15", "ruff>=0.12"],
    },
)
