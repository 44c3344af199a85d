"""Product: driver/<api>/table.h and .cc, the Table and the ways to fill it."""
from cpp import NOTE, types

HEADER = """#pragma once

#include <CL/cl_icd.h>

namespace flexai::driver::{api} {{

{callbacks}

// Every entry point of the Spec; null = the driver does not have it. A plain value.
struct Table {{
{members}}};

// Entries of the ICD dispatch table.
inline constexpr cl_uint kDispatchEntries = {slots};
// How many of them a driver of this OpenCL version has at least.
cl_uint dispatch_entries(unsigned major, unsigned minor);

// The first `entries` entries of `dispatch`; the rest stays null.
Table table_from_dispatch(const cl_icd_dispatch* dispatch, cl_uint entries);
// The entries that a library exports by name. `dlopen_handle` must stay open as long as the Table
// is used.
Table table_by_name(void* dlopen_handle);
// Fills the entries that are reached by name only, as far as `platform` has them.
void load_extensions(Table* table, cl_platform_id platform);
cl_icd_dispatch dispatch_from_table(const Table& table);

}}  // namespace flexai::driver::{api}
"""

SOURCE = """#include "driver/{api}/table.h"

#include <dlfcn.h>

#include <cstddef>
#include <type_traits>

namespace flexai::driver::{api} {{
namespace {{

// The Spec and the C headers must not drift apart.
{asserts}
template <typename F>
void set(F* member, const void* address) {{
  if (address != nullptr) *member = reinterpret_cast<F>(const_cast<void*>(address));
}}

{versions}
}}  // namespace

cl_uint dispatch_entries(unsigned major, unsigned minor) {{
  const unsigned version = major * 10 + minor;
  cl_uint entries = 0;
  for (const auto& v : kVersions)
    if (version >= v.version) entries = v.entries;
  return entries;
}}

Table table_from_dispatch(const cl_icd_dispatch* dispatch, cl_uint entries) {{
  Table table;
  if (dispatch == nullptr) return table;
{from_dispatch}  return table;
}}

cl_icd_dispatch dispatch_from_table(const Table& table) {{
  cl_icd_dispatch dispatch{{}};
{to_dispatch}  return dispatch;
}}

Table table_by_name(void* dlopen_handle) {{
  Table table;
{by_name}  return table;
}}

void load_extensions(Table* table, cl_platform_id platform) {{
  const auto find = [&](const char* name) -> void* {{
    void* address = nullptr;
    if (table->clGetExtensionFunctionAddressForPlatform != nullptr)
      address = table->clGetExtensionFunctionAddressForPlatform(platform, name);
    if (address == nullptr && table->clGetExtensionFunctionAddress != nullptr)
      address = table->clGetExtensionFunctionAddress(name);
    return address;
  }};
{by_extension}}}

}}  // namespace flexai::driver::{api}
"""


def member(entry):
    return f"  {entry.result}(CL_API_CALL* {entry.name})({types(entry)}) = nullptr;\n"


def callback(name, prototype):
    result, args = prototype
    plain = ", ".join(a.rsplit(" ", 1)[0] for a in args)
    return f"using {name} = {result}(CL_CALLBACK*)({plain});"


def prototype_check(entry):
    if entry.header == "none":
        return ""
    if entry.slot is None:
        want = f"decltype(&::{entry.name})"
    elif entry.header == "void":
        return (f"static_assert(std::is_same_v<cl_api_{entry.name}, void*>);\n"
                + slot_check(entry))
    else:
        want = f"cl_api_{entry.name}"
    check = (f"static_assert(std::is_same_v<decltype(Table::{entry.name}), {want}>,\n"
             f'              "{entry.name}");\n')
    return check + slot_check(entry)


def slot_check(entry):
    if entry.slot is None:
        return ""
    return (f"static_assert(offsetof(cl_icd_dispatch, {entry.name}) == "
            f"{entry.slot} * sizeof(void*));\n")


def versions(entries):
    """Since a driver's table may be shorter than ours: the last slot each version brings."""
    last = {}
    for entry in entries:
        if entry.slot is not None and not entry.extension:
            last[entry.since] = max(last.get(entry.since, 0), entry.slot + 1)
    rows = "".join(f"    {{{v.replace('.', '')}, {last[v]}}},\n" for v in sorted(last))
    return ("constexpr struct {\n  unsigned version;\n  cl_uint entries;\n} kVersions[] = {\n"
            + rows + "};\n")


def from_dispatch(entry):
    value = f"dispatch->{entry.name}"
    if entry.header == "void":
        value = f"reinterpret_cast<decltype(table.{entry.name})>({value})"
    return f"  if (entries > {entry.slot}) table.{entry.name} = {value};\n"


def to_dispatch(entry):
    value = f"table.{entry.name}"
    if entry.header == "void":
        value = f"reinterpret_cast<void*>({value})"
    return f"  dispatch.{entry.name} = {value};\n"


def products(spec):
    slots = [e for e in spec.entries if e.slot is not None]
    named = [e for e in spec.entries if e.slot is None]
    total = f"static_assert(sizeof(cl_icd_dispatch) == {len(slots)} * sizeof(void*));\n"
    note = NOTE.format(api=spec.api)
    header = HEADER.format(
        api=spec.api, slots=len(slots), members="".join(map(member, spec.entries)),
        callbacks="\n".join(callback(*item) for item in spec.callbacks.items()))
    source = SOURCE.format(
        api=spec.api, asserts=total + "".join(map(prototype_check, spec.entries)),
        versions=versions(spec.entries), from_dispatch="".join(map(from_dispatch, slots)),
        to_dispatch="".join(map(to_dispatch, slots)),
        by_name="".join(f'  set(&table.{e.name}, dlsym(dlopen_handle, "{e.name}"));\n' for e in slots),
        by_extension="".join(f'  set(&table->{e.name}, find("{e.name}"));\n' for e in named))
    return {f"driver/{spec.api}/table.h": note + header,
            f"driver/{spec.api}/table.cc": note + source}
