// An HTTP/2 server of strangers: any bytes. Two requests are under way; each ends once, and what is
// held for them stays within the windows. Input: the bytes, in pieces of the first byte's size.
#include "kube/h2_session.h"
#include "test/fuzz/input.h"

using namespace flexai;
using test::must;

namespace {

class Watched final : public kube::Exchange {
 public:
  explicit Watched(bool slow) : slow_(slow) {}
  void answered(int http, std::string_view) override {
    must(!answered_ && !ended_, "one answer, before the end");
    must(http >= 200, "the final one");
    answered_ = true;
  }
  bool data(std::string_view bytes) override {
    must(answered_ && !ended_, "a body comes after its head");
    held_ += slow_ ? bytes.size() : 0;
    // nghttp2 hands the piece over that goes beyond it, and then none.
    must(held_ <= (1 << 16) + 256, "no more is held than the window");
    return !slow_;
  }
  void ended(const kube::Ending& ending) override {
    must(!ended_, "one end");
    must(ending.how != kube::Ending::How::kComplete || answered_, "an end has an answer");
    ended_ = true;
  }
  bool over() const { return ended_; }

 private:
  const bool slow_;
  bool answered_ = false, ended_ = false;
  size_t held_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  kube::H2Limits limits;
  limits.stream_window = 1 << 16;
  auto session = kube::H2Session::make(limits);
  must(session.ok(), "a session is made");
  Watched slow(true), quick(false);
  const kube::RequestHead head{"GET", "https", "h:1", "/x", {{"accept", "application/json"}}};
  must((*session)->start(head, "", &slow).ok(), "a request is taken");
  must((*session)->start(head, "body", &quick).ok(), "and another one");
  size_t out = 0;
  auto drain = [&] {
    for (std::string_view more = (*session)->output(); !more.empty(); more = (*session)->output())
      out += more.size();
  };
  drain();
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t step = 1 + data[0];
  for (size_t at = 0; at < bytes.size(); at += step) {
    if (!(*session)->feed(bytes.substr(at, step)).ok()) break;
    drain();
    if ((*session)->over()) break;
  }
  must(out <= (1 << 16) + 64 * size, "answers to what is sent stay in proportion");
  (*session)->end({kube::Ending::How::kCut, "the end", false});
  must(slow.over() && quick.over(), "every request has ended");
  return 0;
}
