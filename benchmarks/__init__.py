"""Measures the project and counts its faults; makes what README and docs show.

`harness` is what all share; `speed` is timed, beside `peers`; `faults` are provoked and counted;
`results` are data sets, trainings and pictures of the documents. Begin with `__main__.py`.
"""
