// What is said to make a link between two hosts, and on it: a program to its door, an agent to its
// worker, a worker to another's.
//
// Input: u8 which, then the bytes.
#include "remote/link_letters.h"
#include "test/fuzz/same_again.h"

using namespace flexai;
using test::must;
using test::same_again;
using wire::Bytes;

namespace {

void head(Bytes bytes) {
  auto value = remote::decode_move_head(bytes);
  if (!value.ok()) return must(!value.error().message.empty(), "a refusal says why");
  must(value->size != 0 && value->size <= remote::kMostMove, "its size is bounded");
  must(wire::text_of(encode(*value)) == wire::text_of(bytes), "as it was read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  // A copy of its size, so that a byte read beyond it is found.
  const std::vector<std::byte> copy(reinterpret_cast<const std::byte*>(data) + 1,
                                    reinterpret_cast<const std::byte*>(data) + size);
  switch (data[0] % 3) {
    case 0:
      same_again(remote::decode_link_request(copy), copy);
      break;
    case 1:
      same_again(remote::decode_link_order(copy), copy);
      break;
    default:
      head(copy);
  }
  return 0;
}
