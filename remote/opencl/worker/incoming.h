// Incoming: one call of the client while it is decoded, done and answered. Its bytes are hostile:
// each getter checks its bounds, and nothing is done unless ready() says that all of it was sound.
// Threads: the worker's one thread. Lifetime: of the call.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "driver/opencl/table.h"
#include "remote/dispatcher.h"
#include "remote/opencl/kind.h"
#include "wire/codec.h"

namespace flexai::remote::opencl {

using driver::opencl::Table;
class Worker;

// Elements that an argument points to; null when the program passed null.
template <typename T>
struct Values {
  std::vector<T> values;
  bool there = false;
  size_t count = 0;
  const T* data() const { return there ? values.data() : nullptr; }
};

// What the driver writes and the client wants.
template <typename T>
struct Out {
  std::vector<T> values;
  bool wanted = false, there = false;
  T* data() { return there ? values.data() : nullptr; }
};

// Strings or blobs, NUL after each.
struct Texts {
  std::deque<std::string> texts;
  std::vector<const char*> pointers;
  std::vector<size_t> sizes;
  bool there = false, sized = false;
  const char** strings() const {
    return there ? const_cast<const char**>(pointers.data()) : nullptr;
  }
  const size_t* lengths() const { return sized ? sizes.data() : nullptr; }
};

// Bytes of the program, in the call or to come as a bulk transfer.
struct Data {
  wire::Bytes bytes;
  bool there = false;
  uint64_t bulk = 0;
  size_t size = 0;
};

// Asked of the driver also when the client wants none: see Worker::put_last.
struct MadeEvent {
  cl_event event = nullptr;
  cl_event* place(ObjectId) { return &event; }
};

class Incoming {
 public:
  // kCheck: whether all it names is there; nothing is done. kReplay: done again, for an id that is
  // known, and not answered.
  enum class Mode : uint8_t { kServe, kCheck, kReplay };
  Incoming(Worker& worker, const Call& call, Mode mode = Mode::kServe);
  ~Incoming();

  template <typename Handle>
  Handle handle(const char* field) {
    return static_cast<Handle>(
        first_object_of(field, kKindOf<Handle>, invalid_code(kKindOf<Handle>)));
  }
  template <typename T>
  T number(const char* field) {
    if constexpr (sizeof(T) == 8) return static_cast<T>(reader_.u64(field));
    return static_cast<T>(reader_.u32(field));
  }
  template <typename Handle>
  Values<Handle> objects(const char* field, size_t count, cl_int code);
  template <typename T>
  Values<T> values(const char* field, size_t count);
  template <typename T>
  Values<T> list(const char* field);  // pairs, then a zero
  const char* text(const char* field);
  Texts texts(const char* field, size_t count, bool sized);
  Data data(const char* field);
  ObjectId id(const char* field) { return reader_.handle(field); }
  template <typename T>
  Out<T> out(const char* field, size_t count, bool always = false);

  // No more elements of `each` bytes than an answer may have.
  template <typename T>
  void clamp(T& count, size_t each) {
    count = static_cast<T>(std::min<size_t>(count, kMostOut / each));
  }

  // What the call makes: it is known as failed when the call is told and fails.
  void may_make(ObjectId event) { event_ = event; }
  template <typename Handle>
  void may_make(ObjectId result) {
    result_ = result;
    result_kind_ = kKindOf<Handle>;
  }

  // False: the call was not sound, which the client has been told.
  bool ready();
  // A release of something whose making failed: done.
  bool was_never_made();

  void keep(ObjectId id, Kind kind, void* object, cl_int& code);
  template <typename Handle>
  void keep(ObjectId id, Handle object, cl_int& code) {
    keep(id, kKindOf<Handle>, object, code);
  }
  void keep_event(ObjectId id, cl_event event, cl_int code);
  // `event` is that of the command which the call put at the end of its queue.
  void put_last(cl_event event);
  // What was at the end before, or null when that is not known; the caller releases it.
  cl_event take_last() { return std::exchange(last_, nullptr); }
  template <typename Handle>
  void retained(Handle) {
    count_reference(kKindOf<Handle>, true);
  }
  template <typename Handle>
  void released(Handle) {
    count_reference(kKindOf<Handle>, false);
  }

  template <typename T, typename Count>
  void put(const Out<T>& out, const Out<Count>& used) {
    const size_t size = used.values.empty() ? out.values.size() : used.values[0];
    put_bytes(out.wanted, out.values.data(), std::min(size, out.values.size()) * sizeof(T));
  }
  template <typename T>
  void put(const Out<T>& out) {
    put_bytes(out.wanted, out.values.data(), out.values.size() * sizeof(T));
  }
  wire::Writer& results() { return results_; }
  void later() { later_ = true; }  // somebody else replies
  void answer(cl_int code);

  Worker& worker() { return worker_; }
  const Table& table() const;
  uint32_t call_number() const { return call_.number; }
  bool bytes_stay() const { return call_.stays; }   // also when the call steps aside
  ObjectId first_object() const { return first_; }  // the queue of an enqueue
  ObjectId event() const { return event_; }
  ObjectId result() const { return result_; }
  ObjectId kernel() const { return kernel_; }  // the last that it named
  cl_int outcome() const { return outcome_; }  // what was answered, or would be

 private:
  static constexpr size_t kMostOut = 64u << 20;
  static constexpr size_t kMostList = 256;

  void* first_object_of(const char* field, Kind kind, cl_int code);
  void* find(ObjectId id, Kind kind, cl_int code);
  wire::Bytes elements(const char* field, size_t count, size_t each, bool& there);
  bool wanted(const char* field);
  void put_bytes(bool wanted, const void* bytes, size_t size);
  void count_reference(Kind kind, bool more);

  Worker& worker_;
  const Call call_;
  const Mode mode_;
  wire::Reader reader_;
  wire::Writer results_;
  std::deque<std::string> strings_;
  cl_int code_ = CL_SUCCESS;              // of the first handle that is none
  cl_int outcome_ = CL_OUT_OF_RESOURCES;  // until it is known
  ObjectId first_ = 0, event_ = 0, result_ = 0, kernel_ = 0;
  cl_event last_ = nullptr;  // of the queue that the call names first
  Kind first_kind_ = 0, result_kind_ = 0;
  bool failed_first_ = false, later_ = false;
};

template <typename Handle>
Values<Handle> Incoming::objects(const char* field, size_t count, cl_int code) {
  Values<Handle> found;
  wire::Reader ids(elements(field, count, sizeof(ObjectId), found.there));
  found.count = found.there && reader_.ok() ? count : 0;
  found.values.resize(found.count + 1);  // never empty, so never null
  for (size_t i = 0; i < found.count && reader_.ok(); ++i)
    found.values[i] = static_cast<Handle>(find(ids.handle(field), kKindOf<Handle>, code));
  return found;
}

template <typename T>
Values<T> Incoming::values(const char* field, size_t count) {
  static_assert(std::is_trivially_copyable_v<T>);
  Values<T> found;
  wire::Bytes bytes = elements(field, count, sizeof(T), found.there);
  found.count = bytes.size() / sizeof(T);
  // A little more than there is, for drivers that look before they count.
  found.values.resize(found.count + 4);
  if (!bytes.empty()) std::memcpy(found.values.data(), bytes.data(), bytes.size());
  return found;
}

template <typename T>
Values<T> Incoming::list(const char* field) {
  Values<T> found;
  found.there = wanted(field);
  if (!found.there) return found;
  wire::Bytes bytes = reader_.blob(field, kMostList * sizeof(T));
  if (bytes.size() % sizeof(T) != 0) reader_.refuse(field, "is no row of elements");
  found.count = bytes.size() / sizeof(T);
  found.values.resize(found.count + 4);  // zeros: it ends
  if (!bytes.empty()) std::memcpy(found.values.data(), bytes.data(), bytes.size());
  return found;
}

template <typename T>
Out<T> Incoming::out(const char* field, size_t count, bool always) {
  Out<T> out;
  out.wanted = wanted(field);
  out.there = out.wanted || always;
  if (out.there && reader_.ok())
    out.values.resize(std::clamp<size_t>(count, 1, kMostOut / sizeof(T)));
  return out;
}

}  // namespace flexai::remote::opencl
