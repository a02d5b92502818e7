"""A guess tried on some of the inputs, as the conversion would read them."""

import collections
import itertools
from collections.abc import Sequence

from absl.flags import Error, FlagValues

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.console.options import define, read
from pipeline.console.texts import counted
from pipeline.sources.files import Files
from pipeline.sources.kinds import make_source, sources
from pipeline.sources.listing import checked_file
from pipeline.sources.rejects import group_rejects
from pipeline.sources.source import Description, InputFile, Reject, Source

_TRIED = 30
_MAX_LISTED = 5000
_SHOWN = 3


def try_out(kind: str, folder: str, files: Files, flags: Sequence[str]) -> list[str]:
    """Why some inputs would be rejected, a line for each reason; none if all would be taken.

    Args:
      kind: of the folder.
      folder: where they are.
      files: reads them.
      flags: of the conversion.
    """
    try:
        source = _source(kind, folder, files, flags)
        listed = itertools.islice(source.list_inputs(), _MAX_LISTED)
        inputs = sorted(checked_file(file) for file in listed if isinstance(file, InputFile))
        tried = inputs[:: max(1, len(inputs) // _TRIED)][:_TRIED]
        outcomes = [_describe(source, file) for file in tried]
    except (UsageError, Error) as error:
        return [f"with these flags the conversion would refuse: {error}"]
    described = [found for found in outcomes if isinstance(found, Description)]
    rejects = [found for found in outcomes if isinstance(found, Reject)]
    rejects += _unlike(source, described)
    return [
        f"of {counted(len(tried), 'input')} tried, {group['count']} would be rejected: "
        f"{group['reason']} (as {group['examples'][0]})"
        for group in group_rejects(rejects)[:_SHOWN]
    ]


def _source(kind: str, folder: str, files: Files, flags: Sequence[str]) -> Source:
    options = sources()[kind].options_kind()
    values = FlagValues()
    define([options], values)
    own = [flag for flag in flags if not flag.startswith("--source=")]
    values(["", f"--input_dir={folder}", f"--output_dir={folder}", "--name=tried", *own])
    return make_source(read(options, values), files)


def _describe(source: Source, file: InputFile) -> Description | Reject:
    if file.problem:
        return Reject(file.path, "list", file.problem)
    try:
        return source.describe(file.path)
    except RejectedInputError as error:
        return Reject(file.path, "describe", str(error))


def _unlike(source: Source, described: Sequence[Description]) -> list[Reject]:
    """Those whose steps, or rates, are others than those of most."""
    kinds = collections.Counter((d.dtype, d.step_shape, d.rate_hz) for d in described)
    if len(kinds) < 2:
        return []
    usual = kinds.most_common(1)[0][0]
    return [
        Reject(
            found.path,
            "check",
            f"steps of {_text(*kind)}, most are {_text(*usual)}; "
            f"{source.make_alike(found, usual[1])}",
        )
        for found in described
        if (kind := (found.dtype, found.step_shape, found.rate_hz)) != usual
    ]


def _text(dtype: str, step_shape: tuple[int, ...], rate_hz: float) -> str:
    return f"{dtype} {[*step_shape]}" + (f" at {rate_hz:g} Hz" if rate_hz else "")
