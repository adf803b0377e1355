"""Generated modules are found inside every kind of file that holds them, and cut out exactly."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkexplorer.catalog.errors import PlaceError
from mkexplorer.catalog.model import Origin, Place, PlaceKind
from mkexplorer.catalog.places import detect, open_store
from mkexplorer.catalog.texts import Form, extract, generated_python, read_wrapper, read_wrappers

from .make_places import Entry, fxgraph_entry, log_of, log_record, module, trace_record


def line_of(start: str, text: str) -> int:
    return next(number for number, line in enumerate(text.split("\n"), 1) if line.startswith(start))


class TestModule:
    def test_a_wrapper_is_the_whole_file(self) -> None:
        assert extract(Form.MODULE, module().encode()) == [module()]

    def test_a_kernel_is_none(self) -> None:
        assert extract(Form.MODULE, b"import triton\n") == []

    def test_a_size_hint_multi_kernel_counts(self) -> None:
        text = "multi_kernel_0 = async_compile.size_hint_multi_kernel('multi_kernel_0', {"
        assert extract(Form.MODULE, text.encode()) == [text]

    def test_bytes_that_are_no_text_do_not_hide_a_wrapper(self) -> None:
        (text,) = extract(Form.MODULE, b"# \xff\n" + module().encode())
        assert text == "# \N{REPLACEMENT CHARACTER}\n" + module()

    @pytest.mark.parametrize("opening", ['r"""\n', '"""\n', '\n\nr"""\n'])
    def test_of_a_cpp_wrapper_module_the_tuning_block_is_python_on_the_lines_that_it_has(self, opening: str) -> None:
        block = module() + "async_compile.triton('x', '''\n    \"\"\"doc\"\"\"\n''')\n"
        escaped = block.replace('"""', '\\"\\"\\"')
        rest = "\ncpp_wrapper_src = (\nr'''\n\"\"\"int\"\"\"''')\n"
        text = f'{opening}Compile-time auto-tuning block: \n{escaped}"""\n{rest}'
        (found,) = extract(Form.MODULE, text.encode())
        assert found == text
        assert generated_python(found).strip() == block.strip()
        first, called = block.split("\n")[0], "multi_kernel_0 = async_compile"
        for line in (first, called):
            assert line_of(line, generated_python(found)) == line_of(line, text)


class TestPickle:
    @pytest.mark.parametrize("protocol", range(1, pickle.HIGHEST_PROTOCOL + 1))
    def test_the_source_is_cut_out_exactly(self, protocol: int) -> None:
        assert extract(Form.PICKLE, fxgraph_entry(module(), protocol)) == [module()]

    def test_a_source_larger_than_a_frame_of_the_pickle(self) -> None:
        text = module() + "XBLOCK = 1\n" * 20_000
        assert extract(Form.PICKLE, fxgraph_entry(text)) == [text]

    def test_several_sources_in_one_entry(self) -> None:
        data = pickle.dumps([Entry(module(0)), Entry("no multi-kernel"), Entry(module(1))])
        assert extract(Form.PICKLE, data) == [module(0), module(1)]

    def test_a_cpp_wrapper_module_in_an_entry(self) -> None:
        text = f'r"""\nCompile-time auto-tuning block: \n{module()}"""\nimport torch\n'
        assert extract(Form.PICKLE, fxgraph_entry(text)) == [text]

    def test_a_marker_outside_of_any_string_is_passed_over(self) -> None:
        data = b"async_compile.multi_kernel(" + fxgraph_entry(module())
        assert extract(Form.PICKLE, data) == [module()]

    def test_a_cut_entry_holds_nothing(self) -> None:
        data = fxgraph_entry(module())
        assert extract(Form.PICKLE, data[: data.index(b"compiled_module_main")]) == []

    def test_nothing_in_it_is_ever_run(self) -> None:
        class Bomb:
            def __reduce__(self) -> tuple[object, tuple[str]]:
                return (pytest.fail, ("unpickled",))

        assert extract(Form.PICKLE, pickle.dumps([Bomb(), Entry(module())])) == [module()]


class TestLog:
    def test_a_record_without_its_prefixes(self) -> None:
        assert extract(Form.LOG, log_of(module()).encode()) == [module()]

    def test_other_output_around_and_in_between(self) -> None:
        first, *rest = log_of(module()).splitlines(keepends=True)
        text = "epoch 1\n" + first + "epoch 2\n" + "".join(rest) + "[__output_code] epoch 3\n"
        assert extract(Form.LOG, text.encode()) == [module()]

    def test_several_wrappers(self) -> None:
        text = log_of(module(0)) + log_of(module(1))
        assert extract(Form.LOG, text.encode()) == [module(0), module(1)]

    def test_interleaved_ranks(self) -> None:
        one = log_of(module(0), front="[rank0]:", process=100).splitlines(keepends=True)
        two = log_of(module(1), front="[rank1]:", process=101).splitlines(keepends=True)
        mixed = "".join(a + b for a, b in zip(one, two, strict=True))
        assert extract(Form.LOG, mixed.encode()) == [module(0), module(1)]

    def test_processes_that_only_their_number_tells_apart(self) -> None:
        one, two = (log_of(module(n), process=100 + n).splitlines(keepends=True) for n in (0, 1))
        mixed = "".join(a + b for a, b in zip(one, two, strict=True))
        assert extract(Form.LOG, mixed.encode()) == [module(0), module(1)]

    def test_two_records_of_the_same_moment(self) -> None:
        text = "".join(log_record(f"Output code: \n{module(n)}") for n in (0, 1))
        assert extract(Form.LOG, text.encode()) == [module(0), module(1)]

    def test_a_record_of_another_moment_ends_a_wrapper(self) -> None:
        text = log_record(f"Output code: \n{module()}") + log_record("Wrapper code written to: x", micros=883000)
        assert extract(Form.LOG, text.encode()) == [module()]

    def test_line_ends_of_windows_and_stripped_blanks(self) -> None:
        text = "\n".join(line.rstrip() for line in log_of(module()).split("\n"))
        assert extract(Form.LOG, text.replace("\n", "\r\n").encode()) == [module()]

    @pytest.mark.parametrize(
        "clock",
        [
            "2024-05-01T12:00:0{}.0000000Z ",
            "2024-05-01T12:00:00.12345678{}+02:00 stderr F ",
            "web_1  | 2024-05-01 12:00:0{},123 ",
            "May  1 12:00:0{} node train[77]: ",
            "[12:00:0{}] ",
        ],
    )
    def test_a_clock_in_front_of_every_line(self, clock: str) -> None:
        one, two = (log_of(module(n), front=f"[rank{n}]:").splitlines(keepends=True) for n in (0, 1))
        lines = [line for pair in zip(one, two, strict=True) for line in pair]
        text = "".join(clock.format(number % 10) + line for number, line in enumerate(lines))
        assert extract(Form.LOG, text.encode()) == [module(0), module(1)]

    def test_coloured_lines(self) -> None:
        prefixed = "".join(f"\x1b[32m{line}\x1b[0m\x1b[K\n" for line in log_of(module()).splitlines())
        pasted = "".join(f"\x1b[1;32m{line}\x1b[m\n" for line in module().splitlines())
        for text in (prefixed, pasted):
            assert extract(Form.LOG, text.encode()) == [module()]

    def test_a_cut_log_keeps_what_there_is(self) -> None:
        text = log_of(module())
        (found,) = extract(Form.LOG, text[: text.index("triton_per")].encode())
        assert module().startswith(found)

    def test_pasted_without_prefixes(self) -> None:
        written = "Output code written to: /x.py\n"
        text = f"noise\nOutput code: \n{module(0)}\n{written}noise\nOutput code: \n{module(1)}noise\n"
        assert extract(Form.LOG, text.encode()) == [module(0), module(1)]

    def test_a_pasted_module_without_its_end_stops_where_it_was_written(self) -> None:
        cut = module().partition("if __name__")[0]
        text = f"{cut}Output code written to: /x.py\nnoise\n{module(1)}"
        assert extract(Form.LOG, text.encode()) == [cut, module(1)]


class TestTrace:
    CODE: dict[str, object] = {"inductor_output_code": {"filename": "/tmp/x.py"}}

    def test_a_payload_without_its_tabs(self) -> None:
        assert extract(Form.TRACE, trace_record(self.CODE, module()).encode()) == [module()]

    def test_the_tuning_code_of_an_ahead_of_time_compilation(self) -> None:
        metadata: dict[str, object] = {"artifact": {"name": "inductor_autotune_at_compile_time_code"}}
        assert extract(Form.TRACE, trace_record(metadata, module()).encode()) == [module()]

    def test_other_payloads_are_passed_over(self) -> None:
        text = trace_record({"artifact": {"name": "fx_graph"}}, module(0)) + trace_record(self.CODE, module(1))
        assert extract(Form.TRACE, text.encode()) == [module(1)]

    def test_a_last_payload_that_breaks_off(self) -> None:
        text = trace_record(self.CODE, module())
        (found,) = extract(Form.TRACE, text[: text.index("triton_per")].encode())
        assert module().startswith(found)

    @pytest.mark.parametrize("header", ['{"inductor_output_code": ', "[" * 100_000 + '"inductor_output_code"', "[]"])
    def test_a_damaged_header_costs_only_its_own_payload(self, header: str) -> None:
        damaged = f'V1122 14:23:53.882000 1 x.py:1] {{"inductor_output_code"{header}\n\t{module()}\n'
        text = damaged + trace_record(self.CODE, module(1))
        assert extract(Form.TRACE, text.encode()) == [module(1)]


def test_each_text_of_a_file_is_found_again_by_its_origin(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_text(log_of(module(0)) + log_of(module(1)))
    place = detect(tmp_path / "run.log")
    store = open_store(place)
    found = read_wrappers(store, place, "run.log")
    assert [each.origin for each in found] == [Origin("run.log", 0), Origin("run.log", 1)]
    assert [read_wrapper(store, place, each.origin) for each in found] == [module(0), module(1)]


def test_a_text_that_is_gone_says_so(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_text(log_of(module(0)))
    place = detect(tmp_path / "run.log")
    with pytest.raises(PlaceError, match="no longer in this file"):
        read_wrapper(open_store(place), place, Origin("run.log", 1))


def test_files_of_a_cache_are_read_by_where_they_stand(tmp_path: Path) -> None:
    entry = tmp_path / "fxgraph" / "ke" / "fkey" / "content"
    entry.parent.mkdir(parents=True)
    entry.write_bytes(fxgraph_entry(module()))
    place = Place(str(tmp_path), PlaceKind.CACHE)
    path = "fxgraph/ke/fkey/content"
    assert read_wrappers(open_store(place), place, path) == [(Origin(path, 0), module(), module())]


@given(st.sampled_from(Form), st.integers(0, 2**32))
def test_no_damage_makes_it_fail(form: Form, seed: int) -> None:
    source = random.Random(seed)
    data = bytearray(
        {
            Form.MODULE: module().encode(),
            Form.PICKLE: fxgraph_entry(module()),
            Form.LOG: log_of(module()).encode(),
            Form.TRACE: trace_record(TestTrace.CODE, module()).encode(),
        }[form]
    )
    for _ in range(source.randrange(1, 20)):
        at = source.randrange(len(data))
        data[at : at + source.randrange(4)] = source.randbytes(source.randrange(4))
    assert len(extract(form, bytes(data))) <= 2
