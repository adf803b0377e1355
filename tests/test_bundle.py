"""A bundle is read in place, and refused where it could do harm."""

from __future__ import annotations

import io
import random
import stat
import struct
import warnings
import zipfile
from pathlib import Path

import pytest

from mkexplorer.catalog import bundle
from mkexplorer.catalog.bundle import BundleStore
from mkexplorer.catalog.errors import BundleError, MkexplorerError, PlaceError
from mkexplorer.catalog.places import sample_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.mkx"


def write(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> BundleStore:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as file:
        warnings.simplefilter("ignore")  # zipfile warns of the doubled names that we want
        file.writestr("manifest.json", "{}")
        for name, data in members:
            file.writestr(name, data)
    return BundleStore(str(path))


def patched(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert len(old) == len(new)
    assert old in data
    path.write_bytes(data.replace(old, new))


class TestReading:
    def test_files_are_listed_below_a_folder_and_no_deeper_than_asked(self, path: Path) -> None:
        store = write(path, ("aa/one.py", b"1"), ("aa/b/two.py", b"22"), ("aab.py", b"3"))
        when = path.stat().st_mtime_ns
        assert list(store.files("aa")) == [("aa/b/two.py", 2, when), ("aa/one.py", 1, when)]
        assert [file.path for file in store.files("aa", depth=1)] == ["aa/one.py"]
        assert [file.path for file in store.files(depth=1)] == ["aab.py", "manifest.json"]

    def test_names_in_a_folder(self, path: Path) -> None:
        store = write(path, ("aa/one.py", b""), ("aa/b/c/two.py", b""))
        assert store.names("") == ["aa", "manifest.json"]
        assert store.names("aa") == ["b", "one.py"]
        assert store.names("aa/b") == ["c"]
        assert store.names("none") == []

    def test_reads_whole_files_and_heads(self, path: Path) -> None:
        store = write(path, ("aa/one.py", b"one\xff"))
        assert store.read_bytes("aa/one.py") == b"one\xff"
        assert store.read_text("aa/one.py") == "one\N{REPLACEMENT CHARACTER}"
        assert store.read_head("aa/one.py", 2) == b"on"
        assert store.stat("aa/one.py").size == 4
        assert store.exists("aa/one.py")

    def test_a_member_that_is_not_there(self, path: Path) -> None:
        store = write(path)
        assert not store.exists("none.py")
        with pytest.raises(PlaceError, match=r"holds no none\.py"):
            store.read_text("none.py")

    def test_folders_in_the_zip_are_no_files(self, path: Path) -> None:
        store = write(path, ("aa/", b""))
        assert [file.path for file in store.files()] == ["manifest.json"]

    def test_a_file_beyond_the_callers_limit(self, path: Path) -> None:
        store = write(path, ("one", b"1" * 100))
        with pytest.raises(PlaceError, match="one: larger than"):
            store.read_bytes("one", limit=99)


class TestRefusing:
    @pytest.mark.parametrize(
        "name",
        ["/etc/passwd", "../x", "a/../../x", "a/./x", "a//x", "..", "C:/x", "c:x", "a\\..\\x", "\\\\host\\x", "../"],
    )
    def test_a_name_that_leads_out(self, path: Path, name: str) -> None:
        with pytest.raises(BundleError, match="leads out of the bundle"):
            write(path, (name, b""))

    def test_a_name_that_is_cut_by_a_zero_byte(self, path: Path) -> None:
        write(path, ("safe/x!../y", b""))
        patched(path, b"safe/x!", b"safe/x\0")
        with pytest.raises(BundleError, match="leads out of the bundle"):
            BundleStore(str(path))

    @pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
    def test_a_link_or_a_device(self, path: Path, kind: int) -> None:
        member = zipfile.ZipInfo("link")
        member.external_attr = (kind | 0o777) << 16
        with pytest.raises(BundleError, match="'link' is a link or a device"):
            write(path, (member, b"/etc/passwd"))

    def test_a_name_that_stands_in_it_twice(self, path: Path) -> None:
        with pytest.raises(BundleError, match="'twice' stands in it twice"):
            write(path, ("twice", b"1"), ("twice", b"2"))

    def test_an_encrypted_member(self, path: Path) -> None:
        write(path, ("secret", b"x"))
        data = bytearray(path.read_bytes())
        flags = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1) + 8
        data[flags] |= 1
        path.write_bytes(data)
        with pytest.raises(BundleError, match="'secret' is encrypted"):
            BundleStore(str(path))

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_a_compression_that_can_ask_for_any_amount_of_memory(self, path: Path, method: int) -> None:
        with pytest.raises(BundleError, match="compressed in a way that bundles do not use"):
            write(path, ("x", b"x"), method=method)

    def test_a_bomb(self, path: Path) -> None:
        with pytest.raises(BundleError, match="'zeros' unpacks to more than 200 times its size"):
            write(path, ("zeros", bytes(10_000_000)))

    def test_a_member_that_is_too_large(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bundle, "MOST_MEMBER_BYTES", 1 << 20)
        with pytest.raises(BundleError, match="'large' is larger than 1 MiB"):
            write(path, ("large", bytes((1 << 20) + 1)))

    def test_too_much_in_all(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bundle, "MOST_BYTES", 10)
        with pytest.raises(BundleError, match="'b' brings the unpacked size above"):
            write(path, ("a", b"12345"), ("b", b"67890"))

    def test_too_many_members(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bundle, "MOST_MEMBERS", 2)
        with pytest.raises(BundleError, match="holds more than 2 files"):
            write(path, ("a", b""), ("b", b""))

    def test_a_directory_that_is_too_large_to_look_at(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bundle, "_MOST_DIRECTORY_BYTES", 200)
        with pytest.raises(BundleError, match="its directory is too large"):
            write(path, *((f"file{n}", b"") for n in range(10)))

    def test_a_zip_that_is_no_bundle(self, path: Path) -> None:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("setup.py", "")
        with pytest.raises(BundleError, match=r"no bundle: it holds no manifest\.json"):
            BundleStore(str(path))

    def test_a_missing_file(self, path: Path) -> None:
        with pytest.raises(BundleError, match="no such file"):
            BundleStore(str(path))

    @pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"hello" * 100])
    def test_what_is_no_zip(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)
        with pytest.raises(BundleError, match="is no readable bundle") as caught:
            BundleStore(str(path))
        assert "exported again" in caught.value.advice


class TestLies:
    """Headers that claim something else than the data hold."""

    def test_a_size_below_the_true_one_gives_no_more_than_it_claims(self, path: Path) -> None:
        write(path, ("big", random.Random(0).randbytes(100_000)))
        patched(path, struct.pack("<L", 100_000), struct.pack("<L", 10))
        with pytest.raises(BundleError, match="cannot read big"):
            BundleStore(str(path)).read_bytes("big")

    def test_a_size_above_the_true_one(self, path: Path) -> None:
        write(path, ("small", b"x" * 300))
        patched(path, struct.pack("<L", 300), struct.pack("<L", 999))
        with pytest.raises(BundleError, match="small"):
            BundleStore(str(path)).read_bytes("small")

    def test_damaged_content(self, path: Path) -> None:
        write(path, ("x", b"some content"), method=zipfile.ZIP_STORED)
        patched(path, b"some content", b"same content")
        with pytest.raises(BundleError, match="cannot read x"):
            BundleStore(str(path)).read_bytes("x")


def test_a_damaged_bundle_fails_with_advice_or_not_at_all(path: Path) -> None:
    with zipfile.ZipFile(sample_path()) as whole:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as small:
            for name in ("manifest.json", *whole.namelist()[1:5]):
                small.writestr(name, whole.read(name)[:500])
    source = random.Random(1)
    failures = []
    for _ in range(1500):
        data = bytearray(buffer.getvalue())
        for _ in range(source.randrange(1, 8)):
            data[source.randrange(len(data))] = source.randrange(256)
        path.write_bytes(data[: source.randrange(len(data))] if source.random() < 0.2 else data)
        try:
            store = BundleStore(str(path))
            for file in store.files():
                store.read_bytes(file.path)
        except MkexplorerError as error:
            failures.append(error)
    assert failures
    assert all(error.advice for error in failures)
