"""Product: driver/<api>/trace.h and .cc, the layer that prints each call."""
from cpp import NOTE, names, parameters

HEADER = """#pragma once

#include "driver/{api}/table.h"

namespace flexai::driver::{api} {{

// `next` with every entry wrapped: each call becomes one line on `fd` (arguments, result, then
// what it returned through pointers). One per process: a second call replaces `next` and `fd` of
// the first. What `next` lacks stays null. Call it before other threads use the Table. A function
// that is asked for by name is answered with its traced form, unless two platforms give different
// ones: then only the first one's calls are printed.
Table trace(const Table& next, int fd);

}}  // namespace flexai::driver::{api}
"""

SOURCE = """#include "driver/{api}/trace.h"

#include <atomic>
#include <cstring>

#include "driver/trace_line.h"

namespace flexai::driver::{api} {{
namespace {{

Table g_next;
int g_fd = -1;

// The traced form of `found`, which `next` gave for `name`.
void* traced_by_name(const char* name, void* found);

{functions}
template <typename F>
void* traced(F* next, F wrapper, void* found) {{
  F expected = nullptr, real = reinterpret_cast<F>(found);
  std::atomic_ref<F> known(*next);
  if (known.compare_exchange_strong(expected, real) || expected == real)
    return reinterpret_cast<void*>(wrapper);
  return found;
}}

void* traced_by_name(const char* name, void* found) {{
  if (name == nullptr || found == nullptr) return found;
{by_name}  return found;
}}

}}  // namespace

Table trace(const Table& next, int fd) {{
  g_next = next;
  g_fd = fd;
  Table table;
{fills}  return table;
}}

}}  // namespace flexai::driver::{api}
"""

VALUE = {
    "signed": 'number("{name}", static_cast<int64_t>({value}))',
    "unsigned": 'number("{name}", static_cast<uint64_t>({value}))',
    "bits": 'hex("{name}", static_cast<uint64_t>({value}))',
    "enum": 'hex("{name}", static_cast<uint64_t>({value}))',
    "handle": 'pointer("{name}", {value})',
    "opaque": 'pointer("{name}", {value})',
}


def show_value(kind, name, value):
    return "line." + VALUE[kind].format(name=name, value=value) + ";"


def show_in(arg, kinds):
    """The statement that prints an argument before the call."""
    name, extents = arg.name, arg.role.extents
    if arg.type not in kinds:  # a function pointer
        return f'line.pointer("{name}", reinterpret_cast<const void*>({name}));'
    readable = arg.role.direction == "in" and arg.stars == 1 and kinds[arg.type] in VALUE
    if not arg.stars:
        return show_value(kinds[arg.type], name, name)
    if arg.role.direction == "in" and "cstr" in extents and arg.stars == 1:
        return f'line.text("{name}", {name});'
    if readable and "list" in extents:
        return f'line.list("{name}", {name});'
    if readable and extents.get("array", "*") != "*":
        return f'line.array("{name}", {name}, {extents["array"]});'
    return f'line.pointer("{name}", {name});'


def show_out(arg, kinds):
    """The statement that prints what came back through a single-element pointer, or nothing."""
    single = arg.stars == 1 and not arg.role.extents and arg.role.direction in ("out", "inout")
    if not single or kinds.get(arg.type) not in VALUE:
        return ""
    return f"  if ({arg.name} != nullptr) {show_value(kinds[arg.type], '*' + arg.name, '*' + arg.name)}\n"


def finds_by_name(entry):
    return entry.name.startswith("clGetExtensionFunctionAddress")


def show_result(entry):
    if entry.result == "void":
        return "line.result_none();"
    if entry.result == "cl_int":
        return "line.result(result);"
    return "line.result_pointer(result);"


def function(entry, kinds):
    before = "".join(f"  {show_in(a, kinds)}\n" for a in entry.args)
    after = "".join(show_out(a, kinds) for a in entry.args)
    if entry.result == "cl_int" and after:  # outputs are only defined after success
        after = "  if (result != CL_SUCCESS) return result;\n" + after
    keep = "" if entry.result == "void" else "const auto result = "
    back = "" if entry.result == "void" else "  return result;\n"
    if finds_by_name(entry):
        back = f"  return traced_by_name({entry.args[-1].name}, result);\n"
    return (f"{entry.result} CL_API_CALL trace_{entry.name}({parameters(entry)}) {{\n"
            f'  driver::TraceLine line(g_fd, "{entry.name}");\n{before}'
            f"  {keep}g_next.{entry.name}({names(entry)});\n"
            f"  {show_result(entry)}\n{after}{back}}}\n")


def products(spec):
    fills = "".join(f"  if (next.{e.name} != nullptr) table.{e.name} = trace_{e.name};\n"
                    for e in spec.entries)
    functions = "\n".join(function(e, spec.kinds) for e in spec.entries)
    by_name = "".join(f'  if (std::strcmp(name, "{e.name}") == 0) return traced(&g_next.{e.name}, &trace_{e.name}, found);\n'
                      for e in spec.entries)
    note = NOTE.format(api=spec.api)
    return {f"driver/{spec.api}/trace.h": note + HEADER.format(api=spec.api),
            f"driver/{spec.api}/trace.cc": note + SOURCE.format(api=spec.api, functions=functions, fills=fills,
                                                                     by_name=by_name)}
