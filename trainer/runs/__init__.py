"""The files of a run folder that say what was run and where it stands.

Imports `data` and `options`. Begin with `run_folder.py`.
"""
