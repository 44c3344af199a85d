// Lists in protobuf, and the objects in them. Input: how many bytes come at once, then the list.
#include <nlohmann/json.hpp>

#include "kube/packed.h"
#include "test/fuzz/input.h"

using namespace flexai;
using test::must;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t piece = 1 + data[0];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const kube::Shape* shapes[] = {&kube::kPackedPod, &kube::kPackedNode, &kube::kPackedClaim,
                                 &kube::kPackedSlice};
  kube::Unpacker unpacker;
  const auto unpack = [&](std::string_view item) {
    for (const kube::Shape* shape : shapes) {
      const auto object = unpacker.object(*shape, item);
      must(!object.ok() || nlohmann::json::accept(object->json), "what is unpacked is JSON");
      must(object.ok() || !object.error().message.empty(), "a refusal says why");
    }
    return true;
  };
  kube::PackedSplitter splitter({1 << 16, 1 << 12});
  bool good = true;
  for (size_t at = 0; at < text.size() && good; at += piece)
    good = splitter.feed(text.substr(at, piece), unpack).ok();
  if (good && splitter.whole()) {
    const auto envelope = splitter.envelope();
    must(!envelope.ok() || !envelope->resource_version.empty(), "a list has a version");
  }
  unpack(text);
  return 0;
}
