// Parcel: bytes of the program that go with one call, gathered where they have gaps. Large ones
// travel beside it as a bulk transfer, which begins at once.
// Threads: the caller's. Lifetime: of the call; the program's memory must stay as long.
#pragma once

#include <memory>

#include "remote/opencl/calls.h"
#include "remote/opencl/client/landing.h"

namespace flexai::remote::opencl {

class Parcel {
 public:
  explicit Parcel(const Landing& from);  // `from.at` null: nothing travels
  ~Parcel();
  Parcel(const Parcel&) = delete;
  Parcel& operator=(const Parcel&) = delete;

  bool ok() const { return !full_; }  // false: there was no memory to gather in
  bool by_bulk() const { return payload_.bulk != 0; }
  const Payload& payload() const { return payload_; }
  // The call was answered by `code`: waits until the bytes have gone, or calls them back when it
  // was refused. What the call comes to.
  cl_int done(cl_int code);

 private:
  std::unique_ptr<std::byte[]> tight_;
  Payload payload_;
  ObjectId transfer_ = 0;
  bool full_ = false;
};

}  // namespace flexai::remote::opencl
