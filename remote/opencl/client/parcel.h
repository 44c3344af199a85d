// Parcel: bytes of the program that go with one call, gathered where they have gaps. Large ones
// travel beside it as the bulk transfer that has the id of the call's event, from at once until the
// event ends; they belong to the event from then on.
// Threads: the caller's. Lifetime: of the call; the program's memory stays until the event ends.
#pragma once

#include <memory>

#include "remote/message.h"
#include "remote/opencl/calls.h"
#include "remote/opencl/client/event.h"

namespace flexai::remote::opencl {

class Parcel {
 public:
  // `from.at` null: nothing travels. Without an event nothing goes as bulk.
  Parcel(const Landing& from, Event* event);

  // For calls that have `size` bytes: whether they need an event.
  static bool needs_event(size_t size) { return size >= kBulkBytes; }

  bool ok() const { return !full_; }  // false: there was no memory to gather in
  const Payload& payload() const { return payload_; }

 private:
  std::unique_ptr<std::byte[]> tight_;
  Payload payload_;
  bool full_ = false;
};

}  // namespace flexai::remote::opencl
