"""The repository as the checks see it: paths and texts. A test makes one from a dict."""
import pathlib
import re
import subprocess

CPP = (".h", ".cc")
CODE = (".h", ".cc", ".py", ".sh", ".cmake")


class Tree:
    def __init__(self, root, build=None):
        self.root = pathlib.Path(root).resolve()
        self.build = pathlib.Path(build).resolve() if build else None
        self.notes = []  # worth a line, but no failure
        listed = subprocess.run(
            ["git", "-C", str(self.root), "ls-files", "-z", "-co", "--exclude-standard"],
            capture_output=True, text=True, check=False)
        names = listed.stdout.split("\0") if listed.returncode == 0 else [
            str(p.relative_to(self.root)) for p in self.root.rglob("*")
            if "build" not in p.parts and ".git" not in p.parts]
        self.paths = sorted({n for n in names if n and (self.root / n).is_file()})

    def text(self, path):
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def files(self, *suffixes, under=""):
        return [p for p in self.paths if p.endswith(suffixes) and p.startswith(under)]

    def note(self, text):
        self.notes.append(text)


class DictTree(Tree):
    """For the self-test; nothing is on disk."""

    def __init__(self, texts):  # noqa: the base class reads a disk
        self.root, self.build, self.notes, self.texts = None, None, [], texts
        self.paths = sorted(texts)

    def text(self, path):
        return self.texts[path]


TOKENS = re.compile(
    r'(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<raw>R"(?P<tag>[^()\\ ]{0,16})\(.*?\)(?P=tag)")|'
    r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)


def without_comments(text):
    """C++ text with comments blanked, line numbers kept; strings stay."""
    def blank(match):
        if match.group("comment") is None:
            return match.group(0)
        return "\n" * match.group(0).count("\n")
    return TOKENS.sub(blank, text)


def without_strings(text):
    """As without_comments, and strings emptied too; include lines stay."""
    kept = [(m.start(), m.end()) for m in re.finditer(r"^\s*#\s*include[^\n]*", text, re.M)]

    def blank(match):
        if any(a <= match.start() < b for a, b in kept):
            return match.group(0)
        if match.group("comment") is None and match.group("raw") is None:
            return '""' if match.group(0)[0] == '"' else "' '"
        return "\n" * match.group(0).count("\n")
    return TOKENS.sub(blank, text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1
