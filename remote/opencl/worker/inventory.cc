#include "remote/opencl/worker/inventory.h"

#include "remote/message.h"
#include "remote/opencl/image_format.h"

namespace flexai::remote::opencl {

using base::Code;
using base::fail;
using wire::Bytes;
using wire::Reader;
using wire::Writer;

namespace {

constexpr uint16_t kVersion = 3;
constexpr size_t kMostText = 256u << 20, kMostList = 4096;

template <typename T, typename WriteOne>
void write_all(const std::vector<T>& items, Writer& writer, WriteOne write_one) {
  writer.u32(static_cast<uint32_t>(items.size()));
  for (const T& item : items) write_one(item, writer);
}

// An item has at least 4 bytes.
template <typename T, typename ReadOne>
void read_all(Reader& reader, const char* what, size_t most, std::vector<T>& into,
              ReadOne read_one) {
  const uint32_t count = reader.u32(what);
  if (count > most || count > reader.left() / 4) reader.refuse(what, "are too many");
  for (uint32_t i = 0; i < count && reader.ok(); ++i) into.push_back(read_one(reader));
}

void write_known(const Known& known, Writer& writer) {
  writer.u64(known.id);
  writer.u32(known.references);
}

void read_known(Reader& reader, Known& known) {
  known.id = reader.u64("id");
  known.references = reader.u32("references");
  const bool given_up = known.id == 0;
  if (given_up != (known.references == 0)) reader.refuse("references", "do not fit the id");
  if (known.references > kMostObjects) reader.refuse("references", "are too many");
  if (!given_up && (index_of(known.id) == 0 || generation_of(known.id) == 0))
    reader.refuse("id", "is none a client would give");
}

uint32_t read_index(Reader& reader, const char* what, size_t size) {
  const uint32_t index = reader.u32(what);
  if (index >= size) reader.refuse(what, "is not in its list");
  return reader.ok() ? index : 0;
}

void write_u32s(const std::vector<uint32_t>& list, Writer& writer) {
  write_all(list, writer, [](uint32_t value, Writer& to) { to.u32(value); });
}

std::vector<uint32_t> read_devices(Reader& reader, size_t devices) {
  std::vector<uint32_t> list;
  read_all(reader, "devices", kMostList, list,
           [devices](Reader& from) { return read_index(from, "device", devices); });
  if (list.empty()) reader.refuse("devices", "are none");
  return list;
}

void write_u64s(const std::vector<uint64_t>& list, Writer& writer) {
  write_all(list, writer, [](uint64_t value, Writer& to) { to.u64(value); });
}

std::vector<uint64_t> read_u64s(Reader& reader, const char* what) {
  std::vector<uint64_t> list;
  read_all(reader, what, kMostList, list, [what](Reader& from) { return from.u64(what); });
  return list;
}

void write_split(const SplitFacts& split, Writer& writer) {
  writer.u32(split.device);
  write_u64s(split.properties, writer);
  writer.u32(split.parts);
}

SplitFacts read_split(Reader& reader, size_t& devices) {
  SplitFacts split;
  split.device = read_index(reader, "parted device", devices);
  split.properties = read_u64s(reader, "properties");
  if (split.properties.empty() || split.properties.back() != 0)
    reader.refuse("properties", "do not end");
  split.parts = reader.u32("parts");
  if (split.parts == 0 || split.parts > kMostList) reader.refuse("parts", "are none or too many");
  if (reader.ok()) devices += split.parts;
  return split;
}

std::string read_text(Reader& reader, const char* what) {
  return std::string(reader.text(what, kMostText));
}

void write_program(const ProgramFacts& program, Writer& writer) {
  write_known(program, writer);
  writer.u32(program.context);
  write_u32s(program.devices, writer);
  writer.text(program.source);
  write_all(program.binaries, writer, [](const std::string& one, Writer& to) { to.text(one); });
  writer.u8(static_cast<uint8_t>(program.state));
  writer.text(program.options);
}

ProgramFacts read_program(Reader& reader, const Inventory& so_far, size_t devices) {
  ProgramFacts program;
  read_known(reader, program);
  program.context = read_index(reader, "context", so_far.contexts.size());
  program.devices = read_devices(reader, devices);
  program.source = read_text(reader, "source");
  read_all(reader, "binaries", kMostList, program.binaries,
           [](Reader& from) { return read_text(from, "binary"); });
  const uint8_t state = reader.u8("state");
  if (state > 2) reader.refuse("state", "is none of a program");
  program.state = static_cast<ProgramFacts::State>(state);
  program.options = read_text(reader, "options");
  if (program.source.empty() && program.binaries.size() != program.devices.size())
    reader.refuse("binaries", "are not one a device");
  return program;
}

void write_queue(const QueueFacts& queue, Writer& writer) {
  write_known(queue, writer);
  writer.u32(queue.context);
  writer.u32(queue.device);
  write_u64s(queue.properties, writer);
  writer.u64(queue.bits);
}

QueueFacts read_queue(Reader& reader, const Inventory& so_far, size_t devices) {
  QueueFacts queue;
  read_known(reader, queue);
  queue.context = read_index(reader, "context", so_far.contexts.size());
  queue.device = read_index(reader, "device", devices);
  queue.properties = read_u64s(reader, "properties");
  queue.bits = reader.u64("bits");
  if (!queue.properties.empty() &&
      (queue.properties.back() != 0 || queue.properties.size() % 2 != 1))
    reader.refuse("properties", "do not end");
  return queue;
}

void write_memory(const MemoryFacts& memory, Writer& writer) {
  const MemFacts& facts = memory.facts;
  write_known(memory, writer);
  writer.u32(memory.context);
  writer.u32(memory.parent);
  writer.u32(facts.type);
  for (uint64_t number :
       {uint64_t{facts.flags}, uint64_t{facts.bytes}, uint64_t{facts.size}, uint64_t{facts.offset}})
    writer.u64(number);
  const cl_image_desc& desc = facts.desc;
  writer.u32(facts.format.image_channel_order);
  writer.u32(facts.format.image_channel_data_type);
  for (size_t number : {desc.image_width, desc.image_height, desc.image_depth,
                        desc.image_array_size, desc.image_row_pitch})
    writer.u64(number);
  write_u64s({facts.properties.begin(), facts.properties.end()}, writer);
}

MemoryFacts read_memory(Reader& reader, const Inventory& so_far) {
  MemoryFacts memory;
  MemFacts& facts = memory.facts;
  read_known(reader, memory);
  memory.context = read_index(reader, "context", so_far.contexts.size());
  memory.parent = reader.u32("parent");
  if (memory.parent != kNone && memory.parent >= so_far.memory.size())
    reader.refuse("parent", "comes later");
  facts.type = reader.u32("type");
  facts.flags = reader.u64("flags");
  facts.bytes = reader.u64("bytes");
  facts.size = reader.u64("size");
  facts.offset = reader.u64("offset");
  facts.format.image_channel_order = reader.u32("order");
  facts.format.image_channel_data_type = reader.u32("data type");
  cl_image_desc& desc = facts.desc;
  desc.image_type = facts.type;
  for (size_t* number : {&desc.image_width, &desc.image_height, &desc.image_depth,
                         &desc.image_array_size, &desc.image_row_pitch})
    *number = reader.u64("image");
  for (uint64_t property : read_u64s(reader, "properties")) facts.properties.push_back(property);
  if (!facts.properties.empty() && facts.properties.back() != 0)
    reader.refuse("properties", "do not end");
  const bool buffer = facts.type == CL_MEM_OBJECT_BUFFER, part = memory.parent != kNone;
  const size_t due = part ? 0 : buffer ? facts.size : tight_bytes(facts.format, desc);
  if (facts.bytes != due) reader.refuse("bytes", "are others than the object has");
  return memory;
}

void write_argument(uint32_t index, const Argument& argument, Writer& writer) {
  writer.u32(index);
  writer.u8(argument.kind);
  writer.u64(argument.object);
  writer.u64(argument.size);
  writer.u8(argument.there ? 1 : 0);
  writer.blob(argument.bytes);
}

void read_argument(Reader& reader, KernelArguments& into) {
  const uint32_t index = reader.u32("argument");
  Argument argument;
  argument.kind = reader.u8("kind");
  argument.object = reader.u64("object");
  argument.size = reader.u64("size");
  const uint8_t there = reader.u8("there");
  argument.there = there != 0;
  const Bytes bytes = reader.blob("value", kMostCall);
  argument.bytes.assign(bytes.begin(), bytes.end());
  if (argument.kind == 0 && argument.there && argument.bytes.size() != argument.size)
    reader.refuse("value", "has another size");
  if (there > 1) reader.refuse("there", "is neither yes nor no");
  if (!into.empty() && index <= into.rbegin()->first) reader.refuse("argument", "is out of order");
  if (reader.ok()) into[index] = std::move(argument);
}

void write_kernel(const KernelFacts& kernel, Writer& writer) {
  write_known(kernel, writer);
  writer.u32(kernel.program);
  writer.text(kernel.name);
  writer.u32(static_cast<uint32_t>(kernel.arguments.size()));
  for (const auto& [index, argument] : kernel.arguments) write_argument(index, argument, writer);
}

KernelFacts read_kernel(Reader& reader, const Inventory& so_far) {
  KernelFacts kernel;
  read_known(reader, kernel);
  kernel.program = read_index(reader, "program", so_far.programs.size());
  kernel.name = read_text(reader, "name");
  const uint32_t count = reader.u32("arguments");
  if (count > reader.left() / 26) reader.refuse("arguments", "are too many");
  for (uint32_t i = 0; i < count && reader.ok(); ++i) read_argument(reader, kernel.arguments);
  return kernel;
}

// Only such as were noted whole are handed on.
void write_recording(const Recording& recording, Writer& writer) {
  write_known({recording.id, recording.references}, writer);
  write_all(recording.calls, writer, [](const RecordedCall& call, Writer& to) {
    to.u16(call.entry);
    to.blob(call.body);
    to.blob(call.results);
    to.u64(call.kernel);
    to.u32(static_cast<uint32_t>(call.arguments.size()));
    for (const auto& [index, argument] : call.arguments) write_argument(index, argument, to);
  });
}

RecordedCall read_recorded(Reader& reader) {
  RecordedCall call;
  call.entry = reader.u16("entry");
  if (!Recordings::records(call.entry)) reader.refuse("entry", "records nothing");
  const Bytes body = reader.blob("body", Recordings::kMost);
  const Bytes results = reader.blob("results", Recordings::kMost);
  call.body.assign(body.begin(), body.end());
  call.results.assign(results.begin(), results.end());
  call.kernel = reader.u64("kernel");
  const uint32_t count = reader.u32("arguments");
  if (count > reader.left() / 26) reader.refuse("arguments", "are too many");
  for (uint32_t i = 0; i < count && reader.ok(); ++i) read_argument(reader, call.arguments);
  return call;
}

Recording read_recording(Reader& reader) {
  Known known;
  read_known(reader, known);
  Recording recording{known.id, known.references, true, true, {}};
  if (known.id == 0) reader.refuse("id", "is needed");
  read_all(reader, "calls", kMostObjects, recording.calls, read_recorded);
  return recording;
}

void write_mapped(const MappedFacts& mapped, Writer& writer) {
  writer.u64(mapped.id);
  writer.u32(mapped.memory);
  const MapPart& part = mapped.part;
  writer.u8(static_cast<uint8_t>(part.image | part.wants_row << 1 | part.wants_slice << 2));
  writer.u64(part.flags);
  writer.u64(part.offset);
  writer.u64(part.size);
  for (size_t i = 0; i < 3; ++i) {
    writer.u64(part.origin[i]);
    writer.u64(part.region[i]);
  }
}

MappedFacts read_mapped(Reader& reader, const Inventory& so_far) {
  MappedFacts mapped;
  mapped.id = reader.u64("mapping");
  mapped.memory = read_index(reader, "memory", so_far.memory.size());
  MapPart& part = mapped.part;
  const uint8_t bits = reader.u8("bits");
  if (bits > 7) reader.refuse("bits", "have no meaning");
  part.image = (bits & 1) != 0;
  part.wants_row = (bits & 2) != 0;
  part.wants_slice = (bits & 4) != 0;
  part.flags = reader.u64("flags");
  part.offset = reader.u64("offset");
  part.size = reader.u64("size");
  for (size_t i = 0; i < 3; ++i) {
    part.origin[i] = reader.u64("origin");
    part.region[i] = reader.u64("region");
  }
  return mapped;
}

// Those that nothing else is made of.
void write_small(const Inventory& all, Writer& writer) {
  write_all(all.samplers, writer, [](const SamplerFacts& one, Writer& to) {
    write_known(one, to);
    for (uint32_t number : {one.context, one.normalized, one.addressing, one.filter})
      to.u32(number);
  });
  write_all(all.events, writer, [](const EventFacts& one, Writer& to) {
    write_known(one, to);
    to.u32(one.context);
    to.i32(one.status);
  });
  write_all(all.failed, writer, [](const FailedFacts& one, Writer& to) {
    to.u64(one.id);
    to.u8(one.kind);
    to.i32(one.error);
  });
  write_all(all.deferred, writer, [](const DeferredError& one, Writer& to) {
    Writer record;
    encode(one, record);
    to.blob(record.bytes());
  });
  write_all(all.awaited, writer, [](const auto& one, Writer& to) {
    to.u64(one.first);
    to.u64(one.second);
  });
  writer.blob(all.call);
}

void read_small(Reader& reader, Inventory& all) {
  read_all(reader, "samplers", kMostObjects, all.samplers, [&all](Reader& from) {
    SamplerFacts one;
    read_known(from, one);
    one.context = read_index(from, "context", all.contexts.size());
    for (uint32_t* number : {&one.normalized, &one.addressing, &one.filter})
      *number = from.u32("sampler");
    return one;
  });
  read_all(reader, "events", kMostObjects, all.events, [&all](Reader& from) {
    EventFacts one;
    read_known(from, one);
    one.context = read_index(from, "context", all.contexts.size());
    one.status = from.i32("status");
    if (one.status > CL_SUBMITTED) from.refuse("status", "is none that an event may have here");
    return one;
  });
  read_all(reader, "failed objects", kMostObjects, all.failed, [](Reader& from) {
    FailedFacts one;
    one.id = from.u64("id");
    one.kind = from.u8("kind");
    one.error = from.i32("error");
    return one;
  });
  read_all(reader, "deferred errors", kMostObjects, all.deferred, [](Reader& from) {
    auto error = decode_deferred_error(from.blob("deferred error", kMostList));
    if (!error.ok()) from.refuse("deferred error", "makes no sense");
    return error.ok() ? *error : DeferredError{};
  });
  read_all(reader, "transfers", kMostObjects, all.awaited, [](Reader& from) {
    const uint64_t id = from.u64("transfer");
    return std::pair(id, from.u64("size"));
  });
  const Bytes call = reader.blob("call", kMostCall);
  all.call.assign(call.begin(), call.end());
}

}  // namespace

size_t Inventory::bytes() const {
  size_t sum = 0;
  for (const MemoryFacts& one : memory) sum += one.facts.bytes;
  return sum;
}

base::Status encode(const Inventory& all, Writer& writer) {
  writer.u16(kVersion);
  write_all(all.splits, writer, write_split);
  write_all(all.devices, writer, [](const DeviceFacts& one, Writer& to) {
    write_known(one, to);
    to.u32(one.index);
  });
  write_all(all.contexts, writer, [](const ContextFacts& one, Writer& to) {
    write_known(one, to);
    write_u32s(one.devices, to);
    write_u64s(one.properties, to);
  });
  write_all(all.programs, writer, write_program);
  write_all(all.queues, writer, write_queue);
  write_all(all.memory, writer, write_memory);
  write_all(all.kernels, writer, write_kernel);
  write_all(all.mapped, writer, write_mapped);
  write_all(all.recordings, writer, write_recording);
  write_small(all, writer);
  if (!writer.ok() || writer.bytes().size() > kMostInventory)
    return fail(Code::kExhausted, "the session has more objects than can be handed on");
  return {};
}

base::Result<Inventory> decode_inventory(Bytes bytes, size_t devices) {
  Reader reader(bytes);
  Inventory all;
  if (reader.u16("version") != kVersion) reader.refuse("version", "is not known here");
  read_all(reader, "splits", kMostList, all.splits,
           [&devices](Reader& from) { return read_split(from, devices); });
  read_all(reader, "devices", kMostObjects, all.devices, [devices](Reader& from) {
    DeviceFacts one;
    read_known(from, one);
    one.index = read_index(from, "device", devices);
    return one;
  });
  read_all(reader, "contexts", kMostObjects, all.contexts, [devices](Reader& from) {
    ContextFacts one;
    read_known(from, one);
    one.devices = read_devices(from, devices);
    one.properties = read_u64s(from, "properties");
    return one;
  });
  read_all(reader, "programs", kMostObjects, all.programs,
           [&](Reader& from) { return read_program(from, all, devices); });
  read_all(reader, "queues", kMostObjects, all.queues,
           [&](Reader& from) { return read_queue(from, all, devices); });
  read_all(reader, "memory", kMostObjects, all.memory,
           [&](Reader& from) { return read_memory(from, all); });
  read_all(reader, "kernels", kMostObjects, all.kernels,
           [&](Reader& from) { return read_kernel(from, all); });
  read_all(reader, "mappings", kMostObjects, all.mapped,
           [&](Reader& from) { return read_mapped(from, all); });
  read_all(reader, "recordings", kMostObjects, all.recordings, read_recording);
  read_small(reader, all);
  FLEXAI_TRY(reader.finish().with_context("objects of a session"));
  return all;
}

}  // namespace flexai::remote::opencl
