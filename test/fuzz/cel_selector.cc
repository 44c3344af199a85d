// A device selector is anybody's text: the first line is parsed as one and evaluated for a card
// that the rest describes.
#include <cstdint>
#include <string_view>

#include "control/card.h"
#include "control/cel/expression.h"

using namespace flexai::control;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = text.find('\n');
  const auto slice =
      read_slice(end == std::string_view::npos ? std::string_view("{}") : text.substr(end + 1));
  const auto expression = cel::parse(text.substr(0, end));
  if (!expression.ok()) {
    if (expression.error().message.empty()) __builtin_trap();
    return 0;
  }
  cel::Value device;
  if (slice.ok() && slice->has_value() && !(*slice)->cards.empty())
    device = (*slice)->cards.front()->seen;
  const auto value = cel::holds(**expression, device);
  if (!value.ok() && value.error().message.empty()) __builtin_trap();
  return 0;
}
