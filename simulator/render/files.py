"""Writes a file whole or not at all. Knows nothing of what is in it.

The content goes to a temporary file beside the target, which then takes the target's place in one move: a reader sees
the old file or the new one, and an error or a Ctrl-C leaves nothing half-written behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from pathlib import Path

from simulator.errors import UsageError

__all__ = ["check_writable", "write_whole"]


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Make `content` (text as UTF-8) the content of the file at `path`, in one move.

    An existing file keeps its permissions, a link keeps pointing where it pointed. Raises UsageError when the file
    cannot be written; what was there before is then still there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder, "a.txt"), "two\\nlines"); os.listdir(folder)
    ['a.txt']
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        if target.exists() and not target.is_file():
            # A pipe or a device, such as /dev/stdout: nothing can take its place, and nothing of it stays behind.
            target.write_bytes(data)
        else:
            _replace(target, data)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot write {os.fspath(path)!r}: {reason}") from None


def check_writable(path: str | os.PathLike[str]) -> None:
    """To be asked before much work. Raises UsageError where `write_whole` would, as far as that is known beforehand.

    >>> check_writable("no-such-folder/a.txt")
    Traceback (most recent call last):
    simulator.errors.UsageError: cannot write 'no-such-folder/a.txt': No such file or directory
    """
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        # The new file is made beside the target, so it is the folder that has to let us.
        folder = target.parent
        if not folder.is_dir():
            code = errno.ENOTDIR if folder.exists() else errno.ENOENT
            raise OSError(code, os.strerror(code))
        if not os.access(target if target.exists() and not target.is_file() else folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot write {os.fspath(path)!r}: {reason}") from None


def _replace(target: Path, data: bytes) -> None:
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
