"""Where the files are that no package holds: pages, flagfiles, scripts."""

import pathlib

REPOSITORY = pathlib.Path(__file__).parents[1]
