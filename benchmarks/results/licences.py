"""Licences of what the project installs, as the packages themselves say: the table of a document.

    python -m benchmarks.results.licences --lock=requirements/demo.lock

Prints a Markdown table: each licence, and the packages of the lock file that are installed here and
have it. Those that are not, as they are for another Python or system, are named at the end.
"""

import collections
import re
import sys
from importlib import metadata

from benchmarks.harness.flags import parse_flags

_NAME = re.compile(r"^([\w.-]+)==")
_LONGEST = 60
# What texts and classifiers call the licences of SPDX.
_SPDX = {
    "apache": "Apache-2.0", "bsd": "BSD", "mit": "MIT", "psf": "PSF-2.0",
    "python software": "PSF-2.0", "mozilla": "MPL-2.0", "isc": "ISC",
}  # fmt: skip


def main(argv: list[str]) -> int:
    """Prints the table."""
    lock = parse_flags(__doc__, argv, lock="requirements/demo.lock").lock
    with open(lock, encoding="utf-8") as file:
        names = sorted({found[1] for line in file if (found := _NAME.match(line))})
    packages, missing = collections.defaultdict(list), []
    for name in names:
        try:
            packages[_licence(metadata.metadata(name))].append(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    print("| licence | packages |\n|---|---|")
    for licence, found in sorted(packages.items(), key=lambda item: -len(item[1])):
        print(f"| {licence} | {', '.join(found)} |")
    print(f"\nNot installed here: {', '.join(missing) or 'none'}.")
    return 0


def _licence(about: metadata.PackageMetadata) -> str:
    """The expression of SPDX that a package has, or what its text and classifiers come to."""
    if expression := about.get("License-Expression"):
        return expression
    classifiers = [c.split("::")[-1] for c in about.get_all("Classifier", []) if "License ::" in c]
    text = (about.get("License") or "").strip().partition("\n")[0]
    for said in (*classifiers, text):
        for word, name in _SPDX.items():
            if word in said.lower():
                return name
    return text[:_LONGEST] or "says nothing"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
