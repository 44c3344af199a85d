"""Product: test/<api>_sweep.cc: every entry of the API called with right arguments and, one call each,
with one of them wrong. What is right says api/<api>.cases.toml; what is wrong follows from the Spec."""
from cpp import NOTE, names
from spec import SpecError

SOURCE = """#include "test/e2e/{api}_sweep/sweep.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace flexai::test {{
namespace {{

using namespace driver::{api};  // NOLINT: the types of callbacks

{functions}
}}  // namespace

const Entry kEntries[] = {{
{rows}}};
const size_t kEntryCount = sizeof kEntries / sizeof kEntries[0];

}}  // namespace flexai::test
"""

INFO = ("param_value_size", "param_value", "param_value_size_ret")
MOST_OUT = 256  # elements that a result has room for


def literal(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def kind_of(arg, spec):
    return "callback" if arg.type in spec.callbacks else spec.kinds[arg.type]


def is_info(entry):
    found = [a.name for a in entry.args if a.name in INFO]
    return len(found) == 3


def counts(entry):
    """Arguments that say how many there are of another, which is read: only 0 is safely wrong."""
    return {extent for a in entry.args if a.role.direction in ("in", "inout")
            for shape, extent in a.role.extents.items() if shape in ("array", "lengths") and extent}


class Cases:
    """The right arguments of one entry and what is made of them."""

    def __init__(self, entry, spec):
        self.entry, self.spec = entry, spec
        said = spec.cases.get("entry", {}).get(entry.name, {})
        self.said, self.right = said, said.get("right", {})
        self.defaults = spec.cases.get("right", {})
        self.skip = set(said.get("skip", ()))
        self.rows = [("right", "", 0)]

    def value(self, arg):
        """The right value, as C++."""
        if arg.name in self.right:
            return self.right[arg.name]
        found = self.defaults.get(f"{arg.text} {arg.name}")
        if found is not None:
            return found
        if arg.stars == 1 and arg.role.direction == "out" and arg.type != "void" and arg.name != "mutable_handle":
            return f"b.out<{arg.type}>({MOST_OUT})"
        return "nullptr" if arg.stars or kind_of(arg, self.spec) in ("handle", "callback", "opaque") else "0"

    def add(self, name, change, expected=0):
        if name not in self.skip:
            self.rows.append((name, change, expected))

    def handle(self, arg):
        name, code = arg.name, self.spec.invalid.get(arg.type, "CL_INVALID_PLATFORM")
        first = arg is self.entry.args[0]
        if self.value(arg) != "nullptr":
            # A loader answers for a first handle that is null: it has no driver to ask.
            loader = code if first and arg.type in self.spec.invalid else 0
            self.add(f"{name}=null", f"{name} = nullptr", loader)
        if self.entry.result in ("void", "void*") and all(a.name != "errcode_ret" for a in self.entry.args):
            return  # there is no code to expect
        self.add(f"{name}=other", f"{name} = b.other<{arg.type}>()", code)
        if arg.type not in ("cl_device_id", "cl_platform_id"):  # these are never gone
            self.add(f"{name}=released", f"{name} = b.released<{arg.type}>()", code)

    def number(self, arg):
        name, right = arg.name, self.value(arg)
        if arg.type == "cl_bool":
            if not name.startswith("blocking"):
                self.add(f"{name}=false", f"{name} = CL_FALSE")
            return
        if right not in ("0", "{}"):
            self.add(f"{name}=0", f"{name} = 0")
        if name not in counts(self.entry):
            self.add(f"{name}=1", f"{name} = 1")
            self.add(f"{name}=max", f"{name} = std::numeric_limits<{arg.text}>::max()")

    def by_value(self, arg):
        kind, name = kind_of(arg, self.spec), arg.name
        if name in INFO and is_info(self.entry):
            return
        if kind == "handle":
            self.handle(arg)
        elif kind == "bits":
            if self.value(arg) != "0":
                self.add(f"{name}=0", f"{name} = 0")
            self.add(f"{name}=all", f"{name} = ~{arg.type}{{0}}")
            self.add(f"{name}=unknown", f"{name} = {arg.type}{{1}} << 40")
        elif kind == "enum":
            if arg.type not in self.spec.cases.get("values", {}) or not is_info(self.entry):
                self.add(f"{name}=0", f"{name} = 0")
                self.add(f"{name}=unknown", f"{name} = 0x7777")
        elif kind == "callback":
            if self.value(arg) == "nullptr":
                self.add("user_data=alone", "user_data = b.calls()")
            else:
                self.add(f"{name}=null", f"{name} = nullptr")
        elif kind in ("signed", "unsigned") and not name.startswith(("num_events_in_", "num_sync_points_in_")):
            self.number(arg)

    def pointer(self, arg):
        name, extents = arg.name, arg.role.extents
        if name in ("event_wait_list", "user_data") or name in INFO and is_info(self.entry):
            return
        if name == "mutable_handle":
            self.add("mutable_handle=set", "mutable_handle = b.out<cl_mutable_command_khr>(1)")
        elif self.value(arg) != "nullptr":
            self.add(f"{name}=null", f"{name} = nullptr")
        if "list" in extents:
            element = arg.type
            self.add(f"{name}=empty", f"{name} = b.row<{element}>({{0}})")
            self.add(f"{name}=unknown", f"{name} = b.row<{element}>({{0x7777, 1, 0}})")
        if "cstr" in extents and arg.stars == 1:
            self.add(f"{name}=empty", f'{name} = ""')

    def waits(self):
        def case(name, count, events):
            self.add(f"waits: {name}", f"num_events_in_wait_list = {count}; event_wait_list = {events}")

        case("no list", 1, "nullptr")
        case("no count", 0, "b.row({b.event()})")
        case("null", 1, "b.row<cl_event>({nullptr})")
        case("one null", 2, "b.row<cl_event>({b.event(), nullptr})")
        case("ended", 1, "b.row({b.event()})")
        case("failed", 1, "b.row({b.failed_event()})")
        case("of another context", 1, "b.row({b.foreign_event()})")
        case("a user's", 1, "b.row({b.complete_soon(b.user_event())})")

    def queries(self):
        for arg in self.entry.args:
            for value in self.spec.cases.get("values", {}).get(arg.type, []):
                for how in ("whole", "short", "size", "nothing"):
                    change = f"{arg.name} = {value}" + ("" if how == "whole" else f"; ask = Ask::k{how.capitalize()}")
                    self.add(value + ("" if how == "whole" else f", {how}"), change)
        if any(a.type in self.spec.cases.get("values", {}) for a in self.entry.args):
            self.add("unknown", next(f"{a.name} = 0x7777" for a in self.entry.args
                                     if a.type in self.spec.cases["values"]))

    def all(self):
        for arg in self.entry.args:
            if arg.name in ("errcode_ret", "event") and arg.stars:
                self.add(f"{arg.name}=null", f"{arg.name} = nullptr")
            elif arg.stars:
                self.pointer(arg)
            else:
                self.by_value(arg)
        if any(a.name == "event_wait_list" for a in self.entry.args):
            self.waits()
        if is_info(self.entry):
            self.queries()
        for name, change in self.said.get("case", {}).items():
            self.add(name, change)
        return self.rows


def declarations(cases):
    entry, lines = cases.entry, []
    for arg in entry.args:
        if arg.name in INFO and is_info(entry):
            continue
        if arg.name == "errcode_ret":
            lines += ["  cl_int error = kUntouched;", "  cl_int* errcode_ret = &error;"]
        elif arg.name == "event" and arg.stars:
            lines += ["  cl_event made = nullptr;", "  cl_event* event = &made;"]
        else:
            right = cases.value(arg)
            if "frees" in arg.role.flags and not arg.stars:
                right = f"b.twice({right})"
            lines.append(f"  {arg.text} {arg.name} = {right};")
    if is_info(entry):
        first = next((a for a in entry.args if a.type in cases.spec.cases.get("values", {})), None)
        if first is not None:
            value = cases.spec.cases["values"][first.type][0]
            lines = [f"  {first.text} {first.name} = {value};" if l.startswith(f"  {first.text} {first.name} =") else l
                     for l in lines]
        lines.append("  Ask ask = Ask::kWhole;")
    return lines


def count_of(arg, entry):
    count = arg.role.extents.get("array", arg.role.extents.get("bytes", "1"))
    return f"std::min<size_t>({count}, {MOST_OUT})" if count.isidentifier() else count


def results(cases):
    """Statements that make the call and say what came of it."""
    entry, spec = cases.entry, cases.spec
    hide = "true" if cases.said.get("hide") else "false"
    call = f"b.table().{entry.name}({names(entry)})"
    if is_info(entry):
        made = f"  b.info([&](size_t param_value_size, void* param_value, size_t* param_value_size_ret) {{ return {call}; }}, ask, {hide});"
        return [made]
    lines = []
    if entry.result == "void":
        lines.append(f"  {call};")
    else:
        lines.append(f"  const auto result = {call};")
    if entry.result == "cl_int":
        lines.append("  b.code(result);")
    if any(a.name == "errcode_ret" for a in entry.args):
        lines.append("  if (errcode_ret != nullptr) b.code(error);")
    if entry.result in spec.invalid:
        lines.append("  b.made(result);")
    elif entry.result == "void*":
        lines.append("  b.answer(result);")
    if any(a.name == "event" and a.stars for a in entry.args):
        lines.append("  if (event != nullptr) b.ended(made);")
    for arg in entry.args:
        if arg.name in ("errcode_ret", "event", "mutable_handle") or not arg.stars or arg.role.direction != "out":
            continue
        if "async" in arg.role.flags or arg.type == "void":
            continue
        if spec.kinds[arg.type] == "handle":
            new = "true" if "new" in arg.role.flags else "false"
            lines.append(f'  if ({arg.name} != nullptr) b.handles("{arg.name}", {arg.name}, {count_of(arg, entry)}, {new});')
        elif cases.said.get("hide"):
            continue
        else:
            lines.append(f'  if ({arg.name} != nullptr) b.bytes("{arg.name}", {arg.name}, {count_of(arg, entry)} * sizeof({arg.type}));')
    if cases.said.get("after"):
        lines.append(f"  {cases.said['after']};")
    return lines


def function(entry, spec):
    cases = Cases(entry, spec)
    rows = cases.all()
    lines = [f"const Case k_{entry.name}[] = {{"]
    lines += [f"    {{{literal(name)}, {expected}}}," for name, _, expected in rows]
    lines += ["};", f"void call_{entry.name}(Bench& b, size_t number) {{",
              f'  if (b.table().{entry.name} == nullptr) return b.absent();']
    lines += declarations(cases)
    lines.append("  switch (number) {")
    for number, (_, change, _) in enumerate(rows):
        if change:
            lines += [f"    case {number}:", f"      {change};", "      break;"]
    lines += ["    default:", "      break;", "  }"]
    lines += results(cases) + ["}", ""]
    return "\n".join(lines), len(rows)


def refused(entry):
    """One call: our client has its answer ready, whatever the arguments."""
    zeros = ", ".join("&error" if a.name == "errcode_ret" else "{}" for a in entry.args)
    with_code = any(a.name == "errcode_ret" for a in entry.args)
    lines = [f"const Case k_{entry.name}[] = {{{{\"refused\", CL_INVALID_OPERATION}}}};",
             f"void call_{entry.name}(Bench& b, size_t) {{",
             f"  if (b.table().{entry.name} == nullptr) return b.absent();"]
    if with_code:
        lines += ["  cl_int error = kUntouched;", f"  b.table().{entry.name}({zeros});", "  b.code(error);"]
    else:
        lines.append(f"  b.code(b.table().{entry.name}({zeros}));")
    return "\n".join(lines + ["}", ""]), 1


def check(spec):
    """What api/<api>.cases.toml says is of entries and arguments that there are."""
    known = {e.name: {a.name for a in e.args} for e in spec.entries}
    for name, said in spec.cases.get("entry", {}).items():
        if name not in known:
            raise SpecError(f"{spec.api}.cases.toml: entry {name}: not in the Spec")
        for arg in set(said.get("right", {})) - known[name]:
            raise SpecError(f"{spec.api}.cases.toml: entry {name}: has no argument {arg}")
        for key in set(said) - {"right", "case", "after", "hide", "skip"}:
            raise SpecError(f'{spec.api}.cases.toml: entry {name}: "{key}" is no key')


def products(spec):
    chosen = [e for e in spec.entries if e.name != "clIcdGetPlatformIDsKHR"]
    made = [(e.name, *(refused(e) if e.limit == "refuse" else function(e, spec))) for e in chosen]
    rows = "".join(f'    {{"{name}", call_{name}, k_{name}, {count}}},\n' for name, _, count in made)
    text = SOURCE.format(api=spec.api, functions="\n".join(text for _, text, _ in made), rows=rows)
    return {f"test/{spec.api}_sweep.cc": NOTE.format(api=spec.api) + text}
