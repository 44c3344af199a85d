#include "remote/opencl/worker/incoming.h"

#include "remote/opencl/worker/worker.h"

namespace flexai::remote::opencl {

Incoming::Incoming(Worker& worker, const Call& call, Mode mode)
    : worker_(worker), call_(call), mode_(mode), reader_(call.body) {}

Incoming::~Incoming() {
  if (last_ != nullptr) table().clReleaseEvent(last_);
}

const Table& Incoming::table() const { return worker_.table(); }

void* Incoming::find(ObjectId id, Kind kind, cl_int code) {
  if (id == 0) return nullptr;  // the program passed null: the driver has its own word for that
  if (kind == kKernel) kernel_ = id;
  auto found = worker_.handles().find(id, kind);
  const cl_int why = !found.ok() ? code : found->error;
  if (why != CL_SUCCESS && code_ == CL_SUCCESS) code_ = why;
  return found.ok() ? found->object : nullptr;
}

void* Incoming::first_object_of(const char* field, Kind kind, cl_int code) {
  const ObjectId id = reader_.handle(field);
  void* object = find(id, kind, code);
  if (first_kind_ == 0) {
    first_ = id;
    first_kind_ = kind;
    failed_first_ = id != 0 && object == nullptr;
  }
  return object;
}

bool Incoming::wanted(const char* field) {
  const uint8_t flag = reader_.u8(field);
  if (flag > 1) reader_.refuse(field, "is neither there nor not");
  return reader_.ok() && flag == 1;
}

wire::Bytes Incoming::elements(const char* field, size_t count, size_t each, bool& there) {
  there = wanted(field);
  if (!there) return {};
  if (count > reader_.left() / each) reader_.refuse(field, "is longer than its call");
  return reader_.raw(field, reader_.ok() ? count * each : 0);
}

const char* Incoming::text(const char* field) {
  if (!wanted(field)) return nullptr;
  strings_.emplace_back(wire::text_of(reader_.blob(field, kMostCall)));
  return strings_.back().c_str();
}

Texts Incoming::texts(const char* field, size_t count, bool sized) {
  Texts found;
  found.there = wanted(field);
  found.sized = sized && found.there;
  if (!found.there) return found;
  if (count > reader_.left() / 4) reader_.refuse(field, "is longer than its call");
  for (size_t i = 0; i < count && reader_.ok(); ++i) {
    const bool null = !wanted(field);
    found.texts.emplace_back(null ? std::string_view()
                                  : wire::text_of(reader_.blob(field, kMostCall)));
    found.pointers.push_back(null ? nullptr : found.texts.back().c_str());
    // A length of 0 says that the string ends with NUL: so does an empty one.
    found.sizes.push_back(found.texts.back().size());
  }
  found.pointers.push_back(nullptr);
  found.sizes.push_back(0);
  return found;
}

Data Incoming::data(const char* field) {
  Data data;
  const uint8_t how = reader_.u8(field);
  if (how > 2) reader_.refuse(field, "comes in no known way");
  data.there = reader_.ok() && how != 0;
  if (how == 1) {
    data.bytes = reader_.blob(field, kMostCall);
    data.size = data.bytes.size();
  } else if (how == 2) {
    data.bulk = reader_.u64(field);
    data.size = reader_.u64(field);
    if (data.bulk == 0) reader_.refuse(field, "has no transfer");
  }
  return data;
}

bool Incoming::ready() {
  auto status = reader_.finish();
  if (mode_ != Mode::kServe) {
    outcome_ = status.ok() ? code_ : CL_INVALID_VALUE;
    return mode_ == Mode::kReplay && outcome_ == CL_SUCCESS;
  }
  if (!status.ok()) {
    worker_.broke(std::move(status).with_context("call of entry " + std::to_string(call_.entry)));
    return false;
  }
  // Whatever the call does to its queue, the end of that is not known unless it says so.
  if (first_kind_ == kCommandQueue) last_ = worker_.take_last(first_);
  if (first_kind_ == kCommandBuffer) worker_.forget_lasts();  // it knows its queues
  if (code_ == CL_SUCCESS) return true;
  answer(code_);
  return false;
}

bool Incoming::was_never_made() {
  if (!failed_first_ || !reader_.finish().ok()) return false;
  [[maybe_unused]] auto removed = worker_.handles().remove(first_, first_kind_);
  answer(CL_SUCCESS);
  return true;
}

void Incoming::keep(ObjectId id, Kind kind, void* object, cl_int& code) {
  if (code == CL_SUCCESS && object == nullptr) code = CL_OUT_OF_RESOURCES;
  if (code != CL_SUCCESS) return;
  if (mode_ == Mode::kReplay) {
    if (worker_.handles().replace(id, kind, object).ok()) return;
  } else if (worker_.handles().add(id, kind, object).ok()) {
    if (kind == kKernel && first_kind_ == kKernel) worker_.cloned(first_, id);
    return;
  }
  worker_.release(kind, object);
  code = CL_OUT_OF_HOST_MEMORY;
}

void Incoming::keep_event(ObjectId id, cl_event event, cl_int code) {
  if (code != CL_SUCCESS || event == nullptr) return;
  put_last(event);
  if (id != 0) {
    worker_.keep_event(id, event);
  } else {
    table().clReleaseEvent(event);
  }
}

void Incoming::put_last(cl_event event) {
  if (first_kind_ == kCommandQueue) worker_.put_last(first_, event);
}

void Incoming::count_reference(Kind kind, bool more) {
  if (kind != first_kind_ || first_ == 0) return;
  if (kind == kCommandQueue && !more) worker_.forget_queue(first_);
  if (more) {
    [[maybe_unused]] auto kept = worker_.handles().retain(first_, kind);
  } else {
    const auto gone = worker_.handles().remove(first_, kind);
    if (gone.ok() && *gone) worker_.gone(first_, kind);
  }
}

void Incoming::put_bytes(bool wanted, const void* bytes, size_t size) {
  if (wanted) results_.blob({static_cast<const std::byte*>(bytes), size});
}

void Incoming::answer(cl_int code) {
  outcome_ = code;
  if (later_ || mode_ != Mode::kServe) return;
  if (call_.number != 0) {
    if (code != CL_SUCCESS) results_.clear();
    [[maybe_unused]] auto sent = worker_.dispatcher().reply(call_.number, code, results_.bytes());
    return;
  }
  if (code == CL_SUCCESS) return;
  // The program has gone on as if it had succeeded: what depends on it fails with this.
  if (event_ != 0) worker_.fail_event(event_, code);
  if (result_ != 0) {
    [[maybe_unused]] auto kept = worker_.handles().add_failed(result_, result_kind_, code);
  }
  worker_.failed_later(first_, call_.entry, code);
}

}  // namespace flexai::remote::opencl
