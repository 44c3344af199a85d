#include "remote/opencl/worker/swap.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>

#include "remote/opencl/image_format.h"

namespace flexai::remote::opencl {

using base::Code;
using base::fail;
using base::Nanos;

namespace {

constexpr std::chrono::microseconds kLook{200};
constexpr size_t kHiddenPart = size_t{16} << 20;  // of a buffer that the host may not read

base::Error driver_failed(const std::string& what, cl_int code) {
  const bool full = code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_RESOURCES ||
                    code == CL_OUT_OF_HOST_MEMORY;
  return fail(full ? Code::kExhausted : Code::kInternal,
              what + ": the driver says " + std::to_string(code));
}

// Tells when `runner` has done what was posted to it so far.
std::future<void> idle(Runner& runner) {
  auto done = std::make_shared<std::promise<void>>();
  auto future = done->get_future();
  runner.post([done] { done->set_value(); });
  return future;
}

bool await(std::future<void>& what, Nanos deadline) {
  const std::chrono::nanoseconds left(std::max<Nanos>(deadline - base::monotonic_now(), 0));
  return what.wait_for(left) == std::future_status::ready;
}

base::Error busy() {
  return fail(Code::kTimeout,
              "commands of the program are still under way; it may be waiting for an event that it "
              "sets itself: try again later");
}

}  // namespace

base::Result<size_t> Swap::out(base::Fd file, Nanos deadline) {
  if (is_out()) return fail(Code::kConflict, "the session's memory is away already");
  if (!worker_.handles().all(kCommandBuffer).empty())
    return fail(Code::kUnsupported,
                "the program has recorded command buffers, which name memory that would go away");
  if (!worker_.hold().take(deadline)) return busy();
  base::Status done = drain(deadline);
  if (done.ok()) done = take_away(std::move(file));
  if (done.ok()) return bytes();
  away_.clear();
  store_.reset();
  worker_.hold().let_go();
  return done.error();
}

base::Status Swap::take_away(base::Fd file) {
  worker_.forget_lasts();  // a driver's event may keep the memory of its command
  FLEXAI_TRY(note_all());
  FLEXAI_TRY_ASSIGN(store_, Store::make(std::move(file), bytes()));
  base::Status saved = unmap_all();
  for (const Away& one : away_) {
    if (!saved.ok()) break;
    if (one.facts.bytes == 0) continue;
    auto queue = queue_of(one.facts.context);
    saved = queue.ok() ? save(one, *queue) : base::Status(queue.error());
  }
  if (!saved.ok()) {
    FLEXAI_TRY(map_again());
    return saved;
  }
  drop_queues();
  clear_arguments();
  drop_all();
  return {};
}

// Everything that was begun is over: a marker behind it in each queue, and the bytes that are
// between the client and a command have come or gone.
base::Status Swap::drain(Nanos deadline) {
  const Table& table = worker_.table();
  std::vector<std::future<void>> ends;
  for (const auto& queue : worker_.handles().all(kCommandQueue)) {
    auto* const handle = static_cast<cl_command_queue>(queue.object);
    cl_event marker = nullptr;
    const cl_int code = table.clEnqueueMarkerWithWaitList(handle, 0, nullptr, &marker);
    if (code != CL_SUCCESS) return driver_failed("waiting for a queue", code);
    auto done = std::make_shared<std::promise<void>>();
    ends.push_back(done->get_future());
    worker_.watches().add(marker, [done](cl_event, cl_int) { done->set_value(); });
    table.clReleaseEvent(marker);
    table.clFlush(handle);
  }
  for (auto& end : ends)
    if (!await(end, deadline)) return busy();
  for (Runner* runner : {&worker_.receiver(), &worker_.sender()}) {
    auto end = idle(*runner);
    if (!await(end, deadline)) return busy();
  }
  while (!worker_.watches().quiet()) {
    if (base::monotonic_now() >= deadline) return busy();
    std::this_thread::sleep_for(kLook);
  }
  return {};
}

base::Status Swap::note_all() {
  away_.clear();
  size_t at = 0;
  for (const auto& entry : worker_.handles().all(kMem)) {
    Away one{entry.id, static_cast<cl_mem>(entry.object), entry.references, {}, SIZE_MAX, at, {}};
    FLEXAI_TRY_ASSIGN(one.facts, facts_of(worker_.table(), one.object));
    for (size_t i = 0; one.facts.parent != nullptr && i < away_.size(); ++i)
      if (away_[i].object == one.facts.parent) one.parent = i;
    if (one.facts.parent != nullptr && one.parent == SIZE_MAX)
      return fail(Code::kUnsupported,
                  "the program keeps a part of a buffer that it has given up itself");
    at += one.facts.bytes;
    away_.push_back(std::move(one));
  }
  return {};
}

size_t Swap::bytes() const {
  size_t sum = 0;
  for (const Away& one : away_) sum += one.facts.bytes;
  return sum;
}

base::Result<cl_command_queue> Swap::queue_of(cl_context context) {
  for (const auto& [of, queue] : queues_)
    if (of == context) return queue;
  const Table& table = worker_.table();
  std::vector<cl_device_id> devices;
  size_t size = 0;
  table.clGetContextInfo(context, CL_CONTEXT_DEVICES, 0, nullptr, &size);
  devices.resize(size / sizeof(cl_device_id));
  cl_int code = table.clGetContextInfo(context, CL_CONTEXT_DEVICES, size, devices.data(), nullptr);
  if (code == CL_SUCCESS && devices.empty()) code = CL_INVALID_CONTEXT;
  if (code != CL_SUCCESS) return driver_failed("asking for a context's cards", code);
  cl_command_queue queue = table.clCreateCommandQueue(context, devices[0], 0, &code);
  if (code != CL_SUCCESS) return driver_failed("making a queue", code);
  queues_.emplace_back(context, queue);
  return queue;
}

void Swap::drop_queues() {
  for (const auto& [context, queue] : queues_) worker_.table().clReleaseCommandQueue(queue);
  queues_.clear();
}

base::Status Swap::save(const Away& one, cl_command_queue queue) {
  const Table& table = worker_.table();
  std::byte* const to = store_->at(one.at);
  cl_int code = CL_SUCCESS;
  if (one.facts.type == CL_MEM_OBJECT_BUFFER) {
    code = table.clEnqueueReadBuffer(queue, one.object, CL_TRUE, 0, one.facts.bytes, to, 0, nullptr,
                                     nullptr);
  } else {
    const Extent extent = extent_of(one.facts.desc);
    const size_t origin[3] = {}, region[3] = {extent.width, extent.height, extent.depth};
    code = table.clEnqueueReadImage(queue, one.object, CL_TRUE, origin, region, 0, 0, to, 0,
                                    nullptr, nullptr);
  }
  if (code == CL_INVALID_OPERATION) return save_hidden(one, queue, to);
  if (code != CL_SUCCESS) return driver_failed("reading memory of the card", code);
  return {};
}

// The host may not read it; a copy of it the host may.
base::Status Swap::save_hidden(const Away& one, cl_command_queue queue, std::byte* to) {
  const Table& table = worker_.table();
  const bool image = one.facts.type != CL_MEM_OBJECT_BUFFER;
  const size_t part = image ? one.facts.bytes : std::min(one.facts.bytes, kHiddenPart);
  cl_int code = CL_SUCCESS;
  cl_mem copy = table.clCreateBuffer(one.facts.context, CL_MEM_READ_WRITE, part, nullptr, &code);
  if (code != CL_SUCCESS) return driver_failed("making room for a copy", code);
  for (size_t at = 0; at < one.facts.bytes && code == CL_SUCCESS; at += part) {
    const size_t size = std::min(part, one.facts.bytes - at);
    if (image) {
      const Extent extent = extent_of(one.facts.desc);
      const size_t origin[3] = {}, region[3] = {extent.width, extent.height, extent.depth};
      code = table.clEnqueueCopyImageToBuffer(queue, one.object, copy, origin, region, 0, 0,
                                              nullptr, nullptr);
    } else {
      code = table.clEnqueueCopyBuffer(queue, one.object, copy, at, 0, size, 0, nullptr, nullptr);
    }
    if (code == CL_SUCCESS)
      code = table.clEnqueueReadBuffer(queue, copy, CL_TRUE, 0, size, to + at, 0, nullptr, nullptr);
  }
  table.clReleaseMemObject(copy);
  if (code != CL_SUCCESS) return driver_failed("copying memory of the card", code);
  return {};
}

// What the program wrote into a mapping comes when it unmaps it: here nothing is lost.
base::Status Swap::unmap_all() {
  const Table& table = worker_.table();
  for (auto& [id, mapping] : worker_.mappings()) {
    const auto of =
        std::find_if(away_.begin(), away_.end(),
                     [object = mapping.object](const Away& one) { return one.object == object; });
    if (of == away_.end())
      return fail(Code::kUnsupported, "the program keeps a mapping of memory that it has given up");
    FLEXAI_TRY_ASSIGN(auto* const queue, queue_of(of->facts.context));
    if (mapping.place.at == nullptr) continue;
    cl_int code =
        table.clEnqueueUnmapMemObject(queue, mapping.object, mapping.place.at, 0, nullptr, nullptr);
    if (code == CL_SUCCESS) code = table.clFinish(queue);
    if (code != CL_SUCCESS) return driver_failed("unmapping memory", code);
    mapping.place.at = nullptr;
    of->mappings.push_back(id);
  }
  return {};
}

base::Status Swap::map_again() {
  base::Status done;
  for (auto& [id, mapping] : worker_.mappings()) {
    if (mapping.place.at != nullptr) continue;
    cl_context context = nullptr;
    worker_.table().clGetMemObjectInfo(mapping.object, CL_MEM_CONTEXT, sizeof context, &context,
                                       nullptr);
    auto queue = queue_of(context);
    if (queue.ok()) mapping.place = mapping.again(worker_.table(), *queue, mapping.object);
    if (mapping.place.at == nullptr)
      done = fail(Code::kInternal, "the driver did not map memory again");
  }
  drop_queues();
  return done;
}

// A driver that counts arguments as references would keep the memory.
void Swap::clear_arguments() {
  for (const auto& kernel : worker_.handles().all(kKernel)) {
    auto named = worker_.arguments().find(kernel.id);
    if (named == worker_.arguments().end()) continue;
    for (const auto& [index, id] : named->second)
      worker_.table().clSetKernelArg(static_cast<cl_kernel>(kernel.object), index, sizeof(cl_mem),
                                     nullptr);
  }
}

// What the program has given up since, no launch may use.
void Swap::set_arguments() {
  for (const auto& kernel : worker_.handles().all(kKernel)) {
    auto named = worker_.arguments().find(kernel.id);
    if (named == worker_.arguments().end()) continue;
    for (const auto& [index, id] : named->second) {
      auto found = worker_.handles().find(id, kMem);
      if (found.ok() && found->object != nullptr)
        worker_.table().clSetKernelArg(static_cast<cl_kernel>(kernel.object), index, sizeof(cl_mem),
                                       &found->object);
    }
  }
}

void Swap::drop_all() {
  for (auto one = away_.rbegin(); one != away_.rend(); ++one) {
    for (uint32_t i = 0; i < one->references && one->object != nullptr; ++i)
      worker_.table().clReleaseMemObject(one->object);
    [[maybe_unused]] auto known = worker_.handles().replace(one->id, kMem, nullptr);
  }
}

base::Result<size_t> Swap::in() {
  if (!is_out()) return fail(Code::kConflict, "the session's memory is on the card");
  const Table& table = worker_.table();
  std::vector<cl_mem> made;
  for (const Away& one : away_) {
    cl_int code = CL_SUCCESS;
    cl_mem parent = one.parent == SIZE_MAX ? nullptr : made[one.parent];
    cl_mem object = make_again(table, one.facts, parent, store_->at(one.at), code);
    if (object == nullptr) {
      for (auto old = made.rbegin(); old != made.rend(); ++old) table.clReleaseMemObject(*old);
      return driver_failed("bringing " + std::to_string(bytes()) + " bytes back to the card", code);
    }
    made.push_back(object);
  }
  for (size_t i = 0; i < away_.size(); ++i) {
    for (uint32_t more = 1; more < away_[i].references; ++more) table.clRetainMemObject(made[i]);
    [[maybe_unused]] auto known = worker_.handles().replace(away_[i].id, kMem, made[i]);
    for (ObjectId id : away_[i].mappings) worker_.mappings()[id].object = made[i];
  }
  set_arguments();
  [[maybe_unused]] auto mapped = map_again();  // a failed one fails when it is used
  const size_t moved = bytes();
  away_.clear();
  store_.reset();
  worker_.hold().let_go();
  return moved;
}

}  // namespace flexai::remote::opencl
