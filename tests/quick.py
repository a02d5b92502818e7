"""Spares TensorFlow and Beam work that they do again and again, and that changes no answer."""

import functools
import sys


def spare() -> None:
    """For the rest of this process, of what it has imported."""
    if "tensorflow" in sys.modules:
        _trace_as_written()
        _keep_no_stacks()
    if "keras" in sys.modules:
        _collect_seldom()
    if "apache_beam" in sys.modules:
        _keep_answers()


def _trace_as_written() -> None:
    """AutoGraph rewrites none of our functions: a third of a first training, and none needs it."""
    from tensorflow.python.autograph.core import config

    ours = map(config.DoNotConvert, ("tfrecords_schema", "pipeline", "trainer"))
    config.CONVERSION_RULES = (*ours, *config.CONVERSION_RULES)


def _keep_no_stacks() -> None:
    """Each operation keeps the lines that made it, which under pytest are more than a hundred."""
    from tensorflow.python.util import tf_stack

    here = tf_stack.extract_stack()
    tf_stack.extract_stack = lambda stacklevel=1: here


def _collect_seldom() -> None:
    """A collection before every run takes longer than many of them."""
    from keras import utils

    utils.clear_session = functools.partial(utils.clear_session, free_memory=False)


def _keep_answers() -> None:
    """Half of a small conversion is what Beam asks anew for each of its steps."""
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.transforms import userstate
    from objsize import traverse

    # Parses the flags for every kind of options that is asked for.
    PipelineOptions.view_as = functools.lru_cache(256)(PipelineOptions.view_as)
    # Takes the signatures of all methods.
    userstate.get_dofn_specs = functools.lru_cache(256)(userstate.get_dofn_specs)
    # Looks through all modules to weigh a value.
    modules = [*traverse._iter_modules_globals()]
    traverse._iter_modules_globals = lambda: modules
