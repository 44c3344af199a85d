"""Checks that read only the sources. Each takes a Tree and returns complaints, one line each."""
import re
import socket

from tree import CODE, CPP, line_of, without_comments, without_strings

HARD_LINES, SOFT_LINES, MAIN_LINES = 800, 400, 100
UNNAMED_FOLDERS = {"docs", "cmake", "tools", ".ci", "deploy"}  # hold no sources of the product
BANNED_WORDS = {"util", "utils", "helper", "helpers", "manager", "common", "impl", "misc"}
API_CASED = re.compile(r"\bcl_[a-z]|\bcl[A-Z]\w|<CL/")
QUIET_FOLDERS = ("shim/", "limit/", "driver/", "wire/", "remote/opencl/client/")  # run inside other people's programs


def folder_table(tree):
    """docs/ARCHITECTURE.md: folder -> folders it may include."""
    rows = {}
    text = tree.text("docs/ARCHITECTURE.md") if "docs/ARCHITECTURE.md" in tree.paths else ""
    for line in text.partition("## Folders")[2].split("\n"):
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 3 and re.fullmatch(r"[a-z]+", cells[0]):
            rows[cells[0]] = set(cells[2].split())
    rows.pop("folder", None)
    return rows


def check_folders_are_in_the_architecture(tree):
    rows = folder_table(tree)
    if not rows:
        return ["docs/ARCHITECTURE.md: no folder table found"]
    used = {p.split("/")[0] for p in tree.paths if "/" in p}
    for name in sorted(set(rows) - used):
        tree.note(f"docs/ARCHITECTURE.md: names the folder {name}, which is empty")
    return [f"{name}/: not in the folder table of docs/ARCHITECTURE.md"
            for name in sorted(used - set(rows) - UNNAMED_FOLDERS)]


def check_includes_follow_the_arrows(tree):
    rows, complaints = folder_table(tree), []
    for path in tree.files(*CPP):
        folder = path.split("/")[0]
        text = without_comments(tree.text(path))
        for match in re.finditer(r'^\s*#\s*include\s+"([^"]+)"', text, re.M):
            target = match.group(1).split("/")[0]
            where = f"{path}:{line_of(text, match.start())}"
            if "/" not in match.group(1) or target not in rows:
                complaints.append(f'{where}: "{match.group(1)}" does not start with a folder')
            elif target != folder and target not in rows.get(folder, set()):
                complaints.append(f"{where}: {folder} may not include {target}")
    return complaints


def knows_no_api(path):
    return path.startswith("agent/") or re.fullmatch(r"(limit|remote|wire)/[^/]+", path)


def check_neutral_folders_know_no_api(tree):
    complaints = []
    for path in tree.files(*CPP):
        if not knows_no_api(path) or path.endswith("_test.cc"):
            continue
        text = without_comments(tree.text(path))
        for number, line in enumerate(text.split("\n"), 1):
            found = API_CASED.search(line) or re.search(
                r"opencl|cuda|ascend|pocl|nvidia", line, re.I)
            if found:
                complaints.append(f'{path}:{number}: mentions "{found.group(0)}"; APIs and brands '
                                  "belong in a subfolder named after them or a program of its own")
    return complaints


def check_file_sizes(tree):
    complaints = []
    for path in tree.files(*CODE, "CMakeLists.txt"):
        text = tree.text(path)
        lines, limit = text.count("\n"), HARD_LINES
        if path.startswith("apps/") and re.search(r"^int main\(", text, re.M):
            # Of code: neither comments nor includes.
            lines, limit = len(re.findall(r"^[ ]*(?!//|#)[^\s]", text, re.M)), MAIN_LINES
        if lines > limit:
            complaints.append(f"{path}: {lines} lines; at most {limit}")
        elif lines > SOFT_LINES:
            tree.note(f"{path}: {lines} lines")
    return complaints


def check_file_names(tree):
    complaints = []
    for path in tree.files(*CODE):
        name = path.split("/")[-1].rsplit(".", 1)[0]
        if not re.fullmatch(r"[a-z0-9_]+" if path.endswith((*CPP, ".py")) else r"[a-z0-9_-]+", name):
            complaints.append(f"{path}: file names are snake_case")
        banned = BANNED_WORDS & set(re.split(r"[_-]", name))
        if banned:
            complaints.append(f'{path}: "{banned.pop()}" says nothing; name what it holds')
    return complaints


def check_tests_sit_beside_their_source(tree):
    """x_test.cc and x_kill_test.cc are beside x.h or x.cc."""
    present, complaints = set(tree.paths), []
    for path in tree.files("_test.cc"):
        words = path[:-len("_test.cc")].split("_")
        stems = {"_".join(words[:n]) for n in range(1, len(words) + 1)}
        beside = any(s + end in present for s in stems for end in CPP)
        if not beside and not path.startswith("test/") and not is_generated(path):
            complaints.append(f"{path}: there is no {path[:-8]}.h or .cc beside it")
    return complaints


def is_generated(path):
    return re.fullmatch(r"(driver|limit)/\w+/(table|trace|entries)_test\.cc", path)


def check_headers_have_pragma_once(tree):
    return [f"{p}: lacks #pragma once" for p in tree.files(".h")
            if "#pragma once" not in tree.text(p)]


def search_code(tree, pattern, why, folders=("",)):
    complaints = []
    for path in tree.files(*CPP):
        if not path.startswith(tuple(folders)):
            continue
        text = without_strings(tree.text(path))
        for match in re.finditer(pattern, text):
            complaints.append(f'{path}:{line_of(text, match.start())}: "{match.group(0)}": {why}')
    return complaints


def check_nothing_throws(tree):
    return search_code(tree, r"\bthrow\b", "errors travel as base::Result")


def check_quiet_folders_neither_exit_nor_print(tree):
    pattern = r"\b(?:std::)?(?:exit|_exit|abort|terminate|quick_exit|puts|printf)\s*\(|\bstd::cout\b"
    found = search_code(tree, pattern, "runs inside other people's programs", QUIET_FOLDERS)
    return [c for c in found if "_test.cc:" not in c]


def check_nothing_is_left_undone(tree):
    pattern = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    return [f"{path}:{number}: {match.group(0)}: do it or write an issue"
            for path in tree.files(*CODE, "CMakeLists.txt", ".md", ".toml", "dev")
            if not path.startswith("test/repo/")
            for number, line in enumerate(tree.text(path).split("\n"), 1)
            if (match := pattern.search(line))]


def check_no_machine_paths(tree):
    names = [r"/work/", r"/root/", r"/home/[a-z]", r"/Users/[A-Za-z]"]
    host = socket.gethostname()
    if len(host) >= 5 and host not in ("localhost", "debian", "ubuntu"):
        names.append(rf"\b{re.escape(host)}\b")
    pattern = re.compile("|".join(names))
    return [f'{path}:{number}: "{match.group(0)}" is a path or name of one machine'
            for path in tree.paths
            if not path.startswith("test/repo/")
            for number, line in enumerate(tree.text(path).split("\n"), 1)
            if (match := pattern.search(line))]


CHECKS = [value for name, value in sorted(globals().items()) if name.startswith("check_")]
