from local_stack.fetch import tree


def _write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_hashes_cover_every_file_by_relative_path(tmp_path):
    _write(tmp_path, {"a": "", "b/c": "x"})
    assert tree.hashes(tmp_path) == {
        "a": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "b/c": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
    }


def test_the_digest_depends_on_names_and_contents_not_on_order():
    assert tree.digest({"a": "1", "b": "2"}) == tree.digest({"b": "2", "a": "1"})
    assert tree.digest({"a": "1", "b": "2"}) != tree.digest({"a": "2", "b": "1"})


def test_what_an_installer_notes_for_itself_does_not_count(tmp_path):
    _write(tmp_path, {"thing.dist-info/METADATA": "m", "thing.dist-info/INSTALLER": "uv", "RECORD": "kept"})
    assert set(tree.hashes(tmp_path)) == {"thing.dist-info/METADATA", "RECORD"}


def test_size_adds_up_bytes(tmp_path):
    _write(tmp_path, {"a": "12345", "b/c": "67"})
    assert tree.size(tmp_path) == 7
