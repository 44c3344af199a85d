#include "remote/opencl/worker/rebuild.h"

#include <algorithm>

#include "remote/opencl/worker/contents.h"

namespace flexai::remote::opencl {

using base::Code;
using base::fail;

namespace {

bool same(const ContextFacts& a, const ContextFacts& b) {
  return a.id == b.id && a.devices == b.devices && a.properties == b.properties;
}

// Whatever list its context is in.
bool same(const ProgramFacts& a, const ProgramFacts& b) {
  return a.id == b.id && a.devices == b.devices && a.source == b.source &&
         a.binaries == b.binaries && a.state == b.state && a.options == b.options;
}

}  // namespace

std::vector<cl_device_id> Rebuild::devices(const std::vector<uint32_t>& indexes) const {
  std::vector<cl_device_id> all;
  for (uint32_t index : indexes) all.push_back(devices_[index]);
  return all;
}

base::Result<cl_context> Rebuild::make_one(const ContextFacts& facts) {
  std::vector<cl_context_properties> properties;
  for (uint64_t one : facts.properties)
    properties.push_back(static_cast<cl_context_properties>(one));
  const auto index = index_of(facts.id);
  ContextListener& listener = listeners_[index <= kMostObjects ? index : 0];
  listener.context = facts.id;
  cl_int code = CL_SUCCESS;
  const cl_context made =
      make_context(granted_, properties, devices(facts.devices), &listener, code);
  if (made == nullptr) return driver_failed("making a context", code);
  return made;
}

base::Result<cl_program> Rebuild::make_one(const ProgramFacts& facts, cl_context context) {
  const auto on = devices(facts.devices);
  const auto count = static_cast<cl_uint>(on.size());
  cl_int code = CL_SUCCESS;
  cl_program made = nullptr;
  if (!facts.source.empty()) {
    const char* text = facts.source.c_str();
    made = table_.clCreateProgramWithSource(context, 1, &text, nullptr, &code);
  } else {
    std::vector<size_t> sizes;
    std::vector<const unsigned char*> places;
    for (const std::string& binary : facts.binaries) {
      sizes.push_back(binary.size());
      places.push_back(reinterpret_cast<const unsigned char*>(binary.data()));
    }
    made = table_.clCreateProgramWithBinary(context, count, on.data(), sizes.data(), places.data(),
                                            nullptr, &code);
  }
  if (made == nullptr) return driver_failed("making a program", code);
  if (facts.state == ProgramFacts::State::kMade) return made;
  code = table_.clBuildProgram(made, count, on.data(), facts.options.c_str(), nullptr, nullptr);
  const bool built = code == CL_SUCCESS;
  if (built != (facts.state == ProgramFacts::State::kBuilt))
    return driver_failed("building a program as it was", code);
  return made;
}

base::Result<cl_context> Rebuild::context_for(const ContextFacts& facts) {
  for (Ready& one : ready_) {
    if (one.used || !same(one.facts, facts)) continue;
    one.used = true;
    return one.context;
  }
  return make_one(facts);
}

base::Result<cl_program> Rebuild::program_for(const ProgramFacts& facts, cl_context context) {
  for (ReadyProgram& one : ready_programs_) {
    if (one.used || one.context != context || !same(one.facts, facts)) continue;
    one.used = true;
    return one.program;
  }
  return make_one(facts, context);
}

// What was made beforehand and is of no use.
void Rebuild::let_go() {
  for (Ready& one : ready_)
    if (!one.used) table_.clReleaseContext(one.context);
  for (ReadyProgram& one : ready_programs_)
    if (!one.used) table_.clReleaseProgram(one.program);
  ready_.clear();
  ready_programs_.clear();
}

// Parts that were made beforehand serve when all are the same: the numbers of others have changed.
base::Status Rebuild::part(const std::vector<SplitFacts>& splits) {
  if (splits == splits_) return {};
  let_go();
  for (const Split& split : made_splits_)
    for (cl_device_id one : split.parts) table_.clReleaseDevice(one);
  made_splits_.clear();
  devices_ = granted_.devices;
  splits_ = splits;
  for (const SplitFacts& facts : splits) {
    Split split;
    split.device = devices_[facts.device];
    split.properties.assign(facts.properties.begin(), facts.properties.end());
    split.parts.resize(facts.parts);
    cl_uint made = 0;
    const cl_int code = table_.clCreateSubDevices(split.device, split.properties.data(),
                                                  facts.parts, split.parts.data(), &made);
    if (code != CL_SUCCESS || made != facts.parts)
      return driver_failed("parting a device as it was", code);
    devices_.insert(devices_.end(), split.parts.begin(), split.parts.end());
    made_splits_.push_back(std::move(split));
  }
  return {};
}

base::Status Rebuild::foundations(const Inventory& inventory) {
  contexts_.clear();
  programs_.clear();
  FLEXAI_TRY(part(inventory.splits));
  for (const ContextFacts& facts : inventory.contexts) {
    FLEXAI_TRY_ASSIGN(const cl_context made, context_for(facts));
    contexts_.push_back(made);
  }
  for (const ProgramFacts& facts : inventory.programs) {
    FLEXAI_TRY_ASSIGN(const cl_program made, program_for(facts, contexts_[facts.context]));
    programs_.push_back(made);
  }
  return {};
}

base::Status Rebuild::beforehand(const Inventory& inventory) {
  FLEXAI_TRY(foundations(inventory));
  for (size_t i = 0; i < contexts_.size(); ++i)
    ready_.push_back({inventory.contexts[i], contexts_[i]});
  for (size_t i = 0; i < programs_.size(); ++i)
    ready_programs_.push_back(
        {inventory.programs[i], contexts_[inventory.programs[i].context], programs_[i]});
  return {};
}

base::Status Rebuild::objects(const Inventory& inventory, wire::Transport& from) {
  FLEXAI_TRY(foundations(inventory));
  let_go();
  FLEXAI_TRY(queues(inventory));
  FLEXAI_TRY(samplers(inventory));
  FLEXAI_TRY(kernels(inventory));
  FLEXAI_TRY(events(inventory));
  return memory(inventory, from);
}

base::Status Rebuild::queues(const Inventory& inventory) {
  for (const QueueFacts& facts : inventory.queues) {
    cl_int code = CL_SUCCESS;
    cl_command_queue made = nullptr;
    const cl_context context = contexts_[facts.context];
    const cl_device_id device = devices_[facts.device];
    if (facts.properties.empty()) {
      made = table_.clCreateCommandQueue(context, device, facts.bits, &code);
    } else {
      const std::vector<cl_queue_properties> list(facts.properties.begin(), facts.properties.end());
      made = table_.clCreateCommandQueueWithProperties(context, device, list.data(), &code);
    }
    if (made == nullptr) return driver_failed("making a queue", code);
    queues_.push_back(made);
  }
  return {};
}

base::Status Rebuild::samplers(const Inventory& inventory) {
  for (const SamplerFacts& facts : inventory.samplers) {
    cl_int code = CL_SUCCESS;
    const cl_sampler made = table_.clCreateSampler(contexts_[facts.context], facts.normalized,
                                                   facts.addressing, facts.filter, &code);
    if (made == nullptr) return driver_failed("making a sampler", code);
    samplers_.push_back(made);
  }
  return {};
}

base::Status Rebuild::memory(const Inventory& inventory, wire::Transport& from) {
  for (const MemoryFacts& one : inventory.memory) {
    MemFacts facts = one.facts;
    facts.context = contexts_[one.context];
    FLEXAI_TRY_ASSIGN(const cl_command_queue queue, own_.of(facts.context));
    if (one.parent == kNone) {
      FLEXAI_TRY_ASSIGN(const cl_mem made, receive_object(table_, queue, facts, from));
      memory_.push_back(made);
      continue;
    }
    cl_int code = CL_SUCCESS;
    const cl_mem made = make_again(table_, facts, memory_[one.parent], nullptr, code);
    if (made == nullptr) return driver_failed("making a part of memory", code);
    memory_.push_back(made);
  }
  return {};
}

base::Status Rebuild::kernels(const Inventory& inventory) {
  for (const KernelFacts& facts : inventory.kernels) {
    cl_int code = CL_SUCCESS;
    const cl_kernel made =
        table_.clCreateKernel(programs_[facts.program], facts.name.c_str(), &code);
    if (made == nullptr) return driver_failed("making kernel " + facts.name, code);
    kernels_.push_back(made);
  }
  return {};
}

// Those that have ended: the client knows all that they say; what waits for them asks the driver.
base::Status Rebuild::events(const Inventory& inventory) {
  for (const EventFacts& facts : inventory.events) {
    cl_int code = CL_SUCCESS;
    const cl_event made = table_.clCreateUserEvent(contexts_[facts.context], &code);
    if (made == nullptr) return driver_failed("making an event", code);
    if (facts.status <= CL_COMPLETE) code = table_.clSetUserEventStatus(made, facts.status);
    if (code != CL_SUCCESS) return driver_failed("ending an event", code);
    events_.push_back(made);
  }
  return {};
}

// The first reference is the one that it was made with; of what the client has given up none stays.
base::Status Rebuild::keep(Worker& worker, const Known& known, Kind kind, void* object) {
  if (known.id == 0) {
    worker.release(kind, object);
    return {};
  }
  FLEXAI_TRY(worker.handles().add(known.id, kind, object));
  for (uint32_t i = 1; i < known.references; ++i) {
    FLEXAI_TRY(worker.handles().retain(known.id, kind));
    worker.retain(kind, object);
  }
  return {};
}

base::Status Rebuild::install(const Inventory& inventory, Worker& worker) {
  const auto keep_all = [&](const auto& facts, const auto& objects, Kind kind) -> base::Status {
    for (size_t i = 0; i < facts.size(); ++i)
      FLEXAI_TRY(keep(worker, facts[i], kind, static_cast<void*>(objects[i])));
    return {};
  };
  worker.take_listeners(listeners_);
  std::vector<bool> named(devices_.size());
  for (const DeviceFacts& one : inventory.devices) {
    named[one.index] = true;
    FLEXAI_TRY(keep(worker, one, kDevice, devices_[one.index]));
  }
  // What the client has given up is let go of when everything that needs it is there.
  FLEXAI_TRY(keep_all(inventory.samplers, samplers_, kSampler));
  FLEXAI_TRY(keep_all(inventory.memory, memory_, kMem));
  FLEXAI_TRY(keep_all(inventory.kernels, kernels_, kKernel));
  FLEXAI_TRY(keep_all(inventory.queues, queues_, kCommandQueue));
  FLEXAI_TRY(keep_all(inventory.events, events_, kEvent));
  FLEXAI_TRY(map_all(inventory, worker));
  own_.drop();
  FLEXAI_TRY(keep_all(inventory.programs, programs_, kProgram));
  FLEXAI_TRY(keep_all(inventory.contexts, contexts_, kContext));
  for (Split& split : made_splits_) worker.splits().add(std::move(split), worker.handles());
  for (size_t i = granted_.devices.size(); i < devices_.size(); ++i)
    if (!named[i]) table_.clReleaseDevice(devices_[i]);
  for (const FailedFacts& one : inventory.failed)
    FLEXAI_TRY(worker.handles().add_failed(one.id, one.kind, one.error));
  FLEXAI_TRY(set_arguments(inventory, worker));
  FLEXAI_TRY(worker.recordings().take(inventory.recordings));
  for (const DeferredError& one : inventory.deferred) worker.deferred().add(one);
  return worker.bulk().restore({inventory.awaited.begin(), inventory.awaited.end()});
}

base::Status Rebuild::map_all(const Inventory& inventory, Worker& worker) {
  for (const MappedFacts& one : inventory.mapped) {
    FLEXAI_TRY_ASSIGN(const cl_command_queue queue,
                      own_.of(contexts_[inventory.memory[one.memory].context]));
    const cl_mem object = memory_[one.memory];
    const Landing place = map_now(table_, queue, object, one.part);
    if (place.at == nullptr)
      return fail(Code::kInternal, "the driver did not map memory as it was");
    worker.mappings()[one.id] = {place, object, one.part};
  }
  return {};
}

base::Status Rebuild::set_arguments(const Inventory& inventory, Worker& worker) {
  for (size_t i = 0; i < inventory.kernels.size(); ++i) {
    const KernelFacts& facts = inventory.kernels[i];
    for (const auto& [index, argument] : facts.arguments) {
      const void* value = argument.there ? argument.bytes.data() : nullptr;
      void* object = nullptr;
      if (argument.kind != 0) {
        auto found = worker.handles().find(argument.object, argument.kind);
        if (!found.ok() || found->object == nullptr) continue;  // no launch may use it
        object = found->object;
        value = &object;
      }
      const size_t size = argument.kind != 0 ? sizeof object : argument.size;
      const cl_int code = table_.clSetKernelArg(kernels_[i], index, size, value);
      if (code != CL_SUCCESS) return driver_failed("setting an argument of " + facts.name, code);
    }
    if (facts.id != 0) worker.arguments()[facts.id] = facts.arguments;
  }
  return {};
}

}  // namespace flexai::remote::opencl
