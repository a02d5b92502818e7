"""What layers say of their outputs without a trace is what a trace finds."""

import keras
import pytest
from keras.src import backend

from trainer import layers

_LENGTHS = keras.KerasTensor((None,), "int32")
_PACKED, _PADDED = keras.KerasTensor((None, 6)), keras.KerasTensor((None, None, 6))
_LAYERS = {
    "PackSteps": ({}, (keras.KerasTensor((None, None, 6), "uint8"), _LENGTHS)),
    "UnpackSteps": ({}, (_PACKED, _LENGTHS, _PADDED)),
    "PackRecords": ({}, (_PACKED, _LENGTHS)),
    "UnpackRecords": ({}, (_PACKED, _LENGTHS)),
    "Rows": ({"shape": (2, 3)}, (_PACKED,)),
    "RecordPooling": ({"kind": "mean"}, (_PACKED, _LENGTHS)),
    "Normalization": ({"kind": "record"}, (keras.KerasTensor((None, 6), "int16"), _LENGTHS)),
    "LabelScale": ({}, (_PACKED,)),
    "SelfAttention": ({"heads": 1}, (_PACKED, _LENGTHS)),
    "TemporalConvolution": ({"filters": 4, "kernel_steps": 3}, (_PACKED, _LENGTHS)),
    "TemporalDepthwiseConvolution": ({"kernel_steps": 3}, (_PACKED, _LENGTHS)),
    "TemporalMaxPooling": ({"steps": 3}, (_PACKED, _LENGTHS)),
    "HandmadeFilters": ({}, (_PACKED, _LENGTHS)),
}


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("name", _LAYERS)
def test_outputs_are_those_that_a_trace_finds(name, policy):
    options, inputs = _LAYERS[name]
    layer = getattr(layers, name)(**options, dtype=policy)
    stated = layer(*inputs)
    found = backend.compute_output_spec(layer, *inputs)
    assert (tuple(stated.shape), stated.dtype) == (tuple(found.shape), found.dtype)
