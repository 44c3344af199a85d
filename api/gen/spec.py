"""Reads a Spec file (api/*.toml) into plain objects and refuses one that is not sound.

The form is described at the top of api/opencl.toml. Every complaint names the file and the entry.
"""
import pathlib
import re
import tomllib
from dataclasses import dataclass, field

LIMITS = ("harmless", "custom", "refuse")
REMOTES = ("local", "cached", "create", "async", "sync", "custom")
METERS = ("none", "kernel", "copy", "transfer")
HEADERS = ("", "void", "none")
KINDS = ("handle", "bits", "enum", "signed", "unsigned", "struct", "opaque", "char", "byte")
DIRECTIONS = ("in", "out", "inout", "value")
SHAPES = ("bytes", "array", "list", "cstr", "lengths", "most", "used")
FLAGS = ("new", "frees", "optional", "async", "keeps")
FIRST_NAMED_ID = 1000  # below: position in the ICD dispatch table, from 1
KEYS = {"id", "since", "limit", "why", "remote", "client", "worker", "tell", "command", "meter",
        "header", "decl"}


class SpecError(Exception):
    """The Spec is not sound; the message names file and entry."""


@dataclass
class Role:
    direction: str = "value"
    extents: dict = field(default_factory=dict)  # shape -> what it says: "bytes" -> "size"
    flags: tuple = ()


@dataclass
class Arg:
    type: str  # without const and stars: "cl_event"
    name: str
    text: str  # whole C type: "const cl_event*"
    stars: int
    role: Role


@dataclass
class Entry:
    name: str
    id: int
    since: str
    limit: str
    why: str
    remote: str
    meter: str
    header: str
    result: str
    args: list
    extension: str = ""
    client: str = ""
    worker: str = ""
    tell: str = ""
    command: str = ""

    @property
    def slot(self):
        """Position in the ICD dispatch table, or None."""
        return self.id - 1 if self.id < FIRST_NAMED_ID else None


@dataclass
class Extension:
    name: str
    hidden: bool
    why: str
    functions: list


@dataclass
class Spec:
    api: str
    version: str
    entries: list  # by id
    extensions: list
    callbacks: dict  # name -> (result, [argument text])
    kinds: dict  # type -> kind
    invalid: dict  # handle type -> the API's error
    cases: dict = field(default_factory=dict)  # api/<api>.cases.toml, where there is one


def parse_role(text, fail):
    role = Role()
    words = text.split()
    if words and words[0] in DIRECTIONS:
        role.direction = words.pop(0)
    elif words != ["frees"]:
        fail(f'role "{text}" starts with none of {", ".join(DIRECTIONS)}')
    for word in words:
        match = re.fullmatch(r"(\w+)(?:\(([\w*]+)\))?", word)
        if not match:
            fail(f'role word "{word}" is not understood')
        name, extent = match.groups()
        if name in FLAGS and extent is None:
            role.flags += (name,)
        elif name in SHAPES and (extent is None) == (name in ("list", "cstr")):
            role.extents[name] = extent
        else:
            fail(f'role word "{word}" is not understood')
    return role


def split_decl(decl, fail):
    match = re.fullmatch(r"([\w ]+?\**) \((.*)\)", decl)
    if not match:
        fail(f'decl "{decl}" is not "TYPE (ARGUMENTS)"')
    return match.group(1), [a.strip() for a in match.group(2).split(",") if a.strip()]


def parse_arg(text, known, table, defaults, fail):
    match = re.fullmatch(r"((?:const )?([\w ]+?)(\**)) (\w+)", text)
    if not match:
        fail(f'argument "{text}" is not "[const ]TYPE[*] NAME"')
    whole, base, stars, name = match.groups()
    if base not in known:
        fail(f'argument "{name}" has the undeclared type "{base}"')
    said = table.get(name, defaults.get(text))
    if said is None and stars:
        fail(f'argument "{name}" ({whole}) has no role')
    role = parse_role(said, lambda why: fail(f'argument "{name}": {why}')) if said else Role()
    return Arg(base, name, whole, len(stars), role)


def check_extents(args, fail):
    names = {a.name for a in args}
    for arg in args:
        if arg.role.extents and not arg.stars:
            fail(f'argument "{arg.name}" is no pointer but has an extent')
        for shape, extent in arg.role.extents.items():
            if extent and extent != "*" and not extent.isdigit() and extent not in names:
                fail(f'argument "{arg.name}": {shape}({extent}) names no argument')


def choice(table, key, allowed, default, fail):
    value = table.get(key, default)
    if value not in allowed:
        fail(f'{key} = "{value}" is none of {", ".join(a for a in allowed if a)}')
    return value


def parse_entry(name, table, known, defaults, reasons, fail):
    if "id" not in table or "decl" not in table:
        fail("id and decl are needed")
    ident, limit = table["id"], choice(table, "limit", LIMITS, None, fail)
    if not isinstance(ident, int) or not 0 < ident < 65536:
        fail(f"id {ident} is not a number from 1 to 65535")
    extension, why = reasons.get(name, ("", ""))
    if "since" not in table and not extension:
        fail("has neither a version (since) nor an extension")
    why = table.get("why", why)
    if limit == "refuse" and not why:
        fail("is refused without a reason (why)")
    if limit == "refuse" and "remote" in table:
        fail("is refused, so it has no remote class")
    result, texts = split_decl(table["decl"], fail)
    if result.rstrip("*") not in known:
        fail(f'returns the undeclared type "{result}"')
    args = [parse_arg(text, known, table, defaults, fail) for text in texts]
    check_extents(args, fail)
    unknown = set(table) - KEYS - {a.name for a in args}
    if unknown:
        fail(f'"{sorted(unknown)[0]}" is neither a key nor an argument')
    remote = "refuse" if limit == "refuse" else choice(table, "remote", REMOTES, None, fail)
    return Entry(name, ident, table.get("since", ""), limit, why if limit == "refuse" else "",
                 remote, choice(table, "meter", METERS, "none", fail),
                 choice(table, "header", HEADERS, "", fail), result, args, extension,
                 choice(table, "client", ("", "custom"), "", fail),
                 choice(table, "worker", ("", "custom", "none"), "", fail),
                 choice(table, "tell", ("", "always", "plain"), "", fail), table.get("command", ""))


def parse_extensions(raw, names, complain):
    extensions, reasons = [], {}
    for name, table in raw.items():
        fail = lambda why, where=f"extension {name}": complain(where, why)
        limit = choice(table, "limit", ("pass", "refuse"), "pass", fail)
        if limit == "refuse" and not table.get("why"):
            fail("is refused without a reason (why)")
        for function in table.get("functions", []):
            if function not in names:
                fail(f'lists "{function}", which has no entry')
            if function in reasons:
                fail(f'lists "{function}", which {reasons[function][0]} lists too')
            reasons[function] = (name, table.get("why", ""))
        extensions.append(
            Extension(name, limit == "refuse", table.get("why", ""), table.get("functions", [])))
    return extensions, reasons


def parse_kinds(raw, complain):
    kinds = {}
    for kind, types in raw.items():
        if kind not in KINDS:
            complain("type", f'"{kind}" is none of {", ".join(KINDS)}')
        for name in types:
            if name in kinds:
                complain("type", f'"{name}" is listed twice')
            kinds[name] = kind
    return kinds


def read(path):
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"{path}: {error}") from error


def load(path):
    """Returns the Spec in the file `path`, or raises SpecError."""
    def complain(where, why):
        raise SpecError(f"{path}: {where}: {why}")

    raw = read(path)
    cases = pathlib.Path(path).with_suffix(".cases.toml")
    kinds = parse_kinds(raw.get("type", {}), complain)
    callbacks = {
        name: split_decl(decl, lambda why, n=name: complain(f"callback {n}", why))
        for name, decl in raw.get("callback", {}).items()
    }
    functions = raw.get("fn", {})
    extensions, reasons = parse_extensions(raw.get("extension", {}), functions, complain)
    known, entries, seen = set(kinds) | set(callbacks), [], {}
    for name, table in functions.items():
        fail = lambda why, where=f"fn {name}": complain(where, why)
        entry = parse_entry(name, table, known, raw.get("default", {}), reasons, fail)
        if entry.id in seen:
            fail(f"id {entry.id} is already the id of {seen[entry.id]}")
        seen[entry.id] = name
        entries.append(entry)
    entries.sort(key=lambda e: e.id)
    return Spec(raw.get("api", ""), raw.get("version", ""), entries, extensions, callbacks, kinds,
                raw.get("invalid", {}), read(cases) if cases.exists() else {})
