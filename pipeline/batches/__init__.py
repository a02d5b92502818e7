"""From an indexed dataset to padded batches: boundaries, the plan of an epoch, its reading.

All that a training needs of the pipeline besides the console, which alone it imports. Begin with
`plan.py`: everything is planned before anything is read.
"""
