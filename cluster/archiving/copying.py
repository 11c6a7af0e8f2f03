"""A copy of an archive while its owner goes on writing."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from cluster.archiving.catalogue import ARCHIVE_NAME, FOLDER_NAME


def copy_archive(data_dir: Path, folder: Path) -> bool:
    """Copies the catalogue as it stands at one moment, then the files it names; False where there is no archive.

    Runs that are merged meanwhile are missing in the copy: whoever opens it makes them again. Raises OSError,
    sqlite3.Error.
    """
    if not (data_dir / ARCHIVE_NAME).exists():
        return False
    source = sqlite3.connect(f"{(data_dir / ARCHIVE_NAME).absolute().as_uri()}?mode=ro", uri=True)
    with closing(source), closing(sqlite3.connect(folder / ARCHIVE_NAME)) as copy:
        source.backup(copy)
    (folder / FOLDER_NAME).mkdir()
    for path in sorted((data_dir / FOLDER_NAME).glob("*")):
        with suppress(FileNotFoundError):
            shutil.copyfile(path, folder / FOLDER_NAME / path.name)
    return True
