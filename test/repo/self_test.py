"""Shows that each repository check can fail, and holds where it should."""
import pathlib
import subprocess
import tempfile
import unittest

import source_checks as s
import tool_checks as t
from tree import DictTree, Tree, without_comments, without_strings

ARCHITECTURE = """
## Folders and allowed includes
| folder | holds | may include |
|---|---|---|
| base | leaf | |
| limit | x | base |
| agent | x | base limit |
| apps | x | base |
"""

# check -> (file, text that it must refuse, text that it must accept)
CASES = {
    s.check_folders_are_in_the_architecture: ("stuff/a.h", "", None),
    s.check_includes_follow_the_arrows: (
        "base/a.h", '#include "limit/b.h"\n', '// #include "limit/b.h"\n#include "base/b.h"\n'),
    s.check_neutral_folders_know_no_api: (
        "limit/a.cc", 'auto x = clFinish(q);\n', "// like clFinish in OpenCL\nint clear;\n"),
    s.check_file_sizes: ("base/a.cc", "\n" * 801, "\n" * 800),
    s.check_file_names: ("base/string_util.h", "", None),
    s.check_tests_sit_beside_their_source: ("base/lonely_test.cc", "", None),
    s.check_headers_have_pragma_once: ("base/a.h", "int x;\n", "#pragma once\n"),
    s.check_nothing_throws: ("base/a.cc", "throw 1;\n", '// throw\nauto s = "throw";\n'),
    s.check_quiet_folders_neither_exit_nor_print: (
        "limit/a.cc", "std::abort();\n", "exit_code(1); snprintf(b, 1, c);\n"),
    s.check_nothing_is_left_undone: ("base/a.cc", "// TODO\n", "// todo list of the user\n"),
    s.check_no_machine_paths: ("docs/a.md", "see /root/x\n", "see /usr/root\n"),
}


def tree_with(path, text):
    return DictTree({"docs/ARCHITECTURE.md": ARCHITECTURE, path: text})


class SourceTest(unittest.TestCase):
    def test_every_check_has_a_case(self):
        self.assertEqual({c.__name__ for c in CASES}, {c.__name__ for c in s.CHECKS})

    def test_every_check_can_fail(self):
        for check, (path, bad, _) in CASES.items():
            found = check(tree_with(path, bad))
            self.assertTrue(found, check.__name__)
            self.assertTrue(any(path.split("/")[0] in c for c in found), check.__name__)

    def test_every_check_holds_where_it_should(self):
        for check, (path, _, good) in CASES.items():
            if good is not None:
                self.assertEqual(check(tree_with(path, good)), [], check.__name__)

    def test_a_missing_table_is_a_complaint(self):
        self.assertTrue(s.check_folders_are_in_the_architecture(DictTree({"base/a.h": ""})))

    def test_agent_and_its_tests(self):
        bad = tree_with("agent/a.cc", '#include "limit/opencl/gate.h"\n')
        self.assertTrue(s.check_neutral_folders_know_no_api(bad))
        test = tree_with("agent/a_test.cc", 'card.api = "opencl";\n')
        self.assertEqual(s.check_neutral_folders_know_no_api(test), [])

    def test_relative_includes_are_refused(self):
        self.assertTrue(s.check_includes_follow_the_arrows(tree_with("base/a.h", '#include "b.h"')))

    def test_mains_are_short(self):
        main = "int main() {}\n" + "x;\n" * 100
        self.assertTrue(s.check_file_sizes(tree_with("apps/a.cc", main)))
        self.assertEqual(s.check_file_sizes(tree_with("base/a.cc", main)), [])

    def test_comments_and_strings(self):
        text = 'a; // b\n"// c" /* d\n */ e R"(f)"\n'
        self.assertEqual(without_comments(text), 'a; \n"// c" \n e R"(f)"\n')
        self.assertEqual(without_strings(text), 'a; \n"" \n e \n')


class ToolTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        subprocess.run(["git", "init", "-q", folder.name], check=True)

    def tree(self, path, text, build=None):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)
        return Tree(self.root, build)

    def holds_or_is_skipped(self, check, tree):
        """False only when the check ran and complained."""
        return check(tree) == [] or "not installed" in " ".join(tree.notes)

    def fails_or_is_skipped(self, check, tree):
        return bool(check(tree)) or "not installed" in " ".join(tree.notes)

    def test_formatting(self):
        (self.root / ".clang-format").write_text("BasedOnStyle: Google\n")
        self.assertTrue(self.fails_or_is_skipped(
            t.check_sources_are_formatted, self.tree("a.cc", "int   x ;\n")))
        self.assertTrue(self.holds_or_is_skipped(
            t.check_sources_are_formatted, self.tree("a.cc", "int x;\n")))

    def test_function_length(self):
        body = "int f() {\n" + "  g();\n" * 80 + "  return 1;\n}\n"
        self.assertTrue(self.fails_or_is_skipped(
            t.check_functions_are_short, self.tree("a.cc", body)))
        tags = ('{"_type": "tag", "name": "f", "path": "a.cc", "line": 3, "kind": "function", '
                '"end": 9}\n')
        self.assertEqual(list(t.functions_of(tags)), [("a.cc", "f", 7)])

    def test_headers(self):
        build = self.root / "build"
        build.mkdir()
        (build / "compile_commands.json").write_text(
            '[{"command": "/usr/bin/ccache /usr/bin/c++ -std=c++20 -o x -c y"}]')
        self.assertTrue(t.check_headers_compile_alone(
            self.tree("a.h", "#pragma once\nstd::string x();\n", build)))
        good = self.tree("a.h", "#pragma once\n#include <string>\nstd::string x();\n", build)
        self.assertEqual(t.check_headers_compile_alone(good), [])
        self.assertTrue((build / "headers_compile_alone").exists())

    def test_exports(self):
        self.assertEqual(t.exported("0000 T clA\n0000 T clB@@V1\n                 U x\n\n"),
                         {"clA", "clB", "x"})
        build = self.root / "build"
        (build / "lib").mkdir(parents=True)
        source = self.root / "x.c"
        source.write_text("int shown(void) { return 1; }\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", build / "lib" / "libthing.so", source],
                       check=True)
        spec = '[library.thing]\nexports = ["{}"]\n'
        found = t.check_shims_export_what_the_spec_says(
            self.tree("api/x.toml", spec.format("other"), build))
        self.assertEqual(len([c for c in found if "other" in c or "shown" in c]), 2)
        self.assertEqual(t.check_shims_export_what_the_spec_says(
            self.tree("api/x.toml", spec.format("shown"), build)), [])

    def test_names_of_new_c_libraries(self):
        lines = "".join(f"0000      DF *UND*\t0000000000000000 {version} {name}\n" for version, name in (
            ("(GLIBC_2.28)", "old"), ("(GLIBC_2.34)", "new"), ("(GLIBC_2.2.5)", "older"), (" GLIBC_2.36 ", "newest"), ("(CXXABI_9.9)", "other")))
        self.assertEqual(t.newer_names(lines + "0000 g    DF .text\t0000 (GLIBC_2.36) ours\n"), [("2.34", "new"), ("2.36", "newest")])
        build = self.root / "build"
        (build / "lib").mkdir(parents=True)
        source = self.root / "x.c"
        # pthread_create has its number from 2.34 here, malloc from the first of all.
        for call, found in (("pthread_create", 1), ("malloc", 0)):
            source.write_text(f"void *{call}(); void *shown(void) {{ return {call}; }}\n")
            subprocess.run(["cc", "-w", "-shared", "-fPIC", "-o", build / "lib" / "libthing.so", source], check=True)
            tree = self.tree("api/x.toml", "[library.thing]\nexports = []\n", build)
            self.assertEqual(len(t.check_shims_run_on_old_systems(tree)), found if t.platform.machine() == "x86_64" else 0)

    def test_docs(self):
        here = pathlib.Path(__file__).resolve().parents[2]
        for name in (here / "api" / "gen").glob("*.py"):
            self.tree(f"api/gen/{name.name}", name.read_text())
        tree = self.tree("api/opencl.toml", (here / "api" / "opencl.toml").read_text())
        self.assertTrue(t.check_generated_docs_are_fresh(tree))

    def test_every_check_has_a_test(self):
        self.assertEqual(len(t.CHECKS), 6)


if __name__ == "__main__":
    unittest.main()
