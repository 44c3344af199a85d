// The first bytes of a TLS client, as the agent's port reads the server name in them.
#include "test/fuzz/input.h"
#include "wire/client_hello.h"

using namespace flexai::wire;
using flexai::test::must;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes{reinterpret_cast<const std::byte*>(data), size};
  const auto name = server_name_in(bytes);
  if (!name.ok()) return 0;
  if (!name->has_value()) {
    must(size < kMostClientHello, "a whole record is answered");
    return 0;
  }
  must((*name)->size() <= 255, "a name has its bounds");
  const size_t record = 5u + static_cast<size_t>(data[3]) * 256 + data[4];
  must(record <= size, "nothing is said of bytes that are missing");
  const auto alone = server_name_in(bytes.first(record));
  must(alone.ok() && *alone == *name, "what follows the record changes nothing");
  const auto less = server_name_in(bytes.first(record - 1));
  must(less.ok() && !less->has_value(), "one byte less is waited for");
  return 0;
}
