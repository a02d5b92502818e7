"""What training changes in recordings so that a model does not learn them by heart.

Imports the options and what both packages say to people. Begin with `augmentation.py`; every other
file is one augmentation, found by its class.
"""
