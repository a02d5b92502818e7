"""What several layers make of the same lengths, made once in a graph.

A network asks where its rows stand in every layer. Tracing takes as long as a graph has operations,
and so does a small step.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import tensorflow as tf

_Made = TypeVar("_Made")
_KEPT = "_made_once_by_layers"


def once_in_graph(function: Callable[..., _Made]) -> Callable[..., _Made]:
    """Makes a function give what it gave before for the same arguments, within one graph.

    Args:
      function: of tensors and of what is hashable, by position; without side effects, and of
        numbers that pass no gradient on.
    """

    @functools.wraps(function)
    def made(*arguments: Any) -> _Made:
        if tf.executing_eagerly():
            return function(*arguments)
        graph = tf.compat.v1.get_default_graph()
        kept = getattr(graph, _KEPT, None)
        if kept is None:
            kept = {}
            setattr(graph, _KEPT, kept)
        key = (function, *(x.ref() if tf.is_tensor(x) else x for x in arguments))
        if key not in kept:
            kept[key] = function(*arguments)
        return kept[key]

    return made
