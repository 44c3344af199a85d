// What the worker of one host tells that of another about a session that is to go on there: the
// session itself, its objects, and where the client finds it.
//
// Input: u8 which, u8 how many devices the worker has, then the bytes.
#include "remote/handover.h"
#include "remote/opencl/worker/inventory.h"
#include "test/fuzz/same_again.h"
#include "wire/session_state.h"

using namespace flexai;
using test::must;
using test::same_again;
using wire::Bytes;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  // A copy of its size, so that a byte read beyond it is found.
  const std::vector<std::byte> copy(reinterpret_cast<const std::byte*>(data) + 2,
                                    reinterpret_cast<const std::byte*>(data) + size);
  switch (data[0] % 3) {
    case 0:
      same_again(wire::decode_session_state(copy), copy);
      break;
    case 1:
      same_again(remote::opencl::decode_inventory(copy, data[1] % 4), copy);
      break;
    default:
      same_again(remote::decode_place(copy), copy);
  }
  return 0;
}
