"""The source's signal model: https://github.com/dallanoce/timedistributed.

The same code for Keras 3 and for legacy Keras 2 (`tf_keras`).
"""

from typing import Any

STRIDES = (3, 2, 2, 2)


def build(keras: Any, samples: int) -> Any:
    """Returns the compiled model of 2,832,002 parameters, for `[batch, time, samples, 1, 1]`.

    Args:
        keras: the module `keras` or `tf_keras`.
        samples: of one time step; 3000 in the source.
    """
    layers = keras.layers
    inputs = x = keras.Input((None, samples, 1, 1))
    for stride in STRIDES:
        convolution = layers.Conv2D(32, [32, 1], activation="relu", strides=(stride, 1))
        x = layers.TimeDistributed(convolution)(x)
        x = layers.TimeDistributed(layers.BatchNormalization())(x)
    x = layers.TimeDistributed(layers.Flatten())(x)
    for units in (256, 128):
        regularizer = keras.regularizers.l2(0.01)
        x = layers.GRU(
            units, activation="relu", return_sequences=True, kernel_regularizer=regularizer
        )(x)
        x = layers.Dropout(0.4)(x)
        x = layers.BatchNormalization()(x)
    outputs = layers.TimeDistributed(layers.Dense(2, activation="softmax"))(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(2e-4),
        loss="sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],
    )
    return model
