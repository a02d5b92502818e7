"""What a trained model answers: probabilities or values, zero wherever there is no record."""

import keras
import tensorflow as tf

from pipeline.batches.valid_labels import label_lengths
from trainer.step.task import Batch, Task, inputs_of


class Serving:
    """A model with softmax, sigmoids or nothing behind it, and padding told apart from answers."""

    def __init__(self, model: keras.Model, task: Task):
        """Prepares.

        Args:
          model: gives logits or values.
          task: what is predicted.
        """
        self.model = model
        self.task = task
        # Keras sorts inputs by name; people name the recording first.
        inputs = sorted(model.inputs, key=lambda tensor: tensor.name not in ("signal", "frames"))
        self._specs = {
            tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, tensor.name) for tensor in inputs
        }
        # The true steps ahead are read in training only; see the forecaster.
        self._ahead = self._specs.pop("label", None)

    @property
    def input_specs(self) -> dict[str, tf.TensorSpec]:
        """What `answer` takes, by name; batch and time are free."""
        return self._specs

    def answer(self, inputs: Batch) -> dict[str, tf.Tensor]:
        """Predicts a batch; inside a `tf.function` or not.

        Args:
          inputs: as `input_specs` says; `signal` or `frames` [batch, time, ...], `lengths` [batch].

        Returns:
          `probabilities` [batch, (time), classes] float32 and `class_index` [batch, (time)] int32,
          or of any number of classes `present` [batch, (time), classes] int32, 1 or 0; or `values`
          [batch, (time), units] float32. The class is the likeliest, or the one that the task's
          threshold states; present is a class from its threshold on. At padding and in rows of
          length 0 probabilities and values are 0, the class and what is present -1; that is so,
          too, where probabilities are not finite, as of recordings with NaN. Of several labels the
          answers of each stand behind its name, as in `stage_probabilities`; of a label of the
          recording beside those of steps `[batch, units]`, from the mean over steps.

        Raises:
          tf.errors.InvalidArgumentError: if a length is below 0, or beyond the time axis.
        """
        outputs, valid, _ = self._predicted(inputs)
        return self.task.kind.answers(self.task, outputs, valid)

    def rows(self, inputs: Batch) -> tuple[tf.Tensor, tf.Tensor | None, tf.Tensor]:
        """What tables are made of; takes what `answer` takes.

        Returns:
          Predictions `[batch, (time), units]` float32; what is stated of them, see `answer`, or
          None where that is nothing, or several labels; valid steps `[batch]` int32, 1 for one
          answer a record.
        """
        outputs, valid, inputs = self._predicted(inputs)
        stated = self.task.kind.answers(self.task, outputs, valid).get(self.task.kind.stated)
        return outputs, stated, self.answer_lengths(inputs)

    def answer_lengths(self, inputs: Batch) -> tf.Tensor:
        """Valid steps of each row of the answer, `[batch]` int32; 1 for one answer a record."""
        label = self.task.label
        if (
            label.per == "sequence" and "label_lengths" not in self._specs
        ):  # As long as the model's.
            return tf.where(inputs["lengths"] > 0, self.model.output.shape[1], 0)
        return label_lengths(inputs, label)

    def _predicted(self, inputs: Batch) -> tuple[tf.Tensor, tf.Tensor, Batch]:
        """Predictions, which of them are of something recorded, and the inputs as tensors."""
        inputs = {name: tf.convert_to_tensor(given) for name, given in inputs.items()}
        inputs["lengths"] = self._checked_lengths(inputs)
        outputs = self.task.predictions(self.model(self._all_inputs(inputs), training=False))
        return outputs, self._valid(inputs, outputs), inputs

    def _checked_lengths(self, inputs: Batch) -> tf.Tensor:
        data = next(iter(self._specs))  # People name the recording first.
        lengths, steps = inputs["lengths"], tf.shape(inputs[data])[1]
        checks = [
            tf.debugging.assert_non_negative(lengths, "a length is below 0"),
            tf.debugging.assert_less_equal(
                lengths, steps, f"lengths: a recording has more steps than the time axis of {data}"
            ),
        ]
        with tf.control_dependencies([check for check in checks if check is not None]):
            return tf.identity(lengths)

    def _all_inputs(self, inputs: Batch) -> Batch:
        given = inputs_of(inputs, self._specs)
        if self._ahead is None:
            return given
        shape = [tf.shape(inputs["lengths"])[0], 1, *self._ahead.shape[2:]]
        return {**given, "label": tf.zeros(shape, self._ahead.dtype)}

    def _valid(self, inputs: Batch, outputs: tf.Tensor) -> tf.Tensor:
        lengths = self.answer_lengths(inputs)
        if self.task.label.per == "record":
            return lengths > 0
        return tf.sequence_mask(lengths, tf.shape(outputs)[1])
