"""Tests of the generator. FLEXAI_UPDATE_GOLDEN=1 rewrites the expected texts."""
import contextlib
import dataclasses
import os
import pathlib
import re
import tempfile
import unittest

import coverage
import generate
import remote
import spec

HERE = pathlib.Path(__file__).resolve().parent
OPENCL = HERE.parent / "opencl.toml"
GOLDEN = HERE / "golden"

# One of each kind: outputs, lists and callbacks, no arguments, nothing returned, nested arrays,
# async data, pointers by value, a refusal, a slot the header knows as void*, names only, the way to
# functions by name, what is told when it is plain, an answer of any size, a mapping.
REPRESENTATIVE = (
    "clEnqueueFillBuffer", "clGetKernelArgInfo", "clEnqueueUnmapMemObject",
    "clGetPlatformIDs", "clCreateContext", "clUnloadCompiler", "clCreateProgramWithSource",
    "clReleaseEvent", "clEnqueueReadBuffer", "clSVMFree", "clCreateFromGLBuffer",
    "clCreateFromD3D10BufferKHR", "clIcdGetPlatformIDsKHR", "clEnqueueCommandBufferKHR",
    "clGetExtensionFunctionAddressForPlatform")

SMALL = """
api = "tiny"
version = "1.0"
[type]
handle = ["t_event"]
signed = ["t_int"]
unsigned = ["t_uint"]
byte = ["void"]
[callback]
Notify = "void (t_event event)"
[default]
"t_event* event" = "out new optional"
[extension.t_ext]
limit = "refuse"
why = "no"
functions = ["tGone"]
[fn.tWait]
id = 1
since = "1.0"
limit = "custom"
remote = "sync"
decl = "t_int (t_uint count, const t_event* events, t_event* event, Notify notify)"
events = "in array(count) optional"
[fn.tGone]
id = 1000
limit = "refuse"
decl = "t_int (void* user)"
user = "value"
"""


def load_text(text):
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        return spec.load(file.name)


class SpecTest(unittest.TestCase):
    def refused(self, old, new, *words):
        """SMALL with `old` replaced is refused, and the message holds every word."""
        self.assertIn(old, SMALL)
        with self.assertRaises(spec.SpecError) as caught:
            load_text(SMALL.replace(old, new))
        for word in (".toml", *words):
            self.assertIn(word, str(caught.exception))

    def test_a_sound_spec_is_read(self):
        small = load_text(SMALL)
        wait, gone = small.entries
        self.assertEqual((wait.slot, wait.args[1].role.extents), (0, {"array": "count"}))
        self.assertEqual(wait.args[2].role.flags, ("new", "optional"))
        self.assertEqual((gone.slot, gone.extension, gone.why), (None, "t_ext", "no"))

    def test_a_pointer_without_a_role_stops_it(self):
        self.refused('events = "in array(count) optional"', "", "tWait", "events", "no role")

    def test_an_undeclared_type_stops_it(self):
        self.refused("t_uint count", "t_size count", "tWait", "t_size")
        self.refused('decl = "t_int (void*', 'decl = "t_long (void*', "tGone", "t_long")

    def test_a_reused_id_stops_it(self):
        self.refused("id = 1000", "id = 1", "tGone", "tWait")

    def test_an_unknown_action_stops_it(self):
        self.refused('limit = "custom"', 'limit = "maybe"', "tWait", "maybe")
        self.refused('remote = "sync"', 'remote = "later"', "tWait", "later")
        self.refused('remote = "sync"', 'remote = "sync"\nmeter = "heat"', "tWait", "heat")

    def test_where_a_call_is_made_is_understood(self):
        for key in ("client", "worker", "tell"):
            self.refused('remote = "sync"', f'remote = "sync"\n{key} = "sideways"', "tWait", "sideways")

    def test_a_role_that_is_not_understood_stops_it(self):
        for role in ("sideways", "in array", "in cstr(4)", "in cheap", "in array(nobody)"):
            self.refused("in array(count) optional", role, "tWait", "events")

    def test_an_unknown_key_stops_it(self):
        self.refused('remote = "sync"', 'remote = "sync"\nevent_lsit = "in"', "tWait", "event_lsit")

    def test_a_refusal_needs_a_reason(self):
        self.refused('functions = ["tGone"]', "functions = []", "tGone", "since")
        self.refused('limit = "refuse"\nwhy = "no"', "", "tGone", "why")

    def test_an_extension_names_only_entries(self):
        self.refused('["tGone"]', '["tGone", "tLost"]', "t_ext", "tLost")

    def test_broken_files_are_one_error(self):
        for text in ("[fn", SMALL.replace("id = 1\n", 'id = "1"\n')):
            with self.assertRaises(spec.SpecError):
                load_text(text)
        with self.assertRaises(spec.SpecError):
            spec.load("/nonexistent.toml")


class OpenclTest(unittest.TestCase):
    def setUp(self):
        self.spec = spec.load(OPENCL)

    def test_it_has_every_slot_once(self):
        slots = [e.slot for e in self.spec.entries if e.slot is not None]
        self.assertEqual(slots, list(range(149)))

    def test_every_enqueue_is_wrapped_or_refused(self):
        for entry in self.spec.entries:
            if entry.name.startswith("clEnqueue"):
                self.assertNotEqual(entry.limit, "harmless", entry.name)

    def test_told_calls_are_decoded_in_the_order_in_which_they_are_encoded(self):
        for entry in self.spec.entries:
            if entry.limit == "refuse" or entry.worker == "none":
                continue
            found = remote.fields(entry, self.spec)
            encoded = re.findall(r"call\.\w+\((\w+)", remote.wire_function(entry, found))
            decoded = re.findall(r'call\.[\w<>: ]+\("(\w+)"', remote.serve_function(entry, found, self.spec))
            self.assertEqual([n for n in encoded if n not in ("mode",)][:len(decoded)], decoded, entry.name)

    def test_what_travels_has_an_error_for_each_handle(self):
        for entry in self.spec.entries:
            for each in remote.fields(entry, self.spec) if entry.limit != "refuse" and entry.worker != "none" else ():
                if each.how in ("handle", "objects"):
                    self.assertIn(each.type, self.spec.invalid, entry.name)

    def test_what_shares_memory_with_another_api_is_refused(self):
        for entry in self.spec.entries:
            if any(word in entry.name for word in ("GL", "EGL", "D3D", "DX9")):
                self.assertEqual(entry.limit, "refuse", entry.name)


class GoldenTest(unittest.TestCase):
    def check(self, name, text):
        path = GOLDEN / (name.replace("/", "_") + ".txt")
        if os.environ.get("FLEXAI_UPDATE_GOLDEN"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        with contextlib.suppress(FileNotFoundError):
            self.assertEqual(path.read_text(), text, f"{path} differs")
            return
        self.fail(f"{path} is missing")

    def test_representative_entries_give_the_expected_text(self):
        whole = spec.load(OPENCL)
        chosen = [e for e in whole.entries if e.name in REPRESENTATIVE]
        self.assertEqual(len(chosen), len(REPRESENTATIVE))
        extensions = [
            dataclasses.replace(x, functions=[f for f in x.functions if f in REPRESENTATIVE])
            for x in whole.extensions if set(x.functions) & set(REPRESENTATIVE)]
        small = dataclasses.replace(whole, entries=chosen, extensions=extensions)
        for product in generate.PRODUCTS:
            for path, text in product.products(small).items():
                self.check(path, text)
        self.check("docs/api-coverage.md", coverage.report(small))


if __name__ == "__main__":
    unittest.main()
