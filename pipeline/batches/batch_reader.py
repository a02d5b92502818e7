"""Padded batches of an epoch plan, for each replica, as a `tf.data.Dataset`."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.batches.dataset_ops import read_record, serial_map
from pipeline.batches.deal import NO_RECORD, deal_plan
from pipeline.batches.frames import decode_frames
from pipeline.batches.plan import EpochPlan, plan_lengths, plans_labels
from pipeline.batches.record_rows import RecordRows
from pipeline.batches.shard_cache import local_shards
from pipeline.batches.until_exit import calls
from tfrecords_schema import Dataset, LabelSpec, RecordSchema, SplitIndex
from tfrecords_schema.labels import MISSING_CLASS
from tfrecords_schema.schema import STEPWISE
from tfrecords_schema.shared_arrays import shared_tensor

Element = dict[str, tf.Tensor]

# Batches that are read at the same time, and elements that wait for the trainer. A batch is read by
# one thread, and several batches in parallel: handing rows from thread to thread costs more than
# reading small ones.
_PARALLEL_BATCHES = 4
# Batches of frames are large, and the frames within one are decoded in parallel.
_PARALLEL_FRAME_BATCHES = 2
_PREFETCHED = 2


class BatchReader:
    """Reads the batches of any plan of one split; built once, used for every epoch.

    Building traces the pipeline, which takes longer than a short epoch does.

    Elements are per-replica batches: of the first step for each of `replicas` in order, then of the
    next step. Each is a dict of
      signal: [batch, padded_steps, *step_shape] of the source's dtype, zero after a record's end;
        or frames: [batch, padded_steps, height, width, 3] uint8, decoded, zero after the end.
      lengths: [batch] int32, valid steps; a row of length 0 is no record.
      beside, where the schema has it: [batch, padded_steps, numbers] float32, zero after the end.
      padding, where the schema has it: [batch] int32, samples at the end of the last valid step
        that were not recorded.
      label, where there is one, per step: [batch, padded_steps, *shape]; per record:
        [batch, *shape]; per sequence: [batch, longest of the global batch, *shape], with
      label_lengths: [batch] int32, valid steps of the label, for labels per sequence alone. The
        plan is one of the labels' steps if every input of the split is one step; see
        `plan_lengths`. The input has 1 padded step then.
      record: [batch] int32, row number in the split's index; -1 for a row that is no record.
      partner, where plans have partners: a dict of the same parts, of the partner of each row; of
        a longer one only as many steps as the row has.
    A replica without a record gets one row that is no record: zeros everywhere else.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: str,
        *,
        num_replicas: int = 1,
        replicas: Sequence[int] | None = None,
        parallel_batches: int | None = None,
        index: SplitIndex | None = None,
        decodes_frames: bool = True,
        has_partners: bool = False,
    ):
        """Prepares to read.

        Args:
          dataset: the dataset.
          split: name of the split.
          num_replicas: replicas that share each global batch, of all workers together.
          replicas: those whose rows are read here, in the order of the elements; None for all.
          parallel_batches: batches to read at the same time; more hide the latency of a remote
            file system. None for 4, or 2 of frames.
          index: the split's, if it is loaded already; its columns are shared, not copied.
          decodes_frames: False leaves them out of the elements: decoding takes most of the time.
          has_partners: whether the plans have partners; labels are not per sequence then.
        """
        self._num_replicas = num_replicas
        self._replicas = replicas
        self._dataset, self._split = dataset, split
        self._schema = dataset.schema
        self._has_frames = self._schema.input.kind == "frames"
        self._decodes_frames = decodes_frames
        self._has_partners = has_partners
        usual = _PARALLEL_FRAME_BATCHES if self._has_frames else _PARALLEL_BATCHES
        self._parallel_batches = parallel_batches or usual
        paths = local_shards(dataset, split)
        self._shard_paths = tf.constant(paths)
        self._rows = RecordRows(paths, self._schema)
        index = index or dataset.split(split)
        self._steps = index.steps
        self._plan_lengths = plan_lengths(index, self._schema.label)
        self._plans_labels = plans_labels(index, self._schema.label)
        # In the memory of the index.
        self._places = [shared_tensor(x) for x in (index.shard, index.offset, index.steps)]
        self._label_steps = index.label_steps() if _has_label_lengths(self._schema) else None
        self._no_record = tf.data.Dataset.from_tensors(_record_without_steps(dataset.schema))
        # Each reader traces once; TensorFlow would count those of all readers, and warn.
        spec = [tf.TensorSpec([None], tf.int32)] * (5 if has_partners else 4)
        self._trace = tf.function(
            functools.partial(self._variant), input_signature=spec, autograph=False
        )

    def epoch(self, plan: EpochPlan, *, start_step: int = 0) -> tf.data.Dataset:
        """The batches of `plan`, from global step `start_step` of the epoch on.

        A plan of some of the split's records is read as one of all.

        Raises:
          ValueError: the plan has records that the split has not, `start_step` is not one of its
            steps, or `replicas` are not some of `num_replicas`.
          tf.errors.InvalidArgumentError: on reading, for records that are not what the index says.
        """
        dealt = self.dealt(plan, start_step=start_step)
        batches = self.read(*dealt)
        _, _, padded_steps, *_ = dealt
        return batches.apply(tf.data.experimental.assert_cardinality(len(padded_steps)))

    def dealt(self, plan: EpochPlan, *, start_step: int = 0) -> tuple[np.ndarray, ...]:
        """What `read` needs to deliver a plan: NumPy arrays, all int32, of no meaning elsewhere."""
        self._check_plan(plan)
        dealt = deal_plan(
            plan,
            self._plan_lengths,
            self._num_replicas,
            replicas=self._replicas,
            start_step=start_step,
        )
        label_steps = self._padded_label_steps(plan, start_step, len(dealt.padded_steps))
        steps = np.ones_like(label_steps) if self._plans_labels else dealt.padded_steps
        own = dealt.records, dealt.starts, steps, label_steps
        return own if dealt.partners is None else (*own, dealt.partners)

    def read(self, *dealt: np.ndarray | tf.Tensor) -> tf.data.Dataset:
        """The batches of what `dealt` returned; also inside a function that tf.data calls."""
        variant = self._trace(*map(_as_tensor, dealt))
        spec = _element_spec(self._schema)
        if self._has_frames and not self._decodes_frames:
            spec.pop("frames")
        if self._has_partners:
            spec["partner"] = dict(spec)
        batches = tf.data.experimental.from_variant(variant, spec)
        return batches.with_options(_as_it_is())

    def _padded_label_steps(self, plan: EpochPlan, start_step: int, batches: int) -> np.ndarray:
        """[batches] int32: the longest label of each global batch, for labels per sequence."""
        if self._label_steps is None or batches == 0:
            return np.zeros(batches, np.int32)
        longest = np.maximum.reduceat(self._label_steps[plan.records], plan.step_starts[:-1])
        return np.repeat(longest[start_step:], batches // (plan.num_steps - start_step))

    def _variant(
        self,
        records: tf.Tensor,
        starts: tf.Tensor,
        padded: tf.Tensor,
        label_padded: tf.Tensor,
        *partners: tf.Tensor,
    ) -> tf.Tensor:
        """The dataset as a tensor: traced once, then made from each epoch's plan in no time."""

        @tf.autograph.experimental.do_not_convert
        def element(i: tf.Tensor) -> Element:
            of_batch = slice(starts[i], starts[i + 1])
            own = self._batch(records[of_batch], padded[i], label_padded[i])
            if not partners:
                return own
            partner = self._batch(
                partners[0][of_batch], padded[i], label_padded[i], within=records[of_batch]
            )
            return {**own, "partner": partner}

        batches = tf.data.Dataset.range(tf.size(padded, tf.int64)).map(
            element, num_parallel_calls=self._parallel_batches, deterministic=True
        )
        return tf.data.experimental.to_variant(batches.prefetch(_PREFETCHED))

    def _batch(
        self,
        records: tf.Tensor,
        padded_steps: tf.Tensor,
        label_steps: tf.Tensor,
        within: tf.Tensor | None = None,
    ) -> Element:
        """One element: the batch of these records, each cut to the length of that in `within`."""
        row = tf.maximum(records, 0)
        shard, offset, steps = (tf.gather(column, row) for column in self._places)
        steps = tf.where(records == NO_RECORD, 0, steps)
        most = [] if within is None else [tf.gather(self._places[2], tf.maximum(within, 0))]

        def parsed() -> Element:
            # Places of a row: one, but none in the batch that is one row without a record.
            count = tf.cast(records[0] != NO_RECORD, tf.int32)
            paths = tf.gather(self._shard_paths, shard)
            places = [paths[:, tf.newaxis][:, :count], offset[:, tf.newaxis][:, :count], *most]
            return self._parsed(places, tf.size(records, tf.int64), padded_steps, label_steps)

        if self._has_frames:
            element = parsed()
        else:
            element = self._arrays([shard, offset, steps, padded_steps, label_steps, *most])
            # What others wrote may have its features in another order.
            is_whole = tf.reduce_all(element["lengths"] == steps)
            element = tf.cond(is_whole, lambda: element, parsed)
        element = self._checked(element, records, shard, offset, steps)
        if most:
            element = _cut_lengths(element, *most)
        return self._decoded(element) if self._has_frames else element

    def _arrays(self, places: list[tf.Tensor]) -> Element:
        """The batch of records that hold a signal, as `RecordRows` makes it."""
        spec, rows = _element_spec(self._schema), self._rows
        del spec["record"]

        def read(*places: Any) -> list[np.ndarray]:
            with calls.one():
                found = rows(*places)
                return [found[name] for name in spec]

        types = [part.dtype for part in spec.values()]
        parts = tf.numpy_function(read, places, types, stateful=False)
        for part, expected in zip(parts, spec.values(), strict=True):
            part.set_shape(expected.shape)
        return dict(zip(spec, parts, strict=True))

    def _parsed(
        self,
        places: list[tf.Tensor],
        rows: tf.Tensor,
        padded_steps: tf.Tensor,
        label_steps: tf.Tensor,
    ) -> Element:
        """The batch of any records; frames are padded while they are still encoded."""
        read = serial_map(tf.data.Dataset.from_tensor_slices(tuple(places)), self._row)
        shapes = _padded_shapes(self._schema, padded_steps, label_steps)
        return read.padded_batch(rows, shapes).get_single_element()

    def _row(self, path: tf.Tensor, offset: tf.Tensor, most: tf.Tensor | None = None) -> Element:
        """One row, as long as the record is, or its first steps; its `lengths` are the record's."""
        serialized = read_record(path, offset, self._no_record)
        record = self._schema.parse(serialized)
        label = self._schema.label
        row = {name: record[name] for name in STEPWISE if name in record}
        of_steps = [*row, *(["label"] if label is not None and label.per == "step" else [])]
        row["lengths"] = tf.shape(record[self._schema.input.kind])[0]
        if self._schema.input.has_padding:
            row["padding"] = tf.cast(record["padding"], tf.int32)
        if label is not None:
            row["label"] = record["label"]
        if _has_label_lengths(self._schema):
            row["label_lengths"] = tf.shape(record["label"])[0]
        if most is not None:
            row |= {name: row[name][:most] for name in of_steps}
        return row

    def _checked(
        self,
        element: Element,
        records: tf.Tensor,
        shard: tf.Tensor,
        offset: tf.Tensor,
        steps: tf.Tensor,
    ) -> Element:
        """The element with its records' numbers, if its lengths are those of the index."""
        is_wrong = (element["lengths"] != steps) | _is_no_class(element, self._schema.label)
        wrong = tf.where(is_wrong)[:, 0]
        message = [
            f"{self._dataset.path}: records of split {self._split} cannot be read, or are not "
            "those of the index: rows", tf.gather(records, wrong), "shards",
            tf.gather(shard, wrong), "offsets", tf.gather(offset, wrong),
            f"; run `python -m pipeline.verify {self._dataset.path}`.",
        ]  # fmt: skip
        tf.raw_ops.Assert(condition=tf.equal(tf.size(wrong), 0), data=message, summarize=8)
        return {**element, "record": records}

    def _decoded(self, element: Element) -> Element:
        """The element with its frames decoded: after padding, so that only one copy is made."""
        if not self._decodes_frames:
            return {name: part for name, part in element.items() if name != "frames"}
        frames = decode_frames(element["frames"], self._schema.input.step_shape)
        return {**element, "frames": frames}

    def _check_plan(self, plan: EpochPlan) -> None:
        last = int(plan.records.max(initial=-1))
        if last >= len(self._steps):
            raise ValueError(
                f"The plan has record {last} and split {self._split!r} of {self._dataset.path} "
                f"has {len(self._steps)} records: plan this split's steps."
            )


def _as_tensor(values: np.ndarray | tf.Tensor) -> tf.Tensor:
    """As what functions take that run as Python, too (`tf.config.run_functions_eagerly`)."""
    if isinstance(values, np.ndarray) and len(values):
        return shared_tensor(values)
    return tf.convert_to_tensor(values)


def _is_no_class(element: Element, label: LabelSpec | None) -> tf.Tensor:
    """Whether a row's label is none of the classes, which its checksum does not tell: [rows]."""
    if label is None or label.kind != "class":
        return tf.zeros(tf.shape(element["lengths"]), tf.bool)
    found = tf.reshape(element["label"], [tf.size(element["lengths"]), -1])
    least = MISSING_CLASS if label.has_missing else 0
    is_none = (found < least) | (found >= len(label.class_names))
    return tf.reduce_any(is_none, axis=1)


def _cut_lengths(element: Element, most: tf.Tensor) -> Element:
    """Lengths, and samples that the last step lacks, once rows were cut to so many steps."""
    lengths = element["lengths"]
    cut = {"lengths": tf.minimum(lengths, most)}
    if "padding" in element:
        cut["padding"] = tf.where(lengths > most, 0, element["padding"])
    return {**element, **cut}


def _as_it_is() -> tf.data.Options:
    """Rewriting the pipeline, which is what it should be, took a third of making an iterator.

    Nor is anything tuned: on a busy machine the end of an iterator waits for the thread that does.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return options


def _has_label_lengths(schema: RecordSchema) -> bool:
    return schema.label is not None and schema.label.per == "sequence"


def _record_without_steps(schema: RecordSchema) -> bytes:
    """A serialized record of 0 steps and zero labels: for a row that is no record."""
    data = np.zeros([0, *schema.input.step_shape], schema.input.dtype)
    beside = np.zeros([0, len(schema.input.beside)], np.float32)
    if schema.label is None:
        return schema.encode("", data, beside=beside)
    shape = [size or 0 for size in schema.label.array_shape]
    return schema.encode("", data, np.zeros(shape, schema.label.dtype), beside=beside)


def _padded_shapes(
    schema: RecordSchema, steps: tf.Tensor | None, label_steps: tf.Tensor | None
) -> dict[str, list[tf.Tensor | int | None]]:
    """Shape of each part of a row as it is read, padded; with None for both the static shape."""
    # Frames are padded while they are still encoded: one string a step.
    step_shape = schema.input.step_shape if schema.input.kind == "signal" else ()
    shapes: dict[str, list[tf.Tensor | int | None]] = {
        schema.input.kind: [steps, *step_shape],
        "lengths": [],
    }
    if schema.input.beside:
        shapes["beside"] = [steps, len(schema.input.beside)]
    if schema.input.has_padding:
        shapes["padding"] = []
    if schema.label is not None:
        lead = {"step": [steps], "record": [], "sequence": [label_steps]}[schema.label.per]
        shapes["label"] = [*lead, *schema.label.shape]
    if _has_label_lengths(schema):
        shapes["label_lengths"] = []
    return shapes


def _element_spec(schema: RecordSchema) -> dict[str, tf.TensorSpec]:
    """What `BatchReader.epoch` delivers; see there."""
    dtypes = dict.fromkeys(("lengths", "padding", "label_lengths", "record"), "int32")
    dtypes |= {schema.input.kind: schema.input.dtype, "beside": "float32"}
    if schema.label is not None:
        dtypes["label"] = schema.label.dtype
    shapes = {**_padded_shapes(schema, None, None), "record": []}
    shapes[schema.input.kind] = [None, *schema.input.step_shape]
    return {name: tf.TensorSpec([None, *shape], dtypes[name]) for name, shape in shapes.items()}
