"""The version of this project; `setup.py` reads it here, too."""

VERSION = "0.1.0"
