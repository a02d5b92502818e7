"""Training, evaluation, prediction and export of models for sequences of steps.

Commands stand here: `python -m trainer`, `trainer.launch`, `trainer.cross_validate`,
`trainer.compare` and `trainer.search`. The rooms, from the bottom up: `metrics`, `options`,
`step`, `layers`, `models`, `distribution`, `data`, `runs`, `evaluation`, `training`, `report`,
`serving`, `studies`; each imports only from those before it, from `pipeline` (never its conversion)
and from `tfrecords_schema`. Begin with `__main__`, which reads top to bottom.
"""
