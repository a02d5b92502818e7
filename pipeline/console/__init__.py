"""What every command says to a person: options, help, messages, progress, pages, errors.

Imports `tfrecords_schema` alone. Begin with `errors.py` and `command.py`.
"""
