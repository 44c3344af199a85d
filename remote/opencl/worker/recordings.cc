#include "remote/opencl/worker/recordings.h"

#include "base/log.h"
#include "remote/opencl/serve.h"
#include "remote/opencl/worker/contents.h"
#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {

using base::Code;
using base::fail;

namespace {

// As the Spec numbers them: create; finalize; from the first command to the last.
constexpr uint16_t kCreate = 1001, kFinalize = 1004, kFirst = 1006, kLast = 1014;

Call call_of(const RecordedCall& recorded) { return {recorded.entry, 0, recorded.body, true}; }

}  // namespace

bool Recordings::records(uint16_t entry) {
  return entry == kCreate || entry == kFinalize || (entry >= kFirst && entry <= kLast);
}

void Recordings::note(const Call& call, Incoming& incoming) {
  if (!records(call.entry) || incoming.outcome() != CL_SUCCESS) return;
  const ObjectId id = call.entry == kCreate ? incoming.result() : incoming.first_object();
  if (call.entry == kCreate) all_[id] = {id, 0, true, false, {}};
  const auto found = all_.find(id);
  if (found == all_.end()) return;
  Recording& recording = found->second;
  recording.final |= call.entry == kFinalize;
  bytes_ += call.body.size() + sizeof(RecordedCall);
  if (bytes_ > kMost) {
    recording.whole = false;
    return;
  }
  RecordedCall& made = recording.calls.emplace_back();
  made.entry = call.entry;
  made.body.assign(call.body.begin(), call.body.end());
  const wire::Bytes results = incoming.results().bytes();
  made.results.assign(results.begin(), results.end());
  made.kernel = incoming.kernel();
  if (made.kernel == 0) return;
  if (auto set = worker_.arguments().find(made.kernel); set != worker_.arguments().end())
    made.arguments = set->second;
}

void Recordings::forget(ObjectId id) {
  const auto found = all_.find(id);
  if (found == all_.end()) return;
  for (const RecordedCall& call : found->second.calls)
    bytes_ -= call.body.size() + sizeof(RecordedCall);
  all_.erase(found);
}

base::Status Recordings::may_go() {
  for (const auto& [id, recording] : all_) {
    if (!recording.final)
      return fail(Code::kConflict,
                  "the program is recording a command buffer; try again when it has finalized it");
    if (!recording.whole)
      return fail(Code::kUnsupported, "the program has recorded more commands than are kept");
    for (const RecordedCall& call : recording.calls) {
      Incoming check(worker_, call_of(call), Incoming::Mode::kCheck);
      [[maybe_unused]] const bool known = serve(check, call.entry);
      bool there = check.outcome() == CL_SUCCESS;
      for (const auto& [index, argument] : call.arguments) {
        if (argument.kind == 0) continue;
        auto found = worker_.handles().find(argument.object, argument.kind);
        there = there && found.ok() && found->object != nullptr;
      }
      if (!there)
        return fail(Code::kUnsupported,
                    "the program has given up an object that a command buffer of it names");
    }
  }
  return {};
}

std::vector<Recording> Recordings::all() {
  std::vector<Recording> list;
  for (const auto& entry : worker_.handles().all(kCommandBuffer)) {
    auto found = all_.find(entry.id);
    if (found == all_.end()) continue;
    list.push_back(found->second);
    list.back().references = entry.references;
  }
  return list;
}

void Recordings::drop() {
  for (const auto& entry : worker_.handles().all(kCommandBuffer)) {
    if (auto found = all_.find(entry.id); found != all_.end())
      found->second.references = entry.references;
    for (uint32_t i = 0; entry.object != nullptr && i < entry.references; ++i)
      worker_.release(kCommandBuffer, entry.object);
    [[maybe_unused]] auto known = worker_.handles().replace(entry.id, kCommandBuffer, nullptr);
  }
}

bool Recordings::set_arguments(ObjectId kernel, const KernelArguments& arguments) {
  auto known = worker_.handles().find(kernel, kKernel);
  if (!known.ok() || known->object == nullptr) return false;
  bool all = true;
  for (const auto& [index, argument] : arguments) {
    const void* value = argument.there ? argument.bytes.data() : nullptr;
    void* object = nullptr;
    if (argument.kind != 0) {
      auto found = worker_.handles().find(argument.object, argument.kind);
      object = found.ok() ? found->object : nullptr;
      value = &object;
    }
    if (argument.kind != 0 && object == nullptr) {
      all = false;
      continue;
    }
    const size_t size = argument.kind != 0 ? sizeof object : argument.size;
    all &= worker_.table().clSetKernelArg(static_cast<cl_kernel>(known->object), index, size,
                                          value) == CL_SUCCESS;
  }
  return all;
}

base::Status Recordings::play(const Recording& recording) {
  for (const RecordedCall& call : recording.calls) {
    if (call.kernel != 0 && !set_arguments(call.kernel, call.arguments))
      return driver_failed("arguments of a recorded kernel", CL_INVALID_KERNEL_ARGS);
    Incoming again(worker_, call_of(call), Incoming::Mode::kReplay);
    if (!serve(again, call.entry) || again.outcome() != CL_SUCCESS)
      return driver_failed("recording a command again", again.outcome());
    const wire::Bytes results = again.results().bytes();
    if (!std::equal(results.begin(), results.end(), call.results.begin(), call.results.end()))
      return fail(Code::kUnsupported, "the driver numbers sync points in another way");
  }
  auto made = worker_.handles().find(recording.id, kCommandBuffer);
  if (!made.ok() || made->object == nullptr)
    return fail(Code::kCorrupt, "a recording that does not make its command buffer");
  for (uint32_t i = 1; i < recording.references; ++i)
    worker_.table().clRetainCommandBufferKHR(static_cast<cl_command_buffer_khr>(made->object));
  return {};
}

void Recordings::play() {
  for (const auto& [id, recording] : all_) {
    auto known = worker_.handles().find(id, kCommandBuffer);
    if (!known.ok() || known->object != nullptr) continue;
    const base::Status played = play(recording);
    if (played.ok()) continue;
    base::log(base::Level::kWarn, "worker", "a command buffer is lost",
              {{"why", played.error().message}});
    auto half = worker_.handles().find(id, kCommandBuffer);
    if (half.ok() && half->object != nullptr) worker_.release(kCommandBuffer, half->object);
    [[maybe_unused]] auto lost = worker_.handles().replace(id, kCommandBuffer, nullptr);
  }
  // What the kernels' arguments are now.
  for (const auto& [id, recording] : all_)
    for (const RecordedCall& call : recording.calls)
      if (auto set = worker_.arguments().find(call.kernel); set != worker_.arguments().end())
        set_arguments(call.kernel, set->second);
}

base::Status Recordings::take(const std::vector<Recording>& all) {
  for (const Recording& one : all) {
    FLEXAI_TRY(worker_.handles().add(one.id, kCommandBuffer, nullptr));
    for (uint32_t i = 1; i < one.references; ++i)
      FLEXAI_TRY(worker_.handles().retain(one.id, kCommandBuffer));
    for (const RecordedCall& call : one.calls) bytes_ += call.body.size() + sizeof(RecordedCall);
    all_[one.id] = one;
  }
  play();
  return {};
}

}  // namespace flexai::remote::opencl
