#include "remote/opencl/worker/stock.h"

#include <algorithm>

namespace flexai::remote::opencl {

using base::Code;
using base::fail;

namespace {

base::Error silent(const char* what) {
  return fail(Code::kInternal, std::string("the driver does not describe its ") + what);
}

Known known_of(const HandleMap::Entry& entry) { return {entry.id, entry.references}; }

// `ask(size, value, size_ret)` is a clGet*Info.
template <typename T, typename Ask>
bool get(const Ask& ask, T* value) {
  return ask(sizeof *value, value, nullptr) == CL_SUCCESS;
}

template <typename T, typename Ask>
bool get_list(const Ask& ask, std::vector<T>* list) {
  size_t bytes = 0;
  if (ask(size_t{0}, nullptr, &bytes) != CL_SUCCESS) return false;
  list->resize(bytes / sizeof(T));
  return list->empty() || ask(bytes, list->data(), nullptr) == CL_SUCCESS;
}

template <typename Ask>
bool get_text(const Ask& ask, std::string* text) {
  std::vector<char> chars;
  if (!get_list(ask, &chars)) return false;
  text->assign(chars.begin(), std::find(chars.begin(), chars.end(), '\0'));
  return true;
}

auto asks_program(const Table& table, cl_program program, cl_program_info what) {
  return [&table, program, what](size_t size, void* value, size_t* ret) {
    return table.clGetProgramInfo(program, what, size, value, ret);
  };
}

auto asks_build(const Table& table, cl_program program, cl_device_id device,
                cl_program_build_info what) {
  return [&table, program, device, what](size_t size, void* value, size_t* ret) {
    return table.clGetProgramBuildInfo(program, device, what, size, value, ret);
  };
}

auto asks_context(const Table& table, cl_context context, cl_context_info what) {
  return [&table, context, what](size_t size, void* value, size_t* ret) {
    return table.clGetContextInfo(context, what, size, value, ret);
  };
}

}  // namespace

base::Result<Inventory> Stock::beforehand() {
  FLEXAI_TRY(devices());
  FLEXAI_TRY(contexts());
  FLEXAI_TRY(programs());
  return found_;
}

base::Result<Inventory> Stock::all() {
  FLEXAI_TRY(worker_.recordings().may_go());
  for (const auto step :
       {&Stock::devices, &Stock::contexts, &Stock::programs, &Stock::queues, &Stock::samplers,
        &Stock::memory_objects, &Stock::kernels, &Stock::events, &Stock::rest})
    FLEXAI_TRY((this->*step)());
  return std::move(found_);
}

base::Result<uint32_t> Stock::device(cl_device_id device) const {
  const auto& all = worker_.granted().devices;
  const auto at = std::find(all.begin(), all.end(), device);
  if (at != all.end()) return static_cast<uint32_t>(at - all.begin());
  const auto part = std::find(parts_.rbegin(), parts_.rend(), device);
  if (part == parts_.rend())
    return fail(Code::kUnsupported, "the program has parted a card more often than is remembered");
  return static_cast<uint32_t>(all.size() + static_cast<size_t>(parts_.rend() - part) - 1);
}

base::Result<std::vector<uint32_t>> Stock::device_list(
    const std::vector<cl_device_id>& devices) const {
  std::vector<uint32_t> list;
  for (cl_device_id one : devices) {
    FLEXAI_TRY_ASSIGN(const uint32_t index, device(one));
    list.push_back(index);
  }
  return list;
}

base::Status Stock::splits() {
  for (const Split& split : worker_.splits().all()) {
    SplitFacts facts;
    FLEXAI_TRY_ASSIGN(facts.device, device(split.device));
    facts.properties.assign(split.properties.begin(), split.properties.end());
    facts.parts = static_cast<uint32_t>(split.parts.size());
    found_.splits.push_back(std::move(facts));
    parts_.insert(parts_.end(), split.parts.begin(), split.parts.end());
  }
  return {};
}

base::Status Stock::devices() {
  FLEXAI_TRY(splits());
  for (const auto& entry : worker_.handles().all(kDevice)) {
    DeviceFacts facts;
    static_cast<Known&>(facts) = known_of(entry);
    FLEXAI_TRY_ASSIGN(facts.index, device(static_cast<cl_device_id>(entry.object)));
    found_.devices.push_back(facts);
  }
  return {};
}

// Which of the list it is; one that the client has given up comes into it when something needs it.
base::Result<uint32_t> Stock::context(cl_context context, const Known& known) {
  auto [at, fresh] = contexts_.try_emplace(context, found_.contexts.size());
  if (!fresh) return at->second;
  ContextFacts facts;
  static_cast<Known&>(facts) = known;
  std::vector<cl_device_id> devices;
  std::vector<cl_context_properties> properties;
  if (!get_list(asks_context(table_, context, CL_CONTEXT_DEVICES), &devices) ||
      !get_list(asks_context(table_, context, CL_CONTEXT_PROPERTIES), &properties))
    return silent("context");
  FLEXAI_TRY_ASSIGN(facts.devices, device_list(devices));
  for (size_t i = 0; i + 1 < properties.size() && properties[i] != 0; i += 2) {
    if (properties[i] == CL_CONTEXT_PLATFORM) continue;
    facts.properties.push_back(static_cast<uint64_t>(properties[i]));
    facts.properties.push_back(static_cast<uint64_t>(properties[i + 1]));
  }
  found_.contexts.push_back(std::move(facts));
  return at->second;
}

base::Status Stock::contexts() {
  for (const auto& entry : worker_.handles().all(kContext))
    FLEXAI_TRY(context(static_cast<cl_context>(entry.object), known_of(entry)));
  return {};
}

base::Result<uint32_t> Stock::program(cl_program program, const Known& known) {
  if (auto at = programs_.find(program); at != programs_.end()) return at->second;
  ProgramFacts facts;
  static_cast<Known&>(facts) = known;
  cl_context of = nullptr;
  std::vector<cl_device_id> devices;
  cl_build_status status = CL_BUILD_NONE;
  cl_program_binary_type type = CL_PROGRAM_BINARY_TYPE_NONE;
  if (!get(asks_program(table_, program, CL_PROGRAM_CONTEXT), &of) ||
      !get_list(asks_program(table_, program, CL_PROGRAM_DEVICES), &devices) || devices.empty() ||
      !get_text(asks_program(table_, program, CL_PROGRAM_SOURCE), &facts.source) ||
      !get(asks_build(table_, program, devices[0], CL_PROGRAM_BUILD_STATUS), &status) ||
      !get(asks_build(table_, program, devices[0], CL_PROGRAM_BINARY_TYPE), &type) ||
      !get_text(asks_build(table_, program, devices[0], CL_PROGRAM_BUILD_OPTIONS), &facts.options))
    return silent("program");
  if (status == CL_BUILD_IN_PROGRESS)
    return fail(Code::kTimeout, "a program is just being built; try again when that is over");
  FLEXAI_TRY_ASSIGN(facts.context, context(of));
  FLEXAI_TRY_ASSIGN(facts.devices, device_list(devices));
  const bool executable = type == CL_PROGRAM_BINARY_TYPE_EXECUTABLE;
  const bool compiled = type != CL_PROGRAM_BINARY_TYPE_NONE && !executable;
  if (compiled) facts.source.clear();  // its headers are not known any more
  if (facts.source.empty()) FLEXAI_TRY(binaries_of(program, facts));
  if (status == CL_BUILD_SUCCESS && executable) facts.state = ProgramFacts::State::kBuilt;
  if (status == CL_BUILD_ERROR) facts.state = ProgramFacts::State::kFailed;
  const auto index = static_cast<uint32_t>(found_.programs.size());
  programs_[program] = index;
  found_.programs.push_back(std::move(facts));
  return index;
}

base::Status Stock::binaries_of(cl_program program, ProgramFacts& facts) {
  std::vector<size_t> sizes;
  if (!get_list(asks_program(table_, program, CL_PROGRAM_BINARY_SIZES), &sizes))
    return silent("program");
  std::vector<unsigned char*> places;
  for (size_t size : sizes) {
    if (size == 0)
      return fail(Code::kUnsupported, "the program has code with neither source nor binary");
    facts.binaries.emplace_back(size, '\0');
  }
  for (std::string& binary : facts.binaries)
    places.push_back(reinterpret_cast<unsigned char*>(binary.data()));
  if (facts.binaries.size() != facts.devices.size() ||
      table_.clGetProgramInfo(program, CL_PROGRAM_BINARIES, places.size() * sizeof(unsigned char*),
                              places.data(), nullptr) != CL_SUCCESS)
    return silent("program");
  return {};
}

base::Status Stock::programs() {
  for (const auto& entry : worker_.handles().all(kProgram))
    FLEXAI_TRY(program(static_cast<cl_program>(entry.object), known_of(entry)));
  return {};
}

base::Status Stock::queues() {
  for (const auto& entry : worker_.handles().all(kCommandQueue)) {
    auto* const queue = static_cast<cl_command_queue>(entry.object);
    const auto asks = [&](cl_command_queue_info what) {
      return [this, queue, what](size_t size, void* value, size_t* ret) {
        return table_.clGetCommandQueueInfo(queue, what, size, value, ret);
      };
    };
    QueueFacts facts;
    static_cast<Known&>(facts) = known_of(entry);
    cl_context of = nullptr;
    cl_device_id on = nullptr;
    cl_command_queue_properties bits = 0;
    if (!get(asks(CL_QUEUE_CONTEXT), &of) || !get(asks(CL_QUEUE_DEVICE), &on) ||
        !get(asks(CL_QUEUE_PROPERTIES), &bits))
      return silent("queue");
    // Drivers of OpenCL 2 do not know the question.
    if (!get_list(asks(CL_QUEUE_PROPERTIES_ARRAY), &facts.properties)) facts.properties.clear();
    facts.bits = bits;
    FLEXAI_TRY_ASSIGN(facts.context, context(of));
    FLEXAI_TRY_ASSIGN(facts.device, device(on));
    found_.queues.push_back(std::move(facts));
  }
  return {};
}

base::Status Stock::samplers() {
  for (const auto& entry : worker_.handles().all(kSampler)) {
    auto* const sampler = static_cast<cl_sampler>(entry.object);
    const auto asks = [&](cl_sampler_info what) {
      return [this, sampler, what](size_t size, void* value, size_t* ret) {
        return table_.clGetSamplerInfo(sampler, what, size, value, ret);
      };
    };
    SamplerFacts facts;
    static_cast<Known&>(facts) = known_of(entry);
    cl_context of = nullptr;
    if (!get(asks(CL_SAMPLER_CONTEXT), &of) ||
        !get(asks(CL_SAMPLER_NORMALIZED_COORDS), &facts.normalized) ||
        !get(asks(CL_SAMPLER_ADDRESSING_MODE), &facts.addressing) ||
        !get(asks(CL_SAMPLER_FILTER_MODE), &facts.filter))
      return silent("sampler");
    FLEXAI_TRY_ASSIGN(facts.context, context(of));
    found_.samplers.push_back(facts);
  }
  return {};
}

base::Status Stock::memory_objects() {
  for (const auto& entry : worker_.handles().all(kMem)) {
    auto* const object = static_cast<cl_mem>(entry.object);
    MemoryFacts one;
    static_cast<Known&>(one) = known_of(entry);
    FLEXAI_TRY_ASSIGN(one.facts, facts_of(table_, object));
    FLEXAI_TRY_ASSIGN(one.context, context(one.facts.context));
    if (one.facts.parent != nullptr) {
      const auto at = std::find(memory_.begin(), memory_.end(), one.facts.parent);
      if (at == memory_.end())
        return fail(Code::kUnsupported,
                    "the program keeps a part of a buffer that it has given up itself");
      one.parent = static_cast<uint32_t>(at - memory_.begin());
    }
    one.facts.context = nullptr;
    one.facts.parent = nullptr;
    found_.memory.push_back(std::move(one));
    memory_.push_back(object);
  }
  return {};
}

base::Status Stock::kernels() {
  for (const auto& entry : worker_.handles().all(kKernel)) {
    auto* const kernel = static_cast<cl_kernel>(entry.object);
    const auto asks = [&](cl_kernel_info what) {
      return [this, kernel, what](size_t size, void* value, size_t* ret) {
        return table_.clGetKernelInfo(kernel, what, size, value, ret);
      };
    };
    KernelFacts facts;
    static_cast<Known&>(facts) = known_of(entry);
    cl_program of = nullptr;
    if (!get(asks(CL_KERNEL_PROGRAM), &of) || !get_text(asks(CL_KERNEL_FUNCTION_NAME), &facts.name))
      return silent("kernel");
    FLEXAI_TRY_ASSIGN(facts.program, program(of));
    if (auto set = worker_.arguments().find(entry.id); set != worker_.arguments().end())
      facts.arguments = set->second;
    found_.kernels.push_back(std::move(facts));
  }
  return {};
}

base::Status Stock::events() {
  for (const auto& entry : worker_.handles().all(kEvent)) {
    auto* const event = static_cast<cl_event>(entry.object);
    const auto asks = [&](cl_event_info what) {
      return [this, event, what](size_t size, void* value, size_t* ret) {
        return table_.clGetEventInfo(event, what, size, value, ret);
      };
    };
    EventFacts facts;
    static_cast<Known&>(facts) = known_of(entry);
    cl_context of = nullptr;
    cl_command_type type = 0;
    if (!get(asks(CL_EVENT_CONTEXT), &of) || !get(asks(CL_EVENT_COMMAND_TYPE), &type) ||
        !get(asks(CL_EVENT_COMMAND_EXECUTION_STATUS), &facts.status))
      return silent("event");
    if (facts.status > CL_COMPLETE && type != CL_COMMAND_USER)
      return fail(Code::kTimeout, "a command of the program is still under way; try again");
    if (facts.status > CL_COMPLETE) facts.status = CL_SUBMITTED;
    FLEXAI_TRY_ASSIGN(facts.context, context(of));
    found_.events.push_back(facts);
  }
  return {};
}

base::Status Stock::rest() {
  for (const auto& one : worker_.handles().failed())
    found_.failed.push_back({one.id, one.kind, one.error});
  for (const auto& [id, mapping] : worker_.mappings()) {
    const auto at = std::find(memory_.begin(), memory_.end(), mapping.object);
    if (at == memory_.end())
      return fail(Code::kUnsupported, "the program keeps a mapping of memory that it has given up");
    found_.mapped.push_back({id, static_cast<uint32_t>(at - memory_.begin()), mapping.part});
  }
  found_.deferred = worker_.deferred().all();
  for (const auto& one : worker_.bulk().awaited()) found_.awaited.push_back(one);
  found_.recordings = worker_.recordings().all();
  found_.call = worker_.dispatcher().parts();
  return {};
}

}  // namespace flexai::remote::opencl
