// Fd, Mapping: the RAII leaves for kernel resources. Movable, not copyable, not thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "base/result.h"

namespace flexai::base {

// Owns one file descriptor; -1 means none.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();
  Result<Fd> duplicate() const;  // close-on-exec

 private:
  int fd_ = -1;
};

// Owns one shared mapping of a file descriptor.
class Mapping {
 public:
  enum class Access { kRead, kReadWrite };

  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    if (this != &other) {
      reset();
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  ~Mapping() { reset(); }

  // Maps bytes [0, size) of `fd`. Fails with kCorrupt when the file is shorter than `size`: a short
  // file would turn a later access into SIGBUS.
  static Result<Mapping> map(int fd, size_t size, Access access);

  void* data() const { return data_; }
  size_t size() const { return size_; }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  void reset();

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

// An anonymous shared file of `size` zero bytes that can neither shrink nor grow (sealed),
// close-on-exec. With `read_only_after` no NEW writable mapping can be made once this returns the
// mapping's owner's first one: call seal_future_writes() after mapping it.
Result<Fd> make_memfd(const std::string& name, size_t size);
Status seal_future_writes(int memfd);

}  // namespace flexai::base
