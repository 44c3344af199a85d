"""Product: remote/<api>/calls.h, client.cc, serve.h and serve.cc: how a call travels. The client
encodes it, the worker decodes it with every bound checked and calls the driver."""
import hashlib

from cpp import NOTE, names, parameters

CALLS = """#pragma once

#include "driver/{api}/table.h"
#include "remote/ids.h"
#include "remote/{api}/kind.h"
#include "wire/codec.h"

namespace flexai::remote::{api} {{

using driver::{api}::Table;
{callbacks}

// Told: one way, when all handles are sound. Asked: a round trip.
enum class Mode : uint8_t {{ kTell, kAsk }};

// One a travelling entry: encodes the call, sends it, and when it was asked takes what came back.
{wires}
// Hand-written.
{customs}
// Whether the driver must accept the call: then it is told.
{plains}
// Every entry of the API that a client offers.
Table client_table();

}}  // namespace flexai::remote::{api}
"""

KIND = """#pragma once

#include <CL/cl_ext.h>

#include "remote/handle_map.h"
#include "wire/codec.h"

namespace flexai::remote::{api} {{

// What a handle is of: the Kind of a HandleMap.
enum Kinds : Kind {{
{kinds}}};
template <typename Handle>
inline constexpr Kind kKindOf = 0;
{of}
// What the API answers to a handle that is none of its kind.
constexpr cl_int invalid_code(Kind kind) {{
  constexpr cl_int codes[] = {{CL_INVALID_VALUE,
{codes}}};
  return kind < sizeof codes / sizeof codes[0] ? codes[kind] : CL_INVALID_VALUE;
}}

// Bytes of the program that travel with a call, or beside it as a bulk transfer. Null: none.
struct Payload {{
  wire::Bytes bytes;
  uint64_t bulk = 0;
}};

// What both ends must have been built from: a digest of how every call travels.
inline constexpr unsigned char kSpecDigest[] = {{{digest}}};

// The entries that a client may send.
inline constexpr uint16_t kTravelling[] = {{{travelling}}};

}}  // namespace flexai::remote::{api}
"""

CLIENT = """#include "remote/{api}/calls.h"
#include "remote/{api}/client/birth.h"
#include "remote/{api}/client/by_name.h"
#include "remote/{api}/client/outgoing.h"
#include "remote/{api}/client/references.h"

namespace flexai::remote::{api} {{

{wires}
namespace {{

{stubs}
}}  // namespace

Table client_table() {{
  Table table;
{fills}  return table;
}}

void* function_named(const char* name) {{
{by_name}  return nullptr;
}}

}}  // namespace flexai::remote::{api}
"""

SERVE_H = """#pragma once

#include "driver/{api}/table.h"
#include "remote/{api}/worker/incoming.h"

namespace flexai::remote::{api} {{

// Decodes the call and has it done; false: there is no such entry.
bool serve(Incoming& call, uint16_t entry);

// Hand-written: what decoding and calling the driver does not do.
{customs}
}}  // namespace flexai::remote::{api}
"""

SERVE = """#include "remote/{api}/serve.h"

namespace flexai::remote::{api} {{
namespace {{

{serves}
}}  // namespace

bool serve(Incoming& call, uint16_t entry) {{
  switch (entry) {{
{cases}    default:
      return false;
  }}
}}

}}  // namespace flexai::remote::{api}
"""


class Field:
    """An argument as it travels. `how` is one of handle, number, objects, values, list, text,
    texts, data, id, ids, out."""

    def __init__(self, how, arg, count="", most="", lengths="", name=""):
        self.how, self.arg, self.count, self.most, self.lengths = how, arg, count, most, lengths
        self.name = name or (arg.name if arg else "result")
        self.type = arg.type if arg else ""
        self.always = self.name == "param_value_size_ret"  # the worker needs it, wanted or not

    def sized(self):
        """How many elements are looked at, as C++."""
        if not self.most:
            return self.count
        return f"std::min<size_t>({self.count}, {self.most})"


def input_field(arg, kinds):
    extents, lengths = arg.role.extents, arg.role.extents.get("lengths", "")
    count, most = extents.get("array", extents.get("bytes", "1")), extents.get("most", "")
    if arg.stars == 2:
        return Field("texts", arg, extents["array"], lengths=lengths)
    if "cstr" in extents:
        return Field("text", arg)
    if "list" in extents:
        return Field("list", arg)
    if count == "*" or "async" in arg.role.flags:
        return Field("data", arg)
    if kinds[arg.type] == "handle":
        return Field("objects", arg, count)
    return Field("values", arg, count, most)


def field(arg, kinds, invalid):
    """How an argument travels; None when it does not."""
    role = arg.role
    if arg.name in ("errcode_ret", "mutable_handle") or arg.type not in kinds:
        return None
    if not arg.stars:
        if kinds[arg.type] != "handle":
            return Field("number", arg)
        return Field("handle", arg) if arg.type in invalid else None
    if arg.name == "mapped_ptr":  # an id instead, and what was written there
        return [Field("id", arg), Field("data", arg, name="mapped_bytes")]
    if role.direction == "value" or (role.direction == "out" and "async" in role.flags):
        return None
    if role.direction != "out":
        return input_field(arg, kinds)
    count = role.extents.get("array", role.extents.get("bytes", "1"))
    if kinds[arg.type] == "handle":
        return Field("ids", arg, count) if role.extents else Field("id", arg)
    return Field("out", arg, count)


def fields(entry, spec):
    found = []
    for arg in entry.args:
        made = field(arg, spec.kinds, spec.invalid)
        found += made if isinstance(made, list) else [made]
    used = {f.arg.role.extents.get("used") for f in found if f and f.arg}
    for f in found:
        if f and f.name in used:
            f.always = True
    hidden = {f.lengths for f in found if f}
    kept = [f for f in found if f and f.name not in hidden]
    if entry.result not in ("cl_int", "void"):
        kept.append(Field("id", None))
    return kept


def element(f):
    return "std::byte" if f.type in ("void", "char", "unsigned char") else f.type


def ordered(found):
    """As they travel: what counts the others goes before them."""
    return sorted(found, key=lambda f: f.how not in ("handle", "number"))


def client_parameter(f):
    if f.how == "data":
        return f"const Payload& {f.name}"
    if f.how == "id":
        return f"ObjectId {f.name}"
    if f.how == "ids":
        return f"const ObjectId* {f.name}"
    if f.how == "texts":
        return f"{f.arg.text} {f.name}" + (f", const size_t* {f.lengths}" if f.lengths else "")
    return f"{f.arg.text} {f.name}"


def client_argument(f):
    """What a generated stub passes on."""
    return f"{f.name}, {f.lengths}" if f.how == "texts" and f.lengths else f.name


def wire_signature(entry, found):
    params = ", ".join(["Mode mode"] + [client_parameter(f) for f in found])
    return f"cl_int wire_{entry.name}({params})"


def put(f):
    n = f.name
    return {
        "handle": f"call.handle({n});", "number": f"call.number({n});",
        "objects": f"call.objects({n}, {f.count});", "list": f"call.list({n});",
        "values": f"call.values({n}, {f.sized()});",
        "text": f"call.text({n});", "data": f"call.data({n});", "id": f"call.id({n});",
        "texts": f"call.texts({n}, {f.lengths or 'nullptr'}, {f.count});",
        "ids": f"call.values({n}, {f.count});", "out": f"call.wanted({n});"}[f.how]


def wire_function(entry, found):
    lines = [f"  Outgoing call({entry.id});"] + [f"  {put(f)}" for f in ordered(found)]
    outs = [f for f in found if f.how == "out"]
    if not outs:
        lines.append("  return call.send(mode);")
    else:
        lines.append("  if (const cl_int code = call.send(mode); code != CL_SUCCESS) return code;")
        lines += [f"  call.take({f.name}, {f.count});" for f in outs]
        lines.append("  return call.finish();")
    return wire_signature(entry, found) + " {\n" + "\n".join(lines) + "\n}\n"


def stub(entry, found):
    """The API's function, where it is not hand-written."""
    passed = ", ".join(client_argument(f) for f in found)
    head = f"{entry.result} CL_API_CALL client_{entry.name}({parameters(entry)}) {{\n"
    only = entry.args[0].name if entry.args else ""
    if any(a.name == "mutable_handle" for a in entry.args):  # cl_khr_command_buffer: must be null
        head += "  if (mutable_handle != nullptr) return CL_INVALID_VALUE;\n"
    if any(a.name == "event" and a.stars and "optional" not in a.role.flags for a in entry.args):
        head += "  if (event == nullptr) return CL_INVALID_VALUE;\n"
    if entry.name.startswith("clRetain"):
        return head + f"  return retain({only}, wire_{entry.name});\n}}\n"
    if "frees" in entry.args[0].role.flags:
        return head + f"  return release({only}, wire_{entry.name});\n}}\n"
    mode = {"": "Mode::kAsk", "always": "Mode::kTell",
            "plain": f"plain_{entry.name}({names(entry)}) ? Mode::kTell : Mode::kAsk"}[entry.tell]
    if not entry.command:
        return head + f"  return wire_{entry.name}({mode}, {passed});\n}}\n"
    passed = passed.removesuffix("event") + "birth.id()"
    queue = "command_queue" if any(a.name == "command_queue" for a in entry.args) else "queue_of(queues, num_queues, command_buffer)"
    return (head + f"  Birth birth({queue}, {entry.command}, event);\n"
            "  if (!birth.ok()) return birth.done(CL_SUCCESS);\n"
            f"  return birth.done(wire_{entry.name}({mode}, {passed}));\n}}\n")


def refusal(entry):
    plain = ", ".join(a.text + (" errcode_ret" if a.name == "errcode_ret" else "") for a in entry.args)
    body = {"void": "", "cl_int": "  return CL_INVALID_OPERATION;\n"}.get(entry.result, "  return nullptr;\n")
    if any(a.name == "errcode_ret" for a in entry.args):
        body = "  if (errcode_ret != nullptr) *errcode_ret = CL_INVALID_OPERATION;\n" + body
    return f"// {entry.why}\n{entry.result} CL_API_CALL client_{entry.name}({plain}) {{\n{body}}}\n"


def worker_type(f):
    return {"handle": f.type, "number": f.type, "text": "const char*", "texts": "const Texts&",
            "objects": f"const Values<{f.type}>&", "values": f"const Values<{element(f)}>&",
            "list": f"const Values<{f.type}>&", "data": "const Data&", "id": "ObjectId",
            "ids": "const Values<ObjectId>&", "out": f"Out<{element(f)}>&"}[f.how]


def get(f, spec, clamped):
    n = f.name
    if f.how == "handle":
        return f'const auto {n} = call.handle<{f.type}>("{n}");'
    if f.how == "number":
        return f'{"" if n in clamped else "const "}{f.type} {n} = call.number<{f.type}>("{n}");'
    if f.how == "objects":
        code = "CL_INVALID_EVENT_WAIT_LIST" if n == "event_wait_list" else spec.invalid[f.type]
        return f'const auto {n} = call.objects<{f.type}>("{n}", {f.count}, {code});'
    if f.how == "out":
        always = ", true" if f.always else ""
        return f'auto {n} = call.out<{element(f)}>("{n}", {f.count}{always});'
    return {
        "values": f'const auto {n} = call.values<{element(f)}>("{n}", {f.sized()});',
        "list": f'const auto {n} = call.list<{f.type}>("{n}");',
        "text": f'const char* const {n} = call.text("{n}");',
        "texts": f'const auto {n} = call.texts("{n}", {f.count}, {str(bool(f.lengths)).lower()});',
        "data": f'const Data {n} = call.data("{n}");',
        "id": f'const ObjectId {n} = call.id("{n}");',
        "ids": f'const auto {n} = call.values<ObjectId>("{n}", {f.count});'}[f.how]


def driver_argument(arg, by_name, hidden):
    if arg.name == "errcode_ret":
        return "&code"
    if arg.name in hidden:
        return f"{hidden[arg.name]}.lengths()"
    f = by_name.get(arg.name)
    if f is None:
        return "nullptr"
    if f.how in ("handle", "number", "text"):
        return arg.name
    if f.how == "texts":
        return f"{arg.name}.strings()"
    if f.how == "id":
        return f"made.place({arg.name})"
    if f.how in ("objects", "values", "list", "out"):
        written = f.how != "out" and not arg.text.startswith("const ")
        return f"const_cast<{arg.text}>({arg.name}.data())" if written else f"{arg.name}.data()"
    raise ValueError(f"{arg.name}: {f.how} needs a hand-written worker function")


def run_driver(entry, found):
    """Statements that call the driver and leave its code in `code`."""
    by_name = {f.name: f for f in found}
    hidden = {f.lengths: f.name for f in found if f.lengths}
    args = ", ".join(driver_argument(a, by_name, hidden) for a in entry.args)
    event = any(f.how == "id" and f.arg is not None for f in found)
    lines = [f"  if (call.table().{entry.name} == nullptr) return call.answer(CL_INVALID_OPERATION);"]
    if event:
        lines.append("  MadeEvent made;")
    if entry.result == "cl_int":
        lines.append(f"  const cl_int code = call.table().{entry.name}({args});")
    else:
        lines.append("  cl_int code = CL_SUCCESS;")
        lines.append(f"  const auto object = call.table().{entry.name}({args});")
        lines.append("  call.keep(result, object, code);")
    if entry.name.startswith(("clRetain", "clRelease")):
        verb = "retained" if entry.name.startswith("clRetain") else "released"
        lines.append(f"  if (code == CL_SUCCESS) call.{verb}({entry.args[0].name});")
    if event:
        lines.append("  call.keep_event(event, made.event, code);")
    return lines


def serve_function(entry, found, spec):
    outs = [f for f in found if f.how == "out"]
    clamped = {f.count for f in outs if f.count.isidentifier()}
    lines = []
    for f in ordered(found):
        lines.append(f"  {get(f, spec, clamped)}")
        if f.name in clamped:
            size = [o for o in outs if o.count == f.name][0]
            lines.append(f"  call.clamp({f.name}, sizeof({element(size)}));")
    if entry.name.startswith("clRelease"):
        lines.append("  if (call.was_never_made()) return;")
    if any(f.how == "id" and f.name == "event" for f in found):
        lines.append("  call.may_make(event);")
    if any(f.how == "id" and f.arg is None for f in found) and entry.result in spec.invalid:
        lines.append(f"  call.may_make<{entry.result}>(result);")
    lines.append("  if (!call.ready()) return;")
    if entry.worker == "custom":
        passed = ", ".join(["call"] + [f.name for f in found])
        lines.append(f"  const cl_int code = handle_{entry.name}({passed});")
    else:
        lines += run_driver(entry, found)
    returned = "param_value_size_ret" if any(f.name == "param_value_size_ret" for f in found) else ""
    for f in outs:
        bound = f", {returned}" if returned and f.count == "param_value_size" else ""
        if "used" in f.arg.role.extents:
            bound = f", {f.arg.role.extents['used']}"
        lines.append(f"  call.put({f.name}{bound});")
    lines.append("  call.answer(code);")
    # What the client needs first goes first, so results are decoded in the order of the arguments.
    return f"void serve_{entry.name}(Incoming& call) {{\n" + "\n".join(lines) + "\n}\n"


def handler_declaration(entry, found):
    params = ", ".join(["Incoming& call"] + [f"{worker_type(f)} {f.name}" for f in found])
    return f"cl_int handle_{entry.name}({params});\n"


def kind_name(handle):
    words = handle.removeprefix("cl_").removesuffix("_khr").removesuffix("_id").split("_")
    return "k" + "".join(map(str.capitalize, words))


def is_offered(entry):
    return entry.name != "clIcdGetPlatformIDsKHR"


def products(spec):
    travelling = [e for e in spec.entries if e.limit != "refuse" and e.worker != "none"]
    found = {e.name: fields(e, spec) for e in travelling}
    offered = [e for e in spec.entries if is_offered(e)]
    custom = [e for e in offered if e.client == "custom"]
    stubs = [refusal(e) if e.limit == "refuse" else stub(e, found[e.name])
             for e in offered if e.client != "custom"]
    plain = [e for e in travelling if e.tell == "plain"]
    calls = CALLS.format(
        api=spec.api,
        callbacks="\n".join(f"using driver::{spec.api}::{name};" for name in spec.callbacks),
        wires="".join(wire_signature(e, found[e.name]) + ";\n" for e in travelling),
        customs="".join(f"{e.result} CL_API_CALL client_{e.name}({parameters(e)});\n" for e in custom),
        plains="".join(f"bool plain_{e.name}({parameters(e)});\n" for e in plain))
    client = CLIENT.format(
        api=spec.api, wires="\n".join(wire_function(e, found[e.name]) for e in travelling),
        stubs="\n".join(stubs),
        fills="".join(f"  table.{e.name} = client_{e.name};\n" for e in offered),
        by_name="".join(f'  if (std::strcmp(name, "{e.name}") == 0) return reinterpret_cast<void*>(&client_{e.name});\n'
                        for e in offered if e.limit != "refuse"))
    serve_h = SERVE_H.format(api=spec.api, customs="".join(
        handler_declaration(e, found[e.name]) for e in travelling if e.worker == "custom"))
    serve = SERVE.format(
        api=spec.api, serves="\n".join(serve_function(e, found[e.name], spec) for e in travelling),
        cases="".join(f"    case {e.id}:\n      serve_{e.name}(call);\n      return true;\n"
                      for e in travelling))
    digest = hashlib.sha256((client + serve).encode()).digest()[:16]
    kind = KIND.format(
        api=spec.api, digest=", ".join(map(str, digest)),
        travelling=", ".join(str(e.id) for e in travelling), kinds="".join(f"  {kind_name(t)} = {i},\n" for i, t in enumerate(spec.invalid, 1)),
        of="".join(f"template <>\ninline constexpr Kind kKindOf<{t}> = {kind_name(t)};\n" for t in spec.invalid),
        codes="".join(f"      {code},\n" for code in spec.invalid.values()))
    note = NOTE.format(api=spec.api)
    return {f"remote/{spec.api}/kind.h": note + kind, f"remote/{spec.api}/calls.h": note + calls, f"remote/{spec.api}/client.cc": note + client,
            f"remote/{spec.api}/serve.h": note + serve_h, f"remote/{spec.api}/serve.cc": note + serve}
