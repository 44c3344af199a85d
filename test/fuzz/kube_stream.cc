// What an API server, or somebody in its place, may send as an answer: lines of a watch, a list in
// pieces, a Status, a Lease, a version. Input: one byte, which of them and how it is cut into
// pieces; then the text.
#include <vector>

#include "kube/discovery.h"
#include "kube/election.h"
#include "kube/failure.h"
#include "kube/object_meta.h"
#include "kube/split.h"
#include "test/fuzz/input.h"

using namespace flexai;
using test::must;

namespace {

constexpr kube::SplitLimits kLimits = {512, 512};

// The pieces that come out, however the text came in; a refusal is one more.
template <typename Splitter>
std::vector<std::string> pieces(Splitter&& splitter, std::string_view text, size_t step) {
  std::vector<std::string> found;
  for (size_t at = 0; at < text.size(); at += step) {
    auto status = splitter.feed(text.substr(at, step), [&found](kube::ObjectText one) {
      found.emplace_back(one.json);
      return true;
    });
    if (status.ok()) continue;
    must(!status.error().message.empty(), "a refusal says why");
    found.push_back("!");
    break;
  }
  return found;
}

kube::ObjectText padded(std::string& text) {
  text.reserve(text.size() + kube::kPadding);
  return {text};
}

void watch(std::string_view text, size_t step) {
  auto lines = pieces(kube::LineSplitter(kLimits.line), text, step);
  must(lines == pieces(kube::LineSplitter(kLimits.line), text, 1), "lines do not depend on pieces");
  kube::ObjectReader reader;
  for (std::string& line : lines) {
    must(line.size() <= kLimits.line, "a line has its bound");
    auto event = reader.event(padded(line));
    if (!event.ok()) continue;
    must(event->object.json.data() >= line.data() &&
             event->object.json.data() + event->object.json.size() <= line.data() + line.size(),
         "an object is a part of its line");
    auto meta = reader.meta(event->object);
    if (meta.ok()) must(meta->name.size() <= line.size(), "a name is a part of its object");
    if (event->type == kube::EventType::kError) kube::failure_of_status(event->object.json);
  }
}

void list(std::string_view text, size_t step) {
  kube::ItemSplitter whole(kLimits), cut(kLimits);
  auto items = pieces(whole, text, step);
  must(items == pieces(cut, text, 1), "objects do not depend on pieces");
  must(whole.whole() == cut.whole(), "nor whether the list is whole");
  kube::ObjectReader reader;
  for (std::string& item : items) {
    must(item.size() <= kLimits.line, "an object has its bound");
    (void)reader.meta(padded(item)).ok();
  }
  must(whole.envelope().size() <= kLimits.envelope, "and so has the rest");
  if (whole.whole()) (void)kube::read_envelope(whole.envelope()).ok();
}

void status(std::string_view text) {
  const size_t half = text.find('\n');
  auto failure =
      kube::failure_of(409, text.substr(0, half), half == text.npos ? "" : text.substr(half + 1));
  must(failure.message.find('\n') == std::string::npos, "a failure is one line");
  must(failure.message.size() < 600, "of bounded length");
  must(failure.retry_after >= kube::kNoWish && failure.retry_after <= 3600 * base::kSecond,
       "a wish is within reason");
}

void lease(std::string_view text) {
  auto record = kube::lease_from_json(text);
  if (!record.ok()) return;
  auto again = kube::lease_from_json(kube::lease_json(*record, "ns", "name"));
  must(again.ok() && again->transitions == record->transitions, "a lease is read as written");
  kube::Election election("me", {});
  (void)election.seen(*record, 1);
  (void)election.record("t");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t step = 1 + data[0] / 8;
  switch (data[0] % 8) {
    case 0:
    case 1:
      watch(text, step);
      break;
    case 2:
    case 3:
      list(text, step);
      break;
    case 4:
      status(text);
      break;
    case 5:
      lease(text);
      break;
    case 6:
      (void)kube::version_of(text).ok();
      break;
    default:
      (void)kube::offers(text, kube::kPods, "eviction").ok();
      break;
  }
  return 0;
}
