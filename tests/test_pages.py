"""Every HTML page: complete in itself, and readable on a wide and on a narrow screen."""

import html.parser
import json
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf

from pipeline.console.tables import Table
from pipeline.inspect.__main__ import main as inspect
from tests.browser import find_browser, look
from tests.datasets import (
    CLASS_PER_RECORD,
    CLASS_PER_STEP,
    VALUE_PER_STEP,
    Record,
    random_records,
    toy_dataset,
    write_dataset,
)
from tests.trainer.run_folders import write_run, write_training
from tests.trainer.studies.random_runs import random_runs
from tfrecords_schema import InputSpec, LabelSpec, RecordSchema
from trainer.report.report import write_report
from trainer.studies.pooled import summarize
from trainer.studies.search.page import write_page as write_search
from trainer.studies.search.space import read_space
from trainer.studies.study_page import write_page

_WIDTHS = (1280, 400)
_MAX_BYTES = 3_000_000
_LEAST_TEXT_PIXELS = 11
_SHOWN = ("img", "table")
_LOADS = {"src", "href", "srcset", "data", "action", "poster", "background"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages of every kind by name, with long names in them."""
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "inspect-signals": _inspected(_signals(folder / "signals"), folder),
        "inspect-frames": _inspected(_frames(folder / "frames"), folder),
        "inspect-nothing": _inspected(_nothing(folder / "nothing"), folder),
    }
    for label in (CLASS_PER_RECORD, VALUE_PER_STEP):
        made[f"report-{label.kind}"] = _reported(folder / label.kind, label)
        made[f"folds-{label.kind}"] = _cross_validated(folder / f"folds-{label.kind}", label)
    made["search"] = _searched(folder)
    return made


def _with_files(said):
    """The text of a page; beside it there is a file of everything that it shows."""
    path = pathlib.Path(said.partition(", as files in ")[0])
    text, folder = path.read_text(), path.parent / f"{path.stem}_paper"
    shown = [text.count(f"<{element} ") + text.count(f"<{element}>") for element in _SHOWN]
    written = [len([*(folder / kind).iterdir()]) for kind in ("figures", "tables")]
    assert written == [shown[0], 2 * shown[1]]
    assert min(shown) > 0
    return text


def _signals(folder):
    """With everything that a page may show: many classes, long names, rejects, notes."""
    names = tuple(f"a_class_with_a_rather_long_name_{i}" for i in range(14))
    schema = RecordSchema(
        InputSpec("signal", "float32", (40, 3)), LabelSpec("step", "class", class_names=names)
    )
    long = "folder_of_a_person/recording_with_a_long_name_"
    lengths = list(range(1, 50))
    splits = {
        split: random_records(lengths, schema, prefix=f"{long}{split}_")
        for split in ("train", "validation", "test")
    }
    dataset = write_dataset(folder, splits, schema)
    reject = {"path": f"{long}7.npz", "stage": "describe", "reason": f"{long * 3} is no array"}
    pathlib.Path(dataset.path, "rejects.jsonl").write_text(json.dumps(reject) + "\n")
    return dataset


def _frames(folder):
    png = tf.io.encode_png(np.zeros((24, 32, 3), np.uint8)).numpy()
    label = np.zeros((7, 2), np.float32)
    records = [Record(f"f{i}", [png] * 7, label, f"g{i}") for i in range(3)]
    schema = RecordSchema(InputSpec("frames", "uint8", (24, 32, 3)), VALUE_PER_STEP)
    return write_dataset(folder, {"train": records}, schema)


def _nothing(folder):
    schema = RecordSchema(InputSpec("signal", "float32", (2,)), CLASS_PER_STEP)
    return write_dataset(folder, {"train": []}, schema)


def _inspected(dataset, folder):
    path = folder / "inspect.html"
    assert inspect([dataset.path, "--replicas=4", f"--html={path}"]) == 0
    return path.read_text()


def _reported(folder, label):
    dataset, splits = toy_dataset(folder, label=label)
    write_run(folder / "run", dataset, splits)
    return _with_files(write_report(str(folder / "run"), dataset, paper="svg"))


def _cross_validated(folder, label):
    (folder / "run").mkdir(parents=True)
    metric = "accuracy" if label.kind == "class" else "rmse"
    write_training(folder / "run", metric)
    rows = [[f"repeat_0_fold_{fold}", 3, 9, "33% 33% 33%"] for fold in range(3)]
    folds = Table("Folds", dict.fromkeys(("fold", "groups", "records", "class shares")), rows)
    result = {
        "dataset": "a_dataset_with_a_rather_long_name 1.0.0",
        "about": {"dataset SHA-256": "0" * 64},
        **summarize(random_runs(label), label),
    }
    places = [str(folder / "run")] * 3
    return _with_files(write_page(str(folder), result, folds, places, "pdf"))


def _searched(folder):
    text = "learning_rate=log:1e-4..1e-2 head_dropout=0..0.6 model=inception_time,resnet"
    space = read_space(f"{text} batch_size=4,8,16,32,64", (), "inception_time")
    rng = np.random.default_rng(0)
    trials = [
        {
            "trial": number,
            "state": ("done", "done", "pruned", "failed", "begun")[number % 5],
            "value": float(np.mean(figures)) if number % 5 < 3 else None,
            "figures": figures if number % 5 < 3 else [],
            "options": {
                "learning_rate": 10 ** rng.uniform(-4, -2),
                "head_dropout": rng.uniform(0, 0.6),
                "model": ("inception_time", "resnet")[number % 2],
                "batch_size": "16",
            },
            **({"reason": "exit status 65 on fold 0. " + "word " * 40} if number % 5 == 3 else {}),
        }
        for number in range(40)
        for figures in [rng.uniform(0.8, 1, 3).tolist()]
    ]
    result = {
        "dataset": "a_dataset_with_a_rather_long_name 1.0.0",
        "about": {"dataset": "0" * 64, "space": text},
        "objective": "balanced_accuracy", "higher_is_better": True,
        "folds": 3, "asked_trials": 50, "trials": trials, "best": 6, "is_better": False,
        "gain": {"mean": 0.01, "interval": [-0.02, 0.04]},
        "importances": {"learning_rate": 0.7, "head_dropout": 0.3},
    }  # fmt: skip
    folds = Table("Folds", {"fold": None}, [["repeat_0_fold_0"]])
    return pathlib.Path(write_search(str(folder), result, space, folds, "none")).read_text()


class _Elements(html.parser.HTMLParser):
    """Collects elements, and finds those that are not closed."""

    _VOID = frozenset({"meta", "link", "img", "br"})

    def __init__(self, page):
        super().__init__()
        self.found, self._open = [], []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self._VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag, f"{tag} at {self.getpos()}"

    def of(self, tag):
        return [attributes for found, attributes in self.found if found == tag]


def test_pages_load_nothing(pages):
    for name, page in pages.items():
        elements = _Elements(page)
        loaded = [
            value
            for _, attributes in elements.found
            for key, value in attributes.items()
            if key in _LOADS
        ]
        assert loaded, name
        assert all(value.startswith("data:") for value in loaded), name
        assert not elements.of("script"), name
        assert not [key for _, found in elements.found for key in found if key.startswith("on")]
        assert not re.search(r"https?://|@import|url\(", page), name
        (policy,) = [
            meta["content"]
            for meta in elements.of("meta")
            if meta.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policy.startswith("default-src 'none'")


def test_pages_say_what_they_are_and_fit_any_screen(pages):
    for name, page in pages.items():
        elements = _Elements(page)
        assert elements.of("html") == [{"lang": "en"}], name
        viewports = [m["content"] for m in elements.of("meta") if m.get("name") == "viewport"]
        assert viewports == ["width=device-width, initial-scale=1"], name
        assert len(elements.of("h1")) == len(elements.of("title")) == 1, name
        assert all(image["alt"] for image in elements.of("img")), name
        assert len(page.encode()) < _MAX_BYTES, name


@pytest.fixture(scope="module")
def browser():
    found = find_browser()
    if found is None:
        pytest.skip("no chromium or google-chrome in the PATH: `apt-get install chromium`")
    return found


def test_pages_are_readable_at_1280_and_at_400_pixels(pages, browser, tmp_path):
    seen = look(browser, pages, _WIDTHS, tmp_path)
    assert seen.console == []
    assert len(seen.frames) == len(pages) * len(_WIDTHS)
    for frame, width in zip(seen.frames, _WIDTHS * len(pages), strict=True):
        # A scroll bar takes some of the width.
        assert width - 20 <= frame["width"] <= width
        assert frame["content_width"] <= frame["width"], frame
        assert frame["smallest_text"] >= _LEAST_TEXT_PIXELS, frame
        assert frame["broken_images"] == 0, frame
        assert frame["texts"] > 10, frame


def test_a_page_that_is_too_wide_or_loads_something_is_seen(pages, browser, tmp_path):
    page = pages["inspect-nothing"]
    wrong = '<p style="width: 500px; font-size: 6px">wide</p><img src="http://a.example/b.png">'
    spoilt = page.replace("</main>", f"{wrong}</main>")
    script = page.replace("</main>", "<script>undefined_function()</script></main>")
    seen = look(browser, {"spoilt": spoilt, "script": script}, (400,), tmp_path)
    frame = seen.frames[0]
    assert frame["content_width"] > frame["width"]
    assert (frame["smallest_text"], frame["broken_images"]) == (6, 1)
    assert sum("Content Security Policy" in line for line in seen.console) == 2
