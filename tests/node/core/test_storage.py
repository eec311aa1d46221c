"""Files are whole or not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.core.storage import Files, Folder, NoSuchFile, Store, files_at


@pytest.fixture(params=["folder", "fsspec"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    if request.param == "folder":
        return files_at(tmp_path.as_uri())
    return Store(f"memory://{tmp_path.name}")


def test_what_was_written_is_read(files: Files) -> None:
    assert files.write("ab/cd/abcd", [b"two ", b"parts"]) == 9
    assert files.exists("ab/cd/abcd")
    with files.open("ab/cd/abcd") as file:
        assert file.read() == b"two parts"


def test_what_was_removed_is_gone(files: Files) -> None:
    files.write("a", [b"x"])
    files.remove("a")
    files.remove("a")
    assert not files.exists("a")
    with pytest.raises(NoSuchFile):
        files.open("a")


def test_a_broken_write_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise OSError("disk full")

    files = Folder(tmp_path)
    files.write("a", [b"whole"])
    with pytest.raises(OSError, match="disk full"):
        files.write("a", broken())
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    with files.open("a") as file:
        assert file.read() == b"whole"


@pytest.mark.parametrize("name", ["", "..", "../x", "a/../../x", "/etc/passwd", "a//b", "./a"])
def test_refuses_names_that_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        Folder(tmp_path / "files").write(name, [b"x"])
