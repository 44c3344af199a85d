"""Checks that run a program: formatter, compiler, ctags, nm, the generator. One that is not
installed is noted, not failed: CI installs all of them (tools/packages.txt)."""
import concurrent.futures
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import tomllib

from tree import CPP

HARD_FUNCTION, SOFT_FUNCTION = 80, 40


def need(tree, program):
    if shutil.which(program):
        return True
    tree.note(f"{program} is not installed: its check did not run")
    return False


def run(tree, *args):
    return subprocess.run(args, cwd=tree.root, capture_output=True, text=True, check=False)


def check_sources_are_formatted(tree):
    if not need(tree, "clang-format-14"):
        return []
    done = run(tree, "clang-format-14", "--dry-run", "-Werror", *tree.files(*CPP))
    files = sorted({line.split(":")[0] for line in done.stderr.split("\n") if "error:" in line})
    return [f"{file}: not formatted; run ./dev fmt" for file in files]


def functions_of(ctags_lines):
    """(path, name, lines) of each function in ctags' JSON output."""
    for line in ctags_lines.split("\n"):
        tag = json.loads(line) if line.startswith("{") else {}
        if tag.get("kind") == "function" and "end" in tag:
            yield tag["path"], tag["name"], tag["end"] - tag["line"] + 1


def check_functions_are_short(tree):
    if not need(tree, "ctags"):
        return []
    done = run(tree, "ctags", "--output-format=json", "--fields=+ne", "--kinds-C++=f",
               "--kinds-Python=fm", "-f", "-", *tree.files(*CPP, ".py"))
    if done.returncode != 0:
        tree.note("ctags is not universal-ctags: its check did not run")
        return []
    long = [f for f in functions_of(done.stdout) if f[2] > SOFT_FUNCTION]
    for path, name, lines in long:
        if lines <= HARD_FUNCTION:
            tree.note(f"{path}: {name} has {lines} lines")
    return [f"{path}: {name} has {lines} lines; at most {HARD_FUNCTION}"
            for path, name, lines in long if lines > HARD_FUNCTION]


def compile_flags(tree):
    """Those of any C++ source of the build, less what names its files."""
    commands = json.loads((tree.build / "compile_commands.json").read_text())
    words = shlex.split(max((c["command"] for c in commands), key=len))
    compiler = next(w for w in words if re.search(r"(g|clang|c)\+\+(-\d+)?$", w))
    flags = [w for w in words if w.startswith(("-I", "-D", "-std", "-m", "-W", "-f"))
             and not w.startswith("-fsanitize")]
    return [compiler, *flags, f"-I{tree.root}", f"-I{tree.build}/generated"]


def check_headers_compile_alone(tree):
    if tree.build is None or not (tree.build / "compile_commands.json").exists():
        tree.note("no build folder given: headers were not compiled")
        return []
    headers = tree.files(".h")
    digest = hashlib.sha256("".join(p + tree.text(p) for p in headers).encode()).hexdigest()
    stamp = tree.build / "headers_compile_alone"
    if stamp.exists() and stamp.read_text() == digest:
        return []
    flags = compile_flags(tree)
    # A source and an object of its own each, which the compiler cache knows again.
    cache = ["ccache"] if shutil.which("ccache") else []

    def compile_one(path):
        source = tree.build / "headers" / f"{path}.cc"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(f'#include "{path}"\n')
        done = run(tree, *cache, *flags, "-O0", "-c", "-o", f"{source}.o", str(source))
        return "" if done.returncode == 0 else f"{path}: does not compile alone: " + (
            next((x for x in done.stderr.split("\n") if "error" in x), done.stderr[:200]))

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = [c for c in pool.map(compile_one, headers) if c]
    if not complaints:
        stamp.write_text(digest)
    return complaints


def exported(nm_lines):
    """Names of `nm -D --defined-only`, without version nodes."""
    names = {line.split()[-1] for line in nm_lines.split("\n") if len(line.split()) >= 2}
    return {n.split("@")[0] for n in names}


def sanitized(tree):
    cache = tree.build / "CMakeCache.txt"
    return cache.exists() and re.search(r"^FLEXAI_[AT]SAN:BOOL=(ON|1)", cache.read_text(), re.M)


def check_shims_export_what_the_spec_says(tree):
    complaints = []
    for path in tree.files(".toml", under="api/"):
        for name, library in tomllib.loads(tree.text(path)).get("library", {}).items():
            file = tree.build / "lib" / f"lib{name}.so" if tree.build else None
            if file is None or not file.exists() or sanitized(tree) or not need(tree, "nm"):
                tree.note(f"lib{name}.so: no plain build of it here; exports were not compared")
                continue
            found = exported(run(tree, "nm", "-D", "--defined-only", str(file)).stdout)
            wanted = set(library["exports"])
            complaints += [f"lib{name}.so: exports {n}, which {path} does not list"
                           for n in sorted(found - wanted)]
            complaints += [f"lib{name}.so: lacks {n}" for n in sorted(wanted - found)]
    return complaints


# The oldest C library of an image that the shims are loaded into.
OLDEST_GLIBC = (2, 28)


def newer_names(objdump_lines):
    """Of `objdump -T`: (version, name) of what is wanted from a glibc that is newer than the oldest."""
    wanted = re.findall(r"\*UND\*.*?\(?GLIBC_(\d+)\.(\d+)[.\d]*\)?\s+(\S+)", objdump_lines)
    return [(f"{major}.{minor}", name) for major, minor, name in wanted if (int(major), int(minor)) > OLDEST_GLIBC]


def check_shims_run_on_old_systems(tree):
    complaints = []
    for path in tree.files(".toml", under="api/"):
        for name in tomllib.loads(tree.text(path)).get("library", {}):
            file = tree.build / "lib" / f"lib{name}.so" if tree.build else None
            if file is None or not file.exists() or sanitized(tree) or platform.machine() != "x86_64" or not need(tree, "objdump"):
                tree.note(f"lib{name}.so: no plain build of it here; what it wants of the C library was not looked at")
                continue
            complaints += [f"lib{name}.so: wants {symbol} of glibc {version}; shim/glibc_old.cc is to have it"
                           for version, symbol in newer_names(run(tree, "objdump", "-T", str(file)).stdout)]
    return complaints


def check_generated_docs_are_fresh(tree):
    done = run(tree, "python3", "-B", "api/gen/generate.py", "--spec", "api/opencl.toml",
               "--docs", "docs/api-coverage.md", "--check")
    return [] if done.returncode == 0 else [done.stderr.strip()]


CHECKS = [value for name, value in sorted(globals().items()) if name.startswith("check_")]
