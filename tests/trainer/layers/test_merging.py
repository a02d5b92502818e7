"""One answer of several networks, as probabilities are averaged."""

import numpy as np
import tensorflow as tf

from trainer.layers import MeanOfSigmoids


def test_the_mean_of_sigmoids_is_the_sigmoid_of_the_answer():
    rng = np.random.default_rng(0)
    members = [tf.constant(3 * rng.normal(size=(2, 5, 4)), tf.float32) for _ in range(3)]
    found = tf.sigmoid(MeanOfSigmoids()(members))
    expected = np.mean([1 / (1 + np.exp(-one.numpy().astype(float))) for one in members], axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_far_logits_and_their_gradients_stay_finite():
    logits = tf.Variable([[200.0, -200.0, 0.0]])
    with tf.GradientTape() as tape:
        answer = MeanOfSigmoids()([logits, -logits, logits])
    np.testing.assert_allclose(answer, [[np.log(2), -np.log(2), 0]], rtol=1e-6, atol=1e-6)
    assert np.isfinite(tape.gradient(answer, logits)).all()
