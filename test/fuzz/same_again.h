// A letter that is read is written as it was, and one that is refused says why. Threads: one.
#pragma once

#include "base/result.h"
#include "test/fuzz/input.h"
#include "wire/codec.h"

namespace flexai::test {

// encode() is found where the value's type is.
template <typename Value>
void same_again(const base::Result<Value>& value, wire::Bytes bytes) {
  if (!value.ok()) {
    must(!value.error().message.empty(), "a refusal says why");
    return;
  }
  wire::Writer writer;
  must(encode(*value, writer).ok(), "what was read can be written");
  must(wire::text_of(writer.bytes()) == wire::text_of(bytes), "as it was read");
}

}  // namespace flexai::test
