"""The files of a folder: each once, whichever way one comes to it."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fruit_features.photos.tree import BROKEN_LINK, NOT_UTF8, PhotoTree, glob_to_regex, kind_of_other, walk

IS_PHOTO = re.compile(r".*\.jpg")


def make(root: Path, files: str = "", links: dict[str, str] | None = None) -> Path:
    for name in files.split():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"content")
    for link, target in (links or {}).items():
        (root / link).parent.mkdir(parents=True, exist_ok=True)
        (root / link).symlink_to(target)
    return root


def names(tree: PhotoTree, root: Path) -> list[str]:
    return [str(Path(path).relative_to(root)) for path in tree.paths]


def repeated(tree: PhotoTree, root: Path) -> dict[str, str]:
    return {os.path.relpath(link, root): os.path.relpath(target, root) for link, target in tree.repeated}


def test_files_below_are_listed_in_the_order_of_their_names_with_length_and_milliseconds(tmp_path: Path) -> None:
    make(tmp_path, "b/2.jpg b/1.jpg b/a/3.jpg a/4.jpg 5.jpg a/notes.txt a/README")
    os.utime(tmp_path / "5.jpg", ns=(0, 1_234_567_899_999))
    tree = walk(tmp_path, IS_PHOTO)
    assert names(tree, tmp_path) == ["5.jpg", "a/4.jpg", "b/1.jpg", "b/2.jpg", "b/a/3.jpg"]
    assert (tree.lengths, tree.errors, tree.modified[0]) == ([7] * 5, [None] * 5, 1_234_567)
    assert tree.others == {".txt": 1, "README": 1}


@pytest.mark.parametrize("links", [{"a/up": ".."}, {"a/up": "..", "b/up": ".."}, {"a/b": "../b", "b/a": "../a"}])
def test_circles_of_links_are_cut(links: dict[str, str], tmp_path: Path) -> None:
    tree = walk(make(tmp_path, "a/1.jpg b/2.jpg", links), IS_PHOTO)
    assert names(tree, tmp_path) == ["a/1.jpg", "b/2.jpg"]
    assert repeated(tree, tmp_path).keys() == links.keys()


def test_a_folder_outside_is_followed_once_and_so_are_the_links_in_it(tmp_path: Path) -> None:
    make(tmp_path, "out/1.jpg far/2.jpg", {"out/far": "../far", "far/back": "../photos", "far/out": "../out"})
    root = make(tmp_path / "photos", "a/3.jpg", {"a/linked": "../../out", "b": "../out"})
    tree = walk(root, IS_PHOTO)
    assert names(tree, root) == ["a/3.jpg", "a/linked/1.jpg", "a/linked/far/2.jpg"]
    assert repeated(tree, root) == {"b": "a/linked", "a/linked/far/back": ".", "a/linked/far/out": "a/linked"}


def test_a_folder_has_its_own_name_before_that_of_a_link(tmp_path: Path) -> None:
    tree = walk(make(tmp_path, "b/1.jpg", {"a": "b"}), IS_PHOTO)
    assert names(tree, tmp_path) == ["b/1.jpg"]


def test_a_link_to_a_photo_counts_unless_that_is_listed(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/1.jpg elsewhere/2.png elsewhere/.3.jpg")
    links = {
        "a/l.jpg": "../../elsewhere/1.jpg",
        "b/l.jpg": "../../elsewhere/1.jpg",
        "b/0.jpg": "0.jpg",
        "b/own.jpg": "../c/4.jpg",
    }
    links |= {"b/other.jpg": "../../elsewhere/2.png", "b/hidden.jpg": "../../elsewhere/.3.jpg"}
    root = make(tmp_path / "photos", "c/4.jpg", links)
    tree = walk(root, IS_PHOTO)
    assert names(tree, root) == ["c/4.jpg", "a/l.jpg", "b/0.jpg", "b/hidden.jpg", "b/other.jpg"]
    assert [error for error in tree.errors if error] == [BROKEN_LINK]
    assert repeated(tree, root) == {"b/l.jpg": "a/l.jpg", "b/own.jpg": "c/4.jpg"}


def test_a_photo_behind_a_link_to_its_folder_is_not_listed_again_by_a_link_of_its_own(tmp_path: Path) -> None:
    make(tmp_path, "out/1.jpg")
    root = make(tmp_path / "photos", links={"a/1.jpg": "../../out/1.jpg", "b": "../out"})
    assert names(walk(root, IS_PHOTO), root) == ["b/1.jpg"]


def test_every_name_of_a_file_with_hard_links_is_listed(tmp_path: Path) -> None:
    make(tmp_path, "a/1.jpg b/2.jpg")
    (tmp_path / "b" / "1.jpg").hardlink_to(tmp_path / "a" / "1.jpg")
    assert names(walk(tmp_path, IS_PHOTO), tmp_path) == ["a/1.jpg", "b/1.jpg", "b/2.jpg"]


def test_what_is_no_file_is_said_to_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "1.jpg")
    monkeypatch.chdir(tmp_path)  # the path of a socket may have a hundred bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("2.jpg")
        make(tmp_path, links={"3.jpg": "/dev/null", "4.jpg": "1.jpg"})
        tree = walk(tmp_path, IS_PHOTO)
    assert tree.errors == ["not a file, but a named pipe", "not a file, but a socket", "not a file, but a device"]
    assert repeated(tree, tmp_path) == {"4.jpg": "1.jpg"}
    assert tree.n_files == 0


def test_names_that_are_not_utf8_are_listed_as_they_can_be_written(tmp_path: Path) -> None:
    make(tmp_path, "fine/\N{PEAR}.jpg " + os.fsdecode(b"caf\xe9/1.jpg fine/p\xeache.jpg b.\xe9"))
    tree = walk(tmp_path, IS_PHOTO)
    errors = dict(zip(names(tree, tmp_path), tree.errors, strict=True))
    assert errors == {r"caf\xe9/1.jpg": NOT_UTF8, r"fine/p\xeache.jpg": NOT_UTF8, "fine/\N{PEAR}.jpg": None}
    assert tree.others == {r".\xe9": 1}


def test_hidden_names_are_left_out_and_underscores_are_told(tmp_path: Path) -> None:
    tree = walk(make(tmp_path, "_a/1.jpg .b/2.jpg c/_3.jpg c/.4.jpg label=_x/5.jpg"), IS_PHOTO)
    assert names(tree, tmp_path) == ["label=_x/5.jpg"]
    assert tree.ignored == [str(tmp_path / "_a"), str(tmp_path / "c" / "_3.jpg")]
    assert tree.others == {"_a/": 1, ".b/": 1, "_*.jpg": 1, ".*.jpg": 1}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a/b.TXT", ".txt"),
        ("a.tar.gz", ".gz"),
        ("README", "README"),
        (".DS_Store", ".DS_Store"),
        ("._0.JPG", ".*.jpg"),
        ("_notes.txt", "_*.txt"),
        ("label=_x.txt", ".txt"),
    ],
)
def test_what_is_no_photo_is_counted_by_its_ending(name: str, kind: str) -> None:
    assert kind_of_other(name) == kind


def test_the_folder_may_be_a_link_and_be_spelled_in_a_roundabout_way(tmp_path: Path) -> None:
    make(tmp_path, "photos/a/1.jpg", {"link": "photos"})
    assert walk(tmp_path / "link", IS_PHOTO).paths == [f"{tmp_path}/link/a/1.jpg"]
    assert walk(tmp_path / "photos" / ".." / "photos", IS_PHOTO).paths == [f"{tmp_path}/photos/a/1.jpg"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(links=st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde"), st.integers(0, 9)), max_size=12))
def test_whatever_the_links_every_file_is_listed_exactly_once(
    links: list[tuple[str, str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = make(tmp_path_factory.mktemp("tree"), "a/1.jpg a/d/2.jpg b/3.jpg b/e/4.jpg c/5.jpg")
    for place, target, number in links:
        link = root / place / f"link{number}"
        if link.parent.is_dir() and not link.is_symlink():
            link.symlink_to(root / target, target_is_directory=True)
    tree = walk(root, IS_PHOTO)
    assert names(tree, root) == ["a/1.jpg", "a/d/2.jpg", "b/3.jpg", "b/e/4.jpg", "c/5.jpg"]


def test_globs_are_read_as_hadoop_reads_them() -> None:
    pattern = glob_to_regex("*.{[jJ][pP][gG],png}")
    assert [name for name in ("a.jpg", "b.JPG", "c\n.png", "d.PNG", "jpg", "a.jpgx") if pattern.fullmatch(name)] == [
        "a.jpg",
        "b.JPG",
        "c\n.png",
    ]
