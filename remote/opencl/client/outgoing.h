// Outgoing: one call while it is encoded, sent and, when it was asked, its results taken. The
// generated wire_ functions use it; api/gen/remote.py says what travels for which argument.
// Threads: the caller's. Lifetime: of the call.
#pragma once

#include <cstring>

#include "remote/opencl/calls.h"
#include "remote/opencl/client/object.h"

namespace flexai::remote::opencl {

class Outgoing {
 public:
  // `client`: of a call without a handle; otherwise the first one says to whom it goes.
  explicit Outgoing(uint16_t entry, Client* client = nullptr) : entry_(entry), client_(client) {}

  template <typename Handle>
  void handle(Handle handle) {
    const auto* object = get(handle);
    // A null one may be right, and if not the driver says so; but of the first handle a loader
    // does.
    if (object == nullptr)
      doubt(handle != nullptr || first_, invalid_code(kKindOf<Handle>));
    else if (!near(object))
      doubt(true, foreign_code(kKindOf<Handle>));
    first_ = false;
    writer_.handle(object == nullptr ? 0 : object->id);
  }
  template <typename T>
  void number(T value) {
    if constexpr (sizeof(T) == 8) {
      writer_.u64(static_cast<uint64_t>(value));
    } else {
      writer_.u32(static_cast<uint32_t>(value));
    }
  }
  void id(ObjectId id) { writer_.handle(id); }
  template <typename Handle>
  void objects(const Handle* list, size_t count) {
    if (!wanted(list)) return;
    for (size_t i = 0; i < count; ++i) {
      const auto* object = get(list[i]);
      if (object == nullptr && list[i] != nullptr) {
        constexpr bool kWaits = std::is_same_v<Handle, cl_event>;
        doubt(true, kWaits ? CL_INVALID_EVENT_WAIT_LIST : invalid_code(kKindOf<Handle>));
      }
      if (object != nullptr && !near(object)) doubt(true, foreign_code(kKindOf<Handle>));
      writer_.handle(object == nullptr ? 0 : object->id);
    }
  }
  template <typename T>
  void values(const T* list, size_t count) {
    raw(list, count, sizeof(T));
  }
  void values(const void* list, size_t count) { raw(list, count, 1); }
  // Pairs that end with a zero in a pair's first place.
  template <typename T>
  void list(const T* list) {
    if (!wanted(list)) return;
    size_t count = 0;
    while (count < 252 && list[count] != 0) count += 2;
    writer_.blob(std::as_bytes(std::span(list, count + (count < 252 ? 1 : 0))));
  }
  void text(const char* text) {
    if (wanted(text)) writer_.text(text);
  }
  void texts(const char** texts, const size_t* lengths, size_t count);
  void texts(const unsigned char** blobs, const size_t* lengths, size_t count) {
    texts(reinterpret_cast<const char**>(blobs), lengths, count);
  }
  void data(const Payload& payload);
  bool wanted(const void* pointer) {
    writer_.u8(pointer != nullptr);
    return pointer != nullptr;
  }

  // The API's code. Told: CL_SUCCESS, unless the worker is gone.
  cl_int send(Mode mode);

  // After an answer: the results in the order of wanted().
  template <typename T>
  void take(T* where, size_t count) {
    take_bytes(where, count, sizeof(T));
  }
  void take(void* where, size_t count) { take_bytes(where, count, 1); }
  wire::Reader& results() { return reader_; }
  cl_int finish();  // CL_OUT_OF_RESOURCES when the results made no sense

 private:
  void raw(const void* list, size_t count, size_t each);
  void take_bytes(void* where, size_t count, size_t each);
  // A handle is wrong: the driver would say so, which it can only for null.
  void doubt(bool certain, cl_int code) {
    doubtful_ = true;
    if (certain && code_ == CL_SUCCESS) code_ = code;
  }

  // Objects of one call are one worker's. The first sets which.
  bool near(const Object* object) {
    if (client_ == nullptr) client_ = object->client;
    return client_ == object->client || object->client == nullptr;
  }
  // As for an object of another context, which it is.
  static cl_int foreign_code(Kind kind) {
    return kind == kDevice ? CL_INVALID_DEVICE : CL_INVALID_CONTEXT;
  }

  const uint16_t entry_;
  Client* client_;
  wire::Writer writer_;
  bool doubtful_ = false, first_ = true;
  cl_int code_ = CL_SUCCESS;
  std::vector<std::byte> answer_;
  wire::Reader reader_{{}};
};

// A told call of the object's worker that must not wait for its batch: somebody waits for its
// effect.
void flush_calls(const Object* near);

}  // namespace flexai::remote::opencl
