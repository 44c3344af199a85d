"""Product: limit/<api>/entries.h and .cc, the plumbing of the limit layer."""
from cpp import NOTE, parameters, pascal
from spec import LIMITS, METERS, REMOTES

HEADER = """#pragma once

#include <cstddef>
#include <cstdint>

#include "driver/{api}/table.h"

namespace flexai::limit::{api} {{

using driver::{api}::Table;
{callbacks}

enum class Action : uint8_t {{ {actions} }};
enum class Meter : uint8_t {{ {meters} }};
enum class Remote : uint8_t {{ {remotes} }};

// Numbers of the Spec: they mean the same in every version.
enum class EntryId : uint16_t {{
{ids}}};

struct EntryInfo {{
  const char* name;
  EntryId id;
  Action action;
  Meter meter;
  Remote remote;
}};
inline constexpr size_t kEntries = {count};
extern const EntryInfo kEntryInfo[kEntries];  // by id

// Bodies are written by hand in limit/{api}.
{wrappers}
// `next` with every custom entry replaced by its wrapper and every refused one by an answer of
// the API's own error. What `next` lacks stays null.
Table wrap(const Table& next);

// What clGetExtensionFunctionAddress* may answer for `name`: nothing (kRefuse, also for every name
// the Spec does not list), the driver's own pointer (kPass) or `wrapper` (kWrap, to be given only
// when the driver has the entry).
enum class ExtensionAction {{ kRefuse, kPass, kWrap }};
struct ExtensionEntry {{
  ExtensionAction action;
  void* wrapper;
}};
ExtensionEntry extension_entry(const char* name);

// True for an extension string that programs must not see because its functions are refused, or
// because it opens a way to memory that the ledger does not count.
bool extension_hidden(const char* name);

}}  // namespace flexai::limit::{api}
"""

SOURCE = """#include "limit/{api}/entries.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace flexai::limit::{api} {{
namespace {{

{refusals}
struct Name {{
  const char* name;
  Action action;
  void* wrapper;
}};

// Sorted by name.
const Name kNames[] = {{
{names}}};

// Sorted.
const char* const kHidden[] = {{
{hidden}}};

}}  // namespace

const EntryInfo kEntryInfo[kEntries] = {{
{infos}}};

Table wrap(const Table& next) {{
  Table table = next;
{fills}  return table;
}}

ExtensionEntry extension_entry(const char* name) {{
  if (name == nullptr) return {{ExtensionAction::kRefuse, nullptr}};
  const auto* end = std::end(kNames);
  const auto* found =
      std::lower_bound(std::begin(kNames), end, name,
                       [](const Name& n, const char* key) {{ return std::strcmp(n.name, key) < 0; }});
  if (found == end || std::strcmp(found->name, name) != 0 || found->action == Action::kRefuse)
    return {{ExtensionAction::kRefuse, nullptr}};
  if (found->action == Action::kHarmless) return {{ExtensionAction::kPass, nullptr}};
  return {{ExtensionAction::kWrap, found->wrapper}};
}}

bool extension_hidden(const char* name) {{
  return name != nullptr &&
         std::binary_search(
             std::begin(kHidden), std::end(kHidden), name,
             [](const char* a, const char* b) {{ return std::strcmp(a, b) < 0; }});
}}

}}  // namespace flexai::limit::{api}
"""


def refusal(entry):
    """A function that answers with the API's own error: see the OpenCL specification, 5.x."""
    plain = ", ".join(a.text + (" errcode_ret" if a.name == "errcode_ret" else "")
                      for a in entry.args)
    if entry.result == "void":
        body = ""
    elif entry.result == "cl_int":
        body = "  return CL_INVALID_OPERATION;\n"
    else:
        body = "  return nullptr;\n"
    if any(a.name == "errcode_ret" for a in entry.args):
        body = "  if (errcode_ret != nullptr) *errcode_ret = CL_INVALID_OPERATION;\n" + body
    return (f"// {entry.why}\n{entry.result} CL_API_CALL refuse_{entry.name}({plain}) {{\n"
            f"{body}}}\n")


def fill(entry):
    prefix = {"custom": "limit_", "refuse": "refuse_"}[entry.limit]
    return f"  if (next.{entry.name} != nullptr) table.{entry.name} = {prefix}{entry.name};\n"


def name_row(entry):
    wrapper = "nullptr"
    if entry.limit == "custom":
        wrapper = f"reinterpret_cast<void*>(&limit_{entry.name})"
    return f'    {{"{entry.name}", Action::{pascal(entry.limit)}, {wrapper}}},\n'


def info_row(entry):
    return (f'    {{"{entry.name}", EntryId::{entry.name}, Action::{pascal(entry.limit)}, '
            f"Meter::{pascal(entry.meter)}, Remote::{pascal(entry.remote)}}},\n")


def products(spec):
    chosen = [e for e in spec.entries if e.limit != "harmless"]
    by_name = sorted(spec.entries, key=lambda e: e.name)
    header = HEADER.format(
        callbacks="\n".join(f"using driver::{spec.api}::{name};" for name in spec.callbacks),
        api=spec.api, count=len(spec.entries), actions=", ".join(map(pascal, LIMITS)),
        meters=", ".join(map(pascal, METERS)), remotes=", ".join(map(pascal, (*REMOTES, "refuse"))),
        ids="".join(f"  {e.name} = {e.id},\n" for e in spec.entries),
        wrappers="".join(f"{e.result} CL_API_CALL limit_{e.name}({parameters(e)});\n"
                         for e in chosen if e.limit == "custom"))
    hidden = sorted(x.name for x in spec.extensions if x.hidden)
    source = SOURCE.format(
        api=spec.api, refusals="".join(refusal(e) for e in chosen if e.limit == "refuse"),
        names="".join(map(name_row, by_name)), fills="".join(map(fill, chosen)),
        infos="".join(map(info_row, spec.entries)),
        hidden="".join(f'    "{name}",\n' for name in hidden))
    note = NOTE.format(api=spec.api)
    return {f"limit/{spec.api}/entries.h": note + header,
            f"limit/{spec.api}/entries.cc": note + source}
